"""Sidecars that several photos could mean, photos that left or were renamed, and words of the user said twice."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from landmark.photos.corrections import Corrections
from landmark.storage import exists, read_bytes, write_bytes
from landmark.storage.objects import remove_objects
from landmark.tagging import sidecar_places, sidecars
from landmark.tagging.sidecar_objects import Objects
from landmark.tagging.sidecar_state import SidecarState
from landmark.tagging.sidecars import remove_sidecars, write_sidecars
from landmark.tagging.xmp_packet import Packet
from tests.storage.conftest import bucket, cache
from tests.tagging.sidecar_samples import SAMPLES
from tests.tagging.test_sidecars import Collection, here, short, write_tags

__all__ = ["bucket", "cache", "here"]


@pytest.mark.parametrize(("first", "second"), [("x.jpg", "x.jpg.jpg"), ("IMG_1.HEIC", "IMG_1.HEIC.jpg")])
def test_a_photo_that_is_called_like_anothers_sidecar(here: Collection, first: str, second: str) -> None:
    here.add(first, second)
    everything = {first: "eiffel", second: "bell"}
    (here.photos / f"{first}.xmp").write_bytes(SAMPLES["keywords"])
    assert here.tag(everything) == {"written": 2}
    assert here.keywords(f"{first}.xmp") == ["dog", "Eiffel Tower", "Paris", "France"]
    assert here.keywords(f"{second}.xmp") == ["Big Bell", "London", "United Kingdom"]
    for name in (f"{first}.xmp", f"{second}.xmp"):
        os.utime(here.photos / name, (1, 1))
    assert here.tag(everything) == {"unchanged": 2}
    assert here.keywords(f"{first}.xmp") == ["dog", "Eiffel Tower", "Paris", "France"]
    (here.photos / f"{second}.xmp").unlink()
    assert here.tag({first: "eiffel", second: ""}) == {"unchanged": 1}
    assert here.keywords(f"{first}.xmp") == ["dog", "Eiffel Tower", "Paris", "France"]
    (here.photos / first).unlink()
    assert here.tag({second: ""}) == {"withdrawn": 1}
    assert here.keywords(f"{first}.xmp") == ["dog"]


def test_what_one_sidecar_may_serve_is_done_one_after_another(tmp_path: Path) -> None:
    place = sidecar_places.Folders()
    names = ["x.jpg", "x.jpg.jpg", "x.jpg.cr2", "x.cr2", "y.jpg.png", "y.jpg.gif", "2024.01.01 a.jpg", "2024.01.01 b.jpg"]
    jobs = [sidecars.Job(str(tmp_path / name), None, place, [], []) for name in names]
    # Far more jobs than a thread takes at once, so that only what must stays together.
    many = [sidecars.Job(f"/p/{number}.jpg", None, place, [], []) for number in range(500)]
    found = sidecars._shared([*jobs, *many])
    at = {job.photo: number for number, group in enumerate(found) for job in group}
    assert len({at[str(tmp_path / name)] for name in names[:4]}) == 1
    assert len({at[str(tmp_path / name)] for name in names[4:6]}) == 1
    assert len(found) > 20


def test_photos_that_are_in_the_list_no_more_stay_in_reach(here: Collection) -> None:
    names = [f"{number}.jpg" for number in range(6)]
    here.add(*names, "raw.cr2", "raw.jpg")
    (here.photos / "0.jpg.xmp").write_bytes(SAMPLES["keywords"])
    (here.photos / "raw.xmp").write_bytes(SAMPLES["keywords"])
    here.tag(dict.fromkeys([*names, "raw.cr2", "raw.jpg"], "eiffel"))
    assert here.tag({"3.jpg": "eiffel", "raw.jpg": "eiffel"}) == {"unchanged": 2}
    assert here.tag({"3.jpg": "eiffel", "raw.jpg": "eiffel"}) == {"unchanged": 2}
    assert (here.photos / "5.jpg.xmp").exists()
    (here.photos / "raw.cr2").unlink()
    assert here.tag({"3.jpg": "eiffel", "raw.jpg": "eiffel"}) == {"unchanged": 2, "withdrawn": 1}
    assert here.keywords("raw.xmp") == ["dog", "Eiffel Tower", "Paris", "France"], "the JPEG is there, and has it"
    done = short(remove_sidecars(here.out, progress=False))
    assert done == {"removed": 5, "withdrawn": 2}
    assert here.files() == {*names, "raw.jpg", "raw.xmp", "0.jpg.xmp"}
    assert here.keywords("0.jpg.xmp") == here.keywords("raw.xmp") == ["dog"]
    with SidecarState(here.out / sidecars.STATE) as state:
        assert state.between(None, None) == {}


def test_what_could_not_be_withdrawn_is_tried_again(here: Collection) -> None:
    here.add("a.jpg", "b.jpg")
    (here.photos / "a.jpg.xmp").write_bytes(SAMPLES["keywords"])
    here.tag({"a.jpg": "eiffel", "b.jpg": ""})
    (here.photos / "a.jpg").unlink()
    (here.photos / "a.jpg.xmp").chmod(0o444)
    for _ in range(2):
        assert here.tag({"b.jpg": ""}) == {"failed": 1}
    assert short(remove_sidecars(here.out, progress=False)) == {"failed": 1}
    (here.photos / "a.jpg.xmp").chmod(0o644)
    assert here.tag({"b.jpg": ""}) == {"withdrawn": 1}
    assert here.keywords("a.jpg.xmp") == ["dog"]


def test_an_extension_in_another_case(here: Collection) -> None:
    for name, sidecar in (("a", "a.jpg.xmp"), ("b", "b.xmp")):
        here.add(f"{name}.jpg")
        (here.photos / sidecar).write_bytes(SAMPLES["keywords"])
    here.tag({"a.jpg": "eiffel", "b.jpg": "eiffel"})
    for old, new in (("a.jpg", "a.JPG"), ("a.jpg.xmp", "a.JPG.xmp"), ("b.jpg", "b.JPG")):
        (here.photos / old).rename(here.photos / new)
    assert here.tag({"a.JPG": "eiffel", "b.JPG": "eiffel"})["written"] == 2
    assert here.keywords("a.JPG.xmp") == here.keywords("b.xmp") == ["dog", "Eiffel Tower", "Paris", "France"]
    assert short(remove_sidecars(here.out, progress=False)) == {"withdrawn": 2}
    for name in ("a.JPG.xmp", "b.xmp"):
        assert here.keywords(name) == ["dog"]
        assert b"landmark" not in (here.photos / name).read_bytes()


def test_nothing_new_but_what_the_user_did(here: Collection) -> None:
    here.add("a.jpg", "b.jpg", "c.jpg")
    photos = dict.fromkeys(("a.jpg", "b.jpg", "c.jpg"), "eiffel")
    here.tag(photos)
    (here.photos / "a.jpg.xmp").unlink()
    take_out(here.photos / "b.jpg.xmp")
    assert here.run() == {"written": 1, "withdrawn": 1, "declined": 1, "unchanged": 1}
    assert here.run() == {"unchanged": 2, "declined": 1}


def take_out(file: Path, time: datetime | None = None) -> None:
    """What a photo program does when the user removes the keyword."""
    file.write_bytes(file.read_bytes().replace(b"<rdf:li>Eiffel Tower</rdf:li>", b"", 1))
    if time is not None:
        os.utime(file, (time.timestamp(), time.timestamp()))


def test_the_later_word_counts(here: Collection) -> None:
    here.add("a.jpg")
    file, sha256 = here.photos / "a.jpg.xmp", "0" * 64
    said = Corrections(here.out / "corrections.jsonl")
    here.out.mkdir()

    def confirm() -> None:
        said.add(sha256, str(here.photos / "a.jpg"), "confirm", "eiffel", "eiffel", "landmark/3")

    confirm()
    assert here.tag({"a.jpg": "eiffel"}, decided_by="person") == {"written": 1}
    take_out(file)
    assert here.run() == {"withdrawn": 1, "declined": 1}
    assert here.run() == {"declined": 1}
    confirm()
    assert here.run() == {"written": 1}, "said again after it was taken out"
    assert here.keywords("a.jpg.xmp") == ["Eiffel Tower", "Paris", "France"]
    take_out(file)
    assert here.run() == {"withdrawn": 1, "declined": 1}
    confirm()
    assert here.run() == {"written": 1}
    take_out(file, datetime.now(UTC) - timedelta(days=900))
    assert here.run() == {"withdrawn": 1, "declined": 1}, "a program that sets times back makes no removal undone"
    assert here.run() == {"declined": 1}
    assert here.keywords("a.jpg.xmp") == []


def test_a_removal_after_a_word_that_was_not_written_yet(here: Collection) -> None:
    here.add("a.jpg", "b.jpg")
    names = {"a.jpg": "eiffel", "b.jpg": ""}
    here.tag(names)
    said = Corrections(here.out / "corrections.jsonl")
    said.add("0" * 64, str(here.photos / "a.jpg"), "confirm", "eiffel", "eiffel", "landmark/3")
    take_out(here.photos / "a.jpg.xmp", datetime.now(UTC) + timedelta(seconds=0))
    assert here.tag(names, decided_by="person") == {"withdrawn": 1, "declined": 1}
    said.add("0" * 64, str(here.photos / "a.jpg"), "confirm", "eiffel", "eiffel", "landmark/3")
    assert here.run() == {"written": 1}


def test_a_person_has_no_figure(here: Collection) -> None:
    here.add("a.jpg")
    here.tag({"a.jpg": "eiffel"})
    assert b"<landmark:Confidence>0.90</landmark:Confidence>" in (here.photos / "a.jpg.xmp").read_bytes()
    assert here.tag({"a.jpg": "eiffel"}, decided_by="person", confidence=0.02) == {"written": 1}
    assert b"Confidence" not in (here.photos / "a.jpg.xmp").read_bytes()
    assert here.tag({"a.jpg": "eiffel"}, decided_by="person", confidence=0.72) == {"unchanged": 1}


def test_a_bad_sidecar_of_a_photo_without_a_tag(here: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    here.add("a.jpg", "b.jpg")
    (here.photos / "a.jpg.xmp").write_bytes(b"no XML")
    (here.photos / "b.jpg.xmp").mkdir()
    opened: list[str] = []
    read = sidecar_places.Folders.read
    monkeypatch.setattr(sidecar_places.Folders, "read", lambda self, path: opened.append(Path(path).name) or read(self, path))
    assert here.tag({"a.jpg": "", "b.jpg": ""}) == {}
    assert here.run() == {}
    assert opened.count("a.jpg.xmp") == 1, "once is enough"
    assert here.failed() == {}
    assert here.tag({"a.jpg": "eiffel", "b.jpg": "eiffel"}) == {"failed": 2}
    assert short(remove_sidecars(here.out, progress=False)) == {}
    (here.photos / "a.jpg.xmp").write_bytes(SAMPLES["keywords"])
    here.tag({"a.jpg": "eiffel", "b.jpg": ""})
    (here.photos / "a.jpg.xmp").write_bytes(b"broken now, with our tags in it")
    assert here.tag({"a.jpg": "", "b.jpg": ""}) == {"failed": 1}, "ours may be in it"


def test_in_s3(tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    out, folder = tmp_path / "out", f"{bucket}/trip"
    photos = {
        f"{folder}/m/x.jpg": "eiffel",
        f"{folder}/m/x.jpg.jpg": "bell",
        f"{folder}/a.jpg": "bell",
        f"{folder}/z/d.jpg": "bell",
    }
    for photo in photos:
        write_bytes(photo, b"")
    write_bytes(f"{folder}/m/x.jpg.xmp", SAMPLES["keywords"])
    write_bytes(f"{folder}/z/d.xmp", SAMPLES["keywords"])
    write_tags(out, photos)
    assert short(write_sidecars(out, progress=False)) == {"written": 4}
    assert texts(f"{folder}/m/x.jpg.xmp") == ["dog", "Eiffel Tower", "Paris", "France"]
    write_tags(out, {f"{folder}/m/x.jpg": "eiffel"})
    remove_objects("photos", ["trip/z/d.jpg"])
    with monkeypatch.context() as patch:
        patch.setattr(Objects, "read", lambda *_: pytest.fail("opened"))
        patch.setattr(Objects, "exists", lambda self, path: self._listed(path) is not None or path.endswith("d.jpg"))
        assert short(write_sidecars(out, progress=False)) == {"unchanged": 1}
    assert short(write_sidecars(out, progress=False)) == {"unchanged": 1, "withdrawn": 1}
    assert texts(f"{folder}/z/d.xmp") == ["dog"]
    assert exists(f"{folder}/a.jpg.xmp")
    assert short(remove_sidecars(out, progress=False)) == {"withdrawn": 1, "removed": 2}
    assert texts(f"{folder}/m/x.jpg.xmp") == ["dog"]


def texts(uri: str) -> list[str]:
    return Packet.parse(read_bytes(uri)).array("dc:subject").texts()
