"""Names of folders and files of albums: fit for any system and share, none twice, none outside its folder."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import NamedTuple

NO_COUNTRY, NO_CITY = "Unknown country", "Unknown city"
LIMIT = 200
"""Longest name of a folder [bytes of UTF-8]; file systems take 255, and an ending comes to it."""
_JOINERS = "\u200c\u200d"
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)


class Place(NamedTuple):
    """A landmark as the tags have it."""

    landmark: str
    name: str
    city: str
    country: str


def safe(name: str, limit: int = LIMIT) -> str:
    r"""A name that is one name everywhere: on Linux, macOS and Windows, on shares, and to the eye.

    >>> safe("a/b: c?"), safe(".."), safe("nul.txt"), safe(" x. "), safe("\u202egpj.exe")
    ('a-b- c-', '_', '_nul.txt', 'x', 'gpj.exe')
    """
    text = unicodedata.normalize("NFC", name)
    text = re.sub(r'[/\\:*?"<>|]', "-", text)
    text = "".join(" " if c.isspace() else c for c in text)
    text = "".join(c for c in text if c.isprintable() or c in _JOINERS)
    text = _trimmed(" ".join(text.split()).lstrip("."))
    if _RESERVED.fullmatch(text):
        text = f"_{text}"
    while len(text.encode()) > limit:
        text = _trimmed(text[:-1])
    # Without its last letters a name may end in a letter that would go together with nothing, or be no name at all.
    return unicodedata.normalize("NFC", text) if text.strip(_JOINERS + " .") else "_"


def _trimmed(text: str) -> str:
    return text.strip(" ").rstrip(". ")


def key(name: str) -> str:
    """The same for names that a system without upper and lower case takes for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def folders(places: Iterable[Place]) -> dict[str, tuple[str, str, str]]:
    """Country, city and landmark folder by landmark.

    Landmarks of one name in one city all get their id behind it.
    """
    seen: dict[tuple[str, ...], str] = {}
    same: dict[tuple[str, str, str], list[Place]] = {}
    for place in sorted(set(places)):
        country = safe(place.country) if place.country.strip() else NO_COUNTRY
        country = seen.setdefault((key(country),), country)
        city = safe(place.city) if place.city.strip() else NO_CITY
        city = seen.setdefault((key(country), key(city)), city)
        same.setdefault((country, city, key(safe(place.name or place.landmark))), []).append(place)
    found: dict[str, tuple[str, str, str]] = {}
    taken: set[tuple[str, str, str]] = {at for at, group in same.items() if len(group) == 1}
    for (country, city, _), group in sorted(same.items()):
        for place in group:
            name = safe(place.name or place.landmark)
            if len(group) > 1:
                name = safe(f"{safe(place.name, 100)} ({safe(place.landmark, 90)})")
                if (country, city, key(name)) in taken:
                    name = f"{safe(name, 180)} {short(place.landmark)}"
                taken.add((country, city, key(name)))
            found[place.landmark] = (country, city, name)
    return found


class FileNames:
    """Names of the files of one album, each once; the first photo keeps its own name."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def name(self, photo: str) -> str:
        """A name for a photo. Ask for the photos in order, for the same names every time."""
        found, other = both(photo)
        if key(found) in self._taken or _RESERVED.fullmatch(found):
            found = other
        self._taken.add(key(found))
        return found


def both(photo: str) -> tuple[str, str]:
    """Names that a photo's file may have in an album: its own, and the one with a digest of the path."""
    name = photo.rpartition("/")[2]
    suffix = safe(PurePosixPath(name).suffix, 20) if PurePosixPath(name).suffix.strip(".") else ""
    stem = safe(name[: len(name) - len(PurePosixPath(name).suffix)], LIMIT)
    ending = f"{'.' if suffix else ''}{suffix.lstrip('.')}"
    return f"{stem}{ending}", f"{stem}-{short(photo)}{ending}"


def short(text: str) -> str:
    """A short digest."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:8]
