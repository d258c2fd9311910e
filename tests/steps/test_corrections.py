"""What people said of photos, through the steps: rejected photos are not given again, confirmed ones lift a weak landmark."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from landmark.config import CleaningConfig, NetworkConfig, RunConfig, WorldConfig
from landmark.network.network import Network
from landmark.photos.catalog import Catalog
from landmark.photos.corrections import Corrections
from landmark.photos.world import write_world
from landmark.recognition.cleaning import clean
from landmark.recognition.recognizer import Recognizer
from landmark.run import Run
from landmark.steps.plan import plan

NETWORK = NetworkConfig(backbone="tf_efficientnet_lite0", image_size=64, dim=16, keep_pretrained=1.0)
UP_TO = ("catalog", "train", "embed", "centroids", "index", "calibrate", "recognizer")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world whose last photos of each folder are somebody's holiday photos, of which the source has nothing."""
    root = tmp_path_factory.mktemp("world")
    write_world(root / "all", WorldConfig(landmarks=4, photos=20, others=160, size=64, seed=1))
    Network.frozen_baseline(NETWORK).save(root / "base" / "network")
    (root / "base" / "recognizer.json").write_text(json.dumps({"fingerprint": "frozen"}))
    for folder in [*sorted((root / "all" / "landmarks").iterdir()), root / "all" / "others"]:
        photos = sorted(folder.iterdir())
        away = root / "holiday" / folder.name
        away.mkdir(parents=True)
        for photo in photos[::3]:
            shutil.move(photo, away / photo.name)
    return root


def refresh(world: Path, home: Path, **data: Any) -> Run:
    values = {
        "name": "w-refresh",
        "home": str(home),
        "threads": 1,
        "base": str(world / "base"),
        "data": {"format": "world", "source": str(world / "all"), "calibrate": 0.3, **data},
        "network": NETWORK.model_dump(),
        "training": {"stages": [{"name": "all"}]},
        "calibration": {"specificity": 0.85, "rescore": "always", "neighbours": 1},
    }
    run = Run(config := RunConfig.model_validate(values), plan(config))
    for step in run.steps:
        if step.name in UP_TO:
            run.perform(step)
    return run


def given(run: Run, photos: list[Path]) -> dict[Path, str]:
    recognizer = Recognizer.load(run.outputs["recognizer"].folder / "recognizer")
    table = recognizer.recognize([str(photo) for photo in photos])
    return dict(zip(photos, table["landmark"], strict=True))


def test_a_refresh_learns_from_what_people_said(world: Path, tmp_path: Path) -> None:
    others = sorted((world / "holiday" / "others").iterdir())
    landmarks = {photo: photo.parent.name for photo in sorted((world / "holiday").glob("*/*")) if photo.parent.name != "others"}
    first = refresh(world, tmp_path / "home")
    before = given(first, [*others, *landmarks])
    wrong = [photo for photo in others if before[photo]]
    missed = [photo for photo, landmark in landmarks.items() if before[photo] != landmark]
    assert len(wrong) >= 3
    assert len(missed) >= 3
    weak = max(set(landmarks.values()), key=[landmarks[photo] for photo in missed].count)
    corrections = Corrections(tmp_path / "out" / "corrections.jsonl")
    said = dict.fromkeys(wrong, "") | {photo: weak for photo in missed[::2] if landmarks[photo] == weak}
    for photo, landmark in said.items():
        sha256 = hashlib.sha256(photo.read_bytes()).hexdigest()
        corrections.add(sha256, str(photo), "correct" if landmark else "reject", landmark, before[photo], "w/1")

    second = refresh(world, tmp_path / "home", corrections=[str(tmp_path / "out")])
    assert second.ran == [name for name in UP_TO if name != "train"]
    catalog = Catalog.load(second.outputs["catalog"].folder / "catalog.parquet").table.set_index("photo")
    bank = catalog.loc[[str(photo) for photo in wrong if str(photo) in catalog.index]]  # near-duplicates of test photos are not
    assert len(bank) >= 3
    assert set(bank["split"]) == {"train"}
    assert set(bank["landmark"]) == {""}
    assert bank["verified"].all()
    after = given(second, [*others, *landmarks])
    again = [photo for photo in map(Path, bank.index) if after[photo] == before[photo]]
    right = [sum(tags[photo] == weak for photo, shown in landmarks.items() if shown == weak) for tags in (before, after)]
    assert again == []
    assert right[1] > right[0]

    assert refresh(world, tmp_path / "home", corrections=[str(tmp_path / "out")]).ran == []
    corrections.undo()
    assert refresh(world, tmp_path / "home", corrections=[str(tmp_path / "out")]).ran[0] == "catalog"


def test_cleaning_drops_no_photo_that_someone_confirmed_and_takes_it_for_no_stand_in() -> None:
    random = np.random.default_rng(0)

    def around(axis: int, count: int) -> np.ndarray:
        vectors = np.eye(8, dtype=np.float32)[axis] + 0.02 * random.standard_normal((count, 8)).astype(np.float32)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)

    # Ten arches, two photos that look like bells and one like other things, all labelled as arches; ten bells.
    vectors = np.concatenate([around(0, 10), around(1, 2), around(2, 1), around(1, 10)])
    landmark = np.array(["arch"] * 13 + ["bell"] * 10)
    arguments = (vectors, landmark, around(2, 20), np.arange(23), CleaningConfig(neighbours=3, min_photos=1))
    plain = clean(*arguments)
    assert np.flatnonzero(~plain.kept).tolist() == [10, 11, 12]
    verified = np.arange(23) == 12
    told = clean(*arguments, verified=verified)
    assert np.flatnonzero(~told.kept).tolist() == [10, 11]
    assert told.reference[12]
    assert (told.reference[:10] == plain.reference[:10]).all()  # the central photos still stand for the arch
