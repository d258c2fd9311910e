"""The command `landmark review`."""

from __future__ import annotations

import contextlib
import html
import logging
import os
import shlex
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from landmark.console import set_up_logging
from landmark.errors import LandmarkError, UsageError
from landmark.names import shown
from landmark.options import Debug, Home, use_home

if TYPE_CHECKING:
    import uvicorn

    from landmark.tagging.review import LastRun, Review

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"


def review(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder that `landmark tag` wrote.")],
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1 (0: any that is free).", min=0, max=65535)] = 0,
    model: Annotated[
        str | None,
        typer.Option(help="Recognizer for activation maps: folder, s3://..., models:/NAME@ALIAS (else the tags' own)."),
    ] = None,
    open: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")] = False,
    home: Home = ".landmark",
    debug: Debug = False,
) -> None:
    """Confirm, correct or reject tags on a page of this machine; each word is kept at once. Ctrl-C ends it."""
    set_up_logging(debug)
    use_home(home)
    from landmark.tagging.review import Review, last_run

    if not (folder / "tags.parquet").is_file():
        raise UsageError(f"{shown(folder)}: no tags.parquet there; give a folder that `landmark tag` wrote")
    run = last_run(folder)
    uri = model or run.recognizer
    bring_up_to_date(folder)

    def load() -> Any:
        from landmark.commands import load_recognizer

        return load_recognizer(uri)

    reviewed = Review(folder, load if uri else None)
    try:
        with contextlib.suppress(KeyboardInterrupt), listening(port) as place, ended_by_sigterm():
            serve(reviewed, place, open)
    finally:
        if reviewed.said:
            print(
                f"kept in {shown(reviewed.corrections.file)}; this brings it into tags, albums and sidecars, in seconds:\n"
                f"  {tag_command(folder, run, model)}",
                flush=True,
            )


def tag_command(folder: Path, run: LastRun, model: str | None = None) -> str:
    """The `landmark tag` that does what the last one did, for a shell.

    Args:
        folder: that it wrote.
        run: what the folder says of it.
        model: recognizer, where the folder doesn't say.
    """
    recognizer = run.recognizer or model
    words = ["landmark", "tag", run.source or "PHOTOS", "--out", str(folder), *(["--model", recognizer] if recognizer else [])]
    return " ".join(shlex.quote(shown(word)) for word in [*words, *run.options])


@contextlib.contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """SIGTERM ends it as Ctrl-C does: uvicorn raises the signal once more when it has ended, which would kill the process."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def bring_up_to_date(folder: Path) -> None:
    """Make the gallery where there is none, or the tags are newer; one that can't be made anew is shown as it is.

    Raises:
        LandmarkError: there is none, and it can't be made.
    """
    from landmark.tagging.gallery import SHOWN_FILE, STATE, write_gallery

    head, index = folder / "gallery" / "data" / "head.js", folder / STATE / SHOWN_FILE
    made = min((file.stat().st_mtime_ns for file in (head, index)), default=0) if head.is_file() and index.is_file() else 0
    if made > (folder / "tags.parquet").stat().st_mtime_ns:
        return
    try:
        write_gallery(folder, None)
    except LandmarkError as error:
        if not made:
            raise
        log.warning("%s; the gallery is shown as it was", error)


@contextlib.contextmanager
def listening(port: int) -> Iterator[socket.socket]:
    """A socket that listens on the loopback.

    Raises:
        UsageError: the port is taken or not allowed.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as place:
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            place.bind((LOOPBACK, port))
            place.listen(64)
        except OSError as error:
            raise UsageError(f"--port {port}: cannot be served on ({error.strerror}); give another, or 0 for any") from error
        yield place


def serve(reviewed: Review, place: socket.socket, open_it: bool) -> None:
    """Serve until Ctrl-C or SIGTERM; says where on stdout."""
    import uvicorn

    from landmark.tagging.review_app import Secrets, review_app

    keys, port = Secrets(), place.getsockname()[1]
    config = uvicorn.Config(
        review_app(reviewed, port, keys),
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        lifespan="off",
        timeout_graceful_shutdown=2,
        proxy_headers=False,
    )
    server = uvicorn.Server(config)
    address = f"http://{LOOPBACK}:{port}/?key={keys.key}"
    print(f"{address}\nonly for you: the address opens your photos. Ctrl-C ends it.", flush=True)
    with opened(reviewed.out, address, server) if open_it else contextlib.nullcontext():
        server.run([place])


@contextlib.contextmanager
def opened(folder: Path, address: str, server: uvicorn.Server) -> Iterator[None]:
    """Open an address in a browser once the server answers, if there is one with windows.

    The browser is given a file that only this user can read: other users of the machine see the arguments of programs.
    """
    import webbrowser

    with tempfile.TemporaryDirectory(prefix="landmark-review-") as place:
        file = Path(place) / "review.html"
        refresh = f'<!doctype html><meta http-equiv="refresh" content="0;url={html.escape(address, quote=True)}">'
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write(refresh)

        def show() -> None:
            while not server.started and not server.should_exit:
                time.sleep(0.05)
            try:
                browser = webbrowser.get()
            except webbrowser.Error:
                browser = None
            # One of text would fight with this program for the terminal.
            text = isinstance(browser, webbrowser.GenericBrowser) and not isinstance(browser, webbrowser.BackgroundBrowser)
            if browser is None or text or not browser.open(file.as_uri()):
                log.warning("no browser found; open the address above in one of this machine")

        threading.Thread(target=show, daemon=True).start()
        yield
