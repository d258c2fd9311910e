from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from landmark.errors import UsageError
from landmark.evaluation.gldv2.score import score_files
from landmark.evaluation.gldv2.solution import Solution
from landmark.evaluation.gldv2.submission import read_recognition, read_retrieval
from landmark.photos.catalog import Catalog
from landmark.recognition.recognizer import Recognizer
from landmark.steps.gldv2 import photos_by_id, submit_recognition, submit_retrieval
from tests.evaluation.painted import recognizer_of


@pytest.fixture(scope="module")
def recognizer(painted: Catalog) -> Recognizer:
    return recognizer_of(painted)


@pytest.fixture(scope="module")
def images(painted: Catalog, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A folder a/b/c/ID.png as GLDv2 has it, and the landmark of each id."""
    root = tmp_path_factory.mktemp("gldv2")
    shows = {}
    for photo, landmark, digest in painted.table[["photo", "landmark", "sha256"]].itertuples(index=False):
        name = digest[:16]
        file = root.joinpath(*name[:3], f"{name}.png")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(Path(photo).read_bytes())
        shows[name] = landmark
    return root, shows


def test_a_recognition_submission_scores_as_the_recognizer_does(
    recognizer: Recognizer, images: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    folder, shows = images
    out, solution = str(tmp_path / "submission.csv"), str(tmp_path / "solution.csv")
    made = submit_recognition(recognizer, str(folder), out, tmp_path / "home")
    assert made == {"submission": out, "photos": len(shows), "predicted": len(shows)}
    predictions = read_recognition(out)
    assert list(predictions) == sorted(shows)
    right = np.mean([predictions[name][0] == landmark for name, landmark in shows.items() if landmark])
    assert right > 0.5  # of four landmarks, by their colours alone: the weights are random
    Solution("recognition", {n: (s,) if s else () for n, s in shows.items()}, dict.fromkeys(shows, "Private")).write(solution)
    assert score_files("recognition", solution, out)["private"]["gap"] > 0.5


def test_a_retrieval_submission_finds_the_photo_itself_first(
    recognizer: Recognizer, images: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    folder, shows = images
    out, ids = str(tmp_path / "submission.csv"), tmp_path / "sample.csv"
    asked = sorted(shows)[:5][::-1]
    ids.write_text("id,images\n" + "".join(f"{name},\n" for name in asked))
    made = submit_retrieval(recognizer, str(folder), str(folder), out, tmp_path / "home", str(ids))
    assert made == {"submission": out, "photos": 5, "predicted": 5, "index": len(shows)}
    found = read_retrieval(out)
    assert list(found) == asked
    assert all(ranked[0] == name for name, ranked in found.items())
    assert {len(ranked) for ranked in found.values()} == {len(shows)}  # fewer than 100


def test_an_unreadable_photo_has_a_row_without_prediction(recognizer: Recognizer, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "abc.jpg").write_bytes(b"no photo")
    out = tmp_path / "submission.csv"
    assert submit_recognition(recognizer, str(folder), str(out), tmp_path / "home")["predicted"] == 0
    assert out.read_text() == "id,landmarks\nabc,\n"
    made = submit_retrieval(recognizer, str(folder), str(_one(folder, tmp_path)), str(out), tmp_path / "home")
    assert (made["predicted"], out.read_text()) == (0, "id,images\nabc,\n")
    with pytest.raises(UsageError, match="no photo in it can be read"):
        submit_retrieval(recognizer, str(folder), str(folder), str(out), tmp_path / "home")


def _one(folder: Path, tmp_path: Path) -> Path:
    from PIL import Image

    index = tmp_path / "index"
    index.mkdir()
    Image.new("RGB", (40, 40), (200, 10, 10)).save(index / "one.png")
    return index


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a\\b", "..", "a.b", "é"])
def test_no_id_leaves_the_folder(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (tmp_path / "secret.jpg").write_bytes(b"x")
    (folder / "abc.jpg").write_bytes(b"x")
    ids = tmp_path / "ids.csv"
    ids.write_text(f"id\n{name}\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"ids\.csv, line 2: .* isn't a photo id"):
        photos_by_id(str(folder), str(ids))


def test_a_link_out_of_the_folder_is_no_photo_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (tmp_path / "secret.jpg").write_bytes(b"x")
    (folder / "abc.jpg").symlink_to(tmp_path / "secret.jpg")
    with pytest.raises(UsageError, match="no photos"):
        photos_by_id(str(folder))


def test_ids_that_do_not_fit_the_folder_are_refused(tmp_path: Path) -> None:
    folder, ids = tmp_path / "photos", tmp_path / "ids.csv"
    (folder / "a").mkdir(parents=True)
    (folder / "abc.jpg").write_bytes(b"x")
    ids.write_text("id,landmarks\nabc,\nabd,\n")
    with pytest.raises(UsageError, match=r"line 3: 'abd' has no photo"):
        photos_by_id(str(folder), str(ids))
    (folder / "a" / "abc.png").write_bytes(b"x")
    with pytest.raises(UsageError, match="'abc' has two photos"):
        photos_by_id(str(folder))
    ids.write_text("id,landmarks\n")
    with pytest.raises(UsageError, match="no photos"):
        photos_by_id(str(folder), str(ids))
    with pytest.raises(UsageError, match="no such folder"):
        photos_by_id(str(tmp_path / "nowhere"))
