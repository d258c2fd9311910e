"""Sidecars of a whole collection: which file, when it is written, and what a bad one does to the rest."""

from __future__ import annotations

import csv
import errno
import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from landmark.errors import LandmarkError
from landmark.tagging import sidecar_places
from landmark.tagging.schema import TAGS
from landmark.tagging.sidecar_state import SidecarState
from landmark.tagging.sidecars import SidecarResult, write_sidecars
from landmark.tagging.xmp_packet import Packet
from tests.storage.conftest import bucket, cache
from tests.tagging.sidecar_samples import SAMPLES

__all__ = ["bucket", "cache"]

PLACES = {
    "": ("", "", ""),
    "eiffel": ("Eiffel Tower", "Paris", "France"),
    "louvre": ("Louvre", "Paris", "France"),
    "bell": ("Big Bell", "London", "United Kingdom"),
}


def write_tags(out: Path, photos: dict[str, str], **more: Any) -> None:
    """`tags.parquet` and `landmarks.parquet`: landmark by photo."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    rows = []
    for photo, landmark in sorted(photos.items(), key=lambda item: os.fsencode(item[0])):
        name, city, country = PLACES[landmark]
        row = {
            "photo": photo, "sha256": "0" * 64, "landmark": landmark, "name": name, "city": city, "country": country,
            "confidence": 0.9, "similarity": 0.8, "score": 0.1, "runners_up": [], "reason": "", "width": 1, "height": 1,
            "taken_at": None, "lat": None, "lon": None, "added": now, "time": now, "decided_by": "model", "model": "landmark/3",
        }  # fmt: skip
        rows.append({**row, **more})
    out.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=TAGS), out / "tags.parquet")
    positions = {"landmark": ["eiffel"], "lat": [48.8584], "lon": [2.2945]}
    pq.write_table(pa.table(positions), out / "landmarks.parquet")


class Collection:
    """Photos in a folder, and what they are tagged with."""

    def __init__(self, root: Path) -> None:
        self.photos, self.out = root / "photos", root / "out"
        self.photos.mkdir()

    def add(self, *names: str) -> None:
        for name in names:
            (self.photos / name).parent.mkdir(parents=True, exist_ok=True)
            (self.photos / name).write_bytes(b"original " + name.encode())

    def tag(self, landmarks: dict[str, str], minimum: float = 0.0, **more: Any) -> dict[str, int]:
        write_tags(self.out, {str(self.photos / name): landmark for name, landmark in landmarks.items()}, **more)
        return self.run(minimum)

    def run(self, minimum: float = 0.0) -> dict[str, int]:
        return short(write_sidecars(self.out, progress=False, minimum=minimum))

    def keywords(self, name: str) -> list[str]:
        return Packet.parse((self.photos / name).read_bytes()).array("dc:subject").texts()

    def files(self) -> set[str]:
        return {str(file.relative_to(self.photos)) for file in self.photos.rglob("*") if not file.is_dir()}

    def failed(self) -> dict[str, str]:
        with (self.out / "sidecars.csv").open(newline="") as file:
            return {Path(row["sidecar"]).name: row["reason"] for row in csv.DictReader(file)}


def short(result: SidecarResult) -> dict[str, int]:
    return {name: count for name, count in result.to_json().items() if count}


@pytest.fixture
def here(tmp_path: Path) -> Collection:
    return Collection(tmp_path)


def test_made_kept_replaced_withdrawn(here: Collection) -> None:
    here.add("a.jpg", "b/c.heic", "none.jpg")
    everything = {"a.jpg": "eiffel", "b/c.heic": "bell", "none.jpg": ""}
    assert here.tag(everything) == {"written": 2}
    assert here.files() == {"a.jpg", "b/c.heic", "none.jpg", "a.jpg.xmp", "b/c.heic.xmp"}
    assert here.keywords("a.jpg.xmp") == ["Eiffel Tower", "Paris", "France"]
    assert b"48,51.5040N" in (here.photos / "a.jpg.xmp").read_bytes()
    assert stat.S_IMODE((here.photos / "a.jpg.xmp").stat().st_mode) == stat.S_IMODE((here.photos / "a.jpg").stat().st_mode)
    before = {file: (here.photos / file).stat().st_mtime_ns for file in here.files()}
    assert here.tag(everything) == {"unchanged": 2}
    assert here.tag(everything, confidence=0.95, model="landmark/4") == {"unchanged": 2}
    assert {file: (here.photos / file).stat().st_mtime_ns for file in here.files()} == before
    assert here.tag({**everything, "a.jpg": "louvre"}) == {"written": 1, "unchanged": 1}
    assert here.keywords("a.jpg.xmp") == ["Paris", "France", "Louvre"]
    assert here.tag({**everything, "a.jpg": "", "b/c.heic": ""}) == {"removed": 2}
    assert here.files() == {"a.jpg", "b/c.heic", "none.jpg"}
    assert here.tag({**everything, "a.jpg": ""}) == {"written": 1}
    assert all((here.photos / name).read_bytes() == b"original " + name.encode() for name in ("a.jpg", "b/c.heic", "none.jpg"))


def test_nothing_new_opens_no_sidecar(here: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    here.add(*(f"{n}.jpg" for n in range(20)))
    photos = {f"{n}.jpg": "eiffel" if n % 2 else "" for n in range(20)}
    (here.photos / "0.jpg.xmp").write_bytes(SAMPLES["darktable"])
    here.tag(photos)
    opened: list[str] = []
    read = sidecar_places.Folders.read
    monkeypatch.setattr(sidecar_places.Folders, "read", lambda self, path: opened.append(path) or read(self, path))
    assert here.tag(photos) == {"unchanged": 10}
    assert opened == []
    (here.photos / "1.jpg.xmp").write_bytes((here.photos / "1.jpg.xmp").read_bytes() + b"\n")
    changed = (here.photos / "1.jpg.xmp").stat().st_mtime_ns
    assert here.tag(photos) == {"unchanged": 10}
    assert opened == [str(here.photos / "1.jpg.xmp")]
    assert (here.photos / "1.jpg.xmp").stat().st_mtime_ns == changed
    (here.out / ".state/sidecars.sqlite").unlink()
    assert here.run() == {"unchanged": 10}
    assert len(opened) == 12, "without the state all are looked at, those of photos without a landmark too"


def test_which_file_is_used(here: Collection) -> None:
    here.add("a.jpg", "b.JPG", "c.jpg", "d.cr2", "d.jpg", "e.jpg")
    for name, sample in {"a.jpg.xmp": "darktable", "a.xmp": "keywords", "b.XMP": "immich", "c.jpg.XMP": "bare"}.items():
        (here.photos / name).write_bytes(SAMPLES[sample])
    (here.photos / "d.xmp").write_bytes(SAMPLES["lightroom"])
    everything = dict.fromkeys(("a.jpg", "b.JPG", "c.jpg", "d.cr2", "d.jpg", "e.jpg"), "eiffel")
    assert here.tag(everything) == {"written": 6}
    made = {"a.jpg.xmp", "a.xmp", "b.XMP", "c.jpg.XMP", "d.xmp", "d.jpg.xmp", "e.jpg.xmp"}
    assert here.files() == {*everything, *made}
    assert (here.photos / "a.xmp").read_bytes() == SAMPLES["keywords"], "one of two is enough"
    assert "Eiffel Tower" in here.keywords("d.xmp")
    assert here.tag(everything) == {"unchanged": 6}
    assert here.tag(dict.fromkeys(everything, "")) == {"withdrawn": 4, "removed": 2}
    assert here.keywords("b.XMP") == []


def test_a_raw_and_its_jpeg_share_a_sidecar(here: Collection) -> None:
    here.add("d.cr2", "d.jpg")
    (here.photos / "d.xmp").write_bytes(SAMPLES["keywords"])
    assert here.tag({"d.cr2": "eiffel", "d.jpg": "eiffel"}) == {"written": 2}
    assert here.files() == {"d.cr2", "d.jpg", "d.xmp"}
    assert here.tag({"d.cr2": "eiffel", "d.jpg": ""}) == {"unchanged": 1, "withdrawn": 1}
    assert here.keywords("d.xmp") == ["dog", "Eiffel Tower", "Paris", "France"]
    assert here.tag({"d.cr2": "", "d.jpg": ""}) == {"withdrawn": 1}
    assert here.keywords("d.xmp") == ["dog"]
    assert here.tag({"d.cr2": "", "d.jpg": ""}) == {}


def test_declined_in_another_tool(here: Collection) -> None:
    here.add("a.jpg")
    here.tag({"a.jpg": "eiffel"})
    file = here.photos / "a.jpg.xmp"
    file.write_bytes(file.read_bytes().replace(b"<rdf:li>Eiffel Tower</rdf:li>", b"", 1))
    assert here.tag({"a.jpg": "eiffel"}) == {"withdrawn": 1, "declined": 1}
    assert here.keywords("a.jpg.xmp") == []
    assert here.tag({"a.jpg": "eiffel"}) == {"declined": 1}
    assert here.tag({"a.jpg": "eiffel"}, decided_by="person") == {"written": 1}
    assert here.keywords("a.jpg.xmp") == ["Eiffel Tower", "Paris", "France"]


def test_a_least_confidence(here: Collection) -> None:
    here.add("a.jpg")
    assert here.tag({"a.jpg": "eiffel"}, minimum=0.95) == {}
    assert here.tag({"a.jpg": "eiffel"}, minimum=0.95, decided_by="person") == {"written": 1}
    assert here.tag({"a.jpg": "eiffel"}, minimum=0.5) == {"written": 1}, "decided by somebody else"
    assert here.tag({"a.jpg": "eiffel"}, minimum=0.95) == {"removed": 1}


def test_bad_sidecars_are_listed_and_left(here: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [
        "dir.jpg",
        "huge.jpg",
        "link.jpg",
        "near.jpg",
        "new\nline.jpg",
        "ok.jpg",
        "pipe.jpg",
        "ro.jpg",
        "text.jpg",
        "void.jpg",
    ]
    here.add(*names)
    (here.photos / "dir.jpg.xmp").mkdir()
    with (here.photos / "huge.jpg.xmp").open("wb") as file:
        file.truncate(100 << 20)
    (here.out.parent / "elsewhere.xmp").write_bytes(SAMPLES["keywords"])
    (here.photos / "link.jpg.xmp").symlink_to(here.out.parent / "elsewhere.xmp")
    (here.photos / "real").write_bytes(SAMPLES["keywords"])
    (here.photos / "near.jpg.xmp").symlink_to("real")
    (here.photos / "new\nline.jpg.xmp").write_bytes(b"<a/>")
    os.mkfifo(here.photos / "pipe.jpg.xmp")
    (here.photos / "ro.jpg.xmp").write_bytes(SAMPLES["keywords"])
    (here.photos / "ro.jpg.xmp").chmod(0o444)
    (here.photos / "text.jpg.xmp").write_bytes(b"no XML")
    (here.photos / "void.jpg.xmp").write_bytes(b"")
    assert here.tag(dict.fromkeys(names, "eiffel")) == {"written": 2, "failed": 8}
    failed = here.failed()
    assert failed.pop("dir.jpg.xmp") == "a folder"
    assert failed.pop("huge.jpg.xmp") == "larger than 16 MiB"
    assert failed.pop("link.jpg.xmp") == "a symlink to another folder"
    assert failed.pop("pipe.jpg.xmp") == "not a regular file"
    assert failed.pop("ro.jpg.xmp") == "read-only"
    assert set(failed) == {"new\\nline.jpg.xmp", "text.jpg.xmp", "void.jpg.xmp"}
    assert all(reason.endswith("left as it is") for reason in failed.values())
    assert (here.out.parent / "elsewhere.xmp").read_bytes() == SAMPLES["keywords"]
    assert (here.photos / "near.jpg.xmp").is_symlink()
    assert here.keywords("real") == ["dog", "Eiffel Tower", "Paris", "France"]
    stamp = (here.out / "sidecars.csv").stat().st_mtime_ns
    assert here.run() == {"unchanged": 2, "failed": 8}
    assert (here.out / "sidecars.csv").stat().st_mtime_ns == stamp
    opened = os.open

    def closed(path: Any, flags: int, *more: Any) -> int:
        if str(path).endswith("ro.jpg.xmp"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return opened(path, flags, *more)

    monkeypatch.setattr(os, "open", closed)
    here.run()
    assert here.failed()["ro.jpg.xmp"] == "cannot be read (Permission denied)"


def test_a_full_disk(here: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    here.add("a.jpg", "b.jpg")
    (here.photos / "b.jpg.xmp").write_bytes(SAMPLES["darktable"])

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(sidecar_places.os, "fsync", full)
        with pytest.raises(LandmarkError, match=r"No space left on device.*free some space"):
            here.tag({"a.jpg": "eiffel", "b.jpg": "eiffel"})
        assert here.files() == {"a.jpg", "b.jpg", "b.jpg.xmp"}, "nothing half"
        assert (here.photos / "b.jpg.xmp").read_bytes() == SAMPLES["darktable"]
    assert here.run() == {"written": 2}


def test_killed_before_it_was_noted(here: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    here.add("a.jpg", "b.jpg")
    (here.photos / "b.jpg.xmp").write_bytes(SAMPLES["keywords"])

    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(SidecarState, "change", killed)
        with pytest.raises(Killed):
            here.tag({"a.jpg": "eiffel", "b.jpg": "eiffel"})
    before = {file: (here.photos / file).stat().st_mtime_ns for file in here.files()}
    assert here.run() == {"unchanged": 2}
    assert {file: (here.photos / file).stat().st_mtime_ns for file in here.files()} == before
    assert here.tag({"a.jpg": "", "b.jpg": ""}) == {"removed": 1, "withdrawn": 1}
    assert here.keywords("b.jpg.xmp") == ["dog"]


def test_changed_between_reading_and_writing(here: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    here.add("a.jpg", "b.jpg")
    file = here.photos / "a.jpg.xmp"
    file.write_bytes(SAMPLES["keywords"])
    fsync, turns = os.fsync, []

    def meddle(descriptor: int) -> None:
        fsync(descriptor)
        if len(turns) < 1:
            turns.append(file.write_bytes(SAMPLES["keywords"].replace(b"dog", b"a cat")))

    monkeypatch.setattr(sidecar_places.os, "fsync", meddle)
    assert here.tag({"a.jpg": "eiffel"}) == {"written": 1}
    assert here.keywords("a.jpg.xmp") == ["a cat", "Eiffel Tower", "Paris", "France"]

    def compete(descriptor: int) -> None:
        fsync(descriptor)
        if not (here.photos / "b.jpg.xmp").exists():
            (here.photos / "b.jpg.xmp").write_bytes(SAMPLES["darktable"])

    monkeypatch.setattr(sidecar_places.os, "fsync", compete)
    assert here.tag({"b.jpg": "eiffel"}) == {"written": 1}
    assert here.keywords("b.jpg.xmp") == ["holiday", "Paris", "Eiffel Tower", "France"]
    forever: list[int] = []

    def always(descriptor: int) -> None:
        fsync(descriptor)
        forever.append(1)
        (here.photos / "b.jpg.xmp").write_bytes(SAMPLES["keywords"] + b" " * len(forever))

    monkeypatch.setattr(sidecar_places.os, "fsync", always)
    assert here.tag({"b.jpg": "louvre"}) == {"failed": 1}
    assert "changed again and again" in here.failed()["b.jpg.xmp"]
    assert here.files() == {"a.jpg", "b.jpg", "a.jpg.xmp", "b.jpg.xmp"}
