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


def hold(page: Any, key: str, times: int = 6) -> None:
    """Presses a key and does not let it go: the browser repeats it."""
    for _ in range(times):
        page.keyboard.down(key)
    page.keyboard.up(key)


@pytest.mark.parametrize("key", ["c", "x", "Enter"])
def test_a_key_held_down_is_one_answer(sample: Sample, server: ReviewDouble, visit: Any, key: str) -> None:  # noqa: F811
    queue = queue_of(sample)
    page = visit(server.url + "#view=review")
    on(page, queue[0])
    page.locator(".review h1").focus()
    hold(page, key)
    on(page, queue[1])
    page.get_by_role("button", name="Reject").focus()
    hold(page, "Enter")
    on(page, queue[2])
    state(page, "Saved")
    assert page.locator(".progress-text").text_content() == "2 of 40 looked at"
    hold(page, "u")
    on(page, queue[1])
    state(page, "Saved")
    assert len(server.said) == 1
    hold(page, "e")
    page.keyboard.down("c")  # in the field it is a letter, held or not
    page.keyboard.down("c")
    assert page.evaluate("document.activeElement.value") == "cc"


def test_enter_takes_what_is_marked(sample: Sample, server: ReviewDouble, visit: Any) -> None:  # noqa: F811
    queue = queue_of(sample)
    page = visit(server.url + "#view=review")
    on(page, queue[0])
    page.keyboard.press("e")
    for letter in "check":
        page.keyboard.type(letter)
        marked = page.locator("main .chooser [role=option][aria-selected=true]")
        assert page.locator("main .chooser input").get_attribute("aria-activedescendant") == marked.get_attribute("id")
    assert "Checkpoint Charlie" in marked.inner_text()
    page.keyboard.press("ArrowDown")
    assert marked.inner_text() == "New landmark: check"
    page.keyboard.press("Escape")  # nothing is marked now, so nothing is taken
    page.keyboard.press("Enter")
    assert marked.count() == 1
    assert server.posts == []
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    on(page, queue[1])
    state(page, "Saved")
    assert [each["landmark"] for each in server.said] == ["check"]


def test_a_new_landmark_is_offered_again(sample: Sample, server: ReviewDouble, visit: Any) -> None:  # noqa: F811
    queue = queue_of(sample)
    server.said.append({"sha256": queue[5]["s"], "verdict": "correct", "landmark": "koln_dom"})  # of another day
    page = visit(server.url + "#view=review")
    on(page, queue[0])
    page.keyboard.press("e")
    page.keyboard.type("Old Köln mill")
    page.keyboard.press("Enter")
    on(page, queue[1])
    for text, landmark in (("old_k", "old_koln_mill"), ("Köln: Dom", "koln_dom")):
        page.keyboard.press("e")
        page.locator("main .chooser input").fill(text)
        assert page.locator("main .chooser [role=option]").first.inner_text() == landmark
        page.locator("main .chooser input").fill("")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Cancel").click()


def test_two_pages_of_one_collection_see_each_other_s_answers(sample: Sample, server: ReviewDouble, visit: Any) -> None:  # noqa: F811
    queue = queue_of(sample)
    page = visit(server.url + "#view=review")
    on(page, queue[0])
    other = visit(server.url + "#view=review")
    on(other, queue[0])
    other.keyboard.press("x")
    state(other, "Saved")
    page.evaluate("window.dispatchEvent(new Event('focus'))")
    page.wait_for_function("() => document.querySelector('.progress-text').textContent === '1 of 40 looked at'")
    assert page.get_by_role("button", name="Reject").get_attribute("aria-pressed") == "true"
    other.keyboard.press("c")
    state(other, "Saved")
    other.keyboard.press("u")
    other.keyboard.press("u")
    other.wait_for_function("() => document.querySelector('.progress-text').textContent === '0 of 40 looked at'")
    state(other, "Saved")
    server.said.append({"sha256": queue[3]["s"], "verdict": "reject", "landmark": ""})  # a third page, with nobody looking
    other.keyboard.press("u")  # this page knows of nothing to take back: it asks
    on(other, queue[3])
    state(other, "Saved")
    assert server.said == []


def test_an_undo_that_got_lost_takes_back_nobody_else_s_answer(sample: Sample, server: ReviewDouble, visit: Any) -> None:  # noqa: F811
    queue = queue_of(sample)
    page = visit(server.url + "#view=review")
    on(page, queue[0])
    page.keyboard.press("c")
    state(page, "Saved")
    server.fails = ["lost"]
    with server.lock:
        page.keyboard.press("u")
        page.wait_for_function("() => document.querySelector('.save-text').textContent.startsWith('Saving')")
        page.wait_for_timeout(200)  # the undo waits for the lock; the page asks for the state a second after it got lost
    while not any(path == "/api/undo" for path, _ in server.posts):
        page.wait_for_timeout(10)
    with server.lock:
        server.said.append({"sha256": queue[4]["s"], "verdict": "reject", "landmark": ""})
    state(page, "somebody else answered meanwhile")
    assert [each["sha256"] for each in server.said] == [queue[4]["s"]]


def test_the_least_confidence_hides_nothing_that_a_person_decided(
    sample: Sample,
    server: ReviewDouble,
    visit: Any,  # noqa: F811
) -> None:
    unsure = min(sample.tagged, key=lambda row: row["c"])
    server.said.append({"sha256": unsure["s"], "verdict": "confirm", "landmark": unsure["l"]})
    page = visit(server.url + "#view=photos&min=90")
    sure = sum(row["c"] >= 0.9 for row in sample.tagged)
    page.wait_for_function("text => document.querySelector('main').textContent.includes(text)", arg=f"{sure + 1} of 40 photos")
    assert "Photos that a person decided are shown all the same" in page.locator(".filters").inner_text()


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
    assert page.locator("dialog .stage img").get_attribute("src") == f"/photo/{row['s']}"
    page.keyboard.press("3")
    page.wait_for_function("() => document.querySelector('dialog .stage img').naturalWidth > 0")
    assert page.locator("dialog .stage img").get_attribute("src") == f"/api/why/{row['s']}?landmark={row['l'] or row['b']}"
    page.keyboard.press("x")
    page.wait_for_function("() => document.querySelector('dialog .save-text').textContent === 'Saved'")
    assert server.current[row["s"]]["verdict"] == "reject"
    assert not any(server.token in url for url in page.watch.requests)  # whoever sees an address can't answer with it
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
