"""The benchmark's loops are implementations of their own: they must give the same scores."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import revisited


def test_all_ways_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(revisited, "DATABASE", 400)
    monkeypatch.setattr(revisited, "DISTRACTORS", 300)
    monkeypatch.setattr("sys.argv", ["revisited", "--out", str(tmp_path)])
    revisited.main()  # refuses where they differ
    written = json.loads((tmp_path / "revisited.json").read_text())
    assert [row["method"] for row in written["rows"]][1:] == ["Python loop over the results", "reference's way"]
    assert "70 queries x 700 results" in capsys.readouterr().out
