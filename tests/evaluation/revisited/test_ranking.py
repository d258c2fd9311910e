"""Rankings: what is refused, and distractors in blocks that give what the whole ranking gives."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landmark.errors import LandmarkError
from landmark.evaluation.revisited import ranking
from landmark.evaluation.revisited.ranking import rank_database, read_ranking
from landmark.evaluation.revisited.scores import score_queries
from tests.evaluation.revisited.samples import truth
from tests.recognition.samples import unit

MADE = truth(6, ([0], [1, 2], [3]), ([4], [], []))
GOOD = np.array([[0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0]]).T


def changed(row: int, column: int, value: int) -> np.ndarray:
    ranks = GOOD.copy()
    ranks[row, column] = value
    return ranks


@pytest.mark.parametrize(
    ("ranks", "words"),
    [
        (changed(2, 1, 4), "query 'q_1': photo 4 is there twice"),
        (np.r_[GOOD, [[8, 8], [8, 9], [9, 10]]], "query 'q_0': photo 8 is there twice"),  # a distractor
        (changed(0, 0, -1), "query 'q_0': id -1 is no photo"),
        (changed(0, 1, 6), "query 'q_1': id 6 is outside of the database of 6 photos; ids count from 0"),
        (np.r_[GOOD, [[2**40, 7]]], f"id {2**40} is no photo"),
        (GOOD.astype(float), "expected integer ids of database photos, got float64"),
        (np.full((6, 2), np.nan), "expected integer ids"),
        (GOOD.astype(bool), "got bool"),
        (GOOD.T, "shape [2, 6], expected [results, 2], a column a query; transpose it"),
        (GOOD[:, :1], "shape [6, 1], expected [results, 2]"),
        (GOOD[:, 0], "shape [6], expected [results, 2]"),
        (GOOD[:0], "shape [0, 2]"),
        (np.uint64(2**64 - 1) - np.zeros((2, 2), np.uint64), "is no photo"),
    ],
)
def test_what_is_refused(ranks: np.ndarray, words: str) -> None:
    with pytest.raises(LandmarkError) as caught:
        read_ranking(ranks, MADE)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int32, np.int64])
@pytest.mark.parametrize("order", ["C", "F"])
def test_where_photos_stand(dtype: type, order: str) -> None:
    ranks = np.asarray(np.r_[[[100, 100]], GOOD], dtype=dtype, order=order)  # type: ignore[call-overload]
    first, second = read_ranking(ranks, MADE)
    assert (first.ids.tolist(), first.ranks.tolist()) == ([0, 1, 2, 3], [1, 2, 3, 4])
    assert (second.ids.tolist(), second.ranks.tolist()) == ([4], [2])


def test_more_queries_and_results_than_are_turned_at_once() -> None:
    random = np.random.default_rng(0)
    photos = 1300
    made = truth(photos, *([[number], [number + 1], []] for number in range(37)))
    ranks = np.stack([random.permutation(photos) for _ in range(37)], axis=1)
    for column, standing in enumerate(read_ranking(ranks, made)):
        order = ranks[:, column].tolist()
        expected = sorted((order.index(photo), photo) for photo in (column, column + 1))
        assert list(zip(standing.ranks.tolist(), standing.ids.tolist(), strict=True)) == expected


def vectors(count: int, seed: int, dim: int = 5) -> np.ndarray:
    """Unit vectors with many copies among them, so that ties are common."""
    random = np.random.default_rng(seed)
    return unit(random.integers(-1, 2, (count, dim)) + np.eye(dim)[0] * 0.25)


def whole(queries: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    """Ranking of everything at once, equal ones by id."""
    similarity = np.array([[float(np.float32(np.dot(q.astype(float), g.astype(float)))) for g in gallery] for q in queries])
    return np.array([sorted(range(len(gallery)), key=lambda photo: (-row[photo], photo)) for row in similarity]).T


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(0, 40), max_size=4), st.integers(1, 50))
def test_streamed_distractors_equal_the_whole_ranking(seed: int, cuts: list[int], block: int) -> None:
    queries, database, distractors = vectors(2, seed), vectors(6, seed + 1), vectors(40, seed + 2)
    edges = sorted({0, 40, *cuts})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "BLOCK", block)
        streamed = rank_database(queries, database, MADE, (distractors[low:high] for low, high in pairwise(edges)))
    expected = read_ranking(whole(queries, np.concatenate([database, distractors])), MADE)
    for got, wanted in zip(streamed, expected, strict=True):
        assert got.ids.tolist() == wanted.ids.tolist()
        assert got.ranks.tolist() == wanted.ranks.tolist()
    assert score_queries(streamed, MADE).equals(score_queries(expected, MADE))


def test_many_distractors_equal_the_whole_ranking() -> None:
    random = np.random.default_rng(3)
    made = truth(60, *([[n, n + 1], [n + 2], [n + 3]] for n in range(0, 50, 5)))
    queries, database, distractors = (unit(random.normal(size=(count, 48))) for count in (10, 60, 9000))
    distractors[::7] = database[random.integers(0, 60, len(distractors[::7]))]  # copies of database photos
    similarity = (queries.astype(float) @ np.concatenate([database, distractors]).astype(float).T).astype(np.float32)
    expected = read_ranking(np.argsort(-similarity, axis=1, kind="stable").T, made)
    streamed = rank_database(queries, database, made, [distractors[:5000], distractors[5000:]])
    for got, wanted in zip(streamed, expected, strict=True):
        assert got.ranks.tolist() == wanted.ranks.tolist()


def test_ties_go_to_the_database() -> None:
    made = truth(2, ([1], [], []))
    vector = unit(np.ones((1, 3)))
    (alone,) = rank_database(vector, np.repeat(vector, 2, axis=0), made)
    assert alone.ranks.tolist() == [1]  # photo 0 is as similar, and comes first
    (among,) = rank_database(vector, np.repeat(vector, 2, axis=0), made, [np.repeat(vector, 5, axis=0)])
    assert among.ranks.tolist() == [1]


def test_embeddings_of_another_set_are_refused() -> None:
    with pytest.raises(LandmarkError, match="3 and 6 embeddings for 2 queries and 6 database photos"):
        rank_database(vectors(3, 0), vectors(6, 1), MADE)
