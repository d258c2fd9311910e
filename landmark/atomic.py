"""Writes that are whole or not there: temporary files beside the target, synced to disk, then renamed."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from landmark.errors import LandmarkError
from landmark.names import shown

_WRITE_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG, errno.EIO, errno.ENOTDIR}


@contextlib.contextmanager
def atomic_files(*paths: Path) -> Iterator[list[Path]]:
    """Write several files that belong together: all are whole on disk before the first takes its place.

    Yields:
        A temporary path for each, in the same folder and with the same suffix.

    Raises:
        LandmarkError: disk full, no permission, ...; the files that were there before are untouched.
    """
    temporaries: list[Path] = []
    current = paths[0]
    try:
        for current in paths:
            current.parent.mkdir(parents=True, exist_ok=True)
            temporary = current.parent / f".{secrets.token_hex(8)}.tmp{current.suffix}"
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            temporaries.append(temporary)
        yield list(temporaries)
        for current, temporary in zip(paths, temporaries, strict=True):
            if current.exists():
                shutil.copymode(current, temporary)
            _fsync(temporary)
        for current, temporary in zip(paths, temporaries, strict=True):
            os.replace(temporary, current)  # noqa: PTH105
        for folder in {path.parent for path in paths}:
            _fsync(folder)
    except OSError as error:
        if not _about_writing(error, temporaries):
            raise
        raise _unwritten(current, error) from error
    finally:
        for temporary in temporaries:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Write one file: yields a temporary path beside it, renamed on success, removed on failure.

    Raises:
        LandmarkError: disk full, no permission, ...; the file that was there before is untouched.
    """
    with atomic_files(Path(path)) as (temporary,):
        yield temporary


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Write a folder: yields an empty one beside it, which takes its place on success and is removed on failure.

    Raises:
        LandmarkError: disk full, no permission, `path` is a file, ...; the folder that was there before is untouched.
    """
    path = Path(path)
    temporary = path.parent / f".{path.name[:64]}.{secrets.token_hex(8)}.tmp"
    try:
        if path.exists() and not path.is_dir():
            raise LandmarkError(f"{shown(path)}: a file is in the way of the folder to be written; move it away")
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
        yield temporary
        for folder, _, names in os.walk(temporary):
            for name in names:
                _fsync(Path(folder) / name)
            _fsync(Path(folder))
        _swap(temporary, path)
        _fsync(path.parent)
    except OSError as error:
        if not _about_writing(error, [temporary]):
            raise
        raise _unwritten(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _swap(new: Path, path: Path) -> None:
    """Put `new` in the place of `path`; what was at `path` is at `new` afterwards."""
    if not path.exists():
        new.rename(path)
        return
    with contextlib.suppress(OSError, AttributeError):
        # renameat2(..., RENAME_EXCHANGE): one system call, so that no kill finds the place empty.
        if ctypes.CDLL(None, use_errno=True).renameat2(-100, os.fsencode(new), -100, os.fsencode(path), 2) == 0:
            return
    old = path.parent / f".{secrets.token_hex(8)}.old"
    path.rename(old)
    try:
        new.rename(path)
    except OSError:
        old.rename(path)
        raise
    old.rename(new)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _about_writing(error: OSError, temporaries: list[Path]) -> bool:
    """Whether an error of the caller's block comes from writing, rather than from something the caller read."""
    named = error.filename is not None and any(str(error.filename).startswith(str(path)) for path in temporaries)
    return named or error.errno in _WRITE_ERRORS or not temporaries


def _unwritten(path: Path, error: OSError) -> LandmarkError:
    return LandmarkError(
        f"{shown(path)}: cannot be written ({error.strerror or error}); what was there before is untouched: "
        "free some space or give permission, and run again"
    )
