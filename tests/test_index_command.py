"""The command `landmark index`, from outside."""

import json
from pathlib import Path

import numpy as np

from tests.recognition.samples import unit
from tests.test_cli import landmark, one_line


def test_build_search_add_remove(tmp_path: Path) -> None:
    rows = unit(np.random.default_rng(0).normal(size=(300, 12)))
    np.save(tmp_path / "v.npy", rows.astype(np.float16))
    np.save(tmp_path / "q.npy", rows[:4])
    (tmp_path / "ids.csv").write_text("photo,region\n" + "".join(f"p{i},{'ab'[i % 2]}\n" for i in range(300)))
    index, out = tmp_path / "index", tmp_path / "r.npz"
    done = landmark("index", "build", tmp_path / "v.npy", "--out", index, "--ids", tmp_path / "ids.csv", "-k", "3", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["count"], told["factory"], told["recall_low"]) == (300, "Flat", 1.0)
    assert (index / "operating_points.svg").read_text().startswith("<svg")
    assert landmark("index", "search", index, tmp_path / "q.npy", "--out", out, "--region", "b").returncode == 0
    with np.load(out, allow_pickle=False) as found:
        odd = np.arange(1, 300, 2)
        expected = odd[np.argsort(-(rows[:4] @ rows[odd].T), axis=1)[:, :3]]
        assert found["ids"].tolist() == [[f"p{i}" for i in row] for row in expected]
        assert found["similarities"].shape == (4, 3)
    told = json.loads(landmark("index", "remove", index, "p0", "p1", "--json").stdout)
    assert (told["count"], told["removed"]) == (298, 2)


def test_errors_are_one_line(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.full((5, 4), 3.0, np.float32))
    one_line_of = landmark("index", "build", tmp_path / "v.npy", "--out", tmp_path / "i")
    assert one_line_of.returncode == 1
    assert "divide each vector by its length" in one_line_of.stderr.splitlines()[-1]
    assert "no index.json" in one_line(landmark("index", "info", tmp_path), 2)
    assert "--near" in one_line(landmark("index", "search", "i", "q.npy", "--out", "r.npz", "--near", "1,2"), 2)
