"""The tools' own word, where they are installed: hadolint, shellcheck, docker compose, terraform."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.infra.conftest import INFRA, run

SCRIPTS = [INFRA / "backup.sh", INFRA / "tools.sh", INFRA / "s3" / "start.sh"]


def tool(*names: str) -> str:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    for name in names:
        if found := shutil.which(name, path=path):
            return found
    pytest.skip(f"{names[0]} is not installed")


def test_hadolint_has_nothing_to_say() -> None:
    done = run(tool("hadolint"), INFRA / "Dockerfile")
    assert done.returncode == 0, done.stdout


def test_shellcheck_has_nothing_to_say() -> None:
    done = run(tool("shellcheck"), *SCRIPTS)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("files", [["compose.yaml"], ["compose.yaml", "compose.gpu.yaml"]], ids=["cpu", "gpu"])
def test_docker_compose_takes_the_file(files: list[str], example: dict[str, str], tmp_path: Path) -> None:
    command = compose_command()
    (tmp_path / "full.env").write_text("".join(f"{name}={value or tmp_path}\n" for name, value in example.items()))
    options = [part for file in files for part in ("--file", file)]
    done = run(*command, *options, "--env-file", tmp_path / "full.env", "config", "--quiet", cwd=INFRA, env=plain())
    assert done.returncode == 0, done.stderr


def test_docker_compose_refuses_to_start_without_the_settings(services: dict[str, Any]) -> None:
    done = run(*compose_command(), "--env-file", "env.example", "config", "--quiet", cwd=INFRA, env=plain())
    assert done.returncode != 0
    assert "see env.example" in done.stderr


def test_terraform_is_formatted() -> None:
    done = run(tool("terraform"), f"-chdir={INFRA / 'aws'}", "fmt", "-check", "-recursive", env=plain())
    assert done.returncode == 0, done.stdout


def test_terraform_plans_against_a_pretended_aws(tmp_path: Path) -> None:
    terraform = tool("terraform")
    plugins = os.environ.get("TF_PLUGINS", "/opt/tf-plugins")
    if not Path(plugins, "registry.terraform.io", "hashicorp", "aws").is_dir():
        pytest.skip(f"Terraform's provider for AWS is not in {plugins} (TF_PLUGINS)")
    shutil.copytree(INFRA / "aws", tmp_path / "aws", ignore=shutil.ignore_patterns(".terraform*"))
    shutil.copytree(INFRA / "postgres", tmp_path / "postgres")
    for command in (["init", "-backend=false", "-input=false", f"-plugin-dir={plugins}"], ["validate"], ["test"]):
        done = run(terraform, f"-chdir={tmp_path / 'aws'}", *command, "-no-color", env=plain())
        assert done.returncode == 0, done.stdout + done.stderr


def compose_command() -> list[str]:
    """Compose of the second generation: a plugin of docker, or a program of its own."""
    for command in (["docker-compose"], ["docker", "compose"]):
        if have(command[0]):
            words = [tool(command[0]), *command[1:]]
            version = run(*words, "version", "--short").stdout.strip().lstrip("v")
            if version[:1].isdigit() and int(version.split(".")[0]) >= 2:
                return words
    pytest.skip("docker compose (2 or later) is not installed")


def have(name: str) -> bool:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return shutil.which(name, path=path) is not None


def plain() -> dict[str, str]:
    """An environment without settings of this machine's that would fill in what is missing."""
    return {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
