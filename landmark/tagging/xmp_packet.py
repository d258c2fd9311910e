"""An XMP packet: bytes to a tree and back with nothing lost, and its properties.

Entities, DTDs and the network are off. XMP may say one thing in several forms (attributes or elements, several
`rdf:Description`, structures with or without one): all are read, and what is there keeps its form.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree

from landmark.tagging.xmp_tree import ARRAYS, DESCRIPTION, LI, NAMESPACES, append, drop, element, is_text, tag, text_of

EMPTY = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">\n <rdf:RDF xmlns:rdf="'
    + NAMESPACES["rdf"]
    + '">\n  <rdf:Description rdf:about=""'
    + "".join(f'\n    xmlns:{prefix}="{uri}"' for prefix, uri in NAMESPACES.items() if prefix not in ("x", "rdf", "photoshop"))
    + '/>\n </rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="w"?>\n'
).encode()
"""A packet that says nothing."""

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARATION = re.compile(r"<\?xml\s[^>]*\?>\s*")
_DECLARED = re.compile(rb"<\?xml\s[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"']")
_CODECS = re.compile(r"utf-8|ascii|iso8859-\d+|cp125\d")


class NotXmp(Exception):
    """Nothing that may be written to: says why, in a few words for a person."""


_ABOUT = tag("rdf:about")


@dataclass
class Packet:
    """A packet that can be changed.

    Attributes:
        rdf: its `rdf:RDF`.
    """

    rdf: etree._Element
    _declaration: str
    _bom: bytes
    _codec: str
    _crlf: bool

    @classmethod
    def parse(cls, data: bytes) -> Packet:
        """Read a sidecar.

        Raises:
            NotXmp: not XML, not XMP, or with a document type, which XMP has not and attacks have.
        """
        text, bom, codec = _decode(data)
        declaration = match[0] if (match := _DECLARATION.match(text)) else ""
        if "<!DOCTYPE" in text:
            raise NotXmp("has a document type (DTD), which XMP may not have")
        parser = etree.XMLParser(
            resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False, strip_cdata=False
        )
        try:
            root = etree.fromstring(text[len(declaration) :].encode(), parser)
        except (etree.XMLSyntaxError, ValueError) as error:
            raise NotXmp(f"not XML ({' '.join(str(error).split())[:120]})") from error
        found = [root] if root.tag == tag("rdf:RDF") else root.findall(tag("rdf:RDF"))
        if len(found) != 1 or (root is not found[0] and root.tag not in (tag("x:xmpmeta"), tag("x:xapmeta"))):
            raise NotXmp("XML, but not XMP (no x:xmpmeta with one rdf:RDF)")
        crlf = "\r\n" in text and not re.search(r"(?<!\r)\n", text)
        return cls(found[0], declaration, bom, codec, crlf)

    def to_bytes(self) -> bytes:
        """The packet in the encoding, with the declaration, byte order mark and line ends that it came with."""
        root = self.rdf.getroottree().getroot()
        nodes = [*reversed(list(root.itersiblings(preceding=True))), root, *root.itersiblings()]
        text = self._declaration + "".join(etree.tostring(node, encoding="unicode", with_tail=False) + "\n" for node in nodes)
        if self._crlf:
            text = re.sub(r"\r?\n", "\r\n", text)
        return self._bom + text.encode(self._codec, "xmlcharrefreplace")

    def descriptions(self) -> list[etree._Element]:
        """All top-level `rdf:Description`."""
        return self.rdf.findall(DESCRIPTION)

    def simple(self, name: str) -> str | None:
        """Value of a property that is plain text, as an attribute or as an element."""
        for description in self.descriptions():
            if (value := description.get(tag(name))) is not None:
                return value
            if (element := description.find(tag(name))) is not None:
                return text_of(element)
        return None

    def array(self, name: str) -> Array:
        """A property that is a list.

        Raises:
            NotXmp: it is there, and is no list.
        """
        found = []
        for description in self.descriptions():
            if description.get(tag(name), "").strip():
                raise NotXmp(f"{name} is no list")
            found += description.findall(tag(name))
        return Array(self, name, found)

    def add(self, name: str) -> etree._Element:
        """A new property, in the first description."""
        there = self.descriptions()
        if not there:
            made = etree.SubElement(self.rdf, DESCRIPTION)
            made.set(_ABOUT, "")
            self.rdf.remove(made)
            append(self.rdf, made)
            there = [made]
        return append(there[0], element(name))

    def remove(self, name: str) -> None:
        """Take a property away, in whatever form it is."""
        for description in self.descriptions():
            if tag(name) in description.attrib:
                del description.attrib[tag(name)]
            for found in description.findall(tag(name)):
                drop(found)

    def empty(self) -> bool:
        """Whether it says nothing at all: no property, no comment."""
        root = self.rdf.getroottree().getroot()
        comments = any(True for _ in root.iter(etree.Comment)) or any(
            True for way in (True, False) for _ in root.itersiblings(etree.Comment, preceding=way)
        )
        plain = all(
            child.tag == DESCRIPTION and not len(child) and set(child.attrib) <= {_ABOUT, "about"} for child in self.rdf
        )
        alone = root is self.rdf or len(root) == 1
        return plain and alone and not comments


@dataclass
class Array:
    """A list property; it may be there in several places, or not at all."""

    packet: Packet
    name: str
    _properties: list[etree._Element]

    def __post_init__(self) -> None:
        self._bags: list[etree._Element] = []
        for found in self._properties:
            bags = [bag for kind in ARRAYS for bag in found.findall(tag(f"rdf:{kind}"))]
            if (not bags and (len(found) or text_of(found).strip() or set(found.attrib))) or len(bags) > 1:
                raise NotXmp(f"{self.name} is no list")
            self._bags += bags

    def items(self) -> Iterator[etree._Element]:
        """Its items, one after another."""
        for bag in self._bags:
            yield from bag.findall(LI)

    def texts(self) -> list[str]:
        """Items that are plain text."""
        return [text_of(item) for item in self.items() if is_text(item)]

    def add(self, kind: str = "Bag") -> etree._Element:
        """A new item at the end; the list is made, of this kind, where there is none."""
        if not self._bags:
            home = self._properties[0] if self._properties else self.packet.add(self.name)
            self._properties = self._properties or [home]
            self._bags = [append(home, element(f"rdf:{kind}"))]
        return append(self._bags[0], element("rdf:li"))

    def discard(self, item: etree._Element) -> None:
        """Take one item away, and the property with the last one."""
        drop(item)
        for bag in list(self._bags):
            if not len(bag):
                home = bag.getparent()
                drop(bag)
                self._bags.remove(bag)
                if home is not None and not len(home):
                    drop(home)
                    self._properties.remove(home)


def _decode(data: bytes) -> tuple[str, bytes, str]:
    """Text, byte order mark and codec."""
    bom, codec = next(((bom, codec) for bom, codec in _BOMS if data.startswith(bom)), (b"", ""))
    codec = codec or _guess(data)
    try:
        return data[len(bom) :].decode(codec), bom, codec
    except UnicodeDecodeError as error:
        raise NotXmp(f"not XML (not valid {codec.upper()})") from error


def _guess(data: bytes) -> str:
    if data[:4] in (b"<\0?\0", b"<\0x\0", b"<\0r\0"):
        return "utf-16-le"
    if data[:4] in (b"\0<\0?", b"\0<\0x", b"\0<\0r"):
        return "utf-16-be"
    declared = _DECLARED.match(data[:200])
    if declared is None:
        return "utf-8"
    try:
        codec = codecs.lookup(declared[1].decode()).name
    except LookupError:
        codec = ""
    if not _CODECS.fullmatch(codec):
        raise NotXmp(f"in the encoding {declared[1].decode()[:20]}, which is not read")
    return codec
