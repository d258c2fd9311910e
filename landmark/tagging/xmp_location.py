"""IPTC's `LocationShown` of a landmark, and names as XMP and keywords can hold them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from lxml import etree

from landmark.tagging import xmp_tree as xml
from landmark.tagging.xmp_packet import Packet
from landmark.tagging.xmp_record import digest_of
from landmark.tagging.xmp_tree import add_field

if TYPE_CHECKING:
    from landmark.tagging.xmp import Wish

SHOWN = "Iptc4xmpExt:LocationShown"
ID = "urn:x-landmark:id:"
_NO_XML = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\\s]+")


def locations(packet: Packet, digest: str) -> list[etree._Element]:
    """Places in the picture of this digest, ours or others'."""
    return [item for item in packet.array(SHOWN).items() if digest_of(item) == digest]


def location_of(wish: Wish) -> etree._Element:
    """A place by itself, to take its digest."""
    item = xml.element("rdf:li")
    fill_location(item, wish)
    return item


def fill_location(item: etree._Element, wish: Wish) -> None:
    """IPTC's Location structure; Sublocation is what tools read that don't know LocationName yet."""
    name = plain_text(wish.name or wish.landmark)
    add_field(item, "Iptc4xmpExt:LocationName", name, kind="Alt", lang="x-default")
    add_field(item, "Iptc4xmpExt:LocationId", ID + quote(wish.landmark, safe=""), kind="Bag")
    add_field(item, "Iptc4xmpExt:Sublocation", name)
    add_field(item, "Iptc4xmpExt:City", plain_text(wish.city))
    add_field(item, "Iptc4xmpExt:CountryName", plain_text(wish.country))
    if wish.lat is not None and wish.lon is not None and abs(wish.lat) <= 90 and abs(wish.lon) <= 180:
        add_field(item, "exif:GPSLatitude", coordinate(wish.lat, "NS"))
        add_field(item, "exif:GPSLongitude", coordinate(wish.lon, "EW"))


def coordinate(degrees: float, signs: str) -> str:
    """A GPSCoordinate of XMP: degrees, decimal minutes, direction (XMP specification, part 2).

    >>> coordinate(48.8584, "NS"), coordinate(-0.9999999, "EW")
    ('48,51.5040N', '1,0.0000W')
    """
    whole = round(abs(degrees) * 600000)
    return f"{whole // 600000},{whole % 600000 / 10000:.4f}{signs[degrees < 0]}"


def plain_text(value: str) -> str:
    """A name without what XML can't hold, in one line."""
    return _NO_XML.sub(" ", value).strip()


def plain_level(value: str) -> str:
    """A name as one level: `|` parts levels in Lightroom, `/` in digiKam and Immich.

    >>> plain_level("9/11 Memorial")
    '9-11 Memorial'
    """
    return plain_text(re.sub(r"[|/]", "-", value))
