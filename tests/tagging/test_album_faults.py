"""Albums where the file system or the permissions are in the way, and after the state was lost."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from landmark.errors import LandmarkError
from landmark.tagging import album_files
from landmark.tagging.albums import remove_albums, write_albums
from tests.tagging.test_albums import TOWER, albums, here
from tests.tagging.test_sidecars import Collection

__all__ = ["here"]


def refuse(monkeypatch: pytest.MonkeyPatch, name: str, number: int) -> None:
    """Make a method of paths fail as the system would."""

    real = getattr(Path, name)

    def refused(self: Path, *arguments: Any, **more: Any) -> Any:
        if "albums" not in self.parent.parts:
            return real(self, *arguments, **more)
        raise OSError(number, os.strerror(number), str(self))

    monkeypatch.setattr(Path, name, refused)


def test_no_space(here: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("symlink_to", "mkdir"):
        (here.out / "albums").mkdir(exist_ok=True)
        with monkeypatch.context() as patch:
            refuse(patch, name, errno.ENOSPC)
            with pytest.raises(LandmarkError, match="free some space"):
                albums(here)
    assert albums(here) == {"made": 3}


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP])
def test_no_symlinks(here: Collection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int) -> None:
    with monkeypatch.context() as patch:
        refuse(patch, "symlink_to", number)
        result = write_albums(here.out, "links", progress=False)
        assert (result.kind, result.problem, result.made, result.failed) == ("lists", os.strerror(number), 3, 0)
        assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1
        listed = here.out / f"albums/{TOWER}.txt"
        assert listed.read_text().splitlines() == [str(here.photos / "a.jpg"), str(here.photos / "b/a.jpg")]
        before = listed.stat().st_mtime_ns
        assert albums(here) == {"unchanged": 3}
        assert listed.stat().st_mtime_ns == before
    assert albums(here) == {"made": 3, "removed": 3}, "elsewhere there are links again"
    assert write_albums(here.out, "links", progress=False).problem == ""


@pytest.mark.parametrize("name", ["mkdir", "symlink_to"])
def test_no_permission(here: Collection, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (here.out / "albums").mkdir()
    (here.out / "albums/France/Paris").mkdir(parents=True)
    with monkeypatch.context() as patch:
        refuse(patch, name, errno.EACCES)
        assert albums(here) == {"failed": 3}
    assert albums(here) == {"made": 3}
    written = album_files.atomic_file

    def closed(path: Path) -> Any:
        if path.name == "Eiffel Tower.txt":
            path = Path("/proc/self/task/none.txt")  # nobody may write there
        return written(path)

    monkeypatch.setattr(album_files, "atomic_file", closed)
    monkeypatch.setattr(album_files, "_NOT_ALLOWED", (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT))
    assert albums(here, "lists") == {"made": 2, "failed": 1, "removed": 3}


def test_the_state_is_lost(here: Collection, tmp_path: Path) -> None:
    albums(here)
    root = here.out / "albums"
    (root / TOWER / "my favourite.jpg").symlink_to(here.photos / "a.jpg")
    (root / TOWER / "elsewhere.jpg").symlink_to(tmp_path)
    (root / "mine").mkdir()
    (root / "mine/a.jpg").symlink_to(here.photos / "a.jpg")
    (root / TOWER / "notes.txt").write_text("mine")
    (here.out / ".state/albums.sqlite").unlink()
    (here.photos / "c.heic").unlink()
    assert albums(here, "links", {"a.jpg": "", "b/a.jpg": "louvre", "none.jpg": ""}) == {"made": 1, "removed": 3}
    assert not (root / "United Kingdom").exists(), "folders go with the last link in them"
    kept = {f"{TOWER}/my favourite.jpg", f"{TOWER}/elsewhere.jpg", f"{TOWER}/notes.txt", "mine/a.jpg"}
    there = {str(file.relative_to(root)) for file in root.rglob("*") if file.is_symlink() or file.is_file()}
    assert there == {*kept, "France/Paris/Louvre/a.jpg"}
    (here.out / ".state/albums.sqlite").unlink()
    assert remove_albums(here.out).removed == 1
    (root / "France/Paris/Louvre").mkdir(parents=True)
    by_hand = root / "France/Paris/Louvre/a.jpg"
    by_hand.symlink_to(here.photos / "a.jpg")
    albums(here, "links", {"a.jpg": ""})
    assert by_hand.is_symlink(), "the state is there, and has nothing of it"
