"""Stages against the catalog: who enters when, and what is refused before any work."""

from __future__ import annotations

import numpy as np
import pytest

from landmark.errors import UsageError
from landmark.network.curriculum import resolve_stages, training_digest, training_table
from landmark.photos.catalog import Catalog
from tests.network.conftest import run_config


def test_landmarks_enter_by_region_and_keep_their_class_index(painted: Catalog) -> None:
    stages = resolve_stages(
        painted,
        run_config(
            stages=[
                {"name": "far", "regions": ["Far East"], "non_landmarks": False},
                {"name": "one more", "landmarks": ["bell"]},
                {"name": "all"},
            ]
        ),
    )
    assert [stage.classes for stage in stages] == [
        ("crown", "dome"),
        ("crown", "dome", "bell"),
        ("crown", "dome", "bell", "arch"),
    ]
    assert np.bincount(stages[0].targets).tolist() == [0, 20, 5]
    assert np.bincount(stages[2].targets).tolist() == [20, 20, 5, 20, 20]
    landmark = training_table(painted)["landmark"].to_numpy()
    for stage in stages:
        names = np.array(["", *stage.classes])
        assert (names[stage.targets] == landmark[stage.rows]).all()


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ({"regions": ["Atlantis"]}, r"stages\.0 \('s'\): regions: Atlantis has no photo.*Europe, Far East"),
        ({"landmarks": ["zoo"]}, r"landmarks: zoo has no photo in the train split; there are arch, bell"),
        ({"landmarks": ["arch"], "non_landmarks": False}, "only 1 class enters"),
    ],
)
def test_impossible_stages(painted: Catalog, stage: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolve_stages(painted, run_config(stages=[{"name": "s", **stage}]))


def test_non_landmarks_must_be_there(painted: Catalog) -> None:
    with pytest.raises(UsageError, match="no photo without a landmark"):
        resolve_stages(painted.only(painted.table["landmark"] != ""), run_config())


def test_names_and_order_of_files_have_no_part_in_training(painted: Catalog) -> None:
    shuffled = painted.table.sample(frac=1, random_state=0).reset_index(drop=True)
    moved = shuffled.assign(photo=[f"/elsewhere/{number}.png" for number in range(len(shuffled))])
    renamed = Catalog(moved, painted.landmarks.assign(name="another"), painted.rejects)
    assert training_digest(renamed) == training_digest(painted)
    before, after = resolve_stages(painted, run_config())[0], resolve_stages(renamed, run_config())[0]
    assert np.array_equal(before.targets, after.targets)
    relabelled = Catalog(
        shuffled.assign(landmark=shuffled["landmark"].replace("arch", "bell")), painted.landmarks, painted.rejects
    )
    assert training_digest(relabelled) != training_digest(painted)
