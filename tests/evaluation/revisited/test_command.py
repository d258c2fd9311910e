"""`landmark revisited`: end to end on painted photos, and on rankings made elsewhere."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from landmark.config import MetadataConfig, NetworkConfig
from landmark.errors import LandmarkError, UsageError
from landmark.evaluation.revisited.whitening import Whitening
from landmark.network.network import Network
from landmark.recognition.calibration import Calibration
from landmark.recognition.centroids import Centroids
from landmark.recognition.recognizer import Recognizer
from landmark.revisited_command import Options, parse_scales, print_scores, revisited
from tests.evaluation.revisited.samples import GND, content, needs_gnd
from tests.network.conftest import paint
from tests.recognition.samples import unit
from tests.test_cli import landmark, one_line

NETWORK = NetworkConfig(backbone="test_efficientnet.r160_in1k", pretrained="none", dim=8, image_size=64)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Painted photos, their ground truth as JSON, a recognizer, distractors."""
    folder = tmp_path_factory.mktemp("revisited")
    random = np.random.default_rng(0)
    (folder / "photos" / "jpg").mkdir(parents=True)
    (folder / "others").mkdir()
    asked = [paint(kind, 0, random) for kind in (0, 1)]
    whole = [np.concatenate([photo, paint(3, 1, random)], axis=1) for photo in asked]  # the right half shows something else
    shown = [asked[0], asked[0], asked[0], asked[1], asked[1], whole[0], whole[1], asked[0]]
    for number, pixels in enumerate(shown):
        Image.fromarray(pixels).save(folder / "photos" / f"p{number}.png")
    for number, pixels in enumerate(whole):
        Image.fromarray(pixels).save(folder / "photos" / "jpg" / f"q_{number}.png")
    for number in range(5):
        Image.fromarray(paint(4, number % 2, random)).save(folder / "others" / f"d{number}.jpg")
    made = content(8, ([0, 1], [2], [7]), ([3], [4], []))
    for key in ("imlist", "qimlist"):
        made[key] = [f"{name}.png" for name in made[key]]
    for entry in made["gnd"]:
        entry["bbx"] = [0, 0, 40, 40]
    (folder / "gnd.json").write_text(json.dumps(made))
    (folder / "gnd.pkl").write_bytes(pickle.dumps(made))
    network = Network.build(NETWORK)
    ids = np.array(["arch", "bell"], object)
    centroids = Centroids(np.eye(2, network.embedding_dim, dtype=np.float32), ids, np.ones(2, int), ids)
    table = pd.DataFrame({"landmark": ids, "name": ids, "lat": np.nan, "lon": np.nan})
    calibration = Calibration(threshold=0.5, specificity=0.99, slope=10.0, intercept=-5.0)
    Recognizer(network, centroids, calibration, None, None, table, MetadataConfig()).save(folder / "model")
    (folder / "classes.csv").write_text("query,landmark\nq_0.png,arch\nq_1.png,elsewhere\n")
    (folder / "moved.csv").write_text("query,photo\nq_0.png,p2.png\n")
    (folder / "leave.txt").write_text("elsewhere\n")
    rows = np.eye(network.embedding_dim, dtype=np.float16)[:100]
    np.save(folder / "more.npy", rows)
    learnable = np.random.default_rng(1).normal(size=(2 * network.embedding_dim, network.embedding_dim))
    np.save(folder / "learn.npy", unit(learnable))
    return folder


def options(place: Path, **changes: Any) -> Options:
    given = {"gnd": str(place / "gnd.json"), "model": str(place / "model"), "images": str(place / "photos")}
    return Options(**{**given, **changes})


def plain(result: dict[str, Any]) -> dict[str, Any]:
    return {key: result[key] for key in "EMH"}


