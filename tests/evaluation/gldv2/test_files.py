from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landmark.errors import LandmarkError, UsageError
from landmark.evaluation.gldv2.score import score_files
from landmark.evaluation.gldv2.solution import Solution
from landmark.evaluation.gldv2.submission import (
    read_recognition,
    read_retrieval,
    write_recognition,
    write_retrieval,
)

SOLUTION = """id,landmarks,Usage
00016575233bc956,,Public
0003d3d0a6cee8e5,28 91,Private
000506dc6ab3a40e,,Ignored
000c0f2b4a1d5e6f,28,Public
"""
SUBMISSION = """id,landmarks
00016575233bc956,28 0.5
0003d3d0a6cee8e5,91 0.25
000506dc6ab3a40e,7 100
000c0f2b4a1d5e6f,28 0.9
"""


def written(folder: Path, text: str | bytes, name: str = "f.csv") -> str:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(file)


def test_public_and_private_apart(tmp_path: Path) -> None:
    scored = score_files("recognition", written(tmp_path, SOLUTION, "s.csv"), written(tmp_path, SUBMISSION))
    # Public: right at rank 1, then a photo without a landmark. The ignored photo's 100 takes no rank anywhere.
    assert scored == {
        "task": "recognition",
        "public": {"gap": 1.0, "photos": 2, "predicted": 2},
        "private": {"gap": 1.0, "photos": 1, "predicted": 1},
    }


def test_retrieval_files(tmp_path: Path) -> None:
    solution = "id,images,Usage\nq1,a b,Private\nq2,c,Private\nq3,None,Ignored\n"
    submission = 'id,images\nq1,"x a"\nq3,a b c\nq2,\n'
    scored = score_files("retrieval", written(tmp_path, solution, "s.csv"), written(tmp_path, submission))
    assert scored["private"] == {"map_at_100": pytest.approx((0.5 / 2 + 0) / 2), "photos": 2, "predicted": 2}
    assert "public" not in scored


ids = st.text(st.characters(codec="utf-8", exclude_categories=("Z", "C")), min_size=1, max_size=12).filter(
    lambda text: text.split() == [text]
)


@given(st.dictionaries(ids, st.tuples(st.lists(ids, max_size=4, unique=True), st.sampled_from(["Public", "Private"]))))
@settings(max_examples=50, deadline=None)
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, rows: dict[str, tuple[list[str], str]]) -> None:
    file = str(tmp_path_factory.mktemp("csv") / "f.csv")
    if rows:
        solution = Solution(
            "retrieval", {key: tuple(row[0]) for key, row in rows.items()}, {key: row[1] for key, row in rows.items()}
        )
        solution.write(file)
        assert Solution.read(file, "retrieval") == solution
    write_retrieval(file, {key: row[0] for key, row in rows.items()})
    assert read_retrieval(file) == {key: tuple(row[0]) for key, row in rows.items()}


@given(st.dictionaries(ids, st.none() | st.tuples(ids, st.floats(allow_nan=False, allow_infinity=False))))
@settings(max_examples=50, deadline=None)
def test_scores_keep_every_digit(
    tmp_path_factory: pytest.TempPathFactory, predictions: dict[str, tuple[str, float] | None]
) -> None:
    file = str(tmp_path_factory.mktemp("csv") / "f.csv")
    write_recognition(file, predictions)
    assert read_recognition(file) == {key: value for key, value in predictions.items() if value is not None}


def test_a_submission_is_what_kaggle_takes(tmp_path: Path) -> None:
    file = tmp_path / "f.csv"
    write_recognition(str(file), {"00016575233bc956": ("8815", 0.03), "0003d3d0a6cee8e5": None})
    assert file.read_text() == "id,landmarks\n00016575233bc956,8815 0.03\n0003d3d0a6cee8e5,\n"
    write_retrieval(str(file), {"q": [f"i{number}" for number in range(150)]})
    assert len(read_retrieval(str(file))["q"]) == 100


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,landmarks,Usage\n1,2,Public\n2,3\n", "line 3: 2 cells where the header has 3"),
        ("id,landmarks,Usage\n1,2,Public,x\n", "line 2: 4 cells"),
        ("id,landmarks,Usage\n1,2,Publick\n", "line 2: Usage 'Publick'"),
        ("id,landmarks,Usage\n1,2,Public\n\n1,2,Public\n", "line 4: id '1' stands in line 2 already"),
        ("id,landmarks,Usage\n,2,Public\n", "line 2: photo id '' is empty"),
        ("id,landmarks,Usage\n1,2 2,Public\n", "line 2: '2' comes twice"),
        ('id,landmarks,Usage\n1,"2,Public\n', "line 2: not CSV"),
        ("id,images,Usage\n1,2,Public\n", "line 1: expected the header id,landmarks,Usage, found 'id,images,Usage'"),
        ("", "line 1: expected the header"),
        ("id,landmarks,Usage\n", "no photos below the header"),
        (b"id,landmarks,Usage\n\xff,2,Public\n", "not a CSV in UTF-8"),
    ],
)
def test_a_malformed_solution_is_refused_by_line(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Solution.read(written(tmp_path, text), "recognition")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,landmarks\n1,2\n", "line 2: expected 'landmark score', got 1 words"),
        ("id,landmarks\n1,2 0.5 3 0.1\n", "line 2: expected 'landmark score', got 4 words"),
        ("id,landmarks\n1,2 high\n", "line 2: score 'high' is no finite number"),
        ("id,landmarks\n1,2 nan\n", "line 2: score 'nan' is no finite number"),
        ("id,landmarks\n1,2 inf\n", "line 2: score 'inf'"),
        ("id,landmarks\n1,2 0.5\n1,2 0.5\n", "line 3: id '1' stands in line 2"),
    ],
)
def test_a_malformed_submission_is_refused_by_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_recognition(written(tmp_path, text))


def test_other_faults_are_refused(tmp_path: Path) -> None:
    solution = written(tmp_path, SOLUTION, "s.csv")
    with pytest.raises(UsageError, match="'nowhere' \\(1 in all\\) is not in the solution"):
        score_files("recognition", solution, written(tmp_path, "id,landmarks\nnowhere,2 0.5\n"))
    with pytest.raises(LandmarkError, match="cannot be read"):
        score_files("recognition", solution, str(tmp_path / "none.csv"))
    ignored, empty = written(tmp_path, "id,landmarks,Usage\n1,,Ignored\n", "i.csv"), written(tmp_path, "id,landmarks\n")
    with pytest.raises(LandmarkError, match="every photo is Ignored"):
        score_files("recognition", ignored, empty)
    with pytest.raises(UsageError, match="landmark id 'two words'"):
        write_recognition(str(tmp_path / "x.csv"), {"1": ("two words", 0.5)})
    with pytest.raises(UsageError, match="is nan"):
        write_recognition(str(tmp_path / "x.csv"), {"1": ("2", float("nan"))})
    assert not (tmp_path / "x.csv").exists()


def test_long_rows_and_marks_of_other_systems(tmp_path: Path) -> None:
    many = " ".join(f"{number:016x}" for number in range(20_000))
    text = f"\ufeffid,images,Usage\r\nq,{many},Public\r\n"
    assert len(Solution.read(written(tmp_path, text), "retrieval").relevant["q"]) == 20_000
