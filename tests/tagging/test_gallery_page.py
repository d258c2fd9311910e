"""The gallery page in a real browser, from the file system."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import pytest

from landmark.tagging.gallery_page import content_security_policy, gallery_page
from tests.tagging.conftest import Tag, write_photo, write_photos
from tests.tagging.gallery_browser import browser, violations, visit  # noqa: F401
from tests.tagging.page_sample import Sample, write_gallery

VIEWS = {
    "photos": "",
    "album": "#view=photos&country=Germany&city=Berlin&landmark=berlin_zoo",
    "map": "#view=map",
    "near": "#view=near",
    "photo": "#view=photos&photo=3.",
}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return write_gallery(tmp_path_factory.mktemp("gallery"))


def address(sample: Sample, hash_: str = "") -> str:
    return (sample.folder / "index.html").as_uri() + hash_


def shown(page: Any, text: str) -> None:
    page.wait_for_function("text => document.querySelector('main').textContent.includes(text)", arg=text)


def titled(page: Any, path: str) -> None:
    page.wait_for_function("name => document.querySelector('#lightbox-title').textContent === name", arg=Path(path).name)


def file_names(page: Any) -> list[str]:
    return page.locator(".tile").evaluate_all("all => all.map((tile) => tile.title)")


def test_policy_names_what_the_page_contains() -> None:
    page = gallery_page("token-of-16-chars")
    policy = content_security_policy(page)
    for tag in ("style", "script"):
        for text in re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL):
            assert base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "connect-src 'none'" in content_security_policy(gallery_page())
    with pytest.raises(ValueError, match="token"):
        gallery_page('"</script><script>alert(1)//')


def test_opens_from_a_folder_and_asks_for_nothing_else(sample: Sample, visit: Any) -> None:  # noqa: F811
    page = visit(address(sample))
    shown(page, "40 photos of 7 landmarks in 6 countries. 2 files could not be read")
    for view in ("map", "near"):
        page.locator(f".views a[href$='#view={view}']").click()
        page.wait_for_timeout(200)
    page.locator(".tile").first.click()
    page.wait_for_selector("dialog[open]")
    page.wait_for_timeout(200)
    outside = [url for url in page.watch.requests if not url.startswith((sample.folder.as_uri() + "/", "data:"))]
    assert outside == []
    assert page.watch.complaints == []
    assert page.locator("dialog img").first.evaluate("img => img.naturalWidth") > 0


def test_albums_by_keyboard_and_back(sample: Sample, visit: Any) -> None:  # noqa: F811
    page = visit(address(sample))
    page.locator("[role=treeitem]").first.focus()
    for key in (
        "ArrowDown",
        "ArrowRight",
        "ArrowRight",
        "ArrowRight",
        "ArrowRight",
    ):  # Germany, its cities, Berlin, its landmarks, the first
        page.keyboard.press(key)
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Berlin Zoo, 6 photos"
    page.keyboard.press("Enter")
    shown(page, "Reference photos")
    page.wait_for_function("() => document.querySelectorAll('.tile[href]').length === 6")
    assert sorted(file_names(page)) == sorted(row["p"] for row in sample.rows_of("berlin_zoo"))
    assert page.locator(".references img").count() == 2
    page.go_back()
    page.wait_for_function("() => document.querySelector('main h1').textContent === 'All photos'")
    page.locator("[role=treeitem]").first.focus()
    page.keyboard.type("po")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Portugal, 6 photos"


def test_filters_by_confidence_and_decider_and_keeps_them(sample: Sample, visit: Any) -> None:  # noqa: F811
    page = visit(address(sample))
    slider = page.get_by_role("slider", name="Confidence at least")
    slider.focus()
    for _ in range(8):
        page.keyboard.press("PageUp")
    assert slider.get_attribute("aria-valuetext") == "80 %"
    sure = [row for row in sample.tagged if row["c"] * 100 >= 80]
    shown(page, f"{len(sure)} of 40 photos")
    page.get_by_label("Decided by").select_option("context")
    both = [row for row in sure if row["d"] == "context"]
    shown(page, f"{len(both)} of 40 photos")
    page.reload()
    shown(page, f"{len(both)} of 40 photos")
    page.wait_for_function("n => document.querySelectorAll('.tile[href]').length === n", arg=len(both))
    assert sorted(file_names(page)) == sorted(row["p"] for row in both)
    page.get_by_role("button", name="Clear filters").click()
    shown(page, "40 photos of 7 landmarks")
    page.get_by_label("Sort by").select_option("newest")
    newest = max(sample.tagged, key=lambda row: row["t"] or "")
    page.wait_for_function("name => document.querySelector('.tile').title === name", arg=newest["p"])


def test_histogram_is_that_of_the_album(sample: Sample, visit: Any) -> None:  # noqa: F811
    page = visit(address(sample, VIEWS["album"]))
    page.wait_for_selector(".bars rect", state="attached")
    expected = [0] * 20
    for row in sample.rows_of("berlin_zoo"):
        expected[min(19, int(row["c"] * 20))] += 1
    heights = page.locator(".bars rect").evaluate_all("bars => bars.map((bar) => +bar.getAttribute('height'))")
    assert [height > 0 for height in heights] == [count > 0 for count in expected]


def test_search_ignores_accents_and_finds_files(sample: Sample, visit: Any) -> None:  # noqa: F811
    page = visit(address(sample))
    page.keyboard.press("/")
    page.keyboard.type("musica")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelector('main h1').textContent === 'Casa da Música'")
    page.get_by_role("combobox", name="Search").fill("00012")
    page.get_by_role("option", name="File names with").click()
    shown(page, "1 of 40 photos")
    assert file_names(page) == ["2026/IMG_00012.jpg"]


def test_map_by_keyboard(sample: Sample, visit: Any) -> None:  # noqa: F811
    page = visit(address(sample, "#view=map"))
    page.wait_for_selector(".dot")
    page.locator(".places").first.locator("li").nth(5).wait_for()
    assert page.locator(".places").first.locator("li").count() == 6
    assert page.locator(".places").last.text_content() == "Old Mill5"  # its position isn't known
    whole = page.locator(".scale").text_content()
    page.locator(".map").focus()
    for _ in range(4):
        page.keyboard.press("+")
    page.wait_for_function("before => document.querySelector('.scale').textContent !== before", arg=whole)
    before = page.locator(".ground").get_attribute("transform")
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("before => document.querySelector('.ground').getAttribute('transform') !== before", arg=before)
    page.keyboard.press("0")
    page.wait_for_function("before => document.querySelector('.scale').textContent === before", arg=whole)
    page.get_by_role("button", name="Berlin: 2 landmarks, 12 photos").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("[aria-label='Checkpoint Charlie, 6 photos'].dot")
    assert page.evaluate("document.activeElement.className") == "map"
    page.locator("[aria-label='Checkpoint Charlie, 6 photos'].dot").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelector('main h1').textContent === 'Checkpoint Charlie'")
    page.go_back()
    page.wait_for_selector(".dot")
    page.get_by_label("Positions of single photos").check()
    page.wait_for_function("n => (document.querySelector('.own').getAttribute('d') || '').split('M').length - 1 === n",
                           arg=sum(row["x"] is not None for row in sample.rows))  # fmt: skip


def test_dots_lie_where_the_landmarks_are(sample: Sample, visit: Any) -> None:  # noqa: F811
    # Mercator by hand: Rome (41.8902 N 12.4922 E) is at x = 0.534700, y = 0.371725 of the square.
    page = visit(address(sample, "#view=map"))
    page.wait_for_selector(".dot[data-key=colosseum]")
    move = page.locator(".ground").get_attribute("transform")
    dx, dy, scale = (float(part) for part in re.findall(r"-?[\d.]+", move))
    x, y = (
        float(part) for part in re.findall(r"-?[\d.]+", page.locator(".dot[data-key=colosseum]").get_attribute("transform"))
    )
    assert (x - dx) / scale / 4096 == pytest.approx(0.534700, abs=1e-5)
    assert (y - dy) / scale / 4096 == pytest.approx(0.371725, abs=1e-4)


def test_near_misses_and_why(sample: Sample, visit: Any) -> None:  # noqa: F811
    page = visit(address(sample, "#view=near"))
    shown(page, "9 photos without a tag")
    near = [row for row in sample.rows if not row["l"]]
    page.wait_for_function("() => document.querySelectorAll('.tile[href]').length === 9")
    assert file_names(page) == [row["p"] for row in near]
    page.locator(".tile").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open] .explanation")
    side = page.locator(".side").inner_text()
    best = next(landmark["name"] for landmark in sample.landmarks if landmark["id"] == near[0]["b"])
    assert f"Perhaps {best}" in side
    assert f"{round(near[0]['c'] * 100)} %" in side
    assert f"If 2 % of all photos show a landmark, about {round(near[0]['c'] * 100)} of 100" in side
    assert "0.71" in side
    assert "below the threshold" in side
    assert page.locator(".others li").count() == 2
    page.keyboard.press("2")
    assert page.locator("dialog .stage figure").count() == 2
    page.keyboard.press("3")
    assert page.locator("dialog .stage-view").inner_text() == (
        "" if near[0]["e"] else "There is no activation map for this photo."
    )


def test_words_fit_how_a_photo_was_decided(tmp_path: Path, visit: Any) -> None:  # noqa: F811
    deciders = {n: {"c": 0.12, "d": by} for n, by in enumerate(["model", "context", "person"])}
    sample = write_gallery(
        tmp_path, 7, 2, pictures=False, change={**deciders, 7: {"d": "context"}, 8: {"c": 0.12, "d": "model"}}
    )
    said = {}
    for n in (0, 1, 2, 7, 8):
        page = visit(address(sample, f"#photo={n}."), ready="dialog[open] .sureness")
        said[n] = page.locator(".sureness").inner_text()
    assert said[0].startswith("12 % Uncertain")  # a tag that is "very unlikely" would contradict itself
    assert "about 12 of 100 photos with this value show Berlin Zoo" in said[0]
    assert "support Checkpoint Charlie" in said[1]
    assert "speak against" in said[7]
    for n in (1, 7):  # the combined value is not calibrated, so nothing is promised of it
        assert "of 100" not in said[n]
        assert not re.search(r"likely|certain", said[n])
    assert "A person decided this" in said[2]
    assert "nlikely" not in said[2]
    assert "Very unlikely. Not tagged." in said[8]


def test_near_misses_that_are_not_shown_are_counted(tmp_path: Path, visit: Any) -> None:  # noqa: F811
    sample = write_gallery(tmp_path, 7, 9, pictures=False, near_total=93)
    page = visit(address(sample, "#view=near"))
    shown(page, "9 of 93 photos without a tag")
    some = sum(row["c"] >= 0.3 for row in sample.rows if not row["l"])
    page = visit(address(sample, "#view=near&min=30"))
    shown(page, f"{some} of the 9 likeliest of 93 photos without a tag")


def test_least_confidence_keeps_what_a_person_decided(tmp_path: Path, visit: Any) -> None:  # noqa: F811
    sample = write_gallery(tmp_path, 7, 0, pictures=False, change={n: {"c": 0.3 + 0.1 * n} for n in range(7)})
    for row, by in ((sample.rows[0], "person"), (sample.rows[1], "model")):
        row["d"] = by
    write_gallery(tmp_path, 7, 0, pictures=False, change=dict(enumerate(sample.rows)))
    page = visit(address(sample, "#min=80"))
    shown(page, "3 of 7 photos")
    assert sorted(file_names(page)) == sorted(sample.rows[n]["p"] for n in (0, 5, 6))


def test_a_page_that_the_job_wrote_compares_with_a_reference(
    tagged: Tag,
    tmp_path: Path,
    visit: Any,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for n in range(24):  # where the recognizer says that the photos of its centroids lie
        write_photo(tmp_path / f"{n}.png", n // 8, n)
    monkeypatch.chdir(tmp_path)
    write_photos(tmp_path / "photos", 8)
    tagged()
    page = visit((tmp_path / "out/gallery/index.html").as_uri())
    page.wait_for_selector(".tile[href]")
    page.locator(".tile").first.click()
    page.wait_for_selector("dialog[open] .explanation")
    page.keyboard.press("2")
    page.wait_for_function("() => document.querySelectorAll('dialog .stage figure img').length === 2")
    page.wait_for_function(
        "() => [...document.querySelectorAll('dialog .stage figure img')].every((img) => img.complete && img.naturalWidth > 0)"
    )
    assert re.search(r"medoids/[0-9a-f]{40}\.webp$", page.locator("dialog .stage figure img").last.get_attribute("src"))
    assert page.watch.complaints == []


def test_lightbox_by_keyboard(sample: Sample, visit: Any) -> None:  # noqa: F811
    page = visit(address(sample, VIEWS["album"]))
    rows = sample.rows_of("berlin_zoo")
    page.wait_for_selector(".tile[href]")
    page.locator(".tile").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_function(
        "name => document.querySelector('#lightbox-title').textContent === name", arg=Path(rows[1]["p"]).name
    )
    link = page.get_by_role("link", name="Open the original")
    assert link.get_attribute("href") == (sample.folder / rows[1]["h"]).as_uri()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "name => document.querySelector('#lightbox-title').textContent === name", arg=Path(rows[2]["p"]).name
    )
    deep = page.url
    page.keyboard.press("Escape")
    page.wait_for_function("name => document.activeElement.title === name", arg=rows[2]["p"])
    assert "photo=" not in page.url
    other = visit(deep)
    other.wait_for_function(
        "name => document.querySelector('#lightbox-title').textContent === name", arg=Path(rows[2]["p"]).name
    )
    moved = visit(re.sub(r"photo=\d+\.", "photo=17.", deep))  # the rows are others by now: the sha256 finds it
    moved.wait_for_function(
        "name => document.querySelector('#lightbox-title').textContent === name", arg=Path(rows[2]["p"]).name
    )


def test_what_the_browser_cannot_show_falls_back_to_the_preview(tmp_path: Path, visit: Any) -> None:  # noqa: F811
    sample = write_gallery(tmp_path, 7, 0, change={0: {"h": "IMG.heic", "p": "IMG.heic"}, 1: {"m": 0, "h": ""}})
    (tmp_path / "IMG.heic").write_bytes(b"\0\0\0\x18ftypheic")
    page = visit(address(sample, "#photo=0."))
    page.wait_for_function("() => document.querySelector('.stage-note')?.textContent.includes('preview')")
    assert page.locator(".stage img").get_attribute("src").startswith("thumbs/")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => document.querySelector('.stage').textContent.includes('There is no preview of this photo.')")
