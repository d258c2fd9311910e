"""Who may do what with the review server: token, cookie, host, origin, paths."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from landmark.recognition.recognizer import Recognizer
from landmark.tagging.gallery import write_gallery
from landmark.tagging.review import Review
from tests.tagging.gallery_sample import photo_row, write_tags
from tests.tagging.test_review import BASE, HEADERS, KEYS, PORT, client, client_of, kept, out, say, sha256

__all__ = ["client", "out", "sha256"]


@pytest.mark.parametrize("path", ["/api/state", "/api/why/" + "a" * 64, "/photo/" + "a" * 64, "/data/head.js", "/", "/x"])
def test_nothing_is_told_to_who_has_neither_token_nor_cookie(out: Path, path: str) -> None:
    with client_of(Review(out)) as stranger:
        for answer in (stranger.get(path), stranger.get(path, headers={"X-Landmark-Token": "wrong"}),
                       stranger.get(path, params={"token": "", "key": "wrong"})):  # fmt: skip
            assert answer.status_code == 403
            assert KEYS.token not in answer.text


def test_the_cookie_alone_changes_nothing(out: Path, sha256: dict[str, str]) -> None:
    with client_of(Review(out)) as client:
        client.get("/", params={"key": KEYS.key})
        assert client.get("/data/head.js").status_code == 200
        assert say(client, sha256["a"], "reject").status_code == client.post("/api/undo").status_code == 403
        # Addresses end up in logs and histories: a token in one opens nothing.
        assert client.post("/api/undo", params={"token": KEYS.token}).status_code == 403
        assert client.get("/api/state", params={"token": KEYS.token}).status_code == 403
    assert kept(out) == []


PICTURES = ("/photo/{0}", "/api/why/{0}", "/thumbs/{1}/{0}.webp", "/data/head.js")


def test_pictures_and_data_are_opened_by_the_cookie_alone(real: tuple[Recognizer, Path], tmp_path: Path) -> None:
    photo = photo_row(tmp_path / "a.png", 0, 1, str(real[0].centroids.landmark[0]))
    out, content = write_tags(tmp_path / "out", [photo]), photo["sha256"]
    write_gallery(out, None, progress=False)
    with client_of(Review(out, lambda: real[0])) as client:
        for picture in (path.format(content, content[:2]) for path in PICTURES):
            assert client.get(picture, params={"token": KEYS.token}).status_code == 403, picture
            assert client.get(picture, headers=HEADERS).status_code == 403, picture
        client.get("/", params={"key": KEYS.key})
        for picture in (path.format(content, content[:2]) for path in PICTURES):
            assert client.get(picture).status_code == 200, picture
            cross = client.get(picture, headers={"Sec-Fetch-Site": "same-site"})  # another port of this machine
            assert cross.status_code == 403, picture


def test_the_printed_key_becomes_a_cookie_and_leaves_the_address(out: Path) -> None:
    with client_of(Review(out)) as client:
        answer = client.get("/", params={"key": KEYS.key}, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "samesite=lax" in cookie.lower()
        assert KEYS.key not in cookie
        page = client.get("/")
        assert page.status_code == 200
        assert KEYS.token in page.text
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy


@pytest.mark.parametrize(
    "host", ["evil.example", f"evil.example:{PORT}", "127.0.0.1", "127.0.0.1:1", "[::1]:4321", "0.0.0.0:4321"]
)
def test_another_host_name_is_refused(out: Path, host: str) -> None:
    with client_of(Review(out)) as client:
        assert client.get("/api/state", headers={**HEADERS, "Host": host}).status_code == 403
        assert client.get("/", params={"key": KEYS.key}, headers={"Host": host}).status_code == 403


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:1", f"https://127.0.0.1:{PORT}", "file://"]
)
def test_pages_of_other_origins_are_refused(client: TestClient, out: Path, sha256: dict[str, str], origin: str) -> None:
    client.headers["Origin"] = origin
    assert say(client, sha256["a"], "reject").status_code == 403
    assert client.options("/api/corrections", headers={"Access-Control-Request-Method": "POST"}).status_code == 403
    assert kept(out) == []


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_scripts_and_pictures_are_not_given_to_other_sites(client: TestClient, site: str) -> None:
    assert client.get("/data/head.js", headers={"Sec-Fetch-Site": site}).status_code == 403


def test_its_own_origin_by_either_name_is_answered(client: TestClient, sha256: dict[str, str]) -> None:
    client.headers.update({"Origin": BASE, "Sec-Fetch-Site": "same-origin"})
    assert say(client, sha256["a"], "reject").status_code == 200
    local = {"Host": f"localhost:{PORT}", "Origin": f"http://localhost:{PORT}"}
    assert client.get("/api/state", headers=local).status_code == 200


def test_forms_are_no_json(client: TestClient, sha256: dict[str, str]) -> None:
    body = json.dumps({"sha256": sha256["a"], "verdict": "reject", "landmark": ""})
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        assert client.post("/api/corrections", content=body, headers={"Content-Type": kind}).status_code == 415


@pytest.mark.parametrize("path", ["/api/state", "/data/head.js", "/nothing", "/"])
def test_every_answer_has_its_headers(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert not [name for name in headers if name.startswith("access-control")]


# ---- files


def test_the_gallery_is_served_and_nothing_else(client: TestClient, out: Path) -> None:
    gallery = out / "gallery"
    files = [file.relative_to(gallery).as_posix() for file in gallery.rglob("*") if file.is_file()]
    assert len(files) >= 6
    for name in files:
        answer = client.get(f"/{name}")
        if name != "index.html":  # the page itself is made for this server
            assert (answer.status_code, answer.content) == (200, (gallery / name).read_bytes()), name
    (gallery / "why").mkdir(exist_ok=True)
    (gallery / "secret.txt").write_text("secret")
    linked = gallery / "why" / f"{'b' * 64}.webp"
    linked.symlink_to(out / "tags.parquet")
    (gallery / "thumbs" / "cc").symlink_to(out, target_is_directory=True)
    (out / f"{'c' * 64}.webp").write_bytes(b"secret")
    os.mkfifo(gallery / "why" / f"{'d' * 64}.webp")
    for path in ("secret.txt", "../tags.parquet", "..%2ftags.parquet", "%2e%2e/tags.parquet", "data/../../tags.parquet",
                 "thumbs", "data/", f"why/{'b' * 64}.webp", f"thumbs/cc/{'c' * 64}.webp", f"why/{'d' * 64}.webp",
                 "//etc/passwd", "data/head.js%00"):  # fmt: skip
        assert client.get(f"/{path}").status_code == 404, path
