from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from landmark import __version__
from tests.infra.conftest import COMPOSE, INFRA, is_job

Services = dict[str, dict[str, Any]]
SECRET = re.compile(r"PASSWORD|SECRET|AUTH_STRING|ACCESS_KEY|TOKEN")
VARIABLE = re.compile(r"(?<!\$)\$\{([A-Z0-9_]+)")


def test_the_four_servers_the_worker_and_their_jobs_are_there(services: Services) -> None:
    assert {"postgres", "s3", "prefect", "mlflow", "worker"} == {name for name, one in services.items() if not is_job(one)}


def test_what_runs_on_has_a_health_check_and_what_runs_once_is_waited_for(services: Services) -> None:
    waited_for = {
        name
        for one in services.values()
        for name, on in one.get("depends_on", {}).items()
        if on["condition"] == "service_completed_successfully"
    }
    for name, one in services.items():
        if is_job(one):
            assert name in waited_for, name
            assert one["healthcheck"] == {"disable": True}
        else:
            assert one["healthcheck"]["test"][0] == "CMD", name
            assert one["healthcheck"]["start_period"], name
            assert one["restart"] == "unless-stopped", name


def test_nobody_starts_before_what_it_needs_is_healthy(services: Services) -> None:
    for name, one in services.items():
        for other, on in one.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if is_job(services[other]) else "service_healthy"
            assert on["condition"] == wanted, f"{name} -> {other}"


def test_every_image_is_pinned(services: Services) -> None:
    for name, one in services.items():
        tag = one["image"].rsplit(":", 1)[1] if not one["image"].endswith("}") else "${LANDMARK_VERSION"
        assert "latest" not in one["image"], name
        assert re.search(r"\d", tag) or "LANDMARK_VERSION:?" in one["image"], f"{name}: {one['image']}"


def test_only_pages_are_published_and_on_loopback_alone(services: Services) -> None:
    published = {name: one["ports"] for name, one in services.items() if "ports" in one}
    assert set(published) == {"prefect", "mlflow"}
    for ports in published.values():
        assert all(str(port).startswith("127.0.0.1:") for port in ports)
    assert not any(one.get("network_mode") == "host" or one.get("privileged") for one in services.values())


def test_networks_let_out_only_who_needs_it(compose: dict[str, Any], services: Services) -> None:
    assert {name for name, network in compose["networks"].items() if not network.get("internal")} == {"outside"}
    assert {name for name, one in services.items() if "outside" in one.get("networks", [])} == {"prefect", "mlflow", "worker"}
    # the database's wire: servers and their set-up, never the worker
    assert "database" not in services["worker"]["networks"]
    assert set(services["s3"]["networks"]) == {"storage"}
    assert set(services["postgres"]["networks"]) == {"database"}


def test_least_privilege(services: Services) -> None:
    for name, one in services.items():
        assert one["cap_drop"] == ["ALL"], name
        assert one["security_opt"] == ["no-new-privileges:true"], name
        assert one["read_only"] is True, name
        # a new volume belongs to root until somebody gives it away
        assert one["user"].split(":")[0] != "0" or (name == "s3-volume" and one["cap_add"] == ["CHOWN"]), name
        assert "cap_add" not in one or name == "s3-volume", name
        limits = one["deploy"]["resources"]["limits"]
        assert {"cpus", "memory", "pids"} <= set(limits), name
        assert {"max-size", "max-file"} <= set(one["logging"]["options"]), name


def test_secrets_come_from_required_variables_and_from_nowhere_else(services: Services, example: dict[str, str]) -> None:
    seen = 0
    for name, one in services.items():
        assert "env_file" not in one, name
        for key, value in one.get("environment", {}).items():
            # one variable is empty unless a password is being changed
            if SECRET.search(key) and key not in {"MLFLOW_ADMIN_OLD_PASSWORD"}:
                assert re.fullmatch(r"\$\{[A-Z0-9_]+:\?see env\.example\}", str(value)), f"{name}.{key}"
                seen += 1
        assert not SECRET.search(str(one.get("command", "")) + str(one.get("entrypoint", ""))), name
    assert seen > 20
    assert not [key for key, value in example.items() if SECRET.search(key) and value]


def test_variables_of_compose_and_of_the_example_are_the_same(example: dict[str, str]) -> None:
    text = COMPOSE.read_text(encoding="utf-8") + (INFRA / "compose.gpu.yaml").read_text(encoding="utf-8")
    assert set(VARIABLE.findall(text)) == set(example)


def test_what_has_a_default_has_the_same_one_in_the_example(example: dict[str, str]) -> None:
    defaults = dict(re.findall(r"\$\{([A-Z0-9_]+):-([^}]*)\}", COMPOSE.read_text(encoding="utf-8")))
    assert {name: example[name] for name in defaults} == defaults


