"""Which files a catalog is made from, before any is opened."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from landmark import storage
from landmark.errors import UsageError
from landmark.names import shown

RAW_SUFFIXES = frozenset([".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw"])
SUFFIXES = frozenset(
    ".jpg,.jpeg,.jpe,.jfif,.mpo,.png,.gif,.bmp,.tif,.tiff,.webp,.heic,.heif,.hif,.avif,.jp2,.ppm,.pgm,.tga".split(",")  # noqa: SIM905
).union(RAW_SUFFIXES)
SIDECARS = frozenset([".xmp", ".aae", ".thm", ".ini", ".db", ".json", ".csv", ".tsv", ".txt", ".md", ".html", ".parquet"])


@dataclass
class Listing:
    """Files in the order in which they are read.

    Attributes:
        photo: path or URI of each file.
        landmark: its landmark ("": none, or one that the model does not know).
        known: False: it shows a landmark that the model does not know.
        rejects: files that are no photos: (file, reason).
        roots: folders that paths in `splits.csv` may be relative to, or to the parents of.
        by_id: photos by their ids, where the source has ids.
    """

    photo: list[str] = field(default_factory=list)
    landmark: list[str] = field(default_factory=list)
    known: list[bool] = field(default_factory=list)
    rejects: list[tuple[str, str]] = field(default_factory=list)
    roots: list[str] = field(default_factory=list)
    by_id: dict[str, str] = field(default_factory=dict)

    def add(self, photo: str, landmark: str, known: bool = True) -> None:
        """Add a file; by its name it may be a reject, or nothing that concerns a catalog."""
        suffix = os.path.splitext(photo)[1].lower()  # noqa: PTH122 - may be a URI
        if suffix in SIDECARS:
            return
        if suffix and suffix not in SUFFIXES:
            self.rejects.append((photo, f"not a photo: files that end in '{shown(suffix)}' aren't read"))
            return
        self.photo.append(photo)
        self.landmark.append(landmark)
        self.known.append(known)

    def add_others(self, others: str | None, unknown: str | None) -> None:
        """Add the photos without a landmark (`data.others`), and those of unknown landmarks (`data.unknown`).

        Raises:
            UsageError: there are no photos without a landmark.
        """
        why = "the threshold below which a photo shows no landmark is calibrated on photos of other things"
        if others is None:
            raise UsageError(f"data.others: no photos without a landmark; {why}: name a folder of such photos")
        before = len(self.photo)
        for file in visible_files(others, "data.others"):
            self.add(file, "")
        if len(self.photo) == before:
            raise UsageError(f"data.others: no photos in {shown(others)}; {why}: put some there")
        self.roots.append(others)
        if unknown is not None:
            for file in visible_files(unknown, "data.unknown"):
                self.add(file, "", known=False)
            self.roots.append(unknown)


def visible_files(folder: str, key: str) -> list[str]:
    """All files below a folder, without those that are hidden (.DS_Store, .git/...).

    Args:
        folder: path or s3:// URI.
        key: setting that names the folder, for the message.

    Raises:
        UsageError: the folder isn't there.
    """
    if not storage.is_s3(folder) and not os.path.isdir(folder):  # noqa: PTH112
        raise UsageError(f"{key}: no such folder: {shown(folder)}")
    root = storage.join(folder)
    return [file for file in storage.list_files(root) if not _hidden(file.removeprefix(root))]


def _hidden(relative: str) -> bool:
    return any(part.startswith(".") or part in ("__MACOSX", "@eaDir") for part in relative.split("/"))
