"""The review server's web application: the gallery's files, previews, activation maps, and corrections as JSON.

It is for one person in a browser of this machine. Whoever is to see anything must know the key that was printed, or have
the cookie that it is changed into; whoever is to change anything must have read the token from the page, which is sent in
a header alone, as addresses end up in logs and histories. Pages of other sites reach neither: names other than the
loopback's, other origins and requests from other sites are refused.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import stat
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from landmark.errors import LandmarkError, UsageError
from landmark.tagging.gallery_page import content_security_policy, gallery_page
from landmark.tagging.review import NoSuchPhoto, Review
from landmark.tagging.why import UnknownLandmark

log = logging.getLogger(__name__)

TOKEN_HEADER = "X-Landmark-Token"
SHA256 = "[0-9a-f]{64}"
LARGEST = 1 << 16
"""Largest body [bytes]."""
_FILES = {
    re.compile(r"data/(head|rows-[0-9a-f]{16})\.js"): "text/javascript; charset=utf-8",
    re.compile(rf"(thumbs/[0-9a-f]{{2}}|why)/{SHA256}\.webp|medoids/[0-9a-f]{{40}}\.webp"): "image/webp",
}
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_NO_ENTRY = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Landmark review</title>
<h1>This page needs its key</h1><p>Open the address that <code>landmark review</code> printed.</p></html>"""


@dataclass(frozen=True)
class Secrets:
    """What opens the server: the key in the printed address, the cookie it is changed into, the token of the page."""

    key: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    cookie: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)


class Said(BaseModel):
    """Body of POST /api/corrections."""

    model_config = ConfigDict(extra="forbid", strict=True)
    sha256: str = Field(pattern=f"^{SHA256}$")
    verdict: Literal["confirm", "correct", "reject"]
    landmark: str = Field("", max_length=200)


def review_app(review: Review, port: int, keys: Secrets) -> FastAPI:
    """The application.

    Args:
        review: the collection.
        port: that it is served on.
        keys: what opens it.
    """
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
    cookie_name = f"landmark_review_{port}"  # browsers tell no port from another

    def refusal(request: Request) -> Response | None:
        headers, path = request.headers, request.url.path
        if headers.get("host") not in hosts or (headers.get("origin") or f"http://{headers['host']}") not in {
            f"http://{host}" for host in hosts
        }:
            return _error(403, "only pages of this server, by its own address, are answered")
        if path != "/" and headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return _error(403, "only pages of this server are answered")
        if path.startswith("/api/") and not path.startswith("/api/why/"):  # pictures can't send a header
            with_token = _same(headers.get(TOKEN_HEADER), keys.token)
            return None if with_token else _error(403, "the token is not this server's; reload the page")
        with_key = path == "/" and _same(request.query_params.get("key"), keys.key)
        if with_key or _same(request.cookies.get(cookie_name), keys.cookie):
            return None
        return HTMLResponse(_NO_ENTRY, 403) if path == "/" else _error(403, "open the address that landmark review printed")

    @app.middleware("http")
    async def guard(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = refusal(request)
        if response is None and request.method == "POST":
            response = _body_refusal(request)
        if response is None:
            response = await call_next(request)
        for name, value in _HEADERS.items():
            response.headers[name] = value
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
        return response

    @app.get("/")
    def page(request: Request) -> Response:
        if "key" in request.query_params:
            # The key goes out of the address bar, the history and the reach of whoever looks over a shoulder.
            to_page = RedirectResponse("/", 303)
            to_page.set_cookie(cookie_name, keys.cookie, httponly=True, samesite="lax", path="/")
            return to_page
        text = gallery_page(keys.token)
        policy = f"{content_security_policy(text)}; frame-ancestors 'none'"
        return HTMLResponse(text, headers={"Content-Security-Policy": policy})

    @app.get("/api/state")
    def state() -> dict[str, Any]:
        return review.state()

    @app.post("/api/corrections")
    def correct(said: Said) -> dict[str, Any]:
        return review.correct(said.sha256, said.verdict, said.landmark)

    @app.post("/api/undo")
    def undo() -> dict[str, Any]:
        return review.undo()

    @app.get("/api/why/{sha256}")
    def why(sha256: str, landmark: str = "") -> Response:
        picture, nearest = review.why(sha256, landmark)
        return Response(picture, media_type="image/webp", headers={"X-Landmark-Nearest": str(nearest)})

    @app.get("/photo/{sha256}")
    def photo(sha256: str) -> Response:
        return Response(review.preview(sha256), media_type="image/webp", headers={"Cache-Control": "private, max-age=600"})

    @app.get("/{path:path}")
    def file(path: str) -> Response:
        kind = next((kind for pattern, kind in _FILES.items() if pattern.fullmatch(path)), None)
        content = _read(review.gallery, path) if kind is not None else None
        if content is None:
            return _error(404, "no such file in this gallery; reload the page")
        named_by_content = path.startswith(("thumbs/", "data/rows-"))
        return Response(
            content, media_type=kind, headers={"Cache-Control": "private, max-age=3600" if named_by_content else "no-store"}
        )

    @app.exception_handler(LandmarkError)
    def failed(_: Request, error: LandmarkError) -> Response:
        missing = isinstance(error, NoSuchPhoto | UnknownLandmark)
        status = 404 if missing else 400 if isinstance(error, UsageError) else 500
        if status == 500:  # of the machine, not of what was asked: whoever started the server can mend it
            log.error("%s", " ".join(str(error).split()))
        return _error(status, str(error))

    @app.exception_handler(RequestValidationError)
    def malformed(_: Request, error: RequestValidationError) -> Response:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"][1:])
        return _error(422, f"{where or 'body'}: {problem['msg']}")

    @app.exception_handler(HTTPException)
    def refused(_: Request, error: HTTPException) -> Response:
        return _error(error.status_code, str(error.detail))

    @app.exception_handler(Exception)
    def unforeseen(_: Request, error: Exception) -> Response:
        return _error(500, f"not foreseen: {type(error).__name__}; the server's terminal says where")

    return app


def _same(given: str | None, wanted: str) -> bool:
    return given is not None and secrets.compare_digest(given.encode(), wanted.encode())


def _body_refusal(request: Request) -> Response | None:
    length = request.headers.get("content-length")
    if length is None or not length.isdigit() or int(length) > LARGEST:
        return _error(411 if length is None else 413, f"a body must say its length, {LARGEST} bytes at most")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    # Forms of other sites can send any other type without asking.
    if int(length) and kind != "application/json":
        return _error(415, "the body must be application/json")
    return None


def _error(status: int, detail: str) -> Response:
    return JSONResponse({"detail": " ".join(detail.split())}, status)


def _read(folder: Path, path: str) -> bytes | None:
    """A file of a folder, if it is one, and no link in or out of it."""
    file = folder / path
    try:
        if file.parent.resolve() != folder.resolve() / Path(path).parent:
            return None
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as stream:
            return stream.read() if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
    except OSError:
        return None
