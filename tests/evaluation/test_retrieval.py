import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_metric_learning.distances import DotProductSimilarity
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from pytorch_metric_learning.utils.inference import CustomKNN
from torchmetrics.functional.retrieval import retrieval_average_precision, retrieval_hit_rate

from landmark.errors import LandmarkError
from landmark.evaluation import retrieval
from landmark.evaluation.retrieval import ap_finite, map_at_r, recall_at_k


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def on_circle(*degrees: float) -> np.ndarray:
    angle = np.deg2rad(degrees)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


def sample(queries: int, gallery: int, labels: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return (
        unit(rng.normal(size=(queries, 8))),
        rng.integers(0, labels, queries),
        unit(rng.normal(size=(gallery, 8))),
        rng.integers(0, labels, gallery),
    )


def test_by_hand() -> None:
    # By similarity to the query at 0 degrees: a b a a b; R = 3, so that the third a at rank 4 counts for nothing.
    gallery, labels = on_circle(10, 20, 30, 40, 50), np.array(list("abaab"))
    query = on_circle(0)
    assert map_at_r(query, np.array(["a"]), gallery, labels) == pytest.approx((1 / 1 + 2 / 3) / 3)
    # b: R = 2, found at rank 2.
    assert map_at_r(query, np.array(["b"]), gallery, labels) == pytest.approx((1 / 2) / 2)
    assert recall_at_k(query, np.array(["b"]), gallery, labels, [1, 2, 9]) == {1: 0.0, 2: 1.0, 9: 1.0}


def test_a_photo_is_not_its_own_neighbour() -> None:
    vectors, labels = on_circle(0, 5, 100, 130), np.array(["a", "b", "b", "a"])
    assert recall_at_k(vectors, labels, vectors, labels, [1], itself=True) == {1: 0.0}
    assert recall_at_k(vectors, labels, vectors, labels, [1]) == {1: 1.0}


def test_queries_without_an_answer_are_left_out() -> None:
    gallery, labels = on_circle(0, 90), np.array([1, 2])
    queries, asked = on_circle(1, 2, 3), np.array([1, 7, 2])
    assert recall_at_k(queries, asked, gallery, labels, [1]) == {1: 0.5}
    assert map_at_r(queries, asked, gallery, labels) == 0.5
    with pytest.raises(LandmarkError, match="no query has a photo of its label"):
        map_at_r(queries, np.array([7, 8, 9]), gallery, labels)
    with pytest.raises(LandmarkError, match="no query has a photo of its label"):
        recall_at_k(gallery, labels, gallery, labels, [1], itself=True)


def test_equal_similarities_are_ranked_by_row() -> None:
    gallery = np.repeat(on_circle(0), 50, axis=0)
    for place in (0, 7, 49):
        labels = np.zeros(50, int)
        labels[place] = 1
        found = recall_at_k(on_circle(0), np.array([1]), gallery, labels, [place, place + 1] if place else [1])
        assert found[place + 1] == 1.0
        assert found.get(place, 0.0) == 0.0
    # -0 and 0 are equal: the cosine of a right angle comes in both.
    mixed = np.array([[-0.0, 1.0], [0.0, 1.0]], np.float32)
    assert recall_at_k(np.array([[1.0, -0.0]], np.float32), np.array([1]), mixed, np.array([1, 2]), [1]) == {1: 1.0}


@pytest.mark.parametrize("itself", [False, True])
def test_agrees_with_pytorch_metric_learning(itself: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieval, "_PAIRS", 1000)  # many blocks
    queries, asked, gallery, stored = sample(120, 200, 9, seed=3)
    if itself:
        queries, asked = gallery, stored
    calculator = AccuracyCalculator(
        include=("mean_average_precision_at_r", "precision_at_1"),
        k="max_bin_count",
        device=torch.device("cpu"),
        knn_func=CustomKNN(DotProductSimilarity()),
    )
    expected = calculator.get_accuracy(
        torch.tensor(queries), torch.tensor(asked), torch.tensor(gallery), torch.tensor(stored), ref_includes_query=itself
    )
    assert map_at_r(queries, asked, gallery, stored, itself) == pytest.approx(expected["mean_average_precision_at_r"])
    assert recall_at_k(queries, asked, gallery, stored, [1], itself)[1] == pytest.approx(expected["precision_at_1"])


@given(st.integers(1, 12), st.integers(1, 60), st.integers(1, 6), st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_agrees_with_torchmetrics(queries: int, gallery: int, labels: int, seed: int) -> None:
    vectors, asked, stored_vectors, stored = sample(queries, gallery, labels, seed)
    similarity = 2 + torch.tensor(vectors @ stored_vectors.T)  # torchmetrics drops scores that are not positive
    answered = [row for row in range(queries) if (stored == asked[row]).any()]
    if not answered:
        return
    ks = [1, 2, 5]
    hits = {
        k: np.mean([float(retrieval_hit_rate(similarity[q], torch.tensor(stored == asked[q]), top_k=k)) for q in answered])
        for k in ks
    }
    assert recall_at_k(vectors, asked, stored_vectors, stored, ks) == pytest.approx(hits)
    for row in answered:
        relevant = stored[np.argsort(-similarity[row].numpy(), kind="stable")] == asked[row]
        whole = float(retrieval_average_precision(similarity[row], torch.tensor(stored == asked[row])))
        assert ap_finite(relevant, relevant.sum()) == pytest.approx(whole, abs=1e-6)


def test_average_precision_without_relevant_photos_is_zero() -> None:
    assert ap_finite([[False, False], [True, True]], [0, 2]).tolist() == [0.0, 1.0]


def test_what_does_not_fit_is_refused() -> None:
    queries, asked, gallery, stored = sample(3, 5, 2, seed=0)
    with pytest.raises(LandmarkError, match="queries: 3 vectors but labels of shape"):
        map_at_r(queries, asked[:2], gallery, stored)
    damaged = gallery.copy()
    damaged[1, 0] = np.nan
    with pytest.raises(LandmarkError, match="gallery: row 1 holds NaN"):
        map_at_r(queries, asked, damaged, stored)
    with pytest.raises(LandmarkError, match="give one kind"):
        map_at_r(queries, asked.astype(str), gallery, stored)
    with pytest.raises(LandmarkError, match="no query has a photo"):
        map_at_r(queries, asked, gallery[:0], stored[:0])
    with pytest.raises(ValueError, match="at least 1"):
        recall_at_k(queries, asked, gallery, stored, [0])
