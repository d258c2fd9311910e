from __future__ import annotations

import http.server
import importlib.util
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.infra.conftest import INFRA

ADVISORY = {
    "id": "PYSEC-2099-1",
    "summary": "a hole",
    "affected": [
        {"package": {"name": "holed", "ecosystem": "PyPI"}, "ranges": [{"type": "ECOSYSTEM", "events": [{"fixed": "1.2"}]}]}
    ],
}


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("infra_audit", INFRA / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def advisories() -> Iterator[str]:
    """A source that knows of one hole, in `holed` before 1.2."""

    class Source(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            holed = asked["package"]["name"] == "holed" and asked["version"] < "1.2"
            answer: dict[str, Any] = {"vulns": [ADVISORY]} if holed else {}
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Source)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    server.server_close()


def constraints(folder: Path, *lines: str) -> str:
    file = folder / "constraints.txt"
    file.write_text("\n".join(lines) + "\n")
    return str(file)


def test_a_known_hole_is_told_with_its_mend(
    audit: ModuleType, advisories: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = audit.main([constraints(tmp_path, "whole==1.0", "holed==1.1"), "--osv-url", advisories])
    assert status == 1
    assert "holed 1.1: PYSEC-2099-1 (mended in 1.2)" in capsys.readouterr().out


def test_no_known_hole(audit: ModuleType, advisories: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = audit.main([constraints(tmp_path, "whole==1.0", "holed==1.2"), "--osv-url", advisories])
    assert status == 0
    assert "2 of 2 packages looked up, 0 with known vulnerabilities" in capsys.readouterr().out


def test_no_source_is_not_called_clean(audit: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = audit.main([constraints(tmp_path, "whole==1.0"), "--osv-url", "http://127.0.0.1:9/v1/query"])
    said = capsys.readouterr()
    assert status == 3
    assert said.out == ""
    assert said.err == "not audited: no advisory source reached (http://127.0.0.1:9/v1/query)\n"


def test_packages_that_the_source_does_not_know_are_not_called_clean(
    audit: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    """pip-audit itself says "No known vulnerabilities found" and ends with 0 then."""
    found = [{"name": "a", "version": "1", "vulns": []}, {"name": "b", "skip_reason": "not found"}]
    assert audit.report("PyPI", found) == 3
    assert "not audited: b" in capsys.readouterr().err


def test_a_source_that_knows_no_package_has_not_answered(audit: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    class Done:
        stdout = json.dumps({"dependencies": [{"name": "a", "skip_reason": "not found"}]})

    monkeypatch.setattr(audit.subprocess, "run", lambda *_, **__: Done())
    assert audit.ask([], Path("constraints.txt")) is None
