from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from landmark.storage import s3
from tests.storage.server import S3Server, environment

CHAIN = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_MAX_ATTEMPTS")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    running = S3Server(tmp_path_factory.mktemp("s3"))
    running.start()
    yield running
    running.stop()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of caches of the test's own."""
    monkeypatch.setenv("LANDMARK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def real(server: S3Server, monkeypatch: pytest.MonkeyPatch, cache: Path) -> str:
    """A new bucket on the real server."""
    for name in CHAIN:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment(server.endpoint).items():
        monkeypatch.setenv(name, value)
    name = f"t-{secrets.token_hex(8)}"
    s3.client().create_bucket(Bucket=name)
    return f"s3://{name}"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, cache: Path) -> Iterator[str]:
    """A bucket of moto's: in this process, and with keys as they are given, which a server may tidy."""
    from moto import mock_aws

    for name in CHAIN:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        s3._s3_client.cache_clear()
        s3.client().create_bucket(Bucket="photos")
        yield "s3://photos"
    s3._s3_client.cache_clear()


class Requests(list[str]):
    """Requests that were sent, such as "GET /photos/a.jpg"."""

    def count_of(self, method: str) -> int:
        """Requests of a method; a listing counts as LIST."""
        return sum(line.startswith(method + " ") for line in self)


@pytest.fixture
def requests() -> Iterator[Any]:
    """Counts requests from the first call on: `requests()` gives the list, emptied."""
    sent = Requests()
    clients = []

    def note(request: Any, **_: Any) -> None:
        path = request.url.partition("://")[2].partition("/")[2]
        sent.append(f"{'LIST' if 'list-type=2' in path else request.method} /{path}")

    def start() -> Requests:
        if s3.client() not in clients:
            clients.append(s3.client())
            clients[-1].meta.events.register("before-send.s3", note)
        sent.clear()
        return sent

    yield start
    for client in clients:
        client.meta.events.unregister("before-send.s3", note)
