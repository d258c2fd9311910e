"""Answers while the server is away, restarted, refuses, or is another one: none is lost, none given twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.tagging.gallery_browser import browser, violations, visit  # noqa: F401
from tests.tagging.page_sample import Sample, write_gallery
from tests.tagging.review_double import ReviewDouble
from tests.tagging.test_gallery_review_page import on, queue_of, sample, server, state

__all__ = ["sample", "server"]


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


def test_a_restarted_server_gets_the_answers(sample: Sample, server: ReviewDouble, visit: Any) -> None:  # noqa: F811
    queue = queue_of(sample)
    page = visit(server.url + "#view=review")
    on(page, queue[0])
    server.restart()
    page.keyboard.press("c")
    on(page, queue[1])
    page.keyboard.press("x")
    on(page, queue[2])
    state(page, "started anew")
    state(page, "2 answers wait in this browser")
    assert server.said == []
    other = page.context.new_page()  # its printed address, opened: the browser has its cookie now
    other.goto(server.url + "#view=review")
    on(other, queue[0])
    page.get_by_role("button", name="Try now").click()
    state(page, "Saved")
    assert [(each["sha256"], each["verdict"]) for each in server.said] == [
        (queue[0]["s"], "confirm"),
        (queue[1]["s"], "reject"),
    ]
    page.keyboard.press("1")  # pictures come with the new cookie
    page.wait_for_function("() => document.querySelector('.review .stage img').naturalWidth > 0")
    page.keyboard.press("u")
    on(page, queue[1])
    assert len(server.said) == 1


def test_answers_never_go_to_another_gallery(sample: Sample, server: ReviewDouble, visit: Any, tmp_path: Path) -> None:  # noqa: F811
    queue = queue_of(sample)
    page = visit(server.url + "#view=review")
    on(page, queue[0])
    page.keyboard.press("c")
    state(page, "Saved")
    server.restart()
    other = write_gallery(tmp_path, pictures=False)  # the same photos, tagged another time
    head = tmp_path / "data/head.js"
    head.write_text(head.read_text().replace("2026-11-20", "2026-11-21"))
    server.folder = tmp_path
    page.keyboard.press("x")
    state(page, "Not saved")
    newer = page.context.new_page()
    newer.goto(server.url + "#view=review")
    on(newer, queue_of(other)[1])
    page.get_by_role("button", name="Try now").click()
    state(page, "another gallery, or a newer one")
    assert len(server.said) == 1
    page.close()
    newer.reload()
    newer.locator(".notice", has_text="1 answer waits in this browser").get_by_role("button", name="Send").click()
    state(newer, "Saved")
    assert [each["verdict"] for each in server.said] == ["confirm", "reject"]


@pytest.mark.parametrize("meanwhile", [False, True])
def test_answers_that_wait_outlive_the_page(sample: Sample, server: ReviewDouble, visit: Any, meanwhile: bool) -> None:  # noqa: F811
    queue = queue_of(sample)
    page = visit(server.url + "#view=review")
    on(page, queue[0])
    server.away = True
    for k in range(3):
        page.keyboard.press("x")
        on(page, queue[k + 1])
    state(page, "3 answers wait in this browser")
    state(page, f"--port {server.server.server_port}")
    context = page.context
    page.close()
    server.away = False
    if meanwhile:  # somebody else decided the second photo
        server.said.append({"sha256": queue[1]["s"], "verdict": "confirm", "landmark": queue[1]["l"]})
    page = context.new_page()
    page.goto(server.url + "#view=review")
    page.wait_for_selector(".notice")
    told = page.locator(".notice").inner_text()
    assert ("2 answers of a page before" if meanwhile else "3 answers of a page before") in told
    assert ("1 answer was left out" in told) == meanwhile
    state(page, "Saved")
    verdicts = ["reject", "confirm" if meanwhile else "reject", "reject"]
    assert [server.current[row["s"]]["verdict"] for row in queue[:3]] == verdicts
    assert len(server.said) == 3
    assert page.evaluate("Object.keys(localStorage).filter((key) => key.startsWith('landmark-answers')).length") == 0


def test_what_the_server_says_of_its_trouble_is_shown(sample: Sample, server: ReviewDouble, visit: Any) -> None:  # noqa: F811
    page = visit(server.url + "#view=review")
    on(page, queue_of(sample)[0])
    server.fails = [500] * 20
    page.keyboard.press("c")
    state(page, "Not saved: that does not work. 1 answer waits")
    assert "does not answer" not in page.locator("main .save-text").inner_text()
    server.fails = []
    page.get_by_role("button", name="Try now").click()
    state(page, "Saved")
    assert len(server.said) == 1
