"""Sidecars of photos that left, vanished or were renamed, withdrawal, and photos in S3."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from landmark.errors import LandmarkError
from landmark.storage import Changed, exists, read_bytes, write_bytes
from landmark.tagging import sidecar_objects, sidecar_places, sidecars
from landmark.tagging.sidecar_state import SidecarState
from landmark.tagging.sidecars import remove_sidecars, write_sidecars
from landmark.tagging.xmp_packet import Packet
from tests.storage.conftest import bucket, cache
from tests.tagging.sidecar_samples import SAMPLES
from tests.tagging.test_sidecars import Collection, here, short, write_tags

__all__ = ["bucket", "cache", "here"]


def test_photos_that_left(here: Collection) -> None:
    here.add("a.jpg", "b.jpg", "c.jpg", "d.jpg")
    (here.photos / "c.jpg.xmp").write_bytes(SAMPLES["keywords"])
    here.tag(dict.fromkeys(("a.jpg", "b.jpg", "c.jpg", "d.jpg"), "eiffel"))
    for name in ("a.jpg", "c.jpg"):
        (here.photos / name).unlink()
    assert here.tag({"d.jpg": "eiffel"}) == {"unchanged": 1, "removed": 1, "withdrawn": 1}
    assert here.files() == {"b.jpg", "b.jpg.xmp", "c.jpg.xmp", "d.jpg", "d.jpg.xmp"}, "b.jpg is there, only not in the list"
    assert here.keywords("c.jpg.xmp") == ["dog"]
    with SidecarState(here.out / sidecars.STATE) as state:
        assert list(state.between(None, None)) == [str(here.photos / name) for name in ("b.jpg", "d.jpg")]
    assert here.tag({"b.jpg": "", "d.jpg": ""}) == {"removed": 2}


def test_a_photo_that_vanished_gets_no_sidecar(here: Collection) -> None:
    here.add("a.jpg")
    assert here.tag({"a.jpg": "eiffel", "b.jpg": "eiffel", "gone/c.jpg": "eiffel"}) == {"written": 1, "failed": 2}
    assert here.files() == {"a.jpg", "a.jpg.xmp"}
    assert here.failed() == {"": "the photo is gone"}


def test_what_a_killed_run_left_is_swept(here: Collection) -> None:
    here.add("a.jpg", ".landmark-0123456789abcdef.tmp", ".landmark-fedcba9876543210.tmp", ".landmark-mine.tmp")
    os.utime(here.photos / ".landmark-0123456789abcdef.tmp", (0, 0))
    os.utime(here.photos / ".landmark-mine.tmp", (0, 0))
    here.tag({"a.jpg": ""})
    assert here.files() == {"a.jpg", ".landmark-fedcba9876543210.tmp", ".landmark-mine.tmp"}


def test_renamed_with_its_sidecar(here: Collection) -> None:
    here.add("a.jpg")
    here.tag({"a.jpg": "eiffel"})
    (here.photos / "a.jpg").rename(here.photos / "trip.jpg")
    (here.photos / "a.jpg.xmp").rename(here.photos / "trip.jpg.xmp")
    assert here.tag({"trip.jpg": "eiffel"}) == {"unchanged": 1}
    assert here.tag({"trip.jpg": ""}) == {"removed": 1}


def test_all_of_ours_withdrawn(here: Collection) -> None:
    here.add("a.jpg", "b.jpg", "c.jpg")
    (here.photos / "b.jpg.xmp").write_bytes(SAMPLES["digikam"])
    here.tag({"a.jpg": "eiffel", "b.jpg": "eiffel", "c.jpg": ""})
    file = here.photos / "a.jpg.xmp"
    file.write_bytes(file.read_bytes().replace(b"<rdf:li>Eiffel Tower</rdf:li>", b"", 1))
    here.run()
    assert short(remove_sidecars(here.out, progress=False)) == {"removed": 1, "withdrawn": 1}
    assert here.files() == {"a.jpg", "b.jpg", "c.jpg", "b.jpg.xmp"}
    assert b"landmark" not in (here.photos / "b.jpg.xmp").read_bytes()
    assert short(remove_sidecars(here.out, progress=False)) == {}


def test_no_tags(tmp_path: Path) -> None:
    with pytest.raises(LandmarkError, match="run `landmark tag` first"):
        write_sidecars(tmp_path, progress=False)
    (tmp_path / "tags.parquet").write_bytes(b"x")
    with pytest.raises(LandmarkError, match="not a table of tags"):
        write_sidecars(tmp_path, progress=False)


def test_photos_in_s3(tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    photos = {f"{bucket}/trip/a.jpg": "eiffel", f"{bucket}/trip/b.cr2": "bell", f"{bucket}/trip/x/c.jpg": ""}
    for photo in photos:
        write_bytes(photo, b"")
    write_bytes(f"{bucket}/trip/b.xmp", SAMPLES["keywords"])
    write_bytes(f"{bucket}/trip/x/c.jpg.xmp", SAMPLES["darktable"])
    write_tags(out, photos)
    assert short(write_sidecars(out, progress=False)) == {"written": 2}
    assert not exists(f"{bucket}/trip/b.cr2.xmp")
    assert read_bytes(f"{bucket}/trip/x/c.jpg.xmp") == SAMPLES["darktable"]
    assert "Big Bell" in Packet.parse(read_bytes(f"{bucket}/trip/b.xmp")).array("dc:subject").texts()
    with monkeypatch.context() as patch:
        patch.setattr(sidecar_objects.Objects, "read", lambda *_: pytest.fail("read again"))
        assert short(write_sidecars(out, progress=False)) == {"unchanged": 2}
    write, turns = sidecar_objects.write_if, []

    def meddle(path: str, data: bytes, version: str | None) -> str:
        if not turns:
            turns.append(1)
            write_bytes(path, SAMPLES["keywords"].replace(b"dog", b"cat"))
        return write(path, data, version)

    monkeypatch.setattr(sidecar_objects, "write_if", meddle)
    write_tags(out, {**photos, f"{bucket}/trip/b.cr2": "louvre"})
    assert short(write_sidecars(out, progress=False)) == {"written": 1, "unchanged": 1}
    found = Packet.parse(read_bytes(f"{bucket}/trip/b.xmp")).array("dc:subject").texts()
    assert found == ["cat", "Louvre", "Paris", "France"]
    assert short(remove_sidecars(out, progress=False)) == {"removed": 1, "withdrawn": 1}
    assert not exists(f"{bucket}/trip/a.jpg.xmp")


def test_a_new_file_takes_nobodys_place_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    place, file = sidecar_places.Folders(), tmp_path / "a.jpg.xmp"
    place.write(str(file), b"new", None)
    with pytest.raises(Changed):
        place.write(str(file), b"other", None)
    assert file.read_bytes() == b"new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.jpg.xmp"]
