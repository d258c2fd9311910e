"""The review mode of the page in a real browser, against a small server to the same API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tagging.gallery_browser import browser, violations, visit  # noqa: F401
from tests.tagging.page_sample import Sample, write_gallery
from tests.tagging.review_double import ReviewDouble


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return write_gallery(tmp_path_factory.mktemp("review"))


@pytest.fixture
def server(sample: Sample) -> Iterator[ReviewDouble]:
    double = ReviewDouble(sample.folder, sample.landmarks)
    yield double
    double.close()


def queue_of(sample: Sample) -> list[dict[str, Any]]:
    return sorted(sample.tagged, key=lambda row: row["c"])


def on(page: Any, row: dict[str, Any]) -> None:
    """Waits until a photo is asked about."""
    page.wait_for_function("name => document.querySelector('.review .file')?.textContent === name", arg=Path(row["p"]).name)


def state(page: Any, text: str) -> None:
    page.wait_for_function("text => document.querySelector('main .save-text').textContent.includes(text)", arg=text)


def test_a_whole_review_by_keyboard(sample: Sample, server: ReviewDouble, visit: Any) -> None:  # noqa: F811
    queue = queue_of(sample)
    page = visit(server.url)
    for _ in range(20):  # from the top of the page to the link, as a person without a mouse goes
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Review":
            break
    page.keyboard.press("Enter")
    on(page, queue[0])
    page.wait_for_function("() => document.querySelector('.progress-text').textContent === '0 of 40 looked at'")
    page.locator(".review h1").focus()
    page.keyboard.press("Enter")
    on(page, queue[1])
    page.keyboard.press("x")
    on(page, queue[2])
    page.keyboard.press("e")
    page.keyboard.type("MUSICA")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    on(page, queue[3])
    page.keyboard.press("e")
    page.keyboard.type("Köln: Dom / Süd")
    page.keyboard.press("Enter")
    on(page, queue[4])
    state(page, "Saved")
    third = ("confirm" if queue[2]["l"] == "casa_da_musica" else "correct", "casa_da_musica")
    said = [(each["sha256"], each["verdict"], each["landmark"]) for each in server.said]
    assert said == [
        (queue[0]["s"], "confirm", queue[0]["l"]),
        (queue[1]["s"], "reject", ""),
        (queue[2]["s"], *third),
        (queue[3]["s"], "correct", "koln_dom_sud"),
    ]
    assert page.locator(".progress-text").text_content() == "4 of 40 looked at"
    for k in (3, 2):
        page.keyboard.press("u")
        on(page, queue[k])  # what was taken back is shown again
    assert len(server.said) == 2
    page.keyboard.press("k")
    on(page, queue[1])
    assert page.get_by_role("button", name="Reject").get_attribute("aria-pressed") == "true"
    page.keyboard.press("j")
    on(page, queue[2])
    page.goto(server.url + "#view=review")
    page.reload()  # the server knows; the page goes on at the first that was not looked at
    on(page, queue[2])
    assert page.locator(".progress-text").text_content() == "2 of 40 looked at"
    assert page.watch.complaints == []


def test_enter_on_a_button_is_that_button(sample: Sample, server: ReviewDouble, visit: Any) -> None:  # noqa: F811
    page = visit(server.url + "#view=review")
    on(page, queue_of(sample)[0])
    page.get_by_role("button", name="Reject").focus()
    page.keyboard.press("Enter")
    on(page, queue_of(sample)[1])
    state(page, "Saved")
    assert [each["verdict"] for each in server.said] == ["reject"]


def test_shortcuts_can_be_switched_off(sample: Sample, server: ReviewDouble, visit: Any) -> None:  # noqa: F811
    page = visit(server.url + "#view=review")
    on(page, queue_of(sample)[0])
    page.get_by_role("button", name="Keyboard shortcuts").click()
    page.get_by_label("Single-key shortcuts").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("x")
    page.keyboard.press("ArrowRight")
    on(page, queue_of(sample)[1])
    assert server.posts == []


def test_near_misses_are_a_queue_and_looked_at_filters(sample: Sample, server: ReviewDouble, visit: Any) -> None:  # noqa: F811
    near = [row for row in sample.rows if not row["l"]]
    page = visit(server.url + "#view=review&queue=near")
    on(page, near[0])
    page.keyboard.press("c")
    on(page, near[1])
    state(page, "Saved")
    assert server.current == {near[0]["s"]: {"verdict": "confirm", "landmark": near[0]["b"]}}
    page.get_by_label("Looked at", exact=True).select_option("yes")
    on(page, near[0])
    assert "1 of 1" in page.locator(".review-file").inner_text()
    assert page.locator(".progress-text").text_content() == "1 of 9 looked at"
    page.goto(server.url + "#view=near")
    page.wait_for_selector(".tile .badge")
    assert "confirmed" in page.locator(".tile").first.inner_text()


def test_nothing_is_lost_while_the_server_is_away(sample: Sample, server: ReviewDouble, visit: Any) -> None:  # noqa: F811
    queue = queue_of(sample)
    page = visit(server.url + "#view=review")
    on(page, queue[0])
    server.away = True
    for k in range(3):
        page.keyboard.press("c" if k else "x")
        on(page, queue[k + 1])
    state(page, "3 answers wait")
    warned: list[str] = []
    page.on("dialog", lambda dialog: (warned.append(dialog.type), dialog.dismiss()))
    page.close(run_before_unload=True)
    page.wait_for_timeout(300)
    assert warned == ["beforeunload"]
    page.keyboard.press("u")  # the last of them was not sent: it is only forgotten
    on(page, queue[2])
    state(page, "2 answers wait")
    server.away = False
    page.get_by_role("button", name="Try now").click()
    state(page, "Saved")
    assert [(each["sha256"], each["verdict"]) for each in server.said] == [
        (queue[0]["s"], "reject"),
        (queue[1]["s"], "confirm"),
    ]
    page.keyboard.press("u")
    on(page, queue[1])
    assert len(server.said) == 1


def test_an_answer_that_got_lost_is_not_given_twice(sample: Sample, server: ReviewDouble, visit: Any) -> None:  # noqa: F811
    queue = queue_of(sample)
    page = visit(server.url + "#view=review")
    on(page, queue[0])
    page.keyboard.press("c")
    state(page, "Saved")
    server.fails = ["lost"]  # done by the server, but the page doesn't hear of it
    page.keyboard.press("x")
    page.wait_for_function("() => document.querySelector('.review-top > .quiet').textContent === 'Undo (2)'")
    state(page, "Saved")
    assert [path for path, _ in server.posts] == ["/api/corrections"] * 2
    server.fails = ["lost"]
    page.keyboard.press("u")
    page.wait_for_function("() => document.querySelector('.progress-text').textContent === '1 of 40 looked at'")
    state(page, "Saved")
    assert [each["sha256"] for each in server.said] == [queue[0]["s"]]
    assert [path for path, _ in server.posts].count("/api/undo") == 1


def test_what_the_server_refuses_is_said_and_taken_back(sample: Sample, server: ReviewDouble, visit: Any) -> None:  # noqa: F811
    page = visit(server.url + "#view=review")
    on(page, queue_of(sample)[0])
    server.fails = [422]
    page.keyboard.press("c")
    state(page, "Not saved: that does not work")
    page.wait_for_function("() => document.querySelector('.progress-text').textContent === '0 of 40 looked at'")
    page.keyboard.press("c")
    state(page, "Saved")
    assert len(server.said) == 1


def test_another_server_is_told_apart(sample: Sample, server: ReviewDouble, visit: Any) -> None:  # noqa: F811
    page = visit(server.url + "#view=review")
    on(page, queue_of(sample)[0])
    server.fails = [403]
    page.keyboard.press("c")
    state(page, "started anew")
    page.get_by_role("button", name="Try now").click()
    state(page, "Saved")
    assert len(server.said) == 1


def test_a_selection_is_answered_at_once(sample: Sample, server: ReviewDouble, visit: Any) -> None:  # noqa: F811
    rows = sample.rows_of("berlin_zoo")
    page = visit(server.url + "#view=photos&country=Germany&city=Berlin&landmark=berlin_zoo")
    page.wait_for_selector(".tile[href]")
    page.locator(".tile").first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+Space")
    assert "3 photos selected" in page.locator(".bulk").inner_text()
    page.get_by_role("button", name="Confirm").click()
    state(page, "Saved")
    page.wait_for_function("() => document.querySelectorAll('.tile .badge').length === 3")
    assert server.current == {row["s"]: {"verdict": "confirm", "landmark": "berlin_zoo"} for row in rows[:3]}
    page.get_by_role("button", name="Select all").click()
    page.locator(".bulk").get_by_role("button", name="Correct").click()
    page.keyboard.type("colos")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelectorAll('.tile .badge[data-verdict=correct]').length === 6")
    state(page, "Saved")
    assert {each["landmark"] for each in server.current.values()} == {"colosseum"}
    assert "now Colosseum" in page.locator(".tile").first.inner_text()


def test_lightbox_answers_and_shows_why_on_demand(sample: Sample, server: ReviewDouble, visit: Any) -> None:  # noqa: F811
    row = next(row for row in sample.rows if not row["e"])
    page = visit(server.url + f"#view=photos&photo={sample.rows.index(row)}.")
    page.wait_for_selector("dialog[open] .explanation")
    assert page.locator("dialog .stage img").get_attribute("src").startswith(f"/photo/{row['s']}?token=")
    page.keyboard.press("3")
    page.wait_for_function("() => document.querySelector('dialog .stage img').naturalWidth > 0")
    assert f"/api/why/{row['s']}?token=" in page.locator("dialog .stage img").get_attribute("src")
    page.keyboard.press("x")
    page.wait_for_function("() => document.querySelector('dialog .save-text').textContent === 'Saved'")
    assert server.current[row["s"]]["verdict"] == "reject"
    assert {url.split("/")[2] for url in page.watch.requests if url.startswith("http")} == {server.url.split("/")[2]}


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
def test_axe_finds_nothing_in_review(sample: Sample, server: ReviewDouble, visit: Any, scheme: str, width: int) -> None:  # noqa: F811
    page = visit(server.url + "#view=review", width=width, scheme=scheme)
    on(page, queue_of(sample)[0])
    page.keyboard.press("c")
    state(page, "Saved")
    page.keyboard.press("e")
    page.keyboard.type("o")
    page.wait_for_selector("[role=option]")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.goto(server.url + "#view=photos&sort=unsure")
    page.wait_for_selector(".tile .badge")
    page.locator(".tile").first.focus()
    page.keyboard.press("Space")
    assert violations(page) == []
    page.goto(server.url + "#view=photos&photo=3.")
    page.wait_for_selector("dialog[open] .explanation")
    assert violations(page) == []
