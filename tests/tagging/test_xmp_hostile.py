"""Encodings, hostile files and hostile names."""

from __future__ import annotations

from dataclasses import replace

import pytest

from landmark.tagging.xmp import NotXmp, apply
from tests.tagging.test_xmp import EIFFEL, keywords, made, texts


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-16-le", "latin-1", "utf-8"])
def test_encodings_and_line_ends(codec: str) -> None:
    declared = {"utf-8-sig": "UTF-8", "utf-16-le": "UTF-16", "latin-1": "ISO-8859-1"}.get(codec, codec.upper())
    text = f'<?xml version="1.0" encoding="{declared}"?>\r\n' + keywords(["Zürich & <Berg>"]).decode().replace("\n", "\r\n")
    data = text.encode(codec)
    wish = replace(EIFFEL, name="Эйфелева башня")
    tagged = apply(data, "jpg", wish).data
    assert tagged is not None
    assert texts(tagged, "dc:subject")[:2] == ["Zürich & <Berg>", "Эйфелева башня"]
    decoded = tagged.decode(codec)
    assert decoded.startswith(f'<?xml version="1.0" encoding="{declared}"?>\r\n')
    assert "\n" not in decoded.replace("\r\n", "")
    assert tagged[:2] == data[:2]
    assert texts(apply(tagged, "jpg", None).data, "dc:subject") == ["Zürich & <Berg>"]


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
HOSTILE = {
    "billion laughs": f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]><x:xmpmeta xmlns:x="adobe:ns:meta/">&l9;</x:xmpmeta>',
    "external entity": '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/group">]><x xmlns="adobe:ns:meta/">&f;</x>',
    "not XML": "this is not XML",
    "HTML": "<html><body></body></html>",
    "empty": "",
    "cut off": '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF',
    "no RDF": '<x:xmpmeta xmlns:x="adobe:ns:meta/"/>',
    "deep": "<a>" * 5000 + "</a>" * 5000,
    "UTF-7": '<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE x',
    "null bytes": "\0" * 100,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_xmp_is_refused(name: str) -> None:
    with pytest.raises(NotXmp) as caught:
        apply(HOSTILE[name].encode(), "jpg", EIFFEL)
    assert "\n" not in str(caught.value)
    with pytest.raises(NotXmp):
        apply(HOSTILE[name].encode("utf-16"), "jpg", EIFFEL)


def test_not_in_its_encoding() -> None:
    with pytest.raises(NotXmp, match="not valid UTF-8"):
        apply(b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>\xff</x:xmpmeta>", "jpg", EIFFEL)


def test_keywords_that_are_no_list_are_left_alone() -> None:
    for form in ("<dc:subject>dog</dc:subject>", '<dc:subject rdf:resource="urn:x"/>'):
        data = keywords([]).replace(b"</rdf:Description>", form.encode() + b"</rdf:Description>")
        with pytest.raises(NotXmp, match="dc:subject is no list"):
            apply(data, "jpg", EIFFEL)


def test_hostile_names() -> None:
    wish = replace(EIFFEL, name="A|B/C <script>\"'&\x00\x1f\n😀\u202e", city="]]>", country="", landmark="ü/../%😀")
    data = made(wish)
    (path,) = texts(data, "digiKam:TagsList")
    assert path.split("/") == ["Places", "]]>", "A-B-C <script>\"'& 😀\u202e"]
    assert texts(data, "lr:hierarchicalSubject") == [path.replace("/", "|")]
    assert apply(data, "jpg", wish).outcome == "same"
    assert apply(data, "jpg", None).outcome == "removed"
    assert apply(made(replace(wish, name="\x00", city="")), "jpg", None).outcome == "removed"
