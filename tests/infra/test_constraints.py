from __future__ import annotations

import re

from tests.infra.conftest import INFRA, ROOT


def pinned() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    return {name.lower().replace("_", "-"): version for name, version in (line.split("==") for line in lines)}


def test_sqlalchemy_is_one_with_which_prefect_schedules() -> None:
    # With 2.1 Prefect 3.8's scheduler fails at its bulk insert ("Can't evaluate bulk DML statement"), every minute, into its
    # log alone: deployments can be run by hand, but no cron schedule ever makes a run.
    major, minor = pinned()["sqlalchemy"].split(".")[:2]
    assert (int(major), int(minor)) < (2, 1)


def test_what_the_servers_image_installs_is_pinned() -> None:
    wanted = (INFRA / "requirements-server.txt").read_text(encoding="utf-8").splitlines()
    names = [line for line in wanted if line and not line.startswith("#")]
    assert names
    assert all(re.fullmatch(r"[a-z0-9-]+", name) and name in pinned() for name in names)
