"""What tests ask of running servers, in their own protocols."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx

from landmark.stack import found

T = TypeVar("T")


class Stack:
    """Servers that run."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.folder = found.folder_of(home)

    @property
    def servers(self) -> found.Servers:
        servers = found.running(self.home)
        assert servers is not None
        return servers

    @property
    def variables(self) -> dict[str, str]:
        return self.servers.variables()

    @property
    def secrets(self) -> dict[str, str]:
        return dict(json.loads((self.folder / "secrets.json").read_text()))

    def pid(self, service: str) -> int:
        """The process of a service."""
        return int(self.servers.services[service]["pid"])

    def prefect(self) -> httpx.Client:
        """A client of Prefect's API."""
        user, _, password = self.variables["PREFECT_API_AUTH_STRING"].partition(":")
        return httpx.Client(base_url=self.variables["PREFECT_API_URL"], auth=(user, password), timeout=30, trust_env=False)

    def mlflow(self) -> httpx.Client:
        """A client of MLflow's API."""
        login = (self.variables["MLFLOW_TRACKING_USERNAME"], self.variables["MLFLOW_TRACKING_PASSWORD"])
        return httpx.Client(base_url=self.variables["MLFLOW_TRACKING_URI"], auth=login, timeout=30, trust_env=False)

    def s3(self, secret: str | None = None) -> Any:
        """A boto3 client of the S3 server."""
        import boto3
        from botocore.config import Config

        said = self.variables
        return boto3.session.Session().client(
            "s3",
            endpoint_url=said["AWS_ENDPOINT_URL"],
            region_name=said["AWS_DEFAULT_REGION"],
            aws_access_key_id=said["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=secret or said["AWS_SECRET_ACCESS_KEY"],
            config=Config(signature_version="s3v4", retries={"max_attempts": 1}),
        )

    def database(self, user: str, database: str, password: str | None = None) -> Any:
        """A connection to Postgres."""
        import psycopg2

        port = self.servers.urls["postgres"].rpartition(":")[2]
        secret = password or self.secrets[f"pg-{user}"]
        return psycopg2.connect(host="127.0.0.1", port=port, user=user, password=secret, dbname=database)


def environment(stack: Stack) -> dict[str, str]:
    """What a user has who read the file of `export` lines."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "MLFLOW_", "AWS_"))}
    return {**kept, **stack.variables, "PREFECT_HOME": str(stack.home / "client"), "LANDMARK_HOME": str(stack.home / "user")}


def wait_for(what: Callable[[], T | None], seconds: float = 60.0) -> T:
    """Wait until something is there, and return it; errors of a server that is away count as not yet."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            value = what()
            problem = "nothing"
        except (httpx.HTTPError, OSError, KeyError, TypeError) as error:
            value, problem = None, repr(error)
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s; last: {problem}"
        time.sleep(0.3)
