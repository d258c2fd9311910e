"""The review server: what it keeps, what it serves, and whom it refuses."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from landmark.photos.corrections import Corrections
from landmark.tagging.gallery import write_gallery
from landmark.tagging.review import Review
from landmark.tagging.review_app import Secrets, review_app
from tests.tagging.gallery_sample import photo_row, shown_rows, write_tags

PORT = 4321
KEYS = Secrets()
BASE = f"http://127.0.0.1:{PORT}"
HEADERS = {"X-Landmark-Token": KEYS.token}


def client_of(review: Review, base: str = BASE) -> TestClient:
    return TestClient(review_app(review, PORT, KEYS), base_url=base, raise_server_exceptions=False)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    photos = tmp_path / "photos"
    rows = [
        photo_row(photos / "a.png", 0, 1, "arch", 0.8),
        photo_row(photos / "b.png", 1, 2, "bell", 0.7),
        photo_row(photos / "c.png", 3, 3, "", 0.4),
        photo_row(photos / "copy.png", 0, 1, "arch", 0.8),
    ]
    assert rows[0]["sha256"] == rows[3]["sha256"]
    write_tags(tmp_path / "out", rows)
    write_gallery(tmp_path / "out", None, progress=False)
    return tmp_path / "out"


@pytest.fixture
def sha256(out: Path) -> dict[str, str]:
    return {Path(row["p"]).stem: row["s"] for row in shown_rows(out)}


def opened(client: TestClient) -> TestClient:
    """One that came by the printed address and read the token from the page."""
    client.get("/", params={"key": KEYS.key})
    client.headers.update(HEADERS)
    return client


@pytest.fixture
def client(out: Path) -> Iterator[TestClient]:
    with client_of(Review(out)) as client:
        yield opened(client)


def say(client: TestClient, sha256: str, verdict: str, landmark: str = "") -> Any:
    return client.post("/api/corrections", json={"sha256": sha256, "verdict": verdict, "landmark": landmark})


def kept(out: Path) -> list[dict[str, Any]]:
    file = out / "corrections.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_confirm_correct_reject_and_undo_are_kept_at_once(client: TestClient, out: Path, sha256: dict[str, str]) -> None:
    assert say(client, sha256["a"], "confirm", "arch").json() == {
        "correction": {"sha256": sha256["a"], "verdict": "confirm", "landmark": "arch"},
        "undo": 1,
    }
    assert say(client, sha256["b"], "correct", "dome").json()["undo"] == 2
    assert say(client, sha256["c"], "reject").json()["undo"] == 3
    assert say(client, sha256["b"], "correct", "new_place").json()["undo"] == 4
    lines = kept(out)
    assert [(line["verdict"], line["landmark"], line["said"], line["model"]) for line in lines] == [
        ("confirm", "arch", "arch", "landmark/3"),
        ("correct", "dome", "bell", "landmark/3"),
        ("reject", "", "", "landmark/3"),
        ("correct", "new_place", "bell", "landmark/3"),
    ]
    assert lines[0]["photo"].endswith("/photos/a.png")
    assert client.post("/api/undo").json() == {
        "sha256": sha256["b"], "now": {"verdict": "correct", "landmark": "dome"}, "undo": 3,
    }  # fmt: skip
    assert client.post("/api/undo").json() == {"sha256": sha256["c"], "now": None, "undo": 2}
    state = client.get("/api/state").json()
    assert state["corrections"] == {
        sha256["a"]: {"verdict": "confirm", "landmark": "arch"},
        sha256["b"]: {"verdict": "correct", "landmark": "dome"},
    }
    assert {one["id"]: (one["name"], one["city"], one["country"]) for one in state["landmarks"]} == {
        "arch": ("The Arch", "Rome", "Italy"), "bell": ("The Bell", "Paris", "France"), "dome": ("dome", "", ""),
    }  # fmt: skip
    assert Corrections(out / "corrections.jsonl").current[sha256["b"]].landmark == "dome"


def test_landmarks_that_a_person_named_are_among_all_while_the_correction_holds(
    client: TestClient, sha256: dict[str, str]
) -> None:
    def named() -> list[dict[str, str]]:
        landmarks: list[dict[str, str]] = client.get("/api/state").json()["landmarks"]
        return landmarks

    assert [one["id"] for one in named()] == ["dome", "arch", "bell"]  # by name: dome, The Arch, The Bell
    say(client, sha256["a"], "correct", "new_place")
    say(client, sha256["b"], "correct", "new_place")
    say(client, sha256["c"], "correct", "bell")
    assert [one["id"] for one in named()] == ["dome", "new_place", "arch", "bell"]
    assert named()[1] == {"id": "new_place", "name": "new_place", "city": "", "country": ""}
    say(client, sha256["a"], "reject")
    say(client, sha256["b"], "confirm", "bell")
    assert [one["id"] for one in named()] == ["dome", "arch", "bell"]


def test_undo_of_nothing_is_no_error(client: TestClient) -> None:
    assert client.post("/api/undo").json() == {"sha256": "", "now": None, "undo": 0}


def test_what_is_said_twice_is_kept_once(client: TestClient, out: Path, sha256: dict[str, str]) -> None:
    assert [say(client, sha256["a"], "reject").status_code for _ in range(3)] == [200] * 3
    assert len(kept(out)) == 1


def test_confirm_without_a_landmark_means_what_the_page_shows(client: TestClient, sha256: dict[str, str]) -> None:
    assert say(client, sha256["c"], "confirm").json()["correction"]["landmark"] == "arch"  # its best candidate
    assert say(client, sha256["b"], "confirm").json()["correction"]["landmark"] == "bell"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 422),
        (b"[]", 422),
        (b'{"verdict": "reject"}', 422),
        (b'{"sha256": "../../etc/passwd", "verdict": "reject"}', 422),
        (b'{"sha256": "%s", "verdict": "delete"}' % (b"a" * 64), 422),
        (b'{"sha256": "%s", "verdict": "reject", "landmark": 3}' % (b"a" * 64), 422),
        (b'{"sha256": "%s", "verdict": "reject", "more": 1}' % (b"a" * 64), 422),
        (b'{"sha256": "%s", "verdict": "reject"}' % (b"a" * 64), 404),
        (b"[" * 60_000, 400),
        (b" " * 70_000, 413),
    ],
)
def test_malformed_bodies_are_refused_in_a_line(client: TestClient, out: Path, body: bytes, status: int) -> None:
    answer = client.post("/api/corrections", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, "\n" in answer.json()["detail"]) == (status, False)
    assert kept(out) == []


@pytest.mark.parametrize(
    ("verdict", "landmark"), [("correct", ""), ("correct", "../up"), ("correct", "a\nb"), ("reject", "arch"), ("confirm", "..")]
)
def test_landmarks_that_cannot_be_are_refused(
    client: TestClient, out: Path, sha256: dict[str, str], verdict: str, landmark: str
) -> None:
    answer = say(client, sha256["a"], verdict, landmark)
    assert (answer.status_code, kept(out)) == (400, [])
    assert isinstance(answer.json()["detail"], str)


def test_a_full_disk_is_said_and_nothing_is_taken_as_kept(
    client: TestClient,
    out: Path,
    sha256: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        answer = say(client, sha256["a"], "reject")
    assert answer.status_code == 500
    assert "No space left on device" in answer.json()["detail"]
    assert caplog.messages == [answer.json()["detail"]]  # the terminal says it too
    assert say(client, sha256["a"], "correct", "..").status_code == 400
    assert len(caplog.messages) == 1  # what was asked wrongly is the page's business
    assert client.get("/api/state").json()["corrections"] == {}
    assert say(client, sha256["a"], "reject").status_code == 200


def test_a_folder_that_cannot_be_written_is_said(
    client: TestClient, sha256: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def read_only(file: Any, flags: int, *rest: Any, **more: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise OSError(errno.EROFS, "Read-only file system", str(file))
        return real(file, flags, *rest, **more)

    monkeypatch.setattr(os, "open", read_only)
    answer = say(client, sha256["a"], "reject")
    assert answer.status_code == 500
    assert "corrections.jsonl" in answer.json()["detail"]
    assert client.get("/api/state").json()["undo"] == 0


def test_two_servers_see_each_other_s_corrections(out: Path, sha256: dict[str, str]) -> None:
    with client_of(Review(out)) as one, client_of(Review(out)) as two:
        for each in (one, two):
            each.headers.update(HEADERS)
        threads = [
            threading.Thread(target=say, args=(client, sha256[photo], "correct", f"place_{n}"))
            for n in range(10)
            for client, photo in ((one, "a"), (two, "b"))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        states = [each.get("/api/state").json() for each in (one, two)]
    assert states[0] == states[1]
    assert (states[0]["undo"], len(kept(out))) == (20, 20)


def test_tags_made_anew_are_seen(client: TestClient, out: Path, sha256: dict[str, str], tmp_path: Path) -> None:
    new = photo_row(tmp_path / "photos" / "new.png", 2, 9, "dome", 0.9, model="landmark/4")
    write_tags(out, [new])
    write_gallery(out, None, progress=False)
    assert say(client, new["sha256"], "confirm", "dome").status_code == 200
    assert kept(out)[0]["model"] == "landmark/4"
    assert say(client, sha256["b"], "confirm", "bell").status_code == 404


# ---- who is refused
