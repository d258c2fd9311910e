"""The protocols that change the test: by hand, and never without the standard one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from landmark.errors import UsageError
from landmark.evaluation.revisited.protocols import Changes, read_classes, read_left_out, read_moved, score_protocols
from landmark.evaluation.revisited.ranking import read_ranking
from tests.evaluation.revisited.samples import truth

MADE = truth(6, ([0], [1, 2], [3]), ([4], [5], []), ([0], [], [1]))  # q_0, q_1, q_2
RANKS = np.array([[0, 1, 3, 5, 2, 4], [5, 4, 3, 2, 1, 0], [5, 1, 0, 2, 3, 4]]).T
NAMES = {"q_0", "q_1", "q_2"}


def write(folder: Path, text: str) -> str:
    (folder / "list").write_text(text)
    return str(folder / "list")


def test_standard_alone() -> None:
    scores, table = score_protocols(read_ranking(RANKS, MADE), MADE, Changes())
    assert list(scores) == ["E", "M", "H", "queries"]
    assert scores["queries"] == {"E": 3, "M": 3, "H": 2}
    assert scores["E"]["map"] == pytest.approx(100 * (1 + 1 + (0 + 1 / 2) / 2) / 3)
    assert table.columns.tolist() == ["query", "protocol", "difficulty", "positives", "ap", "p@1", "p@5", "p@10"]
    row = table[(table["query"] == "q_2") & (table["difficulty"] == "E")].iloc[0]
    assert (row["protocol"], row["positives"], row["ap"], row["p@5"]) == ("standard", 1, 25.0, 50.0)


def test_our_classes_leaves_queries_out() -> None:
    scores, _ = score_protocols(read_ranking(RANKS, MADE), MADE, Changes(ours={"q_0", "q_1"}))
    assert scores["our-classes"]["left_out"] == ["q_2"]
    assert scores["our-classes"]["E"]["map"] == pytest.approx(100)
    assert scores["our-classes"]["queries"] == {"E": 2, "M": 2, "H": 2}
    assert scores["E"]["map"] == pytest.approx(75)  # the standard score is there, and unchanged


def test_revised_junk_moves_photos() -> None:
    moved = {"q_0": ["p2"]}
    scores, table = score_protocols(read_ranking(RANKS, MADE), MADE, Changes(moved=moved))
    assert scores["revised-junk"]["moved"] == moved
    # Hard of q_0: standard 1 (first), 2 (third of 1, 5, 2, 4); revised 1 alone. q_1: 5 is first. q_2 has none.
    assert scores["H"]["map"] == pytest.approx(100 * ((1 + (1 / 2 + 2 / 3) / 2) / 2 + 1) / 2)
    assert scores["revised-junk"]["H"]["map"] == pytest.approx(100)
    assert table["protocol"].value_counts().to_dict() == {"standard": 9, "revised-junk": 9}


def test_both_and_the_overlap() -> None:
    changes = Changes(ours={"q_0"}, moved={"q_0": ["p2"]}, overlap=["q_1"])
    scores, _ = score_protocols(read_ranking(RANKS, MADE), MADE, changes)
    assert list(scores) == [
        *("E", "M", "H", "queries", "our-classes", "revised-junk", "our-classes + revised-junk", "without-overlap"),
    ]
    both = scores["our-classes + revised-junk"]
    assert (both["left_out"], both["moved"]) == (["q_1", "q_2"], {"q_0": ["p2"]})
    assert both["H"]["map"] == pytest.approx(100)
    assert scores["without-overlap"]["left_out"] == ["q_1"]
    assert scores["without-overlap"]["E"]["map"] == pytest.approx(100 * (1 + 1 / 4) / 2)


def test_lists(tmp_path: Path) -> None:
    assert read_classes(write(tmp_path, "query,landmark\nq,tower\n"), MADE) == dict.fromkeys(NAMES, "tower")
    mixed = "query,landmark\nq_1,bridge\nq,tower\nq_2,gate\n"
    assert read_classes(write(tmp_path, mixed), MADE) == {"q_0": "tower", "q_1": "bridge", "q_2": "gate"}
    assert read_moved(write(tmp_path, "query,photo\nq_0,p2\nq_0,p0\nq_1,p5\n"), MADE) == {"q_0": ["p2", "p0"], "q_1": ["p5"]}
    classes = {"q_0": "tower", "q_2": "tower", "q_1": "bridge"}
    assert read_left_out(write(tmp_path, "# of GLDv2\n\n tower \n"), MADE, classes) == ["q_0", "q_2"]
    assert read_left_out(write(tmp_path, "\ufeffq_2\nq_1"), MADE, {}) == ["q_1", "q_2"]


@pytest.mark.parametrize(
    ("reader", "text", "words"),
    [
        (read_classes, "query\nq_0\n", "column 'landmark' is missing"),
        (read_classes, "query,landmark\nq_0,a\nr_0,a\n", "row 3: no query 'r_0' in the ground truth"),
        (read_classes, "query,landmark\nq_0,a\nq_0,b\n", "row 3: query 'q_0' has two landmarks"),
        (read_classes, "query,landmark\n,a\n", "no query ''"),
        (read_moved, "query,photo\n", "no photos to move to junk"),
        (read_moved, "query,photo\nq,p0\n", "row 2: no query 'q'"),
        (read_moved, "query,photo\nq_0,p9\n", "row 2: no photo 'p9'"),
        (read_moved, "query,photo\nq_0,p3\n", "row 2: photo 'p3' is neither easy nor hard for 'q_0'"),
        (read_moved, "query,photo\nq_0,p0\nq_0,p0\n", "row 3: photo 'p0' is there twice for 'q_0'"),
        (lambda *given: read_left_out(*given, {}), "q_0\nnowhere\n", "row 2: no query and no landmark 'nowhere'"),
        (lambda *given: read_left_out(*given, {}), "# nothing\n", "no queries to leave out"),
    ],
)
def test_lists_that_are_refused(tmp_path: Path, reader: object, text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        reader(write(tmp_path, text), MADE)  # type: ignore[operator]
    assert words in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_lists_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    for name in ("none", "bytes"):
        with pytest.raises(UsageError, match=name):
            read_left_out(str(tmp_path / name), MADE, {})


def test_nothing_left_is_refused() -> None:
    Changes(ours={"q_0"}, overlap=["q_0"]).check(MADE)
    with pytest.raises(UsageError, match="no listed landmark is a class of the model"):
        Changes(ours=set()).check(MADE)
    with pytest.raises(UsageError, match="leaves out all queries"):
        Changes(overlap=sorted(NAMES)).check(MADE)
