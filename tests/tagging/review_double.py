"""A review server of a few lines, to the API that the page speaks: for tests of the page alone. It can be told to fail.

A navigation to `/` is the printed address: it gives the cookie, which pictures, files and `/` itself want afterwards.
"""

from __future__ import annotations

import json
import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from landmark.tagging.gallery_page import gallery_page

TYPES = {".js": "text/javascript", ".webp": "image/webp", ".html": "text/html; charset=utf-8"}


class ReviewDouble:
    """Answers stand in `said`; `fails` is what the next POSTs meet: "away", "lost" (done, but not answered) or a status."""

    def __init__(self, folder: Path, landmarks: list[dict[str, Any]]) -> None:
        self.folder = folder
        self.landmarks = landmarks
        self.said: list[dict[str, str]] = []
        self.posts: list[tuple[str, Any]] = []
        self.fails: list[str | int] = []
        self.away = False
        self.token, self.cookie = "a-token-of-the-tests", "landmark=1"
        self.lock = threading.Lock()
        double = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None:
                pass

            def do_GET(self) -> None:
                double._get(self)

            def do_POST(self) -> None:
                double._post(self)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def restart(self) -> None:
        """Another server at the same address: what it holds is on the disk, its secrets are new."""
        self.token, self.cookie = secrets.token_urlsafe(24), f"landmark={secrets.token_hex(8)}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    @property
    def current(self) -> dict[str, dict[str, str]]:
        return {each["sha256"]: {"verdict": each["verdict"], "landmark": each["landmark"]} for each in self.said}

    def _get(self, request: BaseHTTPRequestHandler) -> None:
        url = urlsplit(request.path)
        token = request.headers.get("X-Landmark-Token")
        opened = url.path == "/" and request.headers.get("Sec-Fetch-Mode") == "navigate"
        if not opened and url.path != "/api/state" and request.headers.get("Cookie") != self.cookie:
            return self._json(request, 403, {"detail": "open the address that was printed"})
        if "token" in parse_qs(url.query):
            return self._json(request, 403, {"detail": "an address must hold no token"})
        if url.path == "/":
            return self._send(request, 200, gallery_page(self.token).encode(), TYPES[".html"])
        if url.path == "/api/state":
            if self.away:
                return self._drop(request)
            if token != self.token:
                return self._json(request, 403, {"detail": "another token"})
            known = [{key: each[key] for key in ("id", "name", "city", "country")} for each in self.landmarks]
            return self._json(request, 200, {"landmarks": known, "corrections": self.current, "undo": len(self.said)})
        if url.path.startswith(("/photo/", "/api/why/")):
            sha = url.path.rsplit("/", 1)[1]
            path = self.folder / "thumbs" / sha[:2] / f"{sha}.webp"
            if not path.is_file():
                return self._json(request, 404, {"detail": "not there"})
            return self._send(request, 200, path.read_bytes(), "image/webp")
        path = (self.folder / unquote(url.path).lstrip("/")).resolve()
        if not path.is_relative_to(self.folder.resolve()) or not path.is_file():
            return self._json(request, 404, {"detail": "not there"})
        return self._send(request, 200, path.read_bytes(), TYPES.get(path.suffix, "application/octet-stream"))

    def _post(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        given = json.loads(body) if body else None
        with self.lock:
            self.posts.append((request.path, given))
            failure = self.fails.pop(0) if self.fails else None
            if self.away or failure == "away":
                return self._drop(request)
            if request.headers.get("X-Landmark-Token") != self.token:
                return self._json(request, 403, {"detail": "another token"})
            if isinstance(failure, int):
                return self._json(request, failure, {"detail": "that does not work"})
            answer: dict[str, Any]
            if request.path == "/api/corrections":
                self.said.append(given)
                answer = {"correction": given, "undo": len(self.said)}
            else:
                sha = self.said.pop()["sha256"] if self.said else ""
                answer = {"sha256": sha, "now": self.current.get(sha), "undo": len(self.said)}
            return self._drop(request) if failure == "lost" else self._json(request, 200, answer)

    def _json(self, request: BaseHTTPRequestHandler, status: int, content: object) -> None:
        self._send(request, status, json.dumps(content).encode(), "application/json")

    def _send(self, request: BaseHTTPRequestHandler, status: int, content: bytes, kind: str) -> None:
        request.send_response(status)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(content)))
        if kind == TYPES[".html"]:
            request.send_header("Set-Cookie", f"{self.cookie}; HttpOnly; SameSite=Lax; Path=/")
        request.end_headers()
        request.wfile.write(content)

    def _drop(self, request: BaseHTTPRequestHandler) -> None:
        request.close_connection = True
        request.connection.close()
