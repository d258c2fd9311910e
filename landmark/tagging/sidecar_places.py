"""Where sidecars lie, beside photos in folders: found, read, and replaced only if nobody changed them meanwhile."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
import time
from collections import OrderedDict
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from landmark.errors import LandmarkError
from landmark.names import shown
from landmark.storage import Changed

LIMIT = 16 << 20
"""Largest sidecar that is read [bytes]; the largest ones of raw developers have a few million."""
FOLDERS = 64
"""Folders whose listing is kept [count]."""
_FULL = (errno.ENOSPC, errno.EDQUOT)
_LEFT = re.compile(r"\.landmark-[0-9a-f]{16}\.tmp")
_OLD = 3600.0
"""Age from which a half file is one of a run that was killed [s]."""


class Refused(Exception):
    """A sidecar that is left as it is: says why."""


class Gone(Exception):
    """There is no such sidecar any more."""


class Found(NamedTuple):
    """A sidecar of a photo.

    Attributes:
        path: or URI.
        version: changes with the file.
        shared: named without the photo's extension, so that it may be another photo's.
    """

    path: str
    version: str
    shared: bool


class Read(NamedTuple):
    """A sidecar as it was read.

    Attributes:
        data: its bytes.
        version: as in `Found`.
        changed: when it was changed last, by the store's clock.
    """

    data: bytes
    version: str
    changed: datetime


class Place(Protocol):
    """A kind of store."""

    def find(self, photo: str) -> list[Found]:
        """Sidecars that a photo has, the one to be used first."""

    def read(self, path: str) -> Read:
        """The sidecar. Raises Gone, Refused, Changed."""

    def write(self, path: str, data: bytes, version: str | None) -> str:
        """Write it if it is still this version (None: if there is none); gives the new one. Raises Changed, Refused."""

    def remove(self, path: str, version: str) -> None:
        """Remove it if it is still this version. Raises Changed, Refused."""

    def exists(self, path: str) -> bool:
        """Whether a photo is there."""

    def beside(self, photo: str, extension: str) -> bool:
        """Whether another photo is there of this name, but for its extension."""


def names(photo: str) -> tuple[str, str]:
    """Both names of a photo's sidecar, without `.xmp`: `a.jpg` (darktable, digiKam, Immich) and `a` (Lightroom, Immich).

    Where there is a file of the second name, what is called after it is that file's own sidecar.

    >>> names("/p/a.b.jpg")
    ('/p/a.b.jpg', '/p/a.b')
    """
    begin, dot = photo.rfind("/") + 1, photo.rfind(".")
    return photo, photo[:dot] if begin < dot < len(photo) - 1 else photo


def extension(photo: str) -> str:
    """Of a photo's name, without the dot."""
    return photo[len(names(photo)[1]) + 1 :]


