"""The gallery's files, read back: what is shown, in which order, what is kept, and what bad input does to it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from landmark.recognition.recognizer import Recognizer
from landmark.tagging.gallery import GalleryResult, write_gallery
from landmark.tagging.gallery_data import CHUNK, href, script
from landmark.tagging.gallery_rows import choose, fetch, opened, shares
from landmark.tagging.schema import TAGS
from tests.tagging.conftest import write_photo
from tests.tagging.gallery_sample import called, photo_row, row, shown_rows, write_tags


def make(out: Path, **settings: Any) -> GalleryResult:
    return write_gallery(out, settings.pop("recognizer", None), progress=False, **settings)


@pytest.fixture
def sample(tmp_path: Path) -> tuple[Path, list[dict[str, Any]]]:
    photos = tmp_path / "photos"
    rows = [
        photo_row(photos / "a.png", 0, 1, "arch", 0.8),
        photo_row(photos / "b.png", 0, 2, "arch", 0.99, decided_by="context"),
        photo_row(photos / "c.png", 1, 3, "bell", 0.7),
        photo_row(photos / "d.png", 2, 4, "dome", 0.6),
        photo_row(photos / "e.png", 3, 5, "", 0.1),
        photo_row(photos / "f.png", 3, 6, "", 0.4),
        photo_row(photos / "g.png", 3, 7, "", 0.95, decided_by="person"),
    ]
    return write_tags(tmp_path / "out", rows), rows


def stamps(folder: Path) -> dict[str, int]:
    return {str(file.relative_to(folder)): file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()}


def test_rows_are_those_of_the_table_in_the_page_s_order(sample: tuple[Path, list[dict[str, Any]]]) -> None:
    out, _ = sample
    result = make(out)
    (head,) = called(out / "gallery" / "data" / "head.js")
    rows = shown_rows(out)
    # France before Italy before no country; the surest first; near misses by confidence; the rejected one last.
    assert [Path(row["p"]).stem for row in rows] == ["c", "b", "a", "d", "f", "e", "g"]
    table = {row["photo"]: row for row in pq.read_table(out / "tags.parquet").to_pylist()}
    for shown in rows:
        was = table[shown["p"]]
        assert (shown["s"], shown["l"], shown["d"]) == (was["sha256"], was["landmark"], was["decided_by"])
        assert shown["c"] == pytest.approx(was["confidence"], abs=1e-4)
        assert shown["o"] == [[other["landmark"], 0.5] for other in was["runners_up"]]
        assert shown["b"] == ("" if was["landmark"] else "arch")
    assert [(one["id"], one["photos"], one["all"]) for one in head["landmarks"]] == [
        ("bell", 1, 1),
        ("arch", 2, 2),
        ("dome", 1, 1),
    ]
    assert (head["photos"], head["tagged"], head["shown"], head["near_misses"], head["rejected"]) == (7, 4, 7, 2, 1)
    assert (head["near_total"], head["left_out"], head["unreadable"], head["model"]) == (2, 0, 2, "landmark/3")
    arch = head["landmarks"][1]
    assert (arch["lat"], arch["lon"], arch["histogram"][16], arch["histogram"][19]) == (41.5, None, 1, 1)
    assert [arch["medoids"][0][:8], head["landmarks"][0]["medoids"]] == ["medoids/", []]
    assert head["near_histogram"][2] == head["near_histogram"][8] == 1
    assert (out / "gallery" / arch["medoids"][0]).is_file()
    assert (result.shown, result.thumbnails, result.without) == (7, 7, 0)


def test_thumbnails_are_small_webp_without_metadata(tmp_path: Path) -> None:
    photo = tmp_path / "photos" / "big.jpg"
    photo.parent.mkdir()
    exif = Image.Exif()
    exif[0x0110] = "Secret Camera"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.new("RGB", (1600, 400), (200, 30, 30)).save(photo, exif=exif, icc_profile=profile)
    sha256 = hashlib.sha256(photo.read_bytes()).hexdigest()
    out = write_tags(tmp_path / "out", [row(photo, sha256, "arch")])
    make(out)
    thumb = out / "gallery" / "thumbs" / sha256[:2] / f"{sha256}.webp"
    assert b"Secret" not in thumb.read_bytes()
    with Image.open(thumb) as image:
        assert (image.format, image.size, dict(image.getexif())) == ("WEBP", (320, 80), {})


def test_nothing_is_written_again_where_nothing_changed(sample: tuple[Path, list[dict[str, Any]]]) -> None:
    out, rows = sample
    make(out)
    before = stamps(out / "gallery")
    assert make(out).thumbnails == 0
    assert stamps(out / "gallery") == before
    # Two photos are gone, one is new: their pictures go and come, the others stay as they are.
    new = photo_row(out.parent / "photos" / "new.png", 2, 99, "dome", 0.9)
    write_tags(out, [*rows[:1], *rows[3:], new])
    result = make(out)
    after = stamps(out / "gallery")
    assert (result.thumbnails, result.removed) == (1, 2)
    assert {name for name in before if name.endswith("webp")} - set(after) == {
        f"thumbs/{gone['sha256'][:2]}/{gone['sha256']}.webp" for gone in rows[1:3]
    }
    assert all(after[name] == before[name] for name in after if name.endswith("webp") and name in before)
    assert len(list((out / "gallery" / "data").glob("rows-*"))) == 2  # those of the page before stay for who has it open
    write_tags(out, rows[:1])
    make(out)
    assert len(list((out / "gallery" / "data").glob("rows-*"))) == 2


def test_a_photo_that_went_away_or_is_damaged_has_no_thumbnail(sample: tuple[Path, list[dict[str, Any]]]) -> None:
    out, rows = sample
    Path(rows[0]["photo"]).unlink()
    Path(rows[1]["photo"]).write_bytes(b"")
    rows[2]["photo"] = "s3://bucket/there/c.png"
    write_tags(out, rows)
    result = make(out, recognizer=None)
    assert (result.shown, result.without) == (7, 3)
    assert {Path(row["p"]).stem for row in shown_rows(out) if not row["m"]} == {"a", "b", "c"}
    assert [row["h"] for row in shown_rows(out) if row["p"].startswith("s3:")] == [""]


def test_a_photo_that_changed_since_it_was_tagged_has_no_picture(
    real: tuple[Recognizer, Path], sample: tuple[Path, list[dict[str, Any]]]
) -> None:
    out, rows = sample
    known = str(real[0].centroids.landmark[0])
    kept, changed = ({**each, "landmark": known} for each in rows[:2])
    write_photo(Path(changed["photo"]), 2, 77)
    write_tags(out, [kept, changed])
    result = make(out, recognizer=real[1])
    assert (result.without, result.explained) == (1, 1)
    assert {row["s"]: (row["m"], row["e"]) for row in shown_rows(out)} == {kept["sha256"]: (1, 1), changed["sha256"]: (0, 0)}


HOSTILE = [
    *("</script><script>alert(1)</script>.png", "a\nb\u2028.png", "'\"&<img src=x>.png", "..  %2e%2e#?.png"),
    *("\U0001f5fd.png", "é" * 120 + ".png", "\u202egnp.exe.png", "javascript:alert(1).png"),
]


def test_hostile_names_stay_data_and_their_links_find_the_photos(tmp_path: Path) -> None:
    rows = [photo_row(tmp_path / "photos" / name, 0, n, "arch") for n, name in enumerate(HOSTILE)]
    rows[0]["name"] = rows[0]["reason"] = "</script>\n\u2029"
    out = write_tags(tmp_path / "out", rows)
    make(out)
    for file in (out / "gallery" / "data").iterdir():
        text = file.read_text("ascii")
        assert not set("<>&") & set(text)
        assert text.count("\n") == 1
    page = (out / "gallery" / "index.html").as_uri()
    linked = {unquote(urljoin(page, row["h"]).removeprefix("file://")) for row in shown_rows(out)}
    assert linked == {row["photo"] for row in rows}
    assert all(row["m"] and row["p"].isprintable() for row in shown_rows(out))


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_a_link_leads_to_its_photo_whatever_its_name(name: str) -> None:
    name = name.replace("/", "_")
    if name in (".", ".."):
        return
    link = href(f"/photos/{name}", Path("/out/gallery"))
    assert link.isascii()
    assert unquote(urljoin("file:///out/gallery/index.html", link).removeprefix("file://")) == f"/photos/{name}"


@given(st.recursive(st.text() | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_a_script_holds_any_data(value: Any) -> None:
    import json

    text = script("f", value)
    assert text.isascii()
    assert not set("<>&") & set(text)
    assert json.loads(text[2:-3]) == value


def test_a_path_that_is_not_utf8_is_linked_byte_by_byte() -> None:
    assert href(os.fsdecode(b"/photos/caf\xe9.jpg"), Path("/photos")) == "caf%E9.jpg"


@given(st.lists(st.integers(1, 50), min_size=1, max_size=20), st.integers(1, 300))
def test_shares_are_even_and_fill_the_limit(counts: list[int], limit: int) -> None:
    share = shares(np.array(counts), limit)
    assert share.sum() == min(limit, sum(counts))
    assert (share <= counts).all()
    # Nobody who had to leave photos out has more than one photo less than another.
    short = share[share < counts]
    assert not len(short) or short.min() >= share.max() - 1


def test_of_too_many_each_landmark_shows_its_surest_and_its_least_sure(tmp_path: Path) -> None:
    rows = [row(f"/p/{n:03}.jpg", f"{n:064x}", "arch", n / 200) for n in range(100)]
    rows += [row(f"/q/{n:03}.jpg", f"{1000 + n:064x}", "bell", 0.5) for n in range(3)]
    rows += [row(f"/r/{n:03}.jpg", f"{2000 + n:064x}", "", n / 200) for n in range(100)]
    out = write_tags(tmp_path / "out", rows)
    with opened(out / "tags.parquet") as table:
        chosen = choose(table, 7, 2)
        picked = list(fetch(table, np.sort(np.concatenate([chosen.tagged, chosen.near]))))
    assert [row["photo"] for row in picked] == [
        *("/p/000.jpg", "/p/001.jpg", "/p/098.jpg", "/p/099.jpg"),  # 4 of 7, as the bell has only 3
        *("/q/000.jpg", "/q/001.jpg", "/q/002.jpg"),
        *("/r/098.jpg", "/r/099.jpg"),
    ]
    assert (chosen.counts, chosen.photos, chosen.near_total) == ({"arch": 100, "bell": 3}, 203, 100)
    make(out, limit=7, near_misses=2)
    (head,) = called(out / "gallery" / "data" / "head.js")
    assert (head["left_out"], head["tagged"], head["shown"]) == (96, 103, 9)


def test_choosing_agrees_with_a_plain_sort(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    names = ["", "arch", "bell", "dome"]
    table = [row(f"/{n:05}", f"{n:064x}", names[random.integers(4)], float(random.random())) for n in range(3000)]
    out = write_tags(tmp_path / "out", table)
    with opened(out / "tags.parquet") as opened_table:
        chosen = choose(opened_table, 300, 50)
    table.sort(key=lambda row: row["photo"])
    near = sorted((-np.float32(row["confidence"]), n) for n, row in enumerate(table) if not row["landmark"])[:50]
    assert chosen.near.tolist() == sorted(n for _, n in near)
    assert Counter(table[n]["landmark"] for n in chosen.tagged) == dict.fromkeys(names[1:], 100)


PEAK = """
import re, sys
from pathlib import Path
import numpy as np
from landmark.tagging.gallery_rows import choose, fetch, opened
with opened(Path(sys.argv[1])) as table:
    chosen = choose(table, 1500, 500)
    assert sum(1 for _ in fetch(table, np.sort(np.concatenate([chosen.tagged, chosen.near])))) == 2000
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc, which tells how much memory was used")
def test_memory_does_not_grow_with_the_table(tmp_path: Path) -> None:
    """Choosing 2,000 of 900,000 rows takes hardly more than of 60,000; the longer table takes hundreds of MB as a whole."""
    rows = [row(f"/photos/{n}.jpg", f"{n:064x}", ["", "arch"][n % 2], n % 97 / 97) for n in range(6000)]
    part, peaks, file = pa.Table.from_pylist(rows, TAGS), [], tmp_path / "tags.parquet"
    for count in (10, 150):
        with pq.ParquetWriter(file, TAGS) as writer:
            for _ in range(count):
                writer.write_table(part)
        ended = subprocess.run([sys.executable, "-c", PEAK, str(file)], capture_output=True, text=True, check=True)
        peaks.append(int(ended.stdout) << 10)
    assert part.nbytes * 140 > 200 << 20
    assert peaks[1] - peaks[0] < 60 << 20


def test_20000_photos_go_into_chunks_of_500(tmp_path: Path) -> None:
    out = write_tags(tmp_path / "out", [row(f"/gone/{n:05}.jpg", f"{n:064x}", "arch", n / 20_000) for n in range(20_000)])
    result = make(out)
    (head,) = called(out / "gallery" / "data" / "head.js")
    assert [chunk["count"] for chunk in head["chunks"]] == [CHUNK] * 40
    assert [row["s"] for row in shown_rows(out)] == [f"{n:064x}" for n in reversed(range(20_000))]
    assert result.without == 20_000
