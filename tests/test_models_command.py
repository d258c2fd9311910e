"""The commands `models` as a user gives them."""

import json
from pathlib import Path
from typing import Any

import pytest

from landmark import console
from landmark.cli import app
from landmark.gate_config import GateConfig
from landmark.registry import models, trace, verdicts
from landmark.registry.connection import connect
from landmark.registry.judge import rule_digest
from landmark.registry.verdict import Check, Verdict
from tests.registry.conftest import home, store  # noqa: F401  # fixtures

BASIS = "rule rrrrrrrrrrrr, catalog cccccccccccc, 2026-01-01T00:00:00+00:00"
CapSys = pytest.CaptureFixture[str]


@pytest.fixture
def registry(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:  # noqa: F811
    """Versions 1 (champion), 2 (passed against 1) and 3 (refused)."""
    monkeypatch.setenv("LANDMARK_HOME", str(home))
    monkeypatch.setenv("LANDMARK_CACHE", str(tmp_path / "cache"))
    client = connect(home)
    client.create_registered_model("landmark")
    for number in range(1, 4):
        tags = {
            "landmark.digest": str(number) * 64,
            "sensitivity": f"0.{number}",
            "git.commit": "abc",
            "landmark.catalog": "cat",
        }
        client.create_model_version("landmark", (tmp_path / str(number)).as_uri(), tags=tags)
    client.set_registered_model_alias("landmark", "champion", "1")
    client.set_registered_model_alias("landmark", "challenger", "3")
    for version, passed in (("2", True), ("3", False)):
        check = Check("specificity", "share", 1.0, 0.5, -0.5, None, None, 0.0, passed, "")
        about = {"against": "1", "when": "2026-01-01T00:00:00+00:00", "rule": "r" * 64, "catalog": "c" * 64}
        verdicts.write(client, "landmark", version, Verdict((check,), (), {}, about), None, "gate/x")
    return home


def ask(capsys: CapSys, *arguments: str, status: int = 0) -> Any:
    """JSON on stdout, or the one line on stderr."""
    got = console.guard(lambda: app(["models", *arguments, "--json"], standalone_mode=False), False)
    out, err = capsys.readouterr()
    assert got == status, err
    if status == 0:
        return json.loads(out)
    assert out == ""
    (line,) = [line for line in err.splitlines() if line.startswith("landmark: ")]
    return line


def test_from_list_to_history(registry: Path, capsys: CapSys) -> None:
    rows = ask(capsys, "list")["versions"]
    assert [(row["version"], row["aliases"], row["gate"]) for row in rows] == [
        ("1", ["champion"], None),
        ("2", [], "passed"),
        ("3", ["challenger"], "refused"),
    ]
    line = ask(capsys, "promote", status=3)
    assert f"version 3 is not promoted: the gate refused it against version 1, the champion (specificity; {BASIS})" in line
    made = ask(capsys, "promote", "2")
    assert (made["model"], made["champion"], made["verdict"]["rule"]) == ("landmark", "2", "r" * 64)
    assert "--why" in ask(capsys, "promote", "3", "--force", status=2)
    assert ask(capsys, "promote", "3", "--force", "--why", "needed today")["champion"] == "3"
    assert ask(capsys, "rollback", "--why", "of course")["champion"] == "2"
    assert ask(capsys, "rollback", "--to", "1")["champion"] == "1"
    events = ask(capsys, "history")["events"]
    assert [(row["action"], row["from"], row["to"], row["why"], row["forced"]) for row in events] == [
        ("promote", "1", "2", f"the gate has passed it ({BASIS})", False),
        ("promote", "2", "3", "needed today", True),
        ("rollback", "3", "2", "of course", False),
        ("rollback", "2", "1", "", False),
    ]
    assert "no champion before this one" in ask(capsys, "rollback", status=1)


def test_a_hold_is_shown_until_it_is_lifted(registry: Path, capsys: CapSys) -> None:
    ask(capsys, "promote", "2")
    assert ask(capsys, "list")["hold"] is None
    hold = ask(capsys, "rollback", "--why", "worse")["hold"]
    assert (hold["version"], hold["why"]) == ("2", "worse")
    assert ask(capsys, "list")["hold"] == ask(capsys, "show")["hold"] == hold
    for command in ("list", "show"):
        assert console.guard(lambda command=command: app(["models", command], standalone_mode=False), False) == 0
        assert f"promotion by the gate is on hold since {hold['when']}" in capsys.readouterr().out
    assert ask(capsys, "resume", "--why", "mended")["lifted"] == hold
    assert ask(capsys, "resume")["lifted"] is None
    assert ask(capsys, "list")["hold"] is None
    assert ask(capsys, "history")["events"][-1]["action"] == "resume"
    ask(capsys, "promote", "2")
    assert ask(capsys, "rollback", "--no-hold")["hold"] is None


def test_promote_by_the_rule_of_a_config(registry: Path, capsys: CapSys, tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("name: r\ndata: {format: world}\ntraining: {stages: [{name: all}]}\n")
    rule = rule_digest(GateConfig())
    line = ask(capsys, "promote", "2", "--config", str(config), status=3)
    assert f"by the config's rule {rule[:12]}, only by {BASIS}" in line
    about = {"against": "1", "when": "2026-03-01T00:00:00+00:00", "rule": rule, "catalog": "c" * 64}
    verdicts.write(connect(registry), "landmark", "2", Verdict((), (), {}, about), None, "gate/x")
    assert ask(capsys, "promote", "2", "--config", str(config))["verdict"]["rule"] == rule
    assert "run.yaml" in ask(capsys, "promote", "2", "--config", str(tmp_path / "none" / "run.yaml"), status=2)


def test_prune(registry: Path, capsys: CapSys) -> None:
    assert [row["version"] for row in ask(capsys, "prune", "--keep", "1", "--dry-run")["deleted"]] == ["2"]
    assert len(ask(capsys, "list")["versions"]) == 3
    assert [row["version"] for row in ask(capsys, "prune", "--keep", "1")["deleted"]] == ["2"]
    assert [row["version"] for row in ask(capsys, "list")["versions"]] == ["1", "3"]
    assert ask(capsys, "history")["events"][-1]["action"] == "prune"
    assert console.guard(lambda: app(["models", "prune", "--keep", "0"], standalone_mode=False), False) == 2


def test_show(registry: Path, capsys: CapSys) -> None:
    found = ask(capsys, "show", "2")
    assert found["from"]["commit"] == "abc"
    assert found["from"]["catalog"] == "cat"
    assert found["figures"] == {"sensitivity": 0.2}
    assert found["verdicts"][0]["passed"] is True
    assert ask(capsys, "show")["version"] == "1"


@pytest.mark.parametrize("command", ["show", "promote", "rollback"])
@pytest.mark.parametrize("wanted", ["77", "../../etc", "' or 1=1 --", "a\nb", "\x1b[31m"])
def test_hostile_names(registry: Path, capsys: CapSys, command: str, wanted: str) -> None:
    arguments = [command, "--to", wanted] if command == "rollback" else [command, wanted]
    assert "no version or alias" in ask(capsys, *arguments, status=2)
    assert "not a model's name" in ask(capsys, "list", "--name", f"x'{wanted}", status=2)


def test_for_people(registry: Path, capsys: CapSys) -> None:
    ask(capsys, "promote", "2")
    for command, words in (("list", "passed (1)"), ("show", "digest"), ("history", "the gate has passed it")):
        status = console.guard(lambda command=command: app(["models", command], standalone_mode=False), False)
        out, err = capsys.readouterr()
        assert status == 0, err
        if command != "show":
            assert words in out
    assert models.champion(connect(registry), "landmark")["version"] == "2"  # type: ignore[index]


def test_what_a_kill_left_is_mended_by_the_next_command(
    registry: Path, capsys: CapSys, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(trace, "end", killed)
        assert "interrupted" in ask(capsys, "promote", "2", status=130)
    assert ask(capsys, "history")["events"][0]["outcome"] == "done"
