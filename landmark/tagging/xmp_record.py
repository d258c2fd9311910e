"""What of a sidecar is ours: a record for each photo that it belongs to, and what the user took out again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from lxml import etree

from landmark.tagging.xmp_packet import Packet
from landmark.tagging.xmp_tree import add_field, fields, tag

TAGS, DECLINED, CREATED = "landmark:Tags", "landmark:Declined", "landmark:Created"
LISTS = {
    "dc:subject": ("landmark:Subject", "Bag"),
    "lr:hierarchicalSubject": ("landmark:HierarchicalSubject", "Bag"),
    "digiKam:TagsList": ("landmark:TagsList", "Seq"),
}
"""Properties with keywords: where the record keeps those that we added, and the kind of list that the property is."""

Entry = tuple[str, str]
"""A keyword: property and value."""


@dataclass(frozen=True)
class Record:
    """What we added for one photo.

    Attributes:
        extension: of the photo's file name, for `a.xmp` may belong to `a.jpg` and `a.cr2`.
        landmark: its id.
        name: the landmark's own keyword, the last level.
        confidence: when this was written; 0 where a person decided.
        model: when this was written.
        decided_by: "model", "context" or "person".
        entries: keywords that we added; one that was there before isn't ours.
        location: digest of the `LocationShown` that we added, "" for none.
        removed: of ours, what the user took out though the landmark stays: "property value", or "LocationShown".
        said: when the person said it who decided; None: unknown, or nobody did.
    """

    extension: str
    landmark: str
    name: str
    confidence: float
    model: str
    decided_by: str
    entries: tuple[Entry, ...]
    location: str
    removed: tuple[str, ...]
    said: datetime | None = None


@dataclass(frozen=True)
class Declined:
    """A landmark that the user took out again.

    Attributes:
        by: who had given it, "model", "context" or "person".
        time: before which that was; None: not noted.
    """

    by: str
    time: datetime | None = None


def read_records(packet: Packet) -> dict[str, Record]:
    """Records by extension."""
    records: dict[str, Record] = {}
    for item in packet.array(TAGS).items():
        found = fields(item)

        def one(name: str, found: Mapping[str, list[str]] = found) -> str:
            return next(iter(found.get(tag(f"landmark:{name}"), [])), "")

        try:
            confidence = float(one("Confidence"))
        except ValueError:
            confidence = 0.0
        record = Record(
            one("Extension"), one("LandmarkId"), one("Name"), confidence, one("Model"), one("DecidedBy"),
            tuple((name, value) for name, (field, _) in LISTS.items() for value in found.get(tag(field), [])),
            one("LocationDigest"), tuple(found.get(tag("landmark:Removed"), [])), _time(one("Said")),
        )  # fmt: skip
        records[record.extension] = record
    return records


def write_records(packet: Packet, records: Mapping[str, Record]) -> None:
    """Put records in the place of those that are there."""
    packet.remove(TAGS)
    array = packet.array(TAGS)
    for _, record in sorted(records.items()):
        item = array.add()
        add_field(item, "landmark:Extension", record.extension)
        add_field(item, "landmark:LandmarkId", record.landmark)
        add_field(item, "landmark:Name", record.name)
        # The model's figure may be another landmark's, and a person has none.
        if record.decided_by != "person":
            add_field(item, "landmark:Confidence", f"{record.confidence:.2f}")
        add_field(item, "landmark:Model", record.model)
        add_field(item, "landmark:DecidedBy", record.decided_by)
        for name, (field, _) in LISTS.items():
            add_field(item, field, *(value for at, value in record.entries if at == name), kind="Bag")
        add_field(item, "landmark:LocationDigest", record.location)
        add_field(item, "landmark:Removed", *record.removed, kind="Bag")
        add_field(item, "landmark:Said", record.said.isoformat() if record.said else "")


def read_declined(packet: Packet) -> dict[str, Declined]:
    """Landmarks that the user took out again."""
    declined: dict[str, Declined] = {}
    for item in packet.array(DECLINED).items():
        found = fields(item)
        landmark, by, time = (
            next(iter(found.get(tag(f"landmark:{name}"), [])), "") for name in ("LandmarkId", "DecidedBy", "Time")
        )
        if landmark:
            declined[landmark] = Declined(by or "model", _time(time))
    return declined


def write_declined(packet: Packet, declined: Mapping[str, Declined]) -> None:
    """Put them in the place of those that are there."""
    packet.remove(DECLINED)
    array = packet.array(DECLINED)
    for landmark, each in sorted(declined.items()):
        item = array.add()
        add_field(item, "landmark:LandmarkId", landmark)
        add_field(item, "landmark:DecidedBy", each.by)
        add_field(item, "landmark:Time", each.time.isoformat() if each.time else "")


def _time(text: str) -> datetime | None:
    """A time that another program may have rewritten; without a zone it is UTC."""
    try:
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def digest_of(item: etree._Element) -> str:
    """What tells one `LocationShown` from another, whatever form of RDF it has."""
    content = sorted((name, values) for name, values in fields(item).items() if values)
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
