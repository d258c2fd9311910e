"""A failed flow tells somebody: through Prefect's real server and blocks, to a web server of our own."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.test_cli import ROOT

PROGRAM = """
import sys
from pathlib import Path
from flows.environment import prepare
from flows.server import Server
home, url = Path(sys.argv[1]), sys.argv[2]
prepare(home)
server = Server(home).start()
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.blocks.webhook import Webhook
from prefect.blocks.system import Secret
from flows.parameters import RetrainParameters
from flows.retrain import retrain
server.wait()
CustomWebhookNotificationBlock(name="ops", url=url + "/custom", json_data={"text": "{{subject}}|{{body}}"}).save("ops")
Webhook(url=url + "/plain").save("ops")
Secret(value="silent").save("ops")
from prefect import flow, get_client
from flows import artifacts

@flow(name="shows")
def shows():
    (home / "p.png").write_bytes(b"\\x89PNG")
    (home / "large.svg").write_bytes(b"x" * (artifacts.LARGEST + 1))
    artifacts.picture("small", home / "p.png", "small")
    artifacts.picture("large", home / "large.svg", "large")
    artifacts.picture("none", home / "none.png", "none")
    artifacts.table("figures", [{"figure": "gap", "value": 0.123456}], "figures")

shows()
with get_client(sync_client=True) as client:
    found = {row.key: (row.type, str(row.data)) for row in client.read_artifacts()}
assert found["small"] == ("image", "data:image/png;base64,iVBORw=="), found
assert found["large"][0] == "markdown" and "large.svg" in found["large"][1], found
assert "none" not in found
assert "0.1235" in found["figures"][1], found
for block in ("custom-webhook/ops", "webhook/ops", "secret/ops", "webhook/nobody"):
    try:
        retrain(RetrainParameters(config=str(home / "missing.yaml"), notify=block))
    except Exception as error:
        print(block, type(error).__name__, file=sys.stderr)
    else:
        sys.exit("it did not fail")
"""


class Web(BaseHTTPRequestHandler):
    """Keeps what is posted."""

    posted: ClassVar[list[tuple[str, Any]]] = []

    def do_POST(self) -> None:
        self.posted.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    Web.posted.clear()
    server = HTTPServer(("127.0.0.1", 0), Web)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_pages_show_pictures_and_a_failure_is_told_once_and_by_the_block_that_was_named(tmp_path: Path, url: str) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), url]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("UsageError") == 4  # the flow's own error comes through, whatever became of the message
    (custom, first), (plain, second) = Web.posted
    assert (custom, plain) == ("/custom", "/plain")
    subject, body = first["text"].split("|")
    assert subject == second["subject"] == "landmark: retrain 'missing': failed"
    assert "missing.yaml: cannot be read" in body
    assert "missing.yaml: cannot be read" in second["body"]
