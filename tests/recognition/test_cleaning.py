"""Which photos are dropped: noise of several kinds in made-up embeddings, and what must never happen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landmark.config import CleaningConfig
from landmark.errors import LandmarkError
from landmark.recognition.cleaning import Verdict, clean
from tests.recognition.samples import around, unit

SETTINGS = CleaningConfig()


def place(landmarks: int = 8, photos: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Embeddings and true labels of landmarks with two aspects that share something, and of others that lie anywhere."""
    random = np.random.default_rng(seed)
    aspects = [unit(random.normal(size=(1, 64)) + random.normal(size=(2, 64))) for _ in range(landmarks)]
    vectors = np.concatenate([around(both, photos // 2, 0.07, random) for both in aspects])
    others = around(unit(random.normal(size=(30, 64))), 10, 0.07, random)
    return vectors, np.repeat([f"place{n}" for n in range(landmarks)], photos), others


def judged(vectors: np.ndarray, labels: np.ndarray, others: np.ndarray, **options: object) -> Verdict:
    return clean(vectors, labels, others, np.arange(len(labels)), SETTINGS, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("level", [0.1, 0.2, 0.4])
def test_planted_noise_is_found(level: float) -> None:
    vectors, labels, others = place()
    random = np.random.default_rng(1)
    count = int(level * len(labels))
    wrong = random.choice(len(labels), count // 2, replace=False)
    noisy = labels.copy()
    noisy[wrong] = [random.choice(np.unique(labels)[np.unique(labels) != truth]) for truth in labels[wrong]]
    strangers = random.choice(len(others), count // 2, replace=False)
    noisy = np.append(noisy, random.choice(np.unique(labels), len(strangers)))
    planted = np.concatenate([np.isin(np.arange(len(labels)), wrong), np.ones(len(strangers), bool)])
    verdict = judged(np.concatenate([vectors, others[strangers]]), noisy, np.delete(others, strangers, axis=0))
    assert planted[~verdict.kept].mean() > 0.9
    assert (~verdict.kept)[planted].mean() > 0.8
    # A photo of another landmark is nearest to the one that it shows.
    found = wrong[~verdict.kept[wrong]]
    assert (verdict.rival[found] == labels[found]).mean() > 0.95
    assert not (planted & verdict.reference).any()


def test_right_labels_stay() -> None:
    assert judged(*place()).kept.all()


def test_a_series_of_one_wrong_thing_is_no_aspect() -> None:
    vectors, labels, others = place()
    # Ten photos of another landmark's aspect, labelled alike: they vouch for each other, but nothing else does.
    noisy = labels.copy()
    noisy[:10] = "place5"
    verdict = judged(vectors, noisy, others)
    assert not verdict.kept[:10].any()
    assert verdict.kept[10:].all()


def test_an_aspect_that_resembles_nothing_else_is_an_aspect() -> None:
    vectors, labels, others = place()
    random = np.random.default_rng(5)
    inside = around(unit(random.normal(size=64)), 20, 0.07, random)
    verdict = judged(np.concatenate([vectors, inside]), np.append(labels, ["place0"] * 20), others)
    assert verdict.kept.all()


def test_references_decide_what_is_kept() -> None:
    vectors, labels, others = place()
    # Half of the photos labelled place0 are place1: only someone who knows can say which half is right.
    noisy = np.where(labels == "place1", "place0", labels)
    for right in ("place0", "place1"):
        references = np.zeros(len(labels), bool)
        references[np.flatnonzero(labels == right)[[0, 1, -2, -1]]] = True
        # The wrong half has a rival that it really shows.
        copies = around(vectors[labels == ("place1" if right == "place0" else "place0")], 1, 0.05, np.random.default_rng(3))
        verdict = judged(
            np.concatenate([vectors, copies]),
            np.append(noisy, ["elsewhere"] * len(copies)),
            others,
            references=np.append(references, np.zeros(len(copies), bool)),
        )
        kept = verdict.kept[: len(labels)]
        assert kept[references].all()
        assert kept[labels == right].mean() > 0.9
        assert kept[np.isin(labels, ("place0", "place1")) & (labels != right)].mean() < 0.1


def test_what_an_earlier_round_dropped_does_not_vouch() -> None:
    vectors, labels, others = place()
    noisy = labels.copy()
    wrong = np.flatnonzero(labels == "place0")[:20]
    noisy[wrong] = "place1"
    trusted = np.ones(len(labels), bool)
    trusted[wrong] = False
    assert not judged(vectors, noisy, others, trusted=trusted).reference[wrong[1:]].any()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 6), st.integers(0, 12), st.integers(1, 5))
def test_no_landmark_runs_empty(seed: int, landmarks: int, strangers: int, fewest: int) -> None:
    random = np.random.default_rng(seed)
    sizes = random.integers(1, 9, landmarks)
    labels = np.repeat([f"place{n}" for n in range(landmarks)], sizes)
    # Nothing resembles anything: all could be wrong.
    vectors = unit(random.normal(size=(len(labels), 6)))
    others = unit(random.normal(size=(strangers, 6)).reshape(-1, 6))
    chosen = CleaningConfig(min_photos=fewest)
    groups = random.integers(0, len(labels), len(labels))
    verdict = clean(vectors, labels, others, groups, chosen)
    for name, size in zip(np.unique(labels), sizes, strict=True):
        own = labels == name
        assert verdict.kept[own].sum() >= min(fewest, size)
        assert verdict.reference[own].any()
    assert verdict.kept[verdict.reference].all()
    assert verdict.kept[verdict.tied].all()


def test_the_order_of_the_photos_does_not_matter() -> None:
    vectors, labels, others = place()
    labels = labels.copy()
    labels[:60:4] = "place3"
    order = np.random.default_rng(0).permutation(len(labels))
    first, second = judged(vectors, labels, others), judged(vectors[order], labels[order], others)
    assert (first.kept[order] == second.kept).all()
    assert (first.reference[order] == second.reference).all()


def test_more_photos_than_are_clustered_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, labels, others = place()
    monkeypatch.setattr("landmark.recognition.cleaning.MAX_CLUSTERED", 15)
    verdict = judged(vectors, labels, others)
    assert verdict.kept.all()
    assert np.unique(verdict.cluster[labels == "place0"]).size >= 3


def test_clusters_are_numbered_by_size_within_a_landmark() -> None:
    vectors, labels, others = place()
    verdict = judged(vectors[5:], labels[5:], others)
    for name in np.unique(labels):
        sizes = np.bincount(verdict.cluster[labels[5:] == name])
        assert (np.diff(sizes) <= 0).all()
        assert sizes.min() > 0


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda v, y, o, g: (v[:-1], y, o, g), "embeddings but 16 landmark ids"),
        (lambda v, y, o, g: (v, y, o, g[1:]), "16 embeddings but 15 groups"),
        (lambda v, y, o, g: (v, np.where(np.arange(16) == 3, "", y), o, g), "only photos labelled with a landmark"),
        (lambda v, y, o, g: (v[:0], y[:0], o, g[:0]), "there must be some"),
        (lambda v, y, o, g: (v * 2, y, o, g), "has length 2"),
        (lambda v, y, o, g: (v, y, o[:, :3], g), "3 dimensions where 64"),
        (lambda v, y, o, g: (np.where(v == v[0, 0], np.nan, v), y, o, g), "NaN"),
    ],
)
def test_what_makes_no_sense_is_refused(spoil: object, message: str) -> None:
    vectors, labels, others = place(2, 8)
    with pytest.raises(LandmarkError, match=message):
        clean(*spoil(vectors, labels, others, np.arange(16)), SETTINGS)  # type: ignore[operator]
