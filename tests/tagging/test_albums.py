"""Albums as links and lists: what is in them, what stays, and that nothing leaves its folder."""

from __future__ import annotations

import csv
import os
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landmark.errors import LandmarkError
from landmark.tagging import album_files
from landmark.tagging.album_names import FileNames, Place, folders, key, safe
from landmark.tagging.albums import Kind, remove_albums, write_albums
from tests.tagging.test_sidecars import PLACES, Collection, write_tags

TOWER = "France/Paris/Eiffel Tower"


@pytest.fixture
def here(tmp_path: Path) -> Collection:
    made = Collection(tmp_path)
    made.add("a.jpg", "b/a.jpg", "c.heic", "none.jpg")
    write_tags(made.out, {str(made.photos / name): landmark for name, landmark in EVERYTHING.items()})
    return made


EVERYTHING = {"a.jpg": "eiffel", "b/a.jpg": "eiffel", "c.heic": "bell", "none.jpg": ""}


def albums(here: Collection, kind: Kind = "links", landmarks: dict[str, str] | None = None, **more: Any) -> dict[str, int]:
    if landmarks is not None:
        write_tags(here.out, {str(here.photos / name): landmark for name, landmark in landmarks.items()}, **more)
    result = write_albums(here.out, kind, progress=False).to_json()
    return {name: result[name] for name in ("made", "unchanged", "removed", "failed") if result[name]}


def tree(here: Collection) -> dict[str, str | None]:
    """Files and links below the albums, and what they lead to."""
    root = here.out / "albums"
    return {
        str(file.relative_to(root)): str(file.resolve().relative_to(here.photos)) if file.is_symlink() else None
        for file in sorted(root.rglob("*"))
        if file.is_symlink() or file.is_file()
    }


def test_links(here: Collection, tmp_path: Path) -> None:
    assert albums(here) == {"made": 3}
    found = tree(here)
    (second,) = (name for name in found if name.startswith(f"{TOWER}/a-"))
    assert found == {
        f"{TOWER}/a.jpg": "a.jpg",
        second: "b/a.jpg",
        "United Kingdom/London/Big Bell/c.heic": "c.heic",
    }
    before = {name: os.lstat(here.out / "albums" / name).st_ctime_ns for name in found}
    assert albums(here) == {"unchanged": 3}
    assert {name: os.lstat(here.out / "albums" / name).st_ctime_ns for name in found} == before
    link = str((here.out / "albums" / f"{TOWER}/a.jpg").readlink())
    assert link == "../../../../../photos/a.jpg", "relative, so that all may move together"
    assert albums(here, "links", {**EVERYTHING, "a.jpg": "", "c.heic": "louvre"}) == {"made": 2, "removed": 2}
    assert set(tree(here)) == {f"{TOWER}/a.jpg", "France/Paris/Louvre/c.heic"}
    assert not (here.out / "albums/United Kingdom").exists()
    assert tree(here)[f"{TOWER}/a.jpg"] == "b/a.jpg", "alone now, it has its own name"
    assert albums(here, "links", dict.fromkeys(EVERYTHING, "")) == {"removed": 2}
    assert list((here.out / "albums").iterdir()) == []


def test_a_library_that_moves(here: Collection, tmp_path: Path) -> None:
    albums(here)
    (tmp_path / "elsewhere").mkdir()
    for folder in ("photos", "out"):
        (tmp_path / folder).rename(tmp_path / "elsewhere" / folder)
    assert (tmp_path / f"elsewhere/out/albums/{TOWER}/a.jpg").read_bytes() == b"original a.jpg"


