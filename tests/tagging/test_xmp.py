"""Our tags in XMP packets, read by exiftool and exiv2 as well; what others wrote stays as it was."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from landmark.tagging import xmp
from landmark.tagging.xmp import NotXmp, OtherPhoto, Wish, apply
from landmark.tagging.xmp_packet import Packet
from landmark.tagging.xmp_record import read_records
from landmark.tagging.xmp_tree import tag
from tests.tagging.sidecar_samples import SAMPLES

EIFFEL = Wish("eiffel", "Eiffel Tower", "Paris", "France", 0.973, "model", "landmark/3", 48.8584, 2.2945)
BELL = Wish("bell", "Big Bell", "London", "United Kingdom", 0.91, "model", "landmark/3")

needs_exiftool = pytest.mark.skipif(not shutil.which("exiftool"), reason="needs exiftool (apt-get install exiftool)")
needs_exiv2 = pytest.mark.skipif(not shutil.which("exiv2"), reason="needs exiv2 (apt-get install exiv2)")


def exiftool(*files: Path) -> list[dict[str, Any]]:
    done = subprocess.run(
        ["exiftool", "-j", "-G1", "-struct", "-n", "-XMP:all", *map(str, files)], capture_output=True, check=True
    )
    return list(json.loads(done.stdout))


def exiv2(file: Path) -> dict[str, str]:
    done = subprocess.run(["exiv2", "-PXkt", str(file)], capture_output=True, check=True, text=True)
    return dict([*line.split(maxsplit=1), ""][:2] for line in done.stdout.splitlines())


def texts(data: bytes | None, name: str) -> list[str]:
    return Packet.parse(data).array(name).texts() if data is not None else []


def made(wish: Wish = EIFFEL) -> bytes:
    data = apply(None, "jpg", wish).data
    assert data is not None
    return data


@needs_exiftool
def test_exiftool_reads_every_property(tmp_path: Path) -> None:
    (tmp_path / "a.jpg.xmp").write_bytes(made())
    (found,) = exiftool(tmp_path / "a.jpg.xmp")
    assert found["XMP-dc:Subject"] == ["Eiffel Tower", "Paris", "France"]
    assert found["XMP-lr:HierarchicalSubject"] == ["Places|France|Paris|Eiffel Tower"]
    assert found["XMP-digiKam:TagsList"] == ["Places/France/Paris/Eiffel Tower"]
    (shown,) = found["XMP-iptcExt:LocationShown"]
    assert shown.pop("GPSLatitude") == pytest.approx(48.8584, abs=1e-6)
    assert shown.pop("GPSLongitude") == pytest.approx(2.2945, abs=1e-6)
    assert shown == {
        "City": "Paris",
        "CountryName": "France",
        "LocationName": "Eiffel Tower",
        "Sublocation": "Eiffel Tower",
        "LocationId": ["urn:x-landmark:id:eiffel"],
    }
    (ours,) = found["XMP-landmark:Tags"]
    assert (ours["LandmarkId"], ours["Confidence"], ours["Model"], ours["DecidedBy"]) == ("eiffel", 0.97, "landmark/3", "model")
    assert "Warning" not in found


@needs_exiv2
def test_exiv2_reads_every_property(tmp_path: Path) -> None:
    (tmp_path / "a.xmp").write_bytes(made())
    found = exiv2(tmp_path / "a.xmp")
    assert found["Xmp.dc.subject"] == "Eiffel Tower, Paris, France"
    assert found["Xmp.lr.hierarchicalSubject"] == "Places|France|Paris|Eiffel Tower"
    assert found["Xmp.digiKam.TagsList"] == "Places/France/Paris/Eiffel Tower"
    place = "Xmp.iptcExt.LocationShown[1]/"
    assert found[place + "Iptc4xmpExt:LocationName"] == 'lang="x-default" Eiffel Tower'
    assert found[place + "Iptc4xmpExt:LocationId"] == "urn:x-landmark:id:eiffel"
    assert found[place + "exif:GPSLatitude"] == "48,51.5040N"
    assert found["Xmp.landmark.Tags[1]/landmark:LandmarkId"] == "eiffel"


@needs_exiftool
def test_other_programs_files_survive(tmp_path: Path) -> None:
    """All that exiftool sees in them is there after tagging, retagging and withdrawing; and our part alone is new."""
    files = []
    for name, data in SAMPLES.items():
        steps = {"before": data, "tagged": apply(data, "jpg", EIFFEL).data}
        steps["retagged"] = apply(steps["tagged"], "jpg", BELL).data
        steps["after"] = apply(steps["retagged"], "jpg", None).data
        for step, content in steps.items():
            assert content is not None, name
            file = tmp_path / f"{name}-{step}.xmp"
            file.write_bytes(content)
            files.append(file)
    found = {Path(each.pop("SourceFile")).stem: each for each in exiftool(*files)}
    ours = {"XMP-dc:Subject", "XMP-lr:HierarchicalSubject", "XMP-digiKam:TagsList", "XMP-iptcExt:LocationShown"}
    for name in SAMPLES:
        before, after = found[f"{name}-before"], found[f"{name}-after"]
        assert len(before) > 2, name
        assert after == before, name
        for step, leaf in (("tagged", "Eiffel Tower"), ("retagged", "Big Bell")):
            now = found[f"{name}-{step}"]
            assert {key: value for key, value in now.items() if key not in ours and "landmark:" not in key} == {
                key: value for key, value in before.items() if key not in ours
            }, (name, step)
            for key in ours:
                there = before.get(key, [])
                now_there = now[key] if isinstance(now[key], list) else [now[key]]
                there = there if isinstance(there, list) else [there]
                assert now_there[: len(there)] == there, (name, key)
            assert leaf in now["XMP-dc:Subject"]
            assert "Big Bell" not in now["XMP-dc:Subject"] or leaf == "Big Bell"


@needs_exiftool
@needs_exiv2
@pytest.mark.parametrize("editor", ["exiftool", "exiv2"])
def test_after_another_program_rewrote_it(tmp_path: Path, editor: str) -> None:
    """They write other forms of RDF; our record is still understood, and what they added stays."""
    file = tmp_path / "a.xmp"
    file.write_bytes(made())
    if editor == "exiftool":
        subprocess.run(["exiftool", "-q", "-overwrite_original", "-XMP-dc:Subject+=dog", "-XMP:Rating=4", file], check=True)
    else:
        changes = ["-M", "set Xmp.dc.subject dog", "-M", "set Xmp.xmp.Rating 4"]
        subprocess.run(["exiv2", *changes, "mo", file], check=True)
    rewritten = file.read_bytes()
    assert rewritten != made()
    if editor == "exiftool":
        assert apply(rewritten, "jpg", EIFFEL).outcome == "same"
        again = apply(rewritten, "jpg", BELL).data
        assert texts(again, "dc:subject") == ["dog", "Big Bell", "London", "United Kingdom"]
    after = apply(rewritten, "jpg", None)
    assert after.outcome == "withdrawn"
    file.write_bytes(after.data or b"")
    (found,) = exiftool(file)
    found.pop("SourceFile")
    assert found.pop("XMP-xmp:Rating") == 4
    assert found.pop("XMP-dc:Subject") == ["dog"]
    assert set(found) <= {"XMP-x:XMPToolkit"} | ({"XMP-landmark:Declined"} if editor == "exiv2" else set())


def test_a_second_time_nothing_is_done() -> None:
    for data in (made(), *SAMPLES.values()):
        once = apply(data, "jpg", EIFFEL).data
        twice = apply(once, "jpg", EIFFEL)
        assert (twice.outcome, twice.data) == ("same", once)
        assert twice.data is once
        small = replace(EIFFEL, confidence=EIFFEL.confidence - 0.05, model="landmark/4")
        assert apply(once, "jpg", small).outcome == "same"
        assert apply(once, "jpg", replace(EIFFEL, confidence=0.5)).outcome == "written"
        assert apply(once, "jpg", replace(EIFFEL, decided_by="person")).outcome == "written"


def test_ours_alone_is_removed_with_the_file() -> None:
    assert apply(made(), "jpg", None).outcome == "removed"
    rated = made().replace(b'rdf:about=""', b'rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="3"')
    kept = apply(rated, "jpg", None)
    assert kept.outcome == "withdrawn"
    assert Packet.parse(kept.data or b"").simple("dc:subject") is None
    assert b"Rating" in (kept.data or b"")
    assert b"<landmark:" not in (kept.data or b"")
    noted = made().replace(b"</rdf:RDF>", b"<!-- mine --></rdf:RDF>")
    assert apply(noted, "jpg", None).outcome == "withdrawn"
    for name, data in SAMPLES.items():
        assert apply(data, "jpg", None).data is data, name


def test_what_the_user_had_is_not_ours() -> None:
    own = keywords(["Paris", "dog", "Places/France/Paris/Eiffel Tower"])
    tagged = apply(own, "jpg", EIFFEL).data
    assert texts(tagged, "dc:subject") == ["Paris", "dog", "Places/France/Paris/Eiffel Tower", "Eiffel Tower", "France"]
    assert texts(apply(tagged, "jpg", None).data, "dc:subject") == ["Paris", "dog", "Places/France/Paris/Eiffel Tower"]


def test_a_landmark_that_the_user_took_out_stays_out() -> None:
    for name, value in EIFFEL.entries:
        if value in ("Paris", "France"):
            continue
        data = remove_item(made(), name, value)
        first = apply(data, "jpg", EIFFEL)
        assert (first.outcome, first.declined) == ("withdrawn", True)
        assert texts(first.data, "dc:subject") == []
        again = apply(first.data, "jpg", EIFFEL)
        assert (again.outcome, again.declined) == ("same", True)
        assert apply(first.data, "jpg", None).outcome == "same", "the user's word is not lost with the landmark"
        other = apply(first.data, "jpg", BELL)
        assert "Big Bell" in texts(other.data, "dc:subject")
        assert apply(other.data, "jpg", EIFFEL).declined
        person = apply(first.data, "jpg", replace(EIFFEL, decided_by="person"))
        assert (person.outcome, person.declined) == ("written", False)
        assert texts(person.data, "dc:subject") == ["Eiffel Tower", "Paris", "France"]
        gone = remove_item(person.data or b"", name, value)
        assert apply(gone, "jpg", replace(EIFFEL, decided_by="person")).declined, "a later word than the confirmation"
        assert apply(first.data, "jpg", None, forget=True).outcome == "removed"


def test_a_city_that_the_user_took_out_does_not_come_back() -> None:
    data = remove_item(made(), "dc:subject", "Paris")
    kept = apply(data, "jpg", EIFFEL)
    assert not kept.declined
    assert texts(kept.data, "dc:subject") == ["Eiffel Tower", "France"]
    assert texts(kept.data, "digiKam:TagsList") == ["Places/France/Paris/Eiffel Tower"]
    assert apply(kept.data, "jpg", EIFFEL).outcome == "same"
    assert apply(kept.data, "jpg", None).outcome == "removed"


def test_a_place_that_the_user_corrected_is_the_users() -> None:
    data = made().replace(b"<Iptc4xmpExt:City>Paris<", b"<Iptc4xmpExt:City>Paris 7e<")
    after = apply(data, "jpg", None)
    assert after.outcome == "withdrawn"
    assert b"Paris 7e" in (after.data or b"")
    assert texts(after.data, "dc:subject") == []


def test_two_photos_one_sidecar() -> None:
    own = keywords(["dog"])
    both = apply(apply(own, "jpg", EIFFEL, shared=True).data, "cr2", EIFFEL, shared=True).data
    assert texts(both, "dc:subject") == ["dog", "Eiffel Tower", "Paris", "France"]
    one = apply(both, "jpg", None, shared=True).data
    assert texts(one, "dc:subject") == ["dog", "Eiffel Tower", "Paris", "France"]
    assert apply(one, "jpg", None, shared=True).outcome == "same"
    assert texts(apply(one, "cr2", None, shared=True).data, "dc:subject") == ["dog"]
    louvre = replace(EIFFEL, landmark="louvre", name="Louvre")
    mixed = apply(both, "cr2", louvre, shared=True).data
    assert set(texts(mixed, "dc:subject")) == {"dog", "Eiffel Tower", "Paris", "France", "Louvre"}
    left = apply(mixed, "cr2", None, shared=True).data
    assert texts(left, "dc:subject") == ["dog", "Eiffel Tower", "Paris", "France"]
    assert len(list(Packet.parse(left or b"").array("Iptc4xmpExt:LocationShown").items())) == 1


def test_a_sidecar_that_names_its_photo() -> None:
    raw = SAMPLES["lightroom"]
    with pytest.raises(OtherPhoto):
        apply(raw, "jpg", EIFFEL, shared=True)
    assert apply(raw, "cr2", EIFFEL, shared=True).outcome == "written"
    assert apply(raw, "jpg", EIFFEL, shared=False).outcome == "written"


def keywords(values: list[str]) -> bytes:
    root = etree.fromstring(SAMPLES["keywords"])
    bag = root.find(f".//{tag('rdf:Bag')}")
    assert bag is not None
    for item in list(bag):
        bag.remove(item)
    for value in values:
        etree.SubElement(bag, tag("rdf:li")).text = value
    if not values:
        home = bag.getparent()
        assert home is not None
        home.getparent().remove(home)  # type: ignore[union-attr]
    return etree.tostring(root)


def remove_item(data: bytes, name: str, value: str) -> bytes:
    packet = Packet.parse(data)
    array = packet.array(name)
    array.discard(next(item for item in array.items() if item.text == value))
    return packet.to_bytes()


def test_records_of_photos_that_are_not_there() -> None:
    own = keywords(["dog", "Paris"])
    both = apply(apply(own, "jpg", EIFFEL, shared=True).data, "cr2", BELL, shared=True).data
    alone = apply(both, "jpg", EIFFEL, shared=True, there=lambda _: False).data
    assert texts(alone, "dc:subject") == ["dog", "Paris", "Eiffel Tower", "France"]
    renamed = apply(both, "JPG", EIFFEL).data
    assert texts(renamed, "dc:subject") == ["dog", "Paris", "Eiffel Tower", "France"]
    assert set(read_records(Packet.parse(renamed or b""))) == {"JPG"}
    for extension in ("jpg", "cr2", "heic"):
        gone = apply(both, extension, None, shared=True, forget=True).data
        assert texts(gone, "dc:subject") == ["dog", "Paris"]
        assert b"landmark:Tags" not in (gone or b"")
    city = apply(remove_item(both or b"", "dc:subject", "London"), "cr2", BELL, shared=True).data
    assert "London" not in texts(apply(city, "CR2", BELL).data, "dc:subject"), "what was taken out stays out"


def test_the_later_word_counts() -> None:
    noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    hours = [noon + timedelta(hours=number) for number in range(6)]
    person = replace(EIFFEL, decided_by="person")
    out = apply(remove_item(made(), "dc:subject", "Eiffel Tower"), "jpg", replace(person, said=hours[0]), changed=hours[1])
    assert out.declined, "confirmed before it was taken out"
    back = apply(out.data, "jpg", replace(person, said=hours[2]), changed=hours[1])
    assert (back.outcome, back.declined) == ("written", False)
    again = remove_item(back.data or b"", "dc:subject", "Eiffel Tower")
    for changed in (hours[1], hours[3]):
        assert apply(again, "jpg", replace(person, said=hours[2]), changed=changed).declined
    later = apply(again, "jpg", replace(person, said=hours[4]), changed=hours[3])
    assert set(texts(later.data, "dc:subject")) == {"Eiffel Tower", "Paris", "France"}
    same = apply(later.data, "jpg", replace(person, said=hours[4]), changed=hours[5])
    assert same.outcome == "same"
    assert apply(out.data, "jpg", EIFFEL).declined, "the model's word never counts"


@needs_exiftool
def test_a_decline_keeps_its_time_through_another_program(tmp_path: Path) -> None:
    noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    person = replace(EIFFEL, decided_by="person", said=noon)
    tagged = apply(keywords(["dog"]), "jpg", person).data
    out = apply(remove_item(tagged or b"", "dc:subject", "Eiffel Tower"), "jpg", person, changed=noon + timedelta(hours=1))
    file = tmp_path / "a.xmp"
    file.write_bytes(out.data or b"")
    subprocess.run(["exiftool", "-q", "-overwrite_original", "-XMP:Rating=4", file], check=True)
    assert apply(file.read_bytes(), "jpg", person).declined
    assert not apply(file.read_bytes(), "jpg", replace(person, said=noon + timedelta(hours=2))).declined


NAMES = st.sampled_from(["Eiffel Tower", "Paris", "France", "Louvre", "dog", "Ünïcode", "a & b"])
PERSON = replace(EIFFEL, decided_by="person")
SAID = [replace(PERSON, said=datetime(2026, 1, day, tzinfo=UTC)) for day in (1, 3)]
WISHES = [None, EIFFEL, replace(EIFFEL, landmark="louvre", name="Louvre"), BELL, PERSON, *SAID]
STEPS = st.one_of(
    st.tuples(st.just("wish"), st.sampled_from(WISHES), st.sampled_from(["jpg", "cr2", "JPG"])),
    st.tuples(st.just("alone"), st.sampled_from(WISHES), st.sampled_from(["jpg", "cr2", "JPG"])),
    st.tuples(st.just("gone"), st.sampled_from(WISHES), st.sampled_from(["jpg", "cr2", "JPG"])),
    st.tuples(st.just("forget"), st.none(), st.sampled_from(["jpg", "cr2", "JPG"])),
    st.tuples(st.just("add"), NAMES, st.none()),
    st.tuples(st.just("remove"), NAMES, st.none()),
)


def there_is(kind: str) -> Callable[[str], bool]:
    return lambda _: kind != "gone"


@settings(max_examples=150, deadline=None)
@given(st.lists(NAMES, max_size=4, unique=True), st.lists(STEPS, max_size=12))
def test_any_sequence_leaves_the_users_keywords(own: list[str], steps: list[Any]) -> None:
    """A model beside it: the user's own set, and what is in the file because of us."""
    data: bytes | None = keywords(own)
    users = list(own)
    for kind, value, where in steps:
        there = texts(data, "dc:subject")
        if kind in ("wish", "alone", "gone", "forget"):
            how: dict[str, Any] = {"shared": kind != "alone", "forget": kind == "forget", "there": there_is(kind)}
            how["changed"] = datetime(2026, 1, 2, tzinfo=UTC)
            done = apply(data, where, value, **how)
            assert apply(done.data, where, value, **how) == xmp.Applied(done.data, "same", done.declined)
            data = done.data
            assert users == [keyword for keyword in texts(data, "dc:subject") if keyword in users]
            if kind == "forget":
                assert texts(data, "dc:subject") == users
            if kind != "wish" and data is not None:
                assert set(read_records(Packet.parse(data))) <= {where}
        elif kind == "add" and value not in there:  # a tool shows a keyword that is there, and adds it not again
            packet = Packet.parse(data or b"")
            packet.array("dc:subject").add().text = value
            # Taken out and put back before we looked again: nothing in the file tells.
            ours = any(("dc:subject", value) in record.entries for record in read_records(packet).values())
            data, users = packet.to_bytes(), users if ours else [*users, value]
        elif kind == "remove" and value in there:
            data = remove_item(data or b"", "dc:subject", value)
            users = [keyword for keyword in users if keyword != value]
    for extension in ("jpg", "cr2", "JPG"):
        data = apply(data, extension, None, shared=True).data
    assert texts(data, "dc:subject") == users
    assert texts(data, "digiKam:TagsList") == []
    assert not list(Packet.parse(data or b"").array("Iptc4xmpExt:LocationShown").items())
    assert Packet.parse(apply(data, "jpg", None, forget=True).data or b"").simple("landmark:Created") is None


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "replace")))
def test_any_bytes_are_refused_or_read(data: bytes) -> None:
    with pytest.raises(NotXmp):
        apply(data, "jpg", EIFFEL)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30), st.text(min_size=1, max_size=5))
def test_any_names(name: str, city: str, country: str, extension: str) -> None:
    wish = replace(EIFFEL, name=name, city=city, country=country)
    once = apply(SAMPLES["darktable"], extension, wish).data
    assert apply(once, extension, wish).outcome == "same"
    assert texts(apply(once, extension, None).data, "dc:subject") == texts(SAMPLES["darktable"], "dc:subject")
