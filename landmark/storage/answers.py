"""A disk or mount that does not answer, told from one file that can't be read."""

from __future__ import annotations

import errno
import os

from landmark.names import shown
from landmark.storage.problems import StorageUnavailable

_NAMES = (
    "EIO ENODEV ENXIO ENOMEDIUM ENOLINK EREMOTEIO ESTALE ECOMM EPROTO "  # a disk or a network file system that fails
    "ENOTCONN ECONNREFUSED ECONNRESET ECONNABORTED ESHUTDOWN EHOSTDOWN EHOSTUNREACH ENETDOWN ENETUNREACH ETIMEDOUT "
    "EAGAIN EINTR ENOMEM ENOBUFS EMFILE ENFILE "  # a machine that is short of something
    "ENOKEY EKEYEXPIRED EKEYREVOKED"  # Kerberos, encrypted folders
)
NO_ANSWER = frozenset(getattr(errno, name) for name in _NAMES.split() if hasattr(errno, name))
"""Errors that say nothing of the file they were met at; what a later try, or a person, mends."""


def check_answers(error: OSError, path: str | os.PathLike[str] | None = None) -> None:
    """Pass if an error is about one file; a file that nobody may read is, a folder that nobody may enter is not.

    Args:
        error: met while a file was opened or read.
        path: the file; None: the one that the error names.

    Raises:
        StorageUnavailable: the disk or mount is to blame.
    """
    place = os.fspath(path if path is not None else error.filename or "")
    folder = os.path.dirname(place)  # noqa: PTH120 - a name of any bytes
    no_answer = error.errno in NO_ANSWER
    closed = error.errno in (errno.EACCES, errno.EPERM) and folder and not _may_enter(folder)
    if no_answer or closed:
        why = error.strerror or str(error)
        raise StorageUnavailable(
            f"{shown(place)}: the disk or mount of {shown(folder or place)} does not answer ({why}); see that it is there and "
            "may be read, then give the same command again"
        ) from error


def _may_enter(folder: str) -> bool:
    try:
        return os.access(folder, os.X_OK)
    except (OSError, ValueError):
        return False
