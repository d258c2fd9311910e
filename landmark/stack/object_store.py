"""An S3 server on loopback: SeaweedFS, all its parts in one process."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from landmark.errors import LandmarkError
from landmark.stack import keys
from landmark.stack.ports import TWIN
from landmark.stack.service import Service, answers

ARTEFACTS, PHOTOS = "landmark-artifacts", "landmark-photos"
PORTS = ("s3", "s3-grpc", "master", "master-grpc", "volume", "volume-grpc", "filer", "filer-grpc")
TWINS = ("s3-admin",)
"""Its parts find the administration's second port by adding 10000 to the first."""

MISSING = "up --full: SeaweedFS is missing: pip install 'landmark[stack]'"
REGION = "us-east-1"
RIGHTS = {"landmark": (ARTEFACTS, PHOTOS), "mlflow": (ARTEFACTS,)}
"""Buckets by the account that may read, write and list them; no account may make or remove buckets."""


def service(folder: Path, ports: Mapping[str, int], environment: Mapping[str, str], secrets: Mapping[str, str]) -> Service:
    """The S3 server; its buckets are made when it starts.

    Args:
        folder: its data folder.
        ports: one for each of `PORTS` and `TWINS`.
        environment: what every service gets.
        secrets: `s3-NAME-key` and `s3-NAME-secret` of each account, and `s3-jwt`.

    Raises:
        LandmarkError: the program is missing.
    """
    program = _find()
    keys.private_folder(folder)
    config = folder / "s3.json"
    keys.write_private(config, json.dumps(accounts(secrets), indent=2))
    settings: dict[str, str | int] = {
        "dir": str(folder / "data"),
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "s3.port": ports["s3"],
        "s3.port.grpc": ports["s3-grpc"],
        "master.port": ports["master"],
        "master.port.grpc": ports["master-grpc"],
        "volume.port": ports["volume"],
        "volume.port.grpc": ports["volume-grpc"],
        "filer.port": ports["filer"],
        "filer.port.grpc": ports["filer-grpc"],
        "admin.port": ports["s3-admin"],
        "admin.port.grpc": ports["s3-admin"] + TWIN,
        "s3.config": str(config),
        "bucket": f"{ARTEFACTS},{PHOTOS}",
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        # A socket's path has 107 letters at most; these two would lie under /tmp for all to see otherwise.
        "filer.localSocket": "filer.sock",
        "s3.localSocket": "s3.sock",
    }
    off = ("webdav", "admin.ui", "s3.iam", "s3.autoCreateBucket", "s3.allowDeleteBucketNotEmpty", "master.telemetry")
    command = [program, "mini", *(f"-{name}={value}" for name, value in settings.items()), *(f"-{name}=false" for name in off)]
    (folder / "data").mkdir(exist_ok=True)
    # Its parts talk to each other by HTTP, which anyone on this machine could do: they ask for signed tokens.
    parts = ("SIGNING", "SIGNING_READ", "FILER_SIGNING", "FILER_SIGNING_READ")
    tokens = {f"WEED_JWT_{part}_KEY": secrets["s3-jwt"] for part in parts}
    url = f"http://127.0.0.1:{ports['s3']}"
    return Service(
        "s3",
        tuple(command),
        {**environment, **tokens},
        folder,
        ready=lambda: answers(f"{url}/healthz"),
        start_seconds=60,
        url=url,
    )


def accounts(secrets: Mapping[str, str]) -> dict[str, object]:
    """SeaweedFS's list of accounts and their rights."""
    return {
        "identities": [
            {
                "name": name,
                "credentials": [{"accessKey": secrets[f"s3-{name}-key"], "secretKey": secrets[f"s3-{name}-secret"]}],
                "actions": [f"{right}:{bucket}" for bucket in buckets for right in ("Read", "Write", "List", "Tagging")],
            }
            for name, buckets in RIGHTS.items()
        ]
    }


def variables(url: str, account: str, secrets: Mapping[str, str]) -> dict[str, str]:
    """What a client of the S3 server needs in its environment."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": secrets[f"s3-{account}-key"],
        "AWS_SECRET_ACCESS_KEY": secrets[f"s3-{account}-secret"],
        "AWS_DEFAULT_REGION": REGION,
    }


def _find() -> str:
    beside = Path(sys.executable).parent / "weed"
    found = str(beside) if beside.exists() else shutil.which("weed")
    if found is None:
        raise LandmarkError(MISSING)
    return found
