"""A Prefect server for one flow where no other is there: on loopback, on the home's SQLite, gone when the flow is.

Prefect can start one itself, but in the process group of the flow: Ctrl-C ends that server first, and the flow then waits
for minutes to tell it what happened; after kill -9 it stays for ever.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Self

from landmark.errors import LandmarkError
from landmark.stack import found

START_SECONDS = 180.0
STOP_SECONDS = 10.0


class Server:
    """A server that this process started, or the one that PREFECT_API_URL names or `landmark up` keeps: left alone.

    It is stopped when this process exits, not earlier: Prefect still sends its last log lines then. So start it before
    Prefect is imported (what is registered first to be done at exit is done last), and wait for it after.

    Args:
        home: the project's home folder; `flows.environment.prepare` was called for it.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._log = home / "prefect" / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it; does not wait, so that imports can go on meanwhile."""
        found.use(self._home)
        if os.environ.get("PREFECT_API_URL"):
            return self
        port = _free_port()
        with self._log.open("wb") as stream:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "flows.server", str(port), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            )
        os.environ["PREFECT_API_URL"] = f"http://127.0.0.1:{port}/api"
        atexit.register(self.stop)
        return self

    def wait(self) -> None:
        """Wait until the server answers.

        Raises:
            LandmarkError: it ended, or takes too long.
        """
        if self._process is None:
            self._wait_for_supervised()
            return
        deadline = time.monotonic() + START_SECONDS
        while not _answers(os.environ["PREFECT_API_URL"]):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise LandmarkError(
                    f"Prefect's server did not start; its messages are in {self._log} (a full disk and a damaged "
                    f"{self._log.with_name('prefect.db')} are what it is as a rule; the latter may be deleted)"
                )
            time.sleep(0.1)

    def _wait_for_supervised(self) -> None:
        """Wait while the supervisor starts its server, or starts it anew; another's server is its owner's business."""
        deadline = time.monotonic() + START_SECONDS
        while (servers := found.running(self._home)) is not None and f"{servers.urls.get('prefect')}/api" == os.environ.get(
            "PREFECT_API_URL"
        ):
            if _answers(os.environ["PREFECT_API_URL"]):
                return
            if time.monotonic() > deadline:
                log = servers.services["prefect"]["log"]
                raise LandmarkError(f"the Prefect server of `landmark up` does not answer; its messages are in {log}")
            time.sleep(0.2)

    def stop(self) -> None:
        """End the server, if this process started it."""
        if self._process is None:
            return
        os.environ.pop("PREFECT_API_URL", None)
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _answers(url: str) -> bool:
    # Not through a proxy: it is this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def end_with(parent: int) -> None:
    """End this process soon after its parent has ended, however that was."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(STOP_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def main(port: int, parent: int) -> None:
    """Serve until the parent is gone."""
    end_with(parent)
    import uvicorn
    from prefect.server.api.server import create_app

    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.run(
            create_app(ephemeral=True, final=True), host="127.0.0.1", port=port, log_level="error", timeout_graceful_shutdown=3
        )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
