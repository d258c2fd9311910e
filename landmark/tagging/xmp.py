"""Our tags in an XMP packet: added, replaced and withdrawn, with everything else left as it is. docs/xmp.md has the rules."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import quote

from landmark.tagging import xmp_tree as xml
from landmark.tagging.xmp_location import SHOWN, fill_location, location_of, locations, plain_level, plain_text
from landmark.tagging.xmp_packet import EMPTY, Packet
from landmark.tagging.xmp_packet import NotXmp as NotXmp
from landmark.tagging.xmp_record import (
    CREATED,
    LISTS,
    Declined,
    Entry,
    Record,
    digest_of,
    read_declined,
    read_records,
    write_declined,
    write_records,
)

ROOT = "Places"
"""First level of the hierarchical keywords, as in digiKam's and Lightroom's own collections."""
STEP = 0.1
"""Change of the confidence that is worth rewriting a sidecar."""


class OtherPhoto(Exception):
    """The sidecar says itself that it belongs to a photo with another extension."""


@dataclass(frozen=True)
class Wish:
    """What a photo's sidecar is to say.

    Attributes:
        landmark: its id.
        name: in the user's language.
        city: "" unknown.
        country: "" unknown.
        confidence: calibrated probability; of no meaning where a person decided.
        decided_by: "model", "context" or "person".
        model: label.
        lat: of the landmark [degrees, WGS 84], None unknown.
        lon: of the landmark [degrees].
        said: when the person said it who decided; None: unknown, or nobody did.
    """

    landmark: str
    name: str
    city: str
    country: str
    confidence: float
    decided_by: str
    model: str
    lat: float | None = None
    lon: float | None = None
    said: datetime | None = None

    @property
    def digest(self) -> str:
        """Changes whenever the sidecar has to be rewritten for a reason other than the confidence."""
        content = [self.landmark, self.name, self.city, self.country, self.decided_by, self.lat, self.lon]
        content += [self.said.isoformat()] if self.said else []
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]

    @property
    def levels(self) -> list[str]:
        """Country, city, landmark, without what separates levels in any tool; unknown ones are left out."""
        plain = [plain_level(level) for level in (self.country, self.city, self.name or self.landmark)]
        return [level for level in plain if level] or [plain_level(quote(self.landmark))]

    @property
    def entries(self) -> list[Entry]:
        """Keywords by property."""
        levels = self.levels
        flat = [("dc:subject", level) for level in dict.fromkeys(reversed(levels))]
        paths = [("lr:hierarchicalSubject", "|"), ("digiKam:TagsList", "/")]
        return [*flat, *((name, between.join([ROOT, *levels])) for name, between in paths)]


@dataclass(frozen=True)
class Applied:
    """A sidecar as it is to be.

    Attributes:
        data: its bytes; None: there is to be none.
        outcome: what that means for the file.
        declined: whether the user does not want this landmark here.
    """

    data: bytes | None
    outcome: Literal["same", "written", "withdrawn", "removed"]
    declined: bool = False


def apply(
    data: bytes | None,
    extension: str,
    wish: Wish | None,
    *,
    shared: bool = False,
    there: Callable[[str], bool] = lambda _: True,
    changed: datetime | None = None,
    forget: bool = False,
) -> Applied:
    """Bring our part of a sidecar to what is wished.

    Args:
        data: the sidecar's bytes; None: there is none.
        extension: of the photo, without the dot.
        wish: None: nothing of ours is to be there for this photo.
        shared: the sidecar's name has no extension (`a.xmp`), so that it may be another photo's.
        there: whether the photo with another extension is there that a shared sidecar has a record of.
        changed: when anybody changed the sidecar last; None: just now.
        forget: all of ours goes, for whichever photo, and what the user declined.

    Returns:
        The sidecar as it is to be; "same" with the very bytes that came in where nothing is to be done.

    Raises:
        NotXmp: it can't be read as XMP, or one of our properties has a form that can't be added to.
        OtherPhoto: it is another photo's.
    """
    if data is None and wish is None:
        return Applied(None, "same")
    packet = Packet.parse(EMPTY if data is None else data)
    meant = packet.simple("photoshop:SidecarForExtension") if shared else None
    if meant and meant.strip().lower() != extension.lower():
        raise OtherPhoto
    extension = plain_text(extension)
    before = read_records(packet)
    declined_before = read_declined(packet)
    mine = before.get(extension)
    others = [each for key, each in before.items() if key != extension and shared and not forget and there(key)]
    # A photo that was renamed with its sidecar, or that is gone, has left a record under its old extension.
    old = [record for record in before.values() if record not in others]
    declined = {} if forget else dict(declined_before)
    removed: tuple[str, ...] = ()
    for record in [] if forget else old:
        gone, more = _taken_out(packet, record)
        removed = tuple(dict.fromkeys((*removed, *more)))
        if gone:
            # Not before the word that was written, whatever the file's time is.
            times = [changed or datetime.now(UTC), *([record.said] if record.said else [])]
            declined[record.landmark] = Declined(record.decided_by, max(times))
    if wish is not None and wish.landmark in declined and _said_since(wish, declined[wish.landmark]):
        del declined[wish.landmark]
        removed = ()
    unwanted = wish is not None and wish.landmark in declined
    new = None if wish is None or unwanted else _add(packet, wish, extension, old, others, removed)
    withdrawn = _withdraw(packet, old, [*others, *([new] if new else [])])
    if new is not None and mine is not None and _same(new, mine):
        new = mine
    after = {record.extension: record for record in [*others, *([new] if new else [])]}
    if after == before and declined == declined_before and not withdrawn:
        return Applied(data, "same", unwanted)
    if after != before:
        write_records(packet, after)
    if declined != declined_before:
        write_declined(packet, declined)
    if data is None:
        packet.add(CREATED).text = "True"
    elif not after and not declined:
        ours = packet.simple(CREATED) is not None
        packet.remove(CREATED)
        if ours and packet.empty():
            return Applied(None, "removed", unwanted)
    return Applied(packet.to_bytes(), "written" if new is not None else "withdrawn", unwanted)


def _said_since(wish: Wish, declined: Declined) -> bool:
    """Whether a person gave the landmark after the user took it out; of two words without a time the user's counts."""
    if wish.decided_by != "person":
        return False
    if wish.said is None or declined.time is None:
        return declined.by != "person"
    return wish.said > declined.time


