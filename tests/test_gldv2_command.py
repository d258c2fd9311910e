"""The command `landmark gldv2`, from outside."""

import json
from pathlib import Path

import pytest

from landmark.storage import join
from tests.test_cli import landmark, one_line


def test_score_prints_public_and_private(tmp_path: Path) -> None:
    solution, submission = tmp_path / "solution.csv", tmp_path / "submission.csv"
    solution.write_text("id,images,Usage\na,x y,Public\nb,z,Private\nc,None,Ignored\n")
    submission.write_text("id,images\na,x w y\nb,w z\n")
    done = landmark("gldv2", "score", "retrieval", solution, submission, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "task": "retrieval",
        "public": {"map_at_100": pytest.approx((1 + 2 / 3) / 2), "photos": 1, "predicted": 1},
        "private": {"map_at_100": 0.5, "photos": 1, "predicted": 1},
    }
    table = landmark("gldv2", "score", "retrieval", solution, submission).stdout
    for cell in ("mAP@100 [%]", "public", "83.333", "private", "50.000"):
        assert cell in table


def test_wrong_files_and_options_end_with_2(tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("id,landmarks,Usage\na,1,Public\nb,1\n")
    assert "bad.csv, line 3: 2 cells" in one_line(landmark("gldv2", "score", "recognition", bad, bad), 2)
    assert "task" in one_line(landmark("gldv2", "score", "detection", bad, bad), 2)
    assert "--index" in one_line(landmark("gldv2", "submit", "retrieval", "model", tmp_path, "--out", "x.csv"), 2)
    assert "--index" in one_line(landmark("gldv2", "submit", "recognition", "m", tmp_path, "--out", "x", "--index", "i"), 2)
    missing = join(tmp_path, "nowhere")
    assert "nowhere" in one_line(landmark("gldv2", "submit", "recognition", missing, tmp_path, "--out", "x.csv"), 1)
