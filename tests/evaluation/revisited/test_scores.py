"""mAP and mP@k: by hand, against the definition, and on both published ground truths."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landmark.evaluation.revisited.ground_truth import GroundTruth
from landmark.evaluation.revisited.ranking import read_ranking
from landmark.evaluation.revisited.scores import ap_trapezoid, mean_scores, precision_at, score_queries
from tests.evaluation.revisited.samples import GND, needs_gnd, plain_scores, truth


def scores(ranking: list[int], *graded: list[int], database: int = 10) -> dict[str, dict[str, float]]:
    """By difficulty, of one query with (easy, hard, junk)."""
    made = truth(database, graded)
    return mean_scores(score_queries(read_ranking(np.array(ranking)[:, None], made), made))


@pytest.mark.parametrize(
    ("ranks", "positives", "expected"),
    [
        ([0, 1, 2], 3, 1.0),
        ([0], 1, 1.0),
        ([9], 1, (0 / 9 + 1 / 10) / 2),
        ([0, 2], 2, ((1 + 1) / 2 + (1 / 2 + 2 / 3) / 2) / 2),
        ([1, 3], 2, ((0 + 1 / 2) / 2 + (1 / 3 + 2 / 4) / 2) / 2),
        ([0], 4, 1 / 4),  # three of four not found
        ([], 4, 0.0),
    ],
)
def test_average_precision_by_hand(ranks: list[int], positives: int, expected: float) -> None:
    assert ap_trapezoid(np.array(ranks, np.int64), positives) == pytest.approx(expected, abs=1e-15)


def test_ap_is_not_the_finite_one() -> None:
    # Finite: (1/2 + 2/4) / 2 = 0.5; the trapezoids lie below it.
    assert ap_trapezoid(np.array([1, 3]), 2) == pytest.approx(1 / 3)


def test_p_at_k_divides_by_the_rank_of_the_last_positive() -> None:
    ranks = np.array([0, 2])
    assert precision_at(ranks, 2, 1) == 1.0
    assert precision_at(ranks, 2, 10) == pytest.approx(2 / 3)  # not 2 / 10
    assert precision_at(np.array([0, 20]), 2, 10) == pytest.approx(1 / 10)


def test_difficulties_by_hand() -> None:
    # Ranking: junk 9, hard 3, easy 0, negative 5, hard 4, negatives.
    found = scores([9, 3, 0, 5, 4, 1, 2, 6, 7, 8], [0], [3, 4], [9])
    # E: hard is junk, so 0 comes first.  H: 3 first, 4 third of those that count.  M: 3, 0, then 4 fourth.
    assert found["E"]["map"] == pytest.approx(100)
    assert found["H"]["map"] == pytest.approx(100 * (1 + (1 / 2 + 2 / 3) / 2) / 2)
    assert found["M"]["map"] == pytest.approx(100 * (1 + 1 + (2 / 3 + 3 / 4) / 2) / 3)
    assert found["H"]["mp@1"] == pytest.approx(100)
    assert found["H"]["mp@5"] == pytest.approx(100 * 2 / 3)
    assert found["M"]["mp@10"] == pytest.approx(100 * 3 / 4)
    assert list(found["E"]) == ["map", "mp@1", "mp@5", "mp@10"]


def test_queries_without_positives_are_left_out_of_the_means() -> None:
    made = truth(4, ([0], [], []), ([], [1], []), ([], [], [2]))
    ranks = np.array([[0, 1, 2, 3], [3, 1, 0, 2], [0, 1, 2, 3]]).T
    table = score_queries(read_ranking(ranks, made), made)
    found = mean_scores(table)
    assert found["E"]["map"] == pytest.approx(100)  # of the first query alone
    assert found["H"]["map"] == pytest.approx(100 * (0 + 1 / 2) / 2)  # of the second alone
    assert found["M"]["map"] == pytest.approx((100 + 25) / 2)
    assert table.groupby("difficulty")["ap"].count().to_dict() == {"E": 1, "H": 1, "M": 2}
    assert np.isnan(mean_scores(table[table["query"] == "q_2"])["M"]["map"])


def test_cut_off_without_a_hit_is_nought() -> None:
    found = scores([5, 6], [0], [1], [])  # the reference raises here
    assert found["M"] == {"map": 0.0, "mp@1": 0.0, "mp@5": 0.0, "mp@10": 0.0}


def test_only_junk_is_nought() -> None:
    assert scores([2, 3], [0], [1], [2, 3])["M"]["map"] == 0.0


@st.composite
def rankings(draw: st.DrawFn) -> tuple[int, list[int], tuple[list[int], list[int], list[int]]]:
    """Size of the database, a ranking of it and of distractors, and what is easy, hard, junk."""
    size = draw(st.integers(1, 25))
    order = draw(st.permutations(range(size + draw(st.integers(0, 15)))))
    grade = draw(st.lists(st.integers(0, 3), min_size=size, max_size=size))
    easy, hard, junk = ([photo for photo in range(size) if grade[photo] == number] for number in (1, 2, 3))
    return size, list(order), (easy, hard, junk)


@settings(max_examples=300, deadline=None)
@given(rankings(), st.integers(1, 40))
def test_as_the_plain_definition_says(sample: tuple[int, list[int], tuple[list[int], ...]], cut: int) -> None:
    size, order, graded = sample
    results = order[:cut] if len(order[:cut]) != size else order  # a ranking of exactly the database may name no distractor
    if len(results) == size and max(results) >= size:
        return
    made = truth(size, graded)
    table = score_queries(read_ranking(np.array(results)[:, None], made), made).set_index("difficulty")
    by_grade = dict(zip(("easy", "hard", "junk"), map(set, graded), strict=True))
    for difficulty in "EMH":
        row = table.loc[difficulty]
        if not row["positives"]:
            assert np.isnan(row["ap"])
            continue
        ap, precision = plain_scores(results, by_grade, difficulty)
        assert row["ap"] == pytest.approx(ap, abs=1e-12)
        assert [row[f"p@{k}"] for k in (1, 5, 10)] == pytest.approx([precision[k] for k in (1, 5, 10)])
        assert 0 <= row["ap"] <= 1 + 1e-12


@settings(max_examples=100, deadline=None)
@given(rankings(), st.data())
def test_where_junk_stands_does_not_matter(sample: tuple[int, list[int], tuple[list[int], ...]], data: st.DataObject) -> None:
    size, order, graded = sample
    junk = set(graded[2])
    kept = [photo for photo in order if photo not in junk]
    for photo in junk:
        kept.insert(data.draw(st.integers(0, len(kept))), photo)
    made = truth(size, graded)
    first, second = (score_queries(read_ranking(np.array(ranking)[:, None], made), made) for ranking in (order, kept))
    assert first.equals(second)


@settings(max_examples=100, deadline=None)
@given(rankings())
def test_cut_off_at_10_or_later_has_the_precision_of_the_whole(sample: tuple[int, list[int], tuple[list[int], ...]]) -> None:
    size, order, graded = sample
    made = truth(size, graded)
    whole = score_queries(read_ranking(np.array(order)[:, None], made), made)
    cut = len(graded[0] + graded[1] + graded[2]) + 10  # ten results are left, whatever is junk
    results = order[:cut]
    if len(results) == size and max(results) >= size:
        return
    short = score_queries(read_ranking(np.array(results)[:, None], made), made)
    for column in ("p@1", "p@5", "p@10"):
        np.testing.assert_allclose(short[column], whole[column])
    assert (short["ap"].dropna() <= whole["ap"].dropna() + 1e-12).all()


@needs_gnd
@pytest.mark.parametrize(
    ("name", "photos", "with_easy"), [("gnd_rparis6k.pkl", 6322, 70), ("gnd_roxford5k.pkl", 4993, 68)], ids=["paris", "oxford"]
)
def test_the_published_ground_truths(name: str, photos: int, with_easy: int) -> None:
    made = GroundTruth.load(GND / name)
    assert (len(made.queries), len(made.database)) == (70, photos)
    columns = []
    random = np.random.default_rng(0)
    for query in made.queries:
        first = np.concatenate([query.junk, query.easy, query.hard])
        rest = np.setdiff1d(np.arange(photos), first)
        good = random.permutation(np.r_[query.easy, query.hard])
        columns.append(np.concatenate([query.junk, good, random.permutation(rest)]))
    perfect = np.stack(columns, axis=1)
    table = score_queries(read_ranking(perfect, made), made)
    assert [value for row in mean_scores(table).values() for value in row.values()] == pytest.approx([100] * 12)
    assert (table[table["difficulty"] == "E"]["positives"] > 0).sum() == with_easy
    worst = mean_scores(score_queries(read_ranking(perfect[::-1], made), made))
    assert worst["H"]["mp@10"] == 0
    assert worst["H"]["map"] < 5


@needs_gnd
def test_published_ground_truth_against_the_plain_definition() -> None:
    made = GroundTruth.load(GND / "gnd_rparis6k.pkl")
    random = np.random.default_rng(1)
    ranks = np.stack([random.permutation(6322 + 3000) for _ in made.queries], axis=1)
    for column, query in enumerate(made.queries):  # better than chance, so that the precisions say something
        good = random.choice(np.r_[query.easy, query.hard], 6, replace=False)
        rest = ranks[~np.isin(ranks[:, column], good), column]
        ranks[:, column] = np.r_[rest[:3], good, rest[3:]]
    found = mean_scores(score_queries(read_ranking(ranks, made), made))
    for difficulty in "EMH":
        expected = []
        for column, query in enumerate(made.queries):
            graded = {grade: set(getattr(query, grade).tolist()) for grade in ("easy", "hard", "junk")}
            ap, precision = plain_scores(ranks[:, column].tolist(), graded, difficulty)
            expected.append([ap, precision[1], precision[5], precision[10]])
        assert list(found[difficulty].values()) == pytest.approx((np.mean(expected, axis=0) * 100).tolist())
