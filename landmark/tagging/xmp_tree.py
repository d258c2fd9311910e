"""RDF as XMP uses it: names, items of lists, fields of structures; elements that come and go with their indentation."""

from __future__ import annotations

import functools

from lxml import etree

NAMESPACES = {
    "x": "adobe:ns:meta/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "dc": "http://purl.org/dc/elements/1.1/",
    "lr": "http://ns.adobe.com/lightroom/1.0/",
    "digiKam": "http://www.digikam.org/ns/1.0/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "landmark": "urn:x-landmark:xmp:1.0/",
}
"""Prefix to URI; the last one is this project's own and never changes."""


@functools.cache
def tag(name: str) -> str:
    """`prefix:name` as lxml writes it.

    >>> tag("dc:subject")
    '{http://purl.org/dc/elements/1.1/}subject'
    """
    prefix, _, local = name.partition(":")
    return f"{{{NAMESPACES[prefix]}}}{local}"


DESCRIPTION, LI = tag("rdf:Description"), tag("rdf:li")
ARRAYS = ("Bag", "Seq", "Alt")
_PARSE = tag("rdf:parseType")


def element(name: str) -> etree._Element:
    """A new element with the usual prefix."""
    prefix = name.partition(":")[0]
    return etree.Element(tag(name), nsmap={prefix: NAMESPACES[prefix]})


def fields(item: etree._Element) -> dict[str, list[str]]:
    """Fields of a structure by lxml's names, each as a list of texts; whichever of RDF's forms it has."""
    found: dict[str, list[str]] = {}
    inner = item.find(DESCRIPTION)
    holder = item if inner is None else inner
    for name, value in holder.attrib.items():
        if not str(name).startswith((f"{{{NAMESPACES['rdf']}}}", "{http://www.w3.org/XML/1998/namespace}")):
            found[str(name)] = [str(value)]
    for child in holder:
        if isinstance(child.tag, str):
            items = [li for kind in ARRAYS for bag in child.findall(tag(f"rdf:{kind}")) for li in bag.findall(LI)]
            nested = [text_of(li) for li in items] if items else [text_of(child)]
            found[child.tag] = found.get(child.tag, []) + [text for text in nested if text]
    return found


def add_field(item: etree._Element, name: str, *values: str, kind: str = "", lang: str = "") -> None:
    """A field of a structure; nothing where there is no value.

    Args:
        item: the structure.
        name: `prefix:name`.
        values: one, or several for a list.
        kind: "Bag", "Seq" or "Alt" for a list.
        lang: of each item.
    """
    item.set(_PARSE, "Resource")
    values = tuple(value for value in values if value)
    if not values:
        return
    made = append(item, element(name))
    if not kind:
        made.text = values[0]
        return
    bag = append(made, element(f"rdf:{kind}"))
    for value in values:
        li = append(bag, element("rdf:li"))
        li.text = value
        if lang:
            li.set("{http://www.w3.org/XML/1998/namespace}lang", lang)


def text_of(node: etree._Element) -> str:
    """Text of an element without its comments."""
    return (node.text or "") + "".join(child.tail or "" for child in node)


def is_text(item: etree._Element) -> bool:
    """Whether an item is plain text, without qualifiers."""
    return not any(isinstance(child.tag, str) for child in item) and not any(
        str(name).startswith(f"{{{NAMESPACES['rdf']}}}") for name in item.attrib
    )


def append(parent: etree._Element, child: etree._Element) -> etree._Element:
    """Add a child at the end, indented like those that are there."""
    last = parent[-1] if len(parent) else None
    blank = not (parent.text or "").strip()
    if last is not None:
        child.tail, last.tail = last.tail, (parent.text if blank else last.tail)
    elif blank and parent.getparent() is not None:
        level = sum(1 for _ in parent.iterancestors())
        parent.text, child.tail = "\n" + " " * (level + 1), "\n" + " " * level
    parent.append(child)
    return child


def drop(node: etree._Element) -> None:
    """Remove an element; text around it stays, but for the white space that it brought."""
    parent, before = node.getparent(), node.getprevious()
    assert parent is not None
    head = (parent.text if before is None else before.tail) or ""
    tail = node.tail or ""
    blank = not head.strip() and not tail.strip()
    last = node.getnext() is None
    kept = (tail if last else head) if blank else head + tail
    parent.remove(node)
    if before is None:
        parent.text = kept if len(parent) or kept.strip() else None
    else:
        before.tail = kept
