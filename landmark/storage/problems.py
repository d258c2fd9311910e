"""What can go wrong with a store, apart from one file that can't be read."""

from __future__ import annotations

from landmark.errors import LandmarkError


class StorageUnavailable(LandmarkError):
    """The store itself can't be reached or refuses everything: no single file is to blame."""


class NoSuchObject(LandmarkError):
    """The file or object isn't there."""


class Changed(LandmarkError):
    """Somebody else changed the file or object since it was looked at."""
