from __future__ import annotations

import importlib.util
import io
import tarfile
from types import ModuleType
from typing import Any

import pytest

from tests.infra.conftest import INFRA

OBJECTS = {"a/b c/é.txt": b"one", "empty": b"", "large": bytes(range(256)) * 40_000, "a/../b": b"a name is a name, not a path"}


@pytest.fixture(scope="module")
def bucket_tar() -> ModuleType:
    spec = importlib.util.spec_from_file_location("infra_bucket_tar", INFRA / "bucket_tar.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Any:
    boto3 = pytest.importorskip("boto3")
    moto = pytest.importorskip("moto")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with moto.mock_aws():
        made = boto3.client("s3", region_name="us-east-1")
        for bucket in ("source", "target"):
            made.create_bucket(Bucket=bucket)
        yield made


class Pipe(io.RawIOBase):
    """What a pipe can do, and no more."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._data.readinto(buffer)


def test_what_is_saved_can_be_loaded_through_a_pipe(bucket_tar: ModuleType, client: Any) -> None:
    for key, body in OBJECTS.items():
        client.put_object(Bucket="source", Key=key, Body=body)
    saved = io.BytesIO()
    assert bucket_tar.save(client, "source", saved) == len(OBJECTS)
    with tarfile.open(fileobj=io.BytesIO(saved.getvalue())) as tar:
        assert sorted(tar.getnames()) == sorted(OBJECTS)
    assert bucket_tar.load(client, "target", io.BufferedReader(Pipe(saved.getvalue()))) == len(OBJECTS)
    found = [item["Key"] for item in client.list_objects_v2(Bucket="target")["Contents"]]
    assert {key: client.get_object(Bucket="target", Key=key)["Body"].read() for key in found} == OBJECTS


def test_a_damaged_file_is_no_success(
    bucket_tar: ModuleType, client: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Input:
        buffer = io.BytesIO(b"not a tar" * 100)

    monkeypatch.setattr(bucket_tar.sys, "stdin", Input)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    assert bucket_tar.main(["load", "target"]) == 1
    assert "bucket target:" in capsys.readouterr().err
    assert bucket_tar.main([]) == 2