def test_absolute_on_another_file_system(here: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = album_files.AlbumFolder(here.out / "albums")
    disk._device += 1
    assert disk.target("a/b/c.jpg", str(here.photos / "a.jpg")) == str(here.photos / "a.jpg")


def test_what_the_user_put_there_stays(here: Collection) -> None:
    root = here.out / "albums"
    mine = root / "France/Paris"
    mine.mkdir(parents=True)
    albums(here)
    (root / f"{TOWER}/notes.txt").write_text("mine")
    (root / "United Kingdom/empty").mkdir()
    (root / f"{TOWER}/a.jpg").unlink()
    (root / f"{TOWER}/a.jpg").write_text("my own file")
    assert albums(here) == {"unchanged": 2, "failed": 1}
    albums(here, "links", dict.fromkeys(EVERYTHING, ""))
    assert set(tree(here)) == {f"{TOWER}/notes.txt", f"{TOWER}/a.jpg"}
    assert (root / f"{TOWER}/a.jpg").read_text() == "my own file"
    assert (root / "United Kingdom/empty").is_dir()
    for file in (root / TOWER).iterdir():
        file.unlink()
    albums(here)
    assert mine.is_dir(), "the user made it"
    assert not (root / TOWER).exists()


def test_all_removed(here: Collection) -> None:
    assert remove_albums(here.out).removed == 0
    albums(here)
    (here.out / "albums/mine").mkdir()
    assert remove_albums(here.out).removed == 3
    assert [file.name for file in (here.out / "albums").iterdir()] == ["mine"]
    (here.out / "albums/mine").rmdir()
    remove_albums(here.out)
    assert not (here.out / "albums").exists()
    assert albums(here) == {"made": 3}


def test_lists_and_back(here: Collection) -> None:
    albums(here)
    assert albums(here, "lists") == {"made": 3, "removed": 3}
    root = here.out / "albums"
    assert set(tree(here)) == {f"{TOWER}.txt", "United Kingdom/London/Big Bell.txt", "albums.csv"}
    assert (root / f"{TOWER}.txt").read_text() == f"{here.photos / 'a.jpg'}\n{here.photos / 'b/a.jpg'}\n"
    with (root / "albums.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[2] == {
        "country": "United Kingdom",
        "city": "London",
        "landmark": "bell",
        "name": "Big Bell",
        "photo": str(here.photos / "c.heic"),
    }
    before = (root / f"{TOWER}.txt").stat().st_mtime_ns
    assert albums(here, "lists", {**EVERYTHING, "c.heic": ""}) == {"made": 1, "unchanged": 1, "removed": 1}
    assert (root / f"{TOWER}.txt").stat().st_mtime_ns == before
    (root / f"{TOWER}.txt").write_text("changed by me")
    assert albums(here, "lists") == {"unchanged": 1, "failed": 1}
    assert albums(here, "links") == {"made": 2, "removed": 1}
    assert (root / f"{TOWER}.txt").read_text() == "changed by me"


def test_a_list_is_what_tag_takes(here: Collection) -> None:
    from landmark.tagging.source import list_photos

    here.add("new\nline.jpg")
    albums(here, "lists", {**EVERYTHING, "new\nline.jpg": "eiffel"})
    listed = [os.fsdecode(photo) for photo, _ in list_photos(str(here.out / f"albums/{TOWER}.txt"))]
    assert listed == [str(here.photos / "a.jpg"), str(here.photos / "b/a.jpg")]
    with (here.out / "albums/albums.csv").open(newline="") as file:
        assert str(here.photos / "new\nline.jpg") in [row["photo"] for row in csv.DictReader(file)]


def test_photos_in_s3_are_listed(tmp_path: Path) -> None:
    (tmp_path / "p.jpg").write_bytes(b"")
    write_tags(tmp_path / "out", {"s3://b/x.jpg": "eiffel", str(tmp_path / "p.jpg"): "eiffel"})
    write_albums(tmp_path / "out", "links", progress=False)
    assert (tmp_path / f"out/albums/{TOWER}.txt").read_text() == "s3://b/x.jpg\n"
    assert (tmp_path / f"out/albums/{TOWER}/p.jpg").is_symlink()


def test_killed_half_way(here: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    link, turns = album_files.AlbumFolder.link, []

    class Killed(BaseException):
        pass

    def killed(self: Any, *arguments: Any) -> bool:
        turns.append(1)
        if len(turns) == 2:
            raise Killed
        return link(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(album_files.AlbumFolder, "link", killed)
        with pytest.raises(Killed):
            albums(here)
    assert albums(here, "links", dict.fromkeys(EVERYTHING, "")) == {"removed": 1}
    assert list((here.out / "albums").iterdir()) == [], "folders of the killed run are known, too"


def test_no_way_out(here: Collection, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    root = here.out / "albums"
    root.mkdir(parents=True)
    (root / "France").symlink_to(outside)
    assert albums(here) == {"made": 1, "failed": 2}
    assert list(outside.iterdir()) == []
    (root / "France").unlink()
    albums(here)
    (root / "France").rename(outside / "France")
    (root / "France").symlink_to(outside / "France")
    albums(here, "links", dict.fromkeys(EVERYTHING, ""))
    assert len(list((outside / "France/Paris/Eiffel Tower").iterdir())) == 2, "nothing outside is removed"
    (root / "France").unlink()
    root.rmdir()
    root.symlink_to(outside)
    with pytest.raises(LandmarkError, match="move it away"):
        albums(here)


def test_hostile_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["..", "a/../../b", "CON", "x" * 300, "é" * 150, "\u202egpj.exe", "trailing. ", "a\nb", ""]
    for number, name in enumerate(names):
        monkeypatch.setitem(PLACES, f"l{number}", (name, "../..", "/etc"))
    here = Collection(tmp_path)
    photos = {f"{'p' * 240}{number}.jpg": f"l{number}" for number in range(len(names))}
    here.add(*photos)
    assert albums(here, "links", photos) == {"made": len(names)}
    assert albums(here) == {"unchanged": len(names)}
    assert set(tree(here).values()) == set(photos)
    assert {file.name for file in tmp_path.iterdir()} == {"photos", "out"}
    for file in (here.out / "albums").rglob("*"):
        assert len(os.fsencode(file.name)) <= 255
        assert file.name == safe(file.name, 255)


def test_no_tags(tmp_path: Path) -> None:
    with pytest.raises(LandmarkError, match="run `landmark tag` first"):
        write_albums(tmp_path, "links", progress=False)


def test_two_landmarks_of_one_name() -> None:
    at = folders(
        [
            Place("st_mary_1", "St Mary", "York", "UK"),
            Place("st_mary_2", "st mary", "York", "UK"),
            Place("st_mary_3", "St Mary", "Leeds", "uk"),
            Place("odd", "St Mary (st_mary_1)", "York", "UK"),
            Place("nowhere", "", "", " "),
        ]
    )
    assert at["st_mary_3"] == ("UK", "Leeds", "St Mary")
    assert at["nowhere"] == ("Unknown country", "Unknown city", "nowhere")
    assert at["odd"] == ("UK", "York", "St Mary (st_mary_1)")
    assert at["st_mary_2"] == ("UK", "York", "st mary (st_mary_2)")
    assert at["st_mary_1"][2].startswith("St Mary (st_mary_1) ")


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=120))
def test_a_safe_name(name: str) -> None:
    found = safe(name)
    assert 0 < len(found.encode()) <= 200
    assert safe(found) == found
    assert unicodedata.is_normalized("NFC", found)
    assert not set(found) & set('/\\:*?"<>|\0\u202e')
    assert found[0] != "."
    assert found.rstrip(". ") == found
    assert found.lower() not in ("con", "nul", "com1")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text("aAéß.,/j pg\u0301\u200d", max_size=12), max_size=20, unique=True))
def test_file_names_differ(photos: list[str]) -> None:
    names = FileNames()
    made = [names.name(f"/p/{photo}") for photo in photos]
    assert len({key(name) for name in made}) == len(made)
    assert all("/" not in name and name not in (".", "..") for name in made)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.text("aA(1) .", max_size=4), st.sampled_from(["", "x", "X"])), max_size=12))
def test_folders_differ(named: list[tuple[str, str]]) -> None:
    at = folders([Place(str(number), name, city, "France") for number, (name, city) in enumerate(named)])
    assert len({tuple(map(key, found)) for found in at.values()}) == len(named)