class Folders:
    """Photos in folders of this machine."""

    def __init__(self) -> None:
        self._listings: OrderedDict[str, dict[str, list[str]]] = OrderedDict()

    def find(self, photo: str) -> list[Found]:
        """See Place."""
        folder = os.path.dirname(photo)  # noqa: PTH120
        there = self._listing(folder)
        found = []
        for number, name in enumerate(dict.fromkeys(names(photo))):
            if number and name in there and os.path.lexists(name) and not os.path.isdir(name):  # noqa: PTH112
                break
            for path in there.get(name, []):
                with contextlib.suppress(OSError):
                    found.append(Found(path, _version(os.lstat(path)), bool(number)))
        return found

    def _listing(self, folder: str) -> dict[str, list[str]]:
        """Paths of a folder's sidecars, by path without `.xmp` in any case."""
        if folder in self._listings:
            self._listings.move_to_end(folder)
            return self._listings[folder]
        there: dict[str, list[str]] = {}
        with contextlib.suppress(OSError), os.scandir(folder or ".") as entries:
            for entry in entries:
                if entry.name[-4:].lower() == ".xmp":
                    there.setdefault(entry.path[:-4], []).append(entry.path)
                elif _LEFT.fullmatch(entry.name) and time.time() - entry.stat(follow_symlinks=False).st_mtime > _OLD:
                    os.unlink(entry.path)  # noqa: PTH108
        for paths in there.values():
            paths.sort(reverse=True)  # .xmp before .XMP
        self._listings[folder] = there
        if len(self._listings) > FOLDERS:
            self._listings.popitem(last=False)
        return there

    def read(self, path: str) -> Read:
        """See Place."""
        try:
            real = _real(path)
            # Not followed: between the look and the opening somebody may have put a link here.
            descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with open(descriptor, "rb") as file:  # noqa: PTH123
                before = os.fstat(descriptor)
                data = file.read(LIMIT + 1)
                after = os.fstat(descriptor)
        except FileNotFoundError as error:
            raise Gone from error
        except OSError as error:
            raise Refused(f"cannot be read ({error.strerror})") from error
        if len(data) > LIMIT:
            raise Refused(f"larger than {LIMIT >> 20} MiB")
        if _version(before) != _version(after):
            raise Changed(f"{shown(path)}: somebody else changed it meanwhile; run again")
        changed = datetime.fromtimestamp(min(max(after.st_mtime, 0.0), time.time()), UTC)
        return Read(data, _version(after), changed)

    def write(self, path: str, data: bytes, version: str | None) -> str:
        """See Place. Between the last look and the swap lie some microseconds, in which a change would be lost."""
        temporary = ""
        try:
            real = path if version is None else _real(path)
            status = None if version is None else os.stat(real)  # noqa: PTH116
            if status is not None and not status.st_mode & 0o222:
                raise Refused("read-only")
            # Ends unlike a sidecar, so that no program that watches the folder takes it for one.
            temporary = os.path.join(os.path.dirname(real), f".landmark-{secrets.token_hex(8)}.tmp")  # noqa: PTH118, PTH120
            with open(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666), "wb") as file:  # noqa: PTH123
                file.write(data)
                file.flush()
                if status is not None:
                    _copy_rights(status, real, temporary)
                os.fsync(file.fileno())
            made = os.stat(temporary)  # noqa: PTH116
            if status is None:
                _place_new(temporary, real)
            else:
                if _version(os.lstat(real)) != version:
                    raise Changed(f"{shown(path)}: somebody else changed it meanwhile; run again")
                os.replace(temporary, real)  # noqa: PTH105
            return _version(made) if real == path else _version(os.lstat(path))
        except FileExistsError as error:
            raise Changed(f"{shown(path)}: somebody else made it meanwhile; run again") from error
        except FileNotFoundError as error:
            raise Refused("its folder vanished") from error
        except OSError as error:
            if error.errno in _FULL:
                raise LandmarkError(
                    f"{shown(path)}: cannot be written ({error.strerror}); no sidecar is half: free some space and run again"
                ) from error
            raise Refused(f"cannot be written ({error.strerror})") from error
        finally:
            if temporary:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)  # noqa: PTH108

    def remove(self, path: str, version: str) -> None:
        """See Place."""
        try:
            if _version(os.lstat(_real(path))) != version:
                raise Changed(f"{shown(path)}: somebody else changed it meanwhile; run again")
            os.unlink(path)  # noqa: PTH108
        except FileNotFoundError:
            return
        except OSError as error:
            raise Refused(f"cannot be removed ({error.strerror})") from error

    def exists(self, path: str) -> bool:
        """See Place."""
        return os.path.lexists(path)

    def beside(self, photo: str, extension: str) -> bool:
        """See Place."""
        other = f"{names(photo)[1]}.{extension}"
        if not os.path.lexists(other):
            return False
        try:
            # Where upper and lower case are one, this is the photo itself.
            return other.casefold() != photo.casefold() or not os.path.samestat(os.lstat(other), os.lstat(photo))
        except OSError:
            return True


def _real(path: str) -> str:
    """The file itself. A symlink is followed only within its folder; what lies elsewhere may be anybody's."""
    status = os.lstat(path)
    real = path
    if stat.S_ISLNK(status.st_mode):
        real = os.path.realpath(path)
        if os.path.dirname(real) != os.path.realpath(os.path.dirname(path)):  # noqa: PTH120
            raise Refused("a symlink to another folder")
        status = os.lstat(real)
    if stat.S_ISDIR(status.st_mode):
        raise Refused("a folder")
    if not stat.S_ISREG(status.st_mode):
        raise Refused("not a regular file")
    return real


def _version(status: os.stat_result) -> str:
    return f"{status.st_size}-{status.st_mtime_ns}"


def _copy_rights(status: os.stat_result, real: str, temporary: str) -> None:
    """Owner, mode and extended attributes, as far as this user may."""
    with contextlib.suppress(OSError):
        if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
            os.chown(temporary, status.st_uid, status.st_gid)
    os.chmod(temporary, stat.S_IMODE(status.st_mode))  # noqa: PTH101
    with contextlib.suppress(OSError, AttributeError):
        for name in os.listxattr(real):
            with contextlib.suppress(OSError):
                os.setxattr(temporary, name, os.getxattr(real, name))


def _place_new(temporary: str, path: str) -> None:
    """Give a new file its name, unless the name is taken."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno in _FULL:
            raise
        # No hard links here (FAT, some network shares).
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path) from error
        os.rename(temporary, path)  # noqa: PTH104
