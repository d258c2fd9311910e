"""Names of files and landmarks, which come from anyone, made fit for messages and folders."""

from __future__ import annotations

import os

from landmark.errors import UsageError

_JOINERS = {0x200C: None, 0x200D: None}
"""Zero-width joiners, which emoji and names in Persian and Indic scripts are written with."""


def shown(name: str | os.PathLike[str]) -> str:
    r"""A file name fit for a one-line message: control, bidirectional and undecodable characters are escaped.

    >>> shown("a\nb")
    'a\\nb'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in os.fspath(name))


def check_landmark_id(landmark: str, where: str) -> None:
    """Refuse ids that can't be used as a file name: they name folders of albums and reports.

    Raises:
        UsageError: names `where` the id stands.
    """
    plain = landmark.translate(_JOINERS)
    if landmark in (".", "..") or not plain.isprintable() or set(landmark) & set("/\\") or landmark != landmark.strip():
        raise UsageError(f"{where}: landmark id '{shown(landmark)}' can't be used as a folder name; rename it")
    if not landmark or len(landmark.encode()) > 200:
        raise UsageError(f"{where}: a landmark id must have 1 to 200 bytes, got '{shown(landmark)[:50]}'; rename it")
