"""The wrong labels that the benchmark of cleaning plants."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.cleaning_noise import KINDS, MOST_OTHERS, plant

TRUTH = np.array(["a"] * 300 + ["b"] * 100 + ["c"] * 50 + [""] * 200)
VECTORS = np.random.default_rng(0).normal(size=(len(TRUTH), 8)).astype(np.float32)


@pytest.mark.parametrize(("kind", "level"), [(kind, level) for kind, levels in KINDS.items() for level in levels])
def test_as_many_labels_are_wrong_as_asked_for(kind: str, level: float) -> None:
    labels, planted = plant(kind, level, TRUTH, VECTORS, 0)
    assert (planted == (labels != TRUTH)).all()
    assert planted[labels != ""].mean() == pytest.approx(level, abs=0.005)
    others = planted[TRUTH == ""].sum()
    assert others <= MOST_OTHERS * 200
    if kind in ("others", "landmarks"):
        assert (others == 0) == (kind == "landmarks")
        assert planted[TRUTH != ""].any() == (kind == "landmarks")
    elif level < 0.4:
        assert others == pytest.approx(planted.sum() / 2, abs=1)


def test_draws_differ_by_seed_and_come_back() -> None:
    first, second, third = (plant("mix", 0.2, TRUTH, VECTORS, seed)[0] for seed in (0, 1, 0))
    assert (first != second).any()
    assert (first == third).all()


def test_a_series_is_of_one_truth_and_gets_one_label() -> None:
    labels, planted = plant("series", 0.1, TRUTH, VECTORS, 0)
    pairs = {(truth, label) for truth, label in zip(TRUTH[planted], labels[planted], strict=True)}
    assert len(pairs) < planted.sum() / 3
