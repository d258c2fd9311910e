from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from landmark.config import CentroidsConfig, MetadataConfig
from landmark.evaluation.galleries import truth_of
from landmark.evaluation.open_set import OpenSet
from landmark.evaluation.verification import make_pairs
from landmark.recognition.calibration import Calibration
from landmark.recognition.centroids import build_centroids
from landmark.recognition.recognizer import Recognizer
from landmark.steps.protocols import REFERENCES, Protocols, nearest_own, protocols, references, training_photos
from tests.evaluation.samples import DIM, two_sided_world


class FakeNetwork:
    """Stands for the network where embeddings are given."""

    embedding_dim = DIM


def recognizer_of(vectors: np.ndarray, table: pd.DataFrame, threshold: float = 0.6) -> Recognizer:
    train = np.asarray((table["split"] == "train") & (table["landmark"] != ""))
    names = sorted(set(table["landmark"]) - {""})
    return Recognizer(
        FakeNetwork(),  # type: ignore[arg-type]
        build_centroids(vectors[train], table["landmark"][train].tolist(), table["photo"][train].tolist(), CentroidsConfig()),
        Calibration(threshold=threshold, specificity=0.99, slope=10.0, intercept=-5.0),
        None,
        None,
        pd.DataFrame({"landmark": names, "name": names, "lat": np.nan, "lon": np.nan}),
        MetadataConfig(),
    )


def measured(vectors: np.ndarray, table: pd.DataFrame, recognizer: Recognizer) -> tuple[Protocols, OpenSet]:
    test = np.asarray(table["split"] == "test")
    scored = recognizer.score(vectors[test])
    open_set = OpenSet(scored["score"].to_numpy(), scored["landmark"].to_numpy().astype(str), *truth_of(table, test))
    photos = training_photos(table, recognizer.centroids)
    return protocols(recognizer, table, vectors, scored, open_set, photos), open_set


def test_all_of_it() -> None:
    vectors, table = two_sided_world()
    recognizer = recognizer_of(vectors, table)
    found, open_set = measured(vectors, table, recognizer)
    metrics, whole = found.metrics, open_set.figures(0.6)["sensitivity"]
    assert metrics["sensitivity_uncommon"] == pytest.approx(whole)  # every landmark has 24 training photos
    assert found.aspects["photos"].sum() == 40
    assert np.average(found.aspects["sensitivity"], weights=found.aspects["photos"]) == pytest.approx(whole)
    assert {"sensitivity_main_aspect", "sensitivity_other_aspects"} <= set(metrics)
    assert set(found.verification) == {"minimum", "mean"}
    assert metrics["verification_auc"] >= metrics["verification_mean_auc"] > 0.5
    for name in ("map_at_5_with_new", "tags_right_at_1_percent", "tags_right_at_3_percent_with_unknown_low"):
        assert 0 <= metrics[name] <= 1


def test_verification_is_of_the_test_photos_and_the_references() -> None:
    vectors, table = two_sided_world()
    found, open_set = measured(vectors, table, recognizer_of(vectors, table))
    chosen, landmark = references(table), np.asarray(table["landmark"], str)
    shown = np.asarray(table["split"] == "test") & (landmark != "")
    pairs = make_pairs(vectors[shown], landmark[shown], vectors[chosen], landmark[chosen], "minimum")
    assert found.metrics["verification_eer"] == pytest.approx(pairs.eer)
    assert found.verification["minimum"].same.sum() == open_set.landmark_photo.sum()


def test_the_new_class_threshold_is_chosen_on_calibrate() -> None:
    vectors, table = two_sided_world()
    recognizer = recognizer_of(vectors, table)
    whole = measured(vectors, table, recognizer)[0].metrics
    assert whole["map_at_5_threshold"] != 0.6
    # Without landmark photos to choose by, the recognizer's own threshold is all there is.
    kept = np.asarray((table["split"] != "calibrate") | (table["landmark"] == ""))
    part = measured(vectors[kept], table[kept].reset_index(drop=True), recognizer)[0].metrics
    assert part["map_at_5_threshold"] == 0.6
    # The test photos have no say.
    moved = vectors.copy()
    test = np.asarray(table["split"] == "test")
    moved[test] = moved[test][::-1]
    assert measured(moved, table, recognizer)[0].metrics["map_at_5_threshold"] == whole["map_at_5_threshold"]


def test_a_test_split_alone_has_what_it_can_have() -> None:
    vectors, table = two_sided_world()
    recognizer = recognizer_of(vectors, table)
    test = np.asarray(table["split"] == "test")
    found, _ = measured(vectors[test], table[test].reset_index(drop=True), recognizer)
    assert found.verification == {}
    assert "verification_eer" not in found.metrics
    assert "map_at_5_with_new" in found.metrics
    # The photos behind the centroids stand for training photos that the catalog does not have.
    assert "sensitivity_uncommon" in found.metrics


def test_references_are_few_and_do_not_depend_on_the_order() -> None:
    _, table = two_sided_world()
    chosen = references(table)
    assert table[chosen]["landmark"].value_counts().tolist() == [REFERENCES] * 4
    assert set(table[chosen]["split"]) == {"train"}
    shuffled = table.sample(frac=1, random_state=0).reset_index(drop=True)
    assert set(shuffled[references(shuffled)]["photo"]) == set(table[chosen]["photo"])


def test_nearest_own_is_that_of_a_plain_loop() -> None:
    vectors, table = two_sided_world()
    centroids = recognizer_of(vectors, table).centroids
    landmark = np.asarray(table["landmark"], str)
    landmark[0] = "never seen"
    rows = nearest_own(centroids, vectors, landmark)
    for row, (vector, name) in enumerate(zip(vectors, landmark, strict=True)):
        own = [number for number, of in enumerate(centroids.landmark) if of == name]
        expected = max(own, key=lambda number: float(centroids.vectors[number] @ vector)) if own else -1
        assert rows[row] == expected