@pytest.mark.slow
def test_end_to_end(place: Path, tmp_path: Path) -> None:
    lists = ["--classes", place / "classes.csv", "--moved", place / "moved.csv", "--leave-out", place / "leave.txt"]
    protocols = ["--protocol", "our-classes", "--protocol", "revised-junk"]
    distractors = ["--distractors", place / "others", "--distractors", place / "more.npy"]
    files = ["--out", tmp_path / "out", "--per-query", tmp_path / "queries.csv", "--home", place / "home"]
    given = ["revisited", place / "model", "--images", place / "photos", "--gnd", place / "gnd.json"]
    done = landmark(*given, *lists, *protocols, *distractors, *files, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result == json.loads((tmp_path / "out" / "revisited.json").read_text())
    for difficulty in "EMH":
        assert set(result[difficulty]) == {"map", "mp@1", "mp@5", "mp@10"}
        # Cropped to their boxes, the queries are copies of what is to be found.
        assert list(result[difficulty].values()) == pytest.approx([100] * 4)
    assert result["our-classes"]["left_out"] == ["q_1.png"]
    assert result["revised-junk"]["moved"] == {"q_0.png": ["p2.png"]}
    assert result["without-overlap"]["left_out"] == ["q_1.png"]
    used = result["settings"]
    assert (used["query"], used["scales"], used["input_sizes"], used["whitening"]) == ("cropped", [1.0], [64], "none")
    assert used["distractors"] == [
        {"source": str(place / "others"), "photos": 5},
        {"source": str(place / "more.npy"), "photos": 100},
    ]
    table = pd.read_csv(tmp_path / "queries.csv")
    assert len(table) == 12
    assert table.equals(pd.read_csv(tmp_path / "out" / "per_query.csv"))


def test_the_crop_counts_and_leaving_it_out_is_loud(place: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cropped = revisited(options(place), place / "home")
    assert not caplog.records or "WHOLE" not in caplog.text
    whole = revisited(options(place, whole_query=True), place / "home")
    assert "WHOLE QUERIES" in caplog.text
    assert all(whole[difficulty]["whole_query"] is True for difficulty in "EMH")
    assert whole["settings"]["query"] == "whole"
    assert cropped["M"]["map"] == pytest.approx(100)
    # A copy of each whole photo, which shows what is asked for too but not alone, comes first now.
    assert whole["M"]["mp@1"] == 0


def test_whole_queries_mark_every_line(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = options(place, whole_query=True, protocols=("our-classes",), classes=str(place / "classes.csv"))
    print_scores(revisited(asked, place / "home"))
    shown = capsys.readouterr().out
    assert shown.count("WHOLE QUERIES") == 6
    assert "our-classes: 1 queries left out: q_1.png" in shown
    assert "scales [1.0]" in shown


def test_distractors_of_both_kinds_are_ranked(place: Path, tmp_path: Path) -> None:
    alone = revisited(options(place), place / "home")
    (tmp_path / "copies").mkdir()
    for number in range(8):
        (tmp_path / "copies" / f"{number}.png").write_bytes((place / "photos" / f"p{number}.png").read_bytes())
    copies = revisited(options(place, distractors=(str(tmp_path / "copies"),)), place / "home")
    assert copies["settings"]["distractors"] == [{"source": str(tmp_path / "copies"), "photos": 8}]
    assert plain(copies) == plain(alone)  # they tie with the database, and come after it
    # Whole queries find the database's copy of the whole photo first, then that of the distractors, then what is asked for.
    asked = options(place, whole_query=True, distractors=(str(tmp_path / "copies"),))
    among, apart = revisited(asked, place / "home"), revisited(options(place, whole_query=True), place / "home")
    assert among["M"]["map"] < apart["M"]["map"]


def test_scales_and_whitening_are_logged_and_kept(place: Path, tmp_path: Path) -> None:
    asked = options(place, scales=(1.0, 0.5), whiten=str(place / "learn.npy"))
    first = revisited(asked, place / "home", out=str(tmp_path / "out"))
    used = first["settings"]
    assert (used["input_sizes"], used["scales"]) == ([64, 32], [1.0, 0.5])
    assert used["whitening"] == f"PCA of {place / 'learn.npy'}, input 64, 32 pixels"
    kept = str(tmp_path / "out" / "whitening.npz")
    again = revisited(options(place, scales=(1.0, 0.5), whiten=kept), place / "home")
    assert plain(again) == plain(first)
    assert again["settings"]["whitening"] == used["whitening"]


def test_pickle_and_json_score_alike(place: Path, tmp_path: Path) -> None:
    both = [revisited(options(place, gnd=str(place / name)), place / "home") for name in ("gnd.json", "gnd.pkl")]
    assert plain(both[0]) == plain(both[1])


def test_a_missing_photo_is_named_before_the_model_is_opened(place: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "p0.png").write_bytes((place / "photos" / "p0.png").read_bytes())
    with pytest.raises(LandmarkError, match=r"photos/p1\.png: no such photo.*\(and 8 more\)"):
        revisited(options(place, images=str(tmp_path / "photos"), model="nowhere"), place / "home")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"images": None}, "--images DIR is missing"),
        ({"model": None}, "give a model with --images, or --ranks, and not both"),
        ({"ranks": "r.npy"}, "and not both"),
        ({"model": None, "ranks": "r.npy"}, "--images says how photos are embedded"),
        ({"model": None, "images": None, "ranks": "r.npy", "whole_query": True}, "--whole-query says how"),
        ({"model": None, "images": None, "ranks": "r.npy", "scales": (1.0, 2.0)}, "--scales says how"),
        ({"protocols": ("ours",)}, "--protocol: no protocol 'ours'; there are standard, our-classes, revised-junk"),
        ({"protocols": ("our-classes",)}, "--classes FILE is missing"),
        ({"protocols": ("revised-junk",)}, "go together"),
        ({"moved": "m.csv"}, "go together"),
        ({"distractors": ("nowhere",)}, "--distractors: no such folder: nowhere"),
        ({"whiten": "nowhere"}, "--whiten: no such folder: nowhere"),
        ({"scales": (0.0,)}, "--scales"),
    ],
)
def test_what_is_called_wrongly(place: Path, tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        revisited(options(place, **changes), place / "home")
    assert words in str(caught.value)


def test_classes_that_the_model_does_not_have(place: Path, tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("query,landmark\nq_0.png,castle\n")
    asked = options(place, protocols=("our-classes",), classes=str(tmp_path / "c.csv"))
    with pytest.raises(UsageError, match="no listed landmark is a class of the model"):
        revisited(asked, place / "home")


def test_distractors_of_another_network(place: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "d.npy", np.eye(5, dtype=np.float32))
    with pytest.raises(LandmarkError, match=r"d\.npy, rows 0 to 4: 5 dimensions where \d+ are needed"):
        revisited(options(place, distractors=(str(tmp_path / "d.npy"),)), place / "home")


def test_scales() -> None:
    assert parse_scales("1, 0.7071") == (1.0, 0.7071)
    with pytest.raises(UsageError, match="'1;2' is no list of numbers"):
        parse_scales("1;2")


@needs_gnd
def test_rankings_made_elsewhere(tmp_path: Path) -> None:
    np.save(tmp_path / "r.npy", np.tile(np.arange(6322)[:, None], 70))
    truth = GND / "gnd_rparis6k.pkl"
    done = landmark("revisited", "--ranks", tmp_path / "r.npy", "--gnd", truth, "--json")
    result = json.loads(done.stdout)
    assert set(result) == {"E", "M", "H", "queries", "settings"}
    assert 0 < result["M"]["map"] < 10
    shown = landmark("revisited", "--ranks", tmp_path / "r.npy", "--gnd", truth)
    assert f"{result['M']['map']:.2f}" in shown.stdout
    assert "settings: ground_truth" in shown.stdout
    np.save(tmp_path / "r.npy", np.tile(np.arange(6323)[:, None], 70))
    longer = landmark("revisited", "--ranks", tmp_path / "r.npy", "--gnd", truth, "--json")
    assert "6323 results for a database of 6322: ids from 6322 on are distractors" in longer.stderr
    np.save(tmp_path / "r.npy", np.tile(np.arange(6322)[:, None], 70) // 2)
    assert "photo 0 is there twice" in one_line(landmark("revisited", "--ranks", tmp_path / "r.npy", "--gnd", truth), 1)


def test_errors_of_the_command(tmp_path: Path) -> None:
    assert "give a model with --images, or --ranks" in one_line(landmark("revisited", "--gnd", "x"), 2)
    assert "Missing option" in one_line(landmark("revisited", "model"), 2)
    ranks = tmp_path / "r.npy"
    ranks.write_bytes(pickle.dumps([1, 2]))
    (tmp_path / "gnd.json").write_text(json.dumps(content(2, ([0], [], []))))
    error = one_line(landmark("revisited", "--ranks", ranks, "--gnd", tmp_path / "gnd.json"), 1)
    assert "not a readable .npy file" in error


def test_whitening_of_another_network(place: Path, tmp_path: Path) -> None:
    rows = unit(np.random.default_rng(0).normal(size=(20, 5)))
    Whitening.learn([rows], "elsewhere").save(tmp_path / "w.npz")
    with pytest.raises(LandmarkError, match="whitening from elsewhere: made for 5 dimensions"):
        revisited(options(place, whiten=str(tmp_path / "w.npz")), place / "home")