def _taken_out(packet: Packet, mine: Record) -> tuple[bool, tuple[str, ...]]:
    """Whether the user took the landmark out, and what else of ours is gone."""
    removed = list(mine.removed)
    gone = False
    for name, value in mine.entries:
        if value not in packet.array(name).texts():
            if name != "dc:subject" or value == mine.name:
                gone = True
            else:
                removed.append(f"{name} {value}")
    if mine.location and not locations(packet, mine.location):
        removed.append("LocationShown")
    return gone, tuple(dict.fromkeys(removed))


def _add(
    packet: Packet, wish: Wish, extension: str, old: list[Record], others: list[Record], removed: tuple[str, ...]
) -> Record:
    """Add what is missing; what was there before and is no record's is the user's."""
    owned = {entry for record in [*others, *old] for entry in record.entries}
    entries = []
    for name, value in wish.entries:
        if f"{name} {value}" in removed:
            continue
        array = packet.array(name)
        if value not in array.texts():
            array.add(LISTS[name][1]).text = value
            entries.append((name, value))
        elif (name, value) in owned:
            entries.append((name, value))
    location = location_of(wish)
    digest = digest_of(location)
    if "LocationShown" in removed:
        digest = ""
    elif digest in {record.location for record in [*others, *old]}:
        pass
    elif locations(packet, digest):
        digest = ""
    else:
        item = packet.array(SHOWN).add()
        fill_location(item, wish)
    person = wish.decided_by == "person"
    before = next((each.said for each in old if each.landmark == wish.landmark and each.said), None)
    return Record(
        extension, wish.landmark, wish.levels[-1], 0.0 if person else round(wish.confidence, 2), plain_text(wish.model),
        wish.decided_by, tuple(entries), digest, removed, (wish.said or before) if person else None,
    )  # fmt: skip


def _withdraw(packet: Packet, old: list[Record], stay: list[Record]) -> bool:
    """Take away what the old records had and no other one has; exactly one of each."""
    kept = {entry for record in stay for entry in record.entries}
    changed = False
    for name, value in dict.fromkeys(entry for record in old for entry in record.entries):
        if (name, value) not in kept:
            array = packet.array(name)
            item = next((item for item in array.items() if xml.is_text(item) and xml.text_of(item) == value), None)
            if item is not None:
                array.discard(item)
                changed = True
    for location in {record.location for record in old} - {record.location for record in stay} - {""}:
        for item in locations(packet, location)[:1]:
            packet.array(SHOWN).discard(item)
            changed = True
    return changed


def _same(new: Record, old: Record) -> bool:
    """Whether a record may stay as it is written: neither model nor a small change of confidence is worth a new file."""
    near = abs(new.confidence - old.confidence) < (1e-9 if new.decided_by == "person" else STEP - 1e-9)
    return near and replace(new, confidence=old.confidence, model=old.model) == old
