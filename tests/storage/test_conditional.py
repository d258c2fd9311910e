"""Of several writers that saw the same version, one wins."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from landmark import storage
from landmark.storage import s3

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["real", "bucket", "local"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "swap" / "x") if request.param == "local" else f"{request.getfixturevalue(request.param)}/x"


def test_create_swap_and_lose(place: str) -> None:
    with pytest.raises(storage.NoSuchObject):
        storage.read_version(place)
    first = storage.write_if(place, b"1", None)
    assert storage.read_version(place) == (b"1", first)
    with pytest.raises(storage.Changed, match="somebody else changed it"):
        storage.write_if(place, b"2", None)
    second = storage.write_if(place, b"2", first)
    with pytest.raises(storage.Changed):
        storage.write_if(place, b"3", first)
    assert storage.read_version(place) == (b"2", second)


def test_a_swap_of_what_is_gone(place: str) -> None:
    with pytest.raises(storage.Changed):
        storage.write_if(place, b"1", hashlib.md5(b"never").hexdigest())
    assert not storage.exists(place)


def test_one_of_many_threads_wins(place: str) -> None:
    for round_number in range(5):
        try:
            etag = storage.read_version(place)[1]
        except storage.NoSuchObject:
            etag = None

        def swap(number: int, etag: str | None = etag, round_number: int = round_number) -> bytes | None:
            data = f"{round_number} {number}".encode()
            try:
                storage.write_if(place, data, etag)
            except storage.Changed:
                return None
            return data

        with ThreadPoolExecutor(8) as pool:
            won = [data for data in pool.map(swap, range(8)) if data is not None]
        assert len(won) == 1
        assert storage.read_version(place)[0] == won[0]


COUNT = """
import sys
from landmark import storage
for _ in range(int(sys.argv[2])):
    while True:
        data, etag = storage.read_version(sys.argv[1])
        try:
            storage.write_if(sys.argv[1], str(int(data) + 1).encode(), etag)
            break
        except storage.Changed:
            pass
"""


@pytest.mark.parametrize("place", ["real", "local"], indirect=True)
def test_processes_that_count_together_lose_no_count(place: str) -> None:
    storage.write_if(place, b"0", None)
    children = [subprocess.Popen([sys.executable, "-c", COUNT, place, "20"], cwd=ROOT) for _ in range(3)]
    assert [child.wait(120) for child in children] == [0, 0, 0]
    assert storage.read_version(place)[0] == b"60"


def test_a_won_swap_whose_answer_was_lost_is_won(real: str) -> None:
    # botocore sends the request again and is told that the object changed: by its own first try.
    etag = storage.write_if(f"{real}/x", b"1", None)
    client = s3.client()
    lost = []

    def lose_first(request: Any, **_: Any) -> Any:
        if lost:
            return None
        lost.append(request)
        from botocore.exceptions import ConnectionClosedError
        from botocore.httpsession import URLLib3Session

        URLLib3Session().send(request)
        raise ConnectionClosedError(endpoint_url=request.url)

    client.meta.events.register("before-send.s3.PutObject", lose_first)
    try:
        new = storage.write_if(f"{real}/x", b"2", etag)
    finally:
        client.meta.events.unregister("before-send.s3.PutObject", lose_first)
    assert lost
    assert storage.read_version(f"{real}/x") == (b"2", new)
