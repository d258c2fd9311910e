"""`landmark review` as a program: its address, kill and Ctrl-C, a port that is taken, and the page in a real browser."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from landmark.review_command import tag_command
from landmark.tagging.review import last_run
from tests.tagging.gallery_browser import browser, visit
from tests.tagging.gallery_sample import photo_row, row, write_tags

__all__ = ["browser", "visit"]

# Ctrl-C is ignored where the tests were started in the background.
SCRIPT = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from landmark.cli import main; main()"


class Server:
    """A running `landmark review`."""

    def __init__(self, out: Path, *options: str) -> None:
        environment = {**os.environ, "LANDMARK_HOME": str(out.parent / "home"), "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, "review", str(out), *options],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()
        if not self.address.startswith("http://127.0.0.1:"):
            raise AssertionError(f"no address: {self.address!r} {self.process.communicate()}")

    @contextlib.contextmanager
    def client(self) -> Iterator[httpx.Client]:
        """One that came by the printed address and read the token from the page."""
        with httpx.Client(base_url=self.address.partition("/?")[0], follow_redirects=True, timeout=30) as client:
            found = re.search(r'LANDMARK_REVIEW = \{"token": "([\w-]+)"\}', client.get(self.address).text)
            assert found is not None
            client.headers["X-Landmark-Token"] = found[1]
            yield client

    def stop(self, number: int) -> tuple[int, str, str]:
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err


@pytest.fixture
def start(out: Path) -> Iterator[Callable[..., Server]]:
    started: list[Server] = []

    def run(*options: str) -> Server:
        started.append(Server(out, *options))
        return started[-1]

    yield run
    for server in started:
        server.process.kill()
        server.process.communicate()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    photos = tmp_path / "photos"
    rows = [photo_row(photos / f"{n}.png", n % 3, n, ["arch", "bell", "dome"][n % 3], 0.5 + n / 20) for n in range(6)]
    rows.append(photo_row(photos / "near.png", 3, 9, "", 0.4))
    options = ["--xmp", "--min-confidence", "0.3", "--names", "my names.csv"]
    return write_tags(tmp_path / "out", rows, source=str(photos), options=options)


def kept(out: Path) -> list[dict[str, Any]]:
    file = out / "corrections.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_a_killed_server_has_kept_what_was_said_and_ctrl_c_ends_it_cleanly(out: Path, start: Callable[..., Server]) -> None:
    first = start()
    with first.client() as client:
        head = client.get("/data/head.js")  # the gallery was made, as there was none
        assert head.status_code == 200
        sha256 = re.findall(r'"s":"([0-9a-f]{64})"', client.get(f"/{json.loads(head.text[13:-3])['chunks'][0]['file']}").text)
        assert len(sha256) == 7
        said = client.post("/api/corrections", json={"sha256": sha256[0], "verdict": "reject", "landmark": ""})
        assert said.status_code == 200
        assert first.stop(signal.SIGKILL)[0] == -signal.SIGKILL
    assert [line["sha256"] for line in kept(out)] == [sha256[0]]

    second = start()
    assert second.address != first.address
    with second.client() as client:
        state = client.get("/api/state").json()
        assert (state["corrections"], state["undo"]) == ({sha256[0]: {"verdict": "reject", "landmark": ""}}, 1)
        assert client.post("/api/undo").json()["now"] is None
    status, text, errors = second.stop(signal.SIGINT)
    assert (status, errors) == (0, "")
    assert f"  landmark tag {out.parent / 'photos'} --out {out} --xmp --min-confidence 0.3 --names 'my names.csv'\n" in text


def test_sigterm_ends_it_cleanly_and_the_last_words_are_said(out: Path, start: Callable[..., Server]) -> None:
    server = start()
    with server.client() as client:
        name = json.loads(client.get("/data/head.js").text[13:-3])["chunks"][0]["file"]
        sha256 = re.findall(r'"s":"([0-9a-f]{64})"', client.get(f"/{name}").text)[0]
        client.post("/api/corrections", json={"sha256": sha256, "verdict": "reject", "landmark": ""})
    status, text, errors = server.stop(signal.SIGTERM)
    assert (status, "Traceback" in errors) == (0, False)
    assert str(out / "corrections.jsonl") in text
    assert f"landmark tag {out.parent / 'photos'} --out {out} --xmp" in text


@pytest.mark.parametrize(
    ("summary", "words"),
    [
        ({"source": "/p", "recognizer": "models:/landmark/3"}, ["/p", "--out", "DIR", "--model", "models:/landmark/3"]),
        ({"source": "/p", "options": ["--names", "it's; $(rm)"]},
         ["/p", "--out", "DIR", "--model", "given", "--names", "it's; $(rm)"]),
        ({"source": "/p", "recognizer": "m", "options": "--xmp"}, ["/p", "--out", "DIR", "--model", "m"]),
        ({"source": "/p", "recognizer": "m", "options": ["--xmp", 3]}, ["/p", "--out", "DIR", "--model", "m"]),
        ({"source": "/p\x1b[2J", "recognizer": "m", "options": ["a\nb"]},
         ["/p\\x1b[2J", "--out", "DIR", "--model", "m", "a\\nb"]),
        ([], ["PHOTOS", "--out", "DIR", "--model", "given"]),
        (None, ["PHOTOS", "--out", "DIR", "--model", "given"]),
    ],
)  # fmt: skip
def test_the_command_it_prints_repeats_the_last_run(tmp_path: Path, summary: Any, words: list[str]) -> None:
    if summary is not None:
        (tmp_path / "tagging.json").write_text(json.dumps(summary))
    printed = tag_command(Path("DIR"), last_run(tmp_path), "given")
    assert printed.isprintable()
    assert shlex.split(printed) == ["landmark", "tag", *words]  # as a shell takes it apart


def test_it_listens_on_the_loopback_alone(start: Callable[..., Server]) -> None:
    server = start()
    port = int(re.search(r":(\d+)/", server.address)[1])  # type: ignore[index]
    listening = {
        line.split()[1] for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and line.split()[1].endswith(f":{port:04X}")
    }  # fmt: skip
    assert listening == {f"0100007F:{port:04X}"}  # 127.0.0.1, little-endian


def test_a_gallery_that_stands_is_shown_as_it_is_where_it_cannot_be_made_anew(out: Path, start: Callable[..., Server]) -> None:
    with start().client() as client:
        before = client.get("/data/head.js").text
    (out / "tags.parquet").write_bytes(b"damaged since")
    server = start()
    with server.client() as client:
        assert client.get("/data/head.js").text == before
    _, _, errors = server.stop(signal.SIGINT)
    assert "the gallery is shown as it was" in errors


def run(*arguments: str) -> tuple[int, str]:
    ended = subprocess.run([sys.executable, "-m", "landmark.cli", "review", *arguments], capture_output=True, text=True)
    return ended.returncode, ended.stderr


def test_a_folder_without_tags_and_a_port_that_is_taken_are_named(tmp_path: Path) -> None:
    status, error = run(str(tmp_path))
    assert (status, error.count("\n"), "no tags.parquet" in error) == (2, 1, True)
    out = write_tags(tmp_path / "out", [row("/gone.jpg", "a" * 64, "arch")])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        status, error = run(str(out), "--port", str(taken.getsockname()[1]), "--home", str(tmp_path))
    assert (status, "cannot be served on" in error.splitlines()[-1]) == (2, True)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in 15 s"
        time.sleep(0.05)


def test_a_person_reviews_by_keyboard_in_a_browser(out: Path, start: Callable[..., Server], visit: Callable[..., Any]) -> None:
    server = start()
    page = visit(f"{server.address}#view=review", ready=".review .question")
    assert "key=" not in page.url

    def answer(*keys: str) -> dict[str, Any]:
        """Press keys; the line that they add."""
        count, asked = len(kept(out)), page.locator(".review-file .file").text_content()
        for key in keys:
            page.keyboard.press(key)
        until(lambda: len(kept(out)) == count + 1)
        page.wait_for_function("asked => document.querySelector('.review-file .file').textContent !== asked", arg=asked)
        return {**kept(out)[-1], "asked": asked}

    confirmed = answer("c")
    assert (confirmed["verdict"], confirmed["landmark"]) == ("confirm", confirmed["said"])
    assert confirmed["photo"].endswith(str(confirmed["asked"]))
    target = "arch" if "The Bell" in page.locator(".review .question").text_content() else "bell"
    page.keyboard.press("e")
    page.keyboard.type({"bell": "The Bell", "arch": "The Arch"}[target])
    corrected = answer("Enter")
    assert (corrected["verdict"], corrected["landmark"]) == ("correct", target)
    rejected = answer("x")
    assert (rejected["verdict"], rejected["landmark"]) == ("reject", "")
    assert len({line["photo"] for line in kept(out)}) == 3
    undone = answer("u")
    assert undone["undo"] == rejected["sha256"]
    with server.client() as client:
        assert client.get("/api/state").json()["corrections"] == {
            confirmed["sha256"]: {"verdict": "confirm", "landmark": confirmed["said"]},
            corrected["sha256"]: {"verdict": "correct", "landmark": target},
        }
    # What was said is still there for who opens the page anew; nothing was blocked or went wrong.
    page.reload()
    page.wait_for_selector(".review .question")
    assert "2" in page.locator("#review-progress").text_content()
    assert page.watch.complaints == []
    assert {url.split("/")[2] for url in page.watch.requests if not url.startswith("data:")} == {server.address.split("/")[2]}
