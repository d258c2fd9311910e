"""The gallery page with hostile names, 50,000 photos, missing files, small windows and a screen reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.tagging.gallery_browser import browser, violations, visit  # noqa: F401
from tests.tagging.page_sample import Sample, write_gallery
from tests.tagging.test_gallery_page import VIEWS, address, sample, shown

__all__ = ["sample"]


HOSTILE = [
    "<img src=x onerror='window.hacked=1'>",
    "</script><script>window.hacked=1</script>",
    "javascript:window.hacked=1",
    "\u202etxt.exe\u2066",
    "x" * 1000,
    "🏰👩‍👩‍👧" * 40,
    "'\"`${window.hacked=1}",
    "a\nb\u2028c",
    "%3Cimg%3E&amp;",
]


def test_hostile_names_stay_text(tmp_path: Path, visit: Any) -> None:  # noqa: F811
    landmarks = [
        {
            "id": f"{n} {name[:50]}",
            "name": name,
            "city": name,
            "country": HOSTILE[-n],
            "lat": 10.0 * n,
            "lon": 999.0 if n == 3 else 5.0 * n,
        }
        for n, name in enumerate(HOSTILE)
    ]
    links = [
        "javascript:window.hacked=1",
        "//evil.example/x.jpg",
        "https://evil.example/x.jpg",
        "data:text/html,x",
        "file://evil.example/x",
    ]
    change = {
        n: {"p": f"dir/{HOSTILE[n % 9]}", "r": HOSTILE[n % 9], "h": links[n % 5], "d": "model" if n else HOSTILE[0]}
        for n in range(18)
    }
    change[4]["s"] = "../../etc/passwd"
    sample = write_gallery(tmp_path, 18, 3, landmarks=landmarks, change=change)
    for width in (360, 1280):
        page = visit(address(sample), width=width)
        page.on("dialog", lambda dialog: pytest.fail(f"dialog: {dialog.message}"))
        page.wait_for_selector(".tile[href]")
        for view in ("#view=photos", "#view=map", "#view=near"):
            page.goto(address(sample, view))
            page.wait_for_timeout(150)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        for n in range(18):
            page.goto(address(sample, f"#view=photos&photo={n}."))
            page.wait_for_function("() => document.querySelector('dialog[open] .explanation')")
            assert page.evaluate("document.querySelector('dialog').scrollWidth <= innerWidth")
        hrefs = page.locator("a[href]").evaluate_all("all => all.map((a) => a.getAttribute('href'))")
        assert all(href.startswith(address(sample, "#")) or href == "#main" for href in hrefs)
        assert page.evaluate("window.hacked") is None
        assert [url for url in page.watch.requests if not url.startswith((tmp_path.as_uri() + "/", "data:"))] == []
        assert page.locator("main img[onerror]").count() == 0
    assert "txt.exe" in page.content()
    assert "\u202e" not in page.evaluate("document.body.innerText")
    assert (
        page.evaluate("(() => { try { document.body.innerHTML = '<b>'; return 'set' } catch { return 'refused' } })()")
        == "refused"
    )


def test_fifty_thousand_photos(tmp_path: Path, visit: Any) -> None:  # noqa: F811
    sample = write_gallery(tmp_path, 49_000, 1_000, pictures=False)
    page = visit(address(sample))
    page.wait_for_selector(".tile[href]")

    def chunks() -> int:
        return len({url for url in page.watch.requests if "/rows-" in url})

    nodes = "document.querySelectorAll('*').length"
    assert chunks() <= 2
    assert page.evaluate(nodes) < 1500
    for part in (0.5, 1.0, 0.25):
        page.evaluate("part => scrollTo(0, document.documentElement.scrollHeight * part)", part)
        page.wait_for_function("""() => [...document.querySelectorAll('.tile[href]')].some((tile) => {
            const { top } = tile.getBoundingClientRect(); return top > 0 && top < 700; })""")
        assert page.evaluate(nodes) < 1500
    assert chunks() <= 12
    page.evaluate("document.querySelector('.tile[tabindex=\"0\"]').focus()")
    page.keyboard.press("End")
    page.wait_for_function("name => document.activeElement.title === name", arg=sample.tagged[-1]["p"])
    page.goto(address(sample, "#view=photos&min=95&sort=unsure"))
    sure = [row for row in sample.tagged if row["c"] * 100 >= 95]
    shown(page, f"{len(sure):,} of 49,000 photos")
    least = min(sure, key=lambda row: row["c"])
    assert page.locator(".tile .sure").first.text_content() == f"{round(least['c'] * 100)} %"
    assert chunks() == 98  # of the tags; the two of near misses weren't asked for
    assert page.evaluate(nodes) < 1500
    assert page.watch.complaints == []


def test_says_what_is_missing(tmp_path: Path, visit: Any) -> None:  # noqa: F811
    sample = write_gallery(tmp_path, 14, 0)

    def trouble(gallery: Sample) -> str:
        return str(visit(address(gallery), ready=".trouble p").locator(".trouble").text_content())

    next((tmp_path / "data").glob("rows-*")).unlink()
    assert "js could not be read" in trouble(sample)
    (tmp_path / "data/head.js").write_text("landmarkHead({version: 2})")
    assert "another version" in trouble(sample)
    (tmp_path / "data/head.js").unlink()
    assert "data/head.js could not be read" in trouble(sample)
    other = write_gallery(tmp_path / "mixed", 14, 0, change={3: {"l": "colosseum"}})
    assert "do not belong together" in trouble(other)


def test_an_empty_gallery(tmp_path: Path, visit: Any) -> None:  # noqa: F811
    page = visit(address(write_gallery(tmp_path, 0, 0)))
    shown(page, "There are no photos here.")
    page.goto(address(Sample(tmp_path, [], []), "#view=map"))
    shown(page, "No place in view.")
    assert page.watch.complaints == []


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
def test_axe_finds_nothing(sample: Sample, visit: Any, scheme: str, width: int) -> None:  # noqa: F811
    page = visit(address(sample), width=width, scheme=scheme)
    for name, hash_ in VIEWS.items():
        page.goto(address(sample, hash_))
        page.wait_for_selector({"map": ".dot", "photo": "dialog[open] .explanation"}.get(name, ".tile[href]"))
        page.wait_for_timeout(200)
        assert violations(page) == [], name
    page.keyboard.press("?")
    page.wait_for_selector(".help[open]")
    assert violations(page) == []


def test_fits_small_windows(sample: Sample, visit: Any) -> None:  # noqa: F811
    page = visit(address(sample))
    for width, height in ((360, 640), (640, 400)):  # the second is 1280 x 800 at 200 %
        page.set_viewport_size({"width": width, "height": height})
        for name, hash_ in VIEWS.items():
            page.goto(address(sample, hash_))
            page.wait_for_timeout(150)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
            wide = "[...document.querySelectorAll('dialog[open]')].filter((each) => each.scrollWidth > innerWidth).length"
            assert page.evaluate(wide) == 0, name
        page.go_back()
