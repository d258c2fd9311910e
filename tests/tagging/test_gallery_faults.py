"""The gallery where something goes wrong: no tags, full disk, killed half-way; and activation maps."""

from __future__ import annotations

import errno
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image

from landmark.errors import LandmarkError
from landmark.recognition.recognizer import Recognizer
from landmark.tagging import thumbnails
from tests.tagging.conftest import Tag, write_photos
from tests.tagging.gallery_sample import called, photo_row, row, shown_rows, write_tags
from tests.tagging.test_gallery import make, sample, stamps

__all__ = ["sample"]


def test_an_empty_table_gives_an_empty_page(tmp_path: Path) -> None:
    out = write_tags(tmp_path / "out", [])
    assert make(out).shown == 0
    assert called(out / "gallery" / "data" / "head.js")[0]["chunks"] == []


@pytest.mark.parametrize("content", [None, b"", b"PAR1 no"])
def test_tags_that_are_not_there_or_damaged_are_named(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "tags.parquet").write_bytes(content)
    with pytest.raises(LandmarkError, match=r"tags\.parquet: not (there|readable).*landmark tag"):
        make(tmp_path)


def test_tags_of_the_version_before_are_named(tmp_path: Path) -> None:
    out = write_tags(tmp_path / "out", [row("/a.jpg", "a" * 64)])
    pq.write_table(pq.read_table(out / "tags.parquet").drop_columns("decided_by"), out / "tags.parquet")
    with pytest.raises(LandmarkError, match="no column 'decided_by'"):
        make(out)


def test_a_full_disk_is_said_and_the_old_page_stays(
    sample: tuple[Path, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, rows = sample
    make(out)
    before = stamps(out / "gallery")
    write_tags(out, [*rows, photo_row(out.parent / "photos" / "new.png", 2, 99, "dome")])

    def full(self: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(LandmarkError, match=r"No space left on device.*free some space"):
            make(out)
    assert stamps(out / "gallery") == before
    assert make(out).thumbnails == 1


KILLED = """
import sys
from pathlib import Path
from landmark.tagging import gallery, thumbnails
put, out = thumbnails.put, Path(sys.argv[1])
def slowly(file, data):
    put(file, data)
    print("made", flush=True)
    sys.stdin.readline()
thumbnails.put = slowly
gallery.write_gallery(out, None, progress=False)
"""


def test_killed_half_way_it_goes_on(sample: tuple[Path, list[dict[str, Any]]]) -> None:
    out, _ = sample
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(out)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"made")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    kept = len(list((out / "gallery").rglob("*.webp")))
    assert kept >= 1
    assert not (out / "gallery" / "index.html").exists()
    (out / "gallery" / "thumbs" / ".0123456789abcdef.tmp").write_bytes(b"half")
    assert make(out).thumbnails == 7 - kept
    assert not list((out / "gallery").rglob("*.tmp*"))


def test_an_empty_thumbnail_of_a_machine_that_lost_power_is_made_again(sample: tuple[Path, list[dict[str, Any]]]) -> None:
    out, rows = sample
    make(out)
    file = out / "gallery" / "thumbs" / rows[0]["sha256"][:2] / f"{rows[0]['sha256']}.webp"
    file.write_bytes(b"")
    assert make(out).thumbnails == 1
    assert thumbnails.is_whole(file)


def test_activation_maps_of_the_least_sure_are_kept_between_runs(
    real: tuple[Recognizer, Path], tagged: Tag, tmp_path: Path
) -> None:
    recognizer, folder = real
    write_photos(tmp_path / "photos", 12)
    tagged()
    out = tmp_path / "out"
    shutil.rmtree(out / "gallery", ignore_errors=True)  # the job's own
    result = make(out, recognizer=folder, why=4)
    rows = shown_rows(out)
    confidence = {row["sha256"]: row["confidence"] for row in pq.read_table(out / "tags.parquet").to_pylist()}
    by_confidence = sorted((row for row in rows if row["l"]), key=lambda row: confidence[row["s"]])
    least_sure = by_confidence[:4]
    assert result.explained == sum(row["e"] for row in rows) == 4
    assert [row["e"] for row in by_confidence] == [1] * 4 + [0] * (len(by_confidence) - 4)
    for explained in least_sure:
        # The nearest centroid, asked of the recognizer's own search.
        vectors = recognizer.centroids.vectors[recognizer.centroids.landmark == explained["l"]]
        assert 0 <= explained["n"] < len(vectors)
        with Image.open(out / "gallery" / "why" / f"{explained['s']}.webp") as picture:
            assert picture.size == (48, 48)
    assert {row["n"] for row in rows if not row["e"]} == {-1}
    before = stamps(out / "gallery" / "why")
    assert make(out, recognizer=folder, why=4).explained == 0
    assert make(out, recognizer=None, why=0).explained == 0
    assert stamps(out / "gallery" / "why") == before
    # By another recognizer they would be others.
    (out / "tagging.json").write_text('{"digest": "another"}')
    make(out, recognizer=None)
    assert not any(row["e"] for row in shown_rows(out))
    assert not list((out / "gallery" / "why").iterdir())


def test_without_activation_maps_no_torch_is_imported(sample: tuple[Path, list[dict[str, Any]]]) -> None:
    code = (
        "import sys; from pathlib import Path; from landmark.tagging.gallery import write_gallery as w; p = Path(sys.argv[1])"
    )
    code += "; w(p, None, progress=False); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code, str(sample[0])]).returncode == 0
