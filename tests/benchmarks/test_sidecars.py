"""The benchmark of sidecars and albums, small."""

from __future__ import annotations

from pathlib import Path

from benchmarks.sidecars import main


def test_it_measures_what_it_says(tmp_path: Path) -> None:
    result = main(["--photos", "30", "--rounds", "2", "--out", str(tmp_path / "sidecars.json")])
    for measured in result["rounds"]:
        assert len(measured["seconds"]) == 9
        assert all(clock > 0 for clock, _ in measured["seconds"].values())
        assert measured["left"] == 0, "all were withdrawn in the end"
        assert measured["bytes"] > 30 * 1000
    text = (tmp_path / "sidecars.md").read_text()
    assert "| plain writes |" in text
    assert "30 photos" in text
