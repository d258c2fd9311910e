"""Links, lists and folders of albums on disk: made, and removed only where they are still what was made."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from landmark.errors import LandmarkError
from landmark.names import shown
from landmark.storage import atomic_file, sha256_file

_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS)
_NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)
_FULL = (errno.ENOSPC, errno.EDQUOT)


class InTheWay(Exception):
    """Something that isn't ours has the place, or it may not be written to: says what."""


class AlbumFolder:
    """The folder of all albums; nothing outside it is touched.

    Args:
        root: `DIR/albums`, made if it isn't there.

    Raises:
        LandmarkError: it is a symlink or a file, or can't be made.
    """

    def __init__(self, root: Path) -> None:
        if root.is_symlink() or (root.exists() and not root.is_dir()):
            raise LandmarkError(f"{shown(root)}: is no folder; albums are made in a real one: move it away")
        try:
            root.mkdir(parents=True, exist_ok=True)
            self._device = root.stat().st_dev
        except OSError as error:
            raise LandmarkError(f"{shown(root)}: cannot be made ({error.strerror}); give permission") from error
        self.root = root
        self._real = os.path.realpath(root)
        self._devices: dict[str, int | None] = {}

    def missing(self, path: str) -> list[str]:
        """Which folders of a path aren't there."""
        parts = path.split("/")
        ways = ("/".join(parts[: end + 1]) for end in range(len(parts)))
        return [way for way in ways if not os.path.lexists(self.root / way)]

    def folder(self, path: str) -> None:
        """Make a folder.

        Raises:
            InTheWay: a part of the path is a file or a symlink, or may not be made.
            LandmarkError: no space.
        """
        at = ""
        for part in path.split("/"):
            at = f"{at}/{part}" if at else part
            try:
                mode = os.lstat(self.root / at).st_mode
            except FileNotFoundError:
                with _errors(at):
                    (self.root / at).mkdir()
                continue
            if not stat.S_ISDIR(mode):
                raise InTheWay(f"{at} is no folder")

    def target(self, path: str, photo: str) -> str:
        """Text of a link: relative on one file system below a common folder, so that both may move together."""
        folder = os.path.dirname(photo)  # noqa: PTH120
        if folder not in self._devices:
            if len(self._devices) > 1000:
                self._devices.clear()
            try:
                self._devices[folder] = os.stat(folder).st_dev  # noqa: PTH116
            except OSError:
                self._devices[folder] = None
        here = self.folder_of(path)
        if self._devices[folder] != self._device or os.path.commonpath([here, photo]) == "/":
            return photo
        return os.path.relpath(photo, here)

    def folder_of(self, path: str) -> str:
        """The folder of a path below the root, without symlinks on the way to the root."""
        return os.path.dirname(f"{self._real}/{path}")  # noqa: PTH120

    def no_links(self) -> str:
        """Why there are no symbolic links here; "": there are.

        Raises:
            LandmarkError: no space.
        """
        temporary = self.root / f".{secrets.token_hex(8)}.tmp"
        try:
            temporary.symlink_to("x")
        except OSError as error:
            if error.errno in _FULL:
                raise LandmarkError(f"{shown(self.root)}: cannot be written ({error.strerror}); free some space") from error
            return str(error.strerror) if error.errno in _NO_LINKS else ""
        finally:
            temporary.unlink(missing_ok=True)
        return ""

    def link(self, path: str, target: str, old: str | None) -> bool:
        """Make a link; whether there was anything to do.

        Args:
            path: below the root.
            target: text of the link.
            old: text of the link that we made before.

        Raises:
            InTheWay: something else is there, or it may not be made.
            LandmarkError: no space.
        """
        file = self.root / path
        if os.path.lexists(file):
            now = os.fspath(file.readlink()) if file.is_symlink() else None
            if now == target:
                return False
            if now is None or now != old:
                raise InTheWay(f"{path} is not ours")
        temporary = file.parent / f".{secrets.token_hex(8)}.tmp"
        try:
            with _errors(path):
                temporary.symlink_to(target)
                temporary.replace(file)
        finally:
            temporary.unlink(missing_ok=True)
        return True

    def list(self, path: str, lines: Iterable[str], digest: str, old: str | None) -> bool:
        """Put a list in its place; whether there was anything to do.

        Args:
            path: below the root.
            lines: of the new list.
            digest: its sha256.
            old: sha256 of the list that we made before.

        Raises:
            InTheWay: something else is there, somebody changed it, or it may not be written.
            LandmarkError: no space.
        """
        file = self.root / path
        if os.path.lexists(file):
            now = sha256_file(file) if file.is_file() and not file.is_symlink() else None
            if now == digest:
                return False
            if now is None or now != old:
                raise InTheWay(f"{path} is not ours, or was changed")
        try:
            with atomic_file(file) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
                stream.writelines(lines)
        except LandmarkError as error:
            if isinstance(error.__cause__, OSError) and error.__cause__.errno in _NOT_ALLOWED:
                raise InTheWay(f"{path} cannot be made ({error.__cause__.strerror})") from error
            raise
        return True

    def remove(self, path: str, kind: str, content: str) -> bool:
        """Remove what we made, if it is still that; whether it was there."""
        file = self.root / path
        try:
            if kind == "folder":
                if file.is_symlink():
                    return False
                file.rmdir()
            elif kind == "link":
                if not file.is_symlink() or os.fspath(file.readlink()) != content:
                    return False
                file.unlink()
            else:
                if file.is_symlink() or not file.is_file() or sha256_file(file) != content:
                    return False
                file.unlink()
        except OSError:  # not there, or a folder with something in it
            return False
        return True

    def reachable(self, path: str) -> bool:
        """Whether the way to a path leads through real folders only."""
        parts = path.split("/")[:-1]
        return not any((self.root / "/".join(parts[: end + 1])).is_symlink() for end in range(len(parts)))


@contextlib.contextmanager
def _errors(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise LandmarkError(f"{shown(path)}: cannot be written ({error.strerror}); free some space") from error
        raise InTheWay(f"{path} cannot be made ({error.strerror})") from error
