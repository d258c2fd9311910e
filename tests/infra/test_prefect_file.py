from __future__ import annotations

import importlib.util
import re
from typing import Any

import pytest
import yaml

from tests.infra.conftest import INFRA, ROOT

DOCUMENT = yaml.safe_load((INFRA / "prefect.yaml").read_text(encoding="utf-8"))
DEPLOYMENTS: list[dict[str, Any]] = DOCUMENT["deployments"]


def flow_of(deployment: dict[str, Any]) -> str:
    return str(deployment["entrypoint"]).rsplit(":", 1)[1]


def test_one_deployment_for_each_flow() -> None:
    assert sorted(flow_of(one) for one in DEPLOYMENTS) == ["evaluate", "refresh", "retrain", "tag"]
    assert {one["name"] for one in DEPLOYMENTS} == {"landmark"}
    assert {one["work_pool"]["name"] for one in DEPLOYMENTS} == {"landmark"}


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=flow_of)
def test_deployment(deployment: dict[str, Any]) -> None:
    assert deployment["entrypoint"] == f"flows/{flow_of(deployment)}.py:{flow_of(deployment)}"
    assert deployment["description"]
    assert "landmark" in deployment["tags"]
    assert deployment["enforce_parameter_schema"] is True
    assert list(deployment["parameters"]) == ["parameters"]
    for schedule in deployment["schedules"]:
        assert schedule["timezone"]
        assert len(schedule["cron"].split()) == 5
        assert isinstance(schedule["active"], bool)


def test_one_training_at_a_time_and_no_queue_of_trainings() -> None:
    limits = {flow_of(one): one["concurrency_limit"] for one in DEPLOYMENTS}
    assert limits["retrain"] == limits["refresh"] == {"limit": 1, "collision_strategy": "CANCEL_NEW"}
    assert limits["tag"] == limits["evaluate"] == {"limit": 1, "collision_strategy": "ENQUEUE"}


def test_schedules_of_retrain_and_refresh_do_not_meet() -> None:
    days = {flow_of(one): one["schedules"][0]["cron"].split()[4] for one in DEPLOYMENTS}
    assert days["retrain"] == "0"
    assert days["refresh"] == "1-6"


def test_crons_are_ones_that_prefect_takes() -> None:
    schedules = pytest.importorskip("prefect.client.schemas.schedules")
    for deployment in DEPLOYMENTS:
        for schedule in deployment["schedules"]:
            schedules.CronSchedule(cron=schedule["cron"], timezone=schedule["timezone"])


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=flow_of)
def test_parameters_are_what_the_flow_takes(deployment: dict[str, Any]) -> None:
    if importlib.util.find_spec("flows.parameters") is None:
        pytest.skip("flows.parameters is not there")
    import flows.parameters

    model = getattr(flows.parameters, f"{flow_of(deployment).title()}Parameters")
    model.model_validate(deployment["parameters"]["parameters"])


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=flow_of)
def test_the_entrypoint_is_a_flow_of_that_parameter(deployment: dict[str, Any]) -> None:
    file = ROOT / deployment["entrypoint"].split(":")[0]
    name = flow_of(deployment)
    code = file.read_text(encoding="utf-8")
    assert re.search(rf"^(async )?def {name}\(parameters: {name.title()}Parameters\b", code, re.MULTILINE), (
        f"{file}: no flow {name}"
    )


def test_the_version_is_the_constraints() -> None:
    assert f"prefect=={DOCUMENT['prefect-version']}" in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
