"""The servers of `landmark up --full`, for faults: started once, asked and hurt by their process ids."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
import urllib.error
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from benchmarks.faulting.command import MARK, OTHERS, ROOT
from benchmarks.faulting.place import Place
from benchmarks.faulting.registry_view import Servers

ARTEFACTS, PHOTOS = "landmark-artifacts", "landmark-photos"
SILENCE = 90
"""A flow run without heartbeat for so long is marked Crashed [s]; longer than any outage here."""
START = 900.0
DEPLOYMENTS = """
name: faults
pull: null
deployments:
  - name: faults
    entrypoint: flows/retrain.py:retrain
    enforce_parameter_schema: true
    concurrency_limit: {limit: 1, collision_strategy: CANCEL_NEW}
    work_pool: {name: landmark}
"""
FINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


class Stack:
    """Servers of one home folder."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def up(self) -> None:
        """Start them, or find them running."""
        if self.state() == "ready":
            return
        # The worker finds the flows beside the file of deployments.
        folder = self.place.root / "code"
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("flows", "landmark"):
            with suppress(FileExistsError):
                (folder / name).symlink_to(ROOT / name)
        (folder / "prefect.yaml").write_text(DEPLOYMENTS, encoding="utf-8")
        self._landmark("up", "--full", "--background", "--deployments", str(folder / "prefect.yaml"))

    def down(self) -> None:
        """Stop them."""
        self._landmark("down")

    def _landmark(self, *words: str) -> None:
        own = {name: value for name, value in os.environ.items() if not name.startswith(OTHERS) and name != MARK}
        environment = {**own, "PYTHONPATH": str(ROOT), "LANDMARK_SILENCE_SECONDS": str(SILENCE), "OMP_NUM_THREADS": "1"}
        log = self.place.logs / "servers.log"
        with log.open("ab") as stream:
            subprocess.run(
                [sys.executable, "-m", "landmark.cli", *words, "--home", str(self.place.home)],
                cwd=self.place.root,
                env=environment,
                stdout=stream,
                stderr=stream,
                check=True,
                timeout=START,
            )

    def said(self) -> dict[str, Any]:
        """What the supervisor writes down."""
        try:
            found: dict[str, Any] = json.loads((self.place.home / "servers.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found

    def state(self) -> str:
        """Ready or not."""
        said = self.said()
        return str(said.get("state", "down")) if psutil.pid_exists(int(said.get("pid", -1))) else "down"

    def wait_ready(self, seconds: float = 300.0) -> bool:
        """Wait until all servers run and answer."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.state() == "ready":
                with suppress(OSError, urllib.error.URLError, KeyError):
                    self.view().aliases()
                    self.view().flow_runs()
                    return True
            time.sleep(0.5)
        return False

    def variables(self) -> dict[str, str]:
        """What a client needs."""
        lines = (self.place.home / "servers" / "env").read_text(encoding="utf-8").splitlines()
        pairs = (shlex.split(line)[1].partition("=") for line in lines if line.startswith("export "))
        return {name: value for name, _, value in pairs}

    def view(self) -> Servers:
        """How the checks look at them."""
        said = self.variables()
        return Servers(
            said["MLFLOW_TRACKING_URI"],
            said["PREFECT_API_URL"].removesuffix("/api"),
            f"{said['MLFLOW_TRACKING_USERNAME']}:{said['MLFLOW_TRACKING_PASSWORD']}",
            said["PREFECT_API_AUTH_STRING"],
            f"s3://{ARTEFACTS}/mlflow",
        )

    def s3(self) -> Any:
        """A client of the S3 server."""
        import boto3
        from botocore.config import Config

        said = self.variables()
        return boto3.session.Session().client(
            "s3",
            endpoint_url=said["AWS_ENDPOINT_URL"],
            region_name=said["AWS_DEFAULT_REGION"],
            aws_access_key_id=said["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=said["AWS_SECRET_ACCESS_KEY"],
            config=Config(signature_version="s3v4"),
        )

    def read(self, place: str) -> dict[str, bytes]:
        """All objects below s3://BUCKET/PREFIX, straight from the S3 server."""
        bucket, _, prefix = place.removeprefix("s3://").partition("/")
        client, found = self.s3(), {}
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/"):
            for row in page.get("Contents", []):
                found[row["Key"].removeprefix(f"{prefix}/")] = client.get_object(Bucket=bucket, Key=row["Key"])["Body"].read()
        return found

    def pid(self, service: str) -> int:
        """The process of a service."""
        return int(self.said()["services"][service]["pid"])

    def signal(self, service: str, number: int, *, group: bool = True) -> None:
        """Send a signal to a service and what belongs to it."""
        pid = self.pid(service)
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)] if group else [psutil.Process(pid)]
        for process in family:
            with suppress(psutil.Error):
                process.send_signal(signal.Signals(number))

    def submit(self, overrides: tuple[str, ...]) -> str:
        """Ask for a run of the deployment, as its schedule would; its id."""
        view = self.view()
        found = view.ask(f"{view.prefect}/api/deployments/name/retrain/faults", view.prefect_login)
        body = {"parameters": {"parameters": {"config": str(self.place.config), "overrides": list(overrides)}}}
        made = view.ask(f"{view.prefect}/api/deployments/{found['id']}/create_flow_run", view.prefect_login, body)
        return str(made["id"])

    def state_of(self, flow_run: str) -> dict[str, Any]:
        """The state of a flow run: type, name, message; empty while the server does not answer."""
        view = self.view()
        try:
            found: dict[str, Any] = view.ask(f"{view.prefect}/api/flow_runs/{flow_run}", view.prefect_login)["state"]
        except (OSError, urllib.error.URLError, KeyError, TypeError):
            return {}
        return found

    def wait_final(self, flow_run: str, seconds: float = 1200.0) -> dict[str, Any]:
        """Wait until a flow run has ended; its state.

        Raises:
            TimeoutError: it does not end.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            state = self.state_of(flow_run)
            if state.get("type") in FINAL:
                return state
            time.sleep(1.0)
        raise TimeoutError(f"flow run not ended after {seconds:.0f} s: {self.state_of(flow_run)}")

    def flow_process(self, flow_run: str, seconds: float = 180.0) -> psutil.Process | None:
        """The process in which the worker's flow run goes on."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for process in psutil.process_iter():
                with suppress(psutil.Error, OSError):
                    if process.environ().get("PREFECT__FLOW_RUN_ID") == flow_run and "python" in process.name():
                        return process
            time.sleep(0.25)
        return None

    def left_of(self, flow_run: str, seconds: float = 30.0) -> list[str]:
        """Processes of a flow run that outlive it."""
        deadline = time.monotonic() + seconds
        while True:
            left = []
            for process in psutil.process_iter():
                with suppress(psutil.Error, OSError):
                    if process.environ().get("PREFECT__FLOW_RUN_ID") == flow_run:
                        left.append(" ".join(process.cmdline())[:120])
            if not left or time.monotonic() > deadline:
                return left
            time.sleep(0.5)


def log_of(place: Path) -> str:
    """The end of the supervisor's log."""
    file = place / "servers" / "logs" / "supervisor.log"
    return file.read_text(encoding="utf-8")[-2000:] if file.exists() else ""