def test_log_in_is_on(services: Services) -> None:
    mlflow = services["mlflow"]
    assert "--app-name=basic-auth" in mlflow["command"]
    assert not any("--allowed-hosts=*" in part for part in mlflow["command"])
    assert "MLFLOW_FLASK_SERVER_SECRET_KEY" in mlflow["environment"]
    ini = (INFRA / "mlflow" / "basic_auth.ini").read_text(encoding="utf-8")
    assert "default_permission = NO_PERMISSIONS" in ini
    assert not re.search(r"^\s*admin_password", ini, re.MULTILINE)
    assert services["prefect"]["environment"]["PREFECT_SERVER_API_AUTH_STRING"] == "${PREFECT_AUTH_STRING:?see env.example}"
    assert services["worker"]["environment"]["PREFECT_API_AUTH_STRING"] == "${PREFECT_AUTH_STRING:?see env.example}"


def test_each_server_has_a_role_and_a_key_of_its_own(services: Services) -> None:
    used = {name: services[name]["environment"]["PGPASSWORD"] for name in ("postgres-roles", "prefect", "mlflow")}
    assert len(set(used.values())) == 3
    keys = {name: services[name]["environment"]["AWS_SECRET_ACCESS_KEY"] for name in ("s3-buckets", "mlflow", "worker")}
    assert len(set(keys.values())) == 3
    assert not {"MLFLOW_AUTH_ADMIN_PASSWORD", "POSTGRES_PASSWORD"} & set(services["worker"]["environment"])


def test_settings_are_ones_that_prefect_and_mlflow_know(services: Services) -> None:
    pytest.importorskip("prefect")
    import mlflow.environment_variables as of_mlflow
    from prefect.settings import get_current_settings
    from prefect.settings.legacy import _get_settings_fields

    known = {name.upper() for name in _get_settings_fields(type(get_current_settings()))}
    # read where they are used, not declared as settings of their own module
    elsewhere = {"MLFLOW_BACKEND_STORE_URI", "MLFLOW_S3_ENDPOINT_URL"}
    own = {"MLFLOW_BUCKET", "MLFLOW_ADMIN_OLD_PASSWORD", "MLFLOW_WORKER_USERNAME", "MLFLOW_WORKER_PASSWORD"}
    own |= {"MLFLOW_DB_PASSWORD", "PREFECT_DB_PASSWORD"} | set(services["s3"]["environment"])
    for name, one in services.items():
        for key in one.get("environment", {}):
            if key in own:
                continue
            if key.startswith("PREFECT_"):
                assert key in known, f"{name}.{key}"
            elif key.startswith("MLFLOW_") and key not in elsewhere:
                assert hasattr(of_mlflow, key), f"{name}.{key}"


def test_gpus_are_given_to_the_worker_alone(services: Services) -> None:
    gpu = yaml.safe_load((INFRA / "compose.gpu.yaml").read_text(encoding="utf-8"))["services"]
    devices = gpu["worker"]["deploy"]["resources"]["reservations"]["devices"]
    assert devices == [{"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}]
    # deployments are made by the same image that runs them, so that no second one is built
    assert gpu["worker"]["image"] == gpu["prefect-deploy"]["image"] == "landmark-cuda:${LANDMARK_VERSION:?see env.example}"
    assert all(name in services for name in gpu)


def test_files_that_are_mounted_are_there(services: Services) -> None:
    for name, one in services.items():
        for volume in one.get("volumes", []):
            if isinstance(volume, str) and volume.startswith("./"):
                source, _, mode = volume.split(":")
                assert (INFRA / source).is_file(), f"{name}: {source}"
                assert mode == "ro"


def test_the_images_version_is_the_packages(example: dict[str, str]) -> None:
    text = (INFRA / "Dockerfile").read_text(encoding="utf-8")
    assert f"landmark-cpu:{__version__} " in text
    assert example["LANDMARK_VERSION"] == ""


def test_the_dockerfile_copies_only_what_is_there() -> None:
    text = (INFRA / "Dockerfile").read_text(encoding="utf-8")
    for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.MULTILINE):
        *sources, _ = [part for part in line.split() if not part.startswith("--")]
        for source in sources:
            assert (INFRA.parent / source).exists(), source
    ignored = (INFRA / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[1] == "*", "what is not named must stay out"
    assert {"infra/.env", "infra/*.env"} <= set(ignored)


def test_the_dockerfile_leaves_nobody_root() -> None:
    stages = re.split(r"^FROM ", (INFRA / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    bodies = {re.search(r" AS (\S+)", stage).group(1): stage for stage in stages}  # type: ignore[union-attr]
    for target in ("server", "worker"):
        assert "USER 10001:10001" in bodies[target]
        assert "HEALTHCHECK" in bodies[target]
    for target in ("cpu", "cuda"):
        assert bodies[target].startswith("worker AS")
    assert Path("/usr/bin/tini").as_posix() in bodies["base"]
