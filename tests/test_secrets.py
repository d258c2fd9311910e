"""Secrets stay out of lines."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landmark.errors import LandmarkError
from landmark.secrets import HIDDEN, ScrubbingFormatter, guard_handlers, scrub


def test_values_that_the_environment_calls_secret_are_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "mlflow-pass")
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "admin:correct-horse")
    monkeypatch.setenv("HOME_OF_COLOUR", "ultramarine")
    line = "wJalrXUtnFEMI/K7MDENG and mlflow-pass and admin:correct-horse and correct-horse and ultramarine"
    assert scrub(line) == f"{HIDDEN} and {HIDDEN} and {HIDDEN} and {HIDDEN} and ultramarine"


def test_a_value_within_another_leaves_no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_TOKEN", "abcdef")
    monkeypatch.setenv("B_TOKEN", "abcdefghij")
    assert scrub("x abcdefghij y") == f"x {HIDDEN} y"


def test_signatures_of_presigned_urls_are_hidden() -> None:
    url = "https://host/b/k?X-Amz-Credential=AKIA%2F2026&X-Amz-Signature=deadbeef&x=1"
    assert scrub(url) == f"https://host/b/k?X-Amz-Credential={HIDDEN}&X-Amz-Signature={HIDDEN}&x=1"


@given(st.text(alphabet=st.characters(whitelist_categories=["Ll", "Nd"]), min_size=1, max_size=20))
def test_a_password_in_an_url_never_shows(password: str) -> None:
    assert scrub(f"at postgresql://user:{password}@host:5432/db now") == "at postgresql://***@host:5432/db now"


def test_tracebacks_are_scrubbed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X_PASSWORD", "open-sesame")
    try:
        raise ValueError("open-sesame")
    except ValueError:
        import sys

        record = logging.LogRecord("landmark", logging.ERROR, "f", 1, "said %s", ("open-sesame",), sys.exc_info())
    text = ScrubbingFormatter("%(message)s").format(record)
    assert "open-sesame" not in text
    assert "Traceback" in text


def test_errors_hold_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X_PASSWORD", "open-sesame")
    assert str(LandmarkError("refused open-sesame")) == f"refused {HIDDEN}"


def test_a_handler_of_somebody_else_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X_PASSWORD", "open-sesame")
    seen: list[str] = []

    class Keeps(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record.getMessage())

    logger = logging.getLogger("tests.secrets")
    handler = Keeps()
    logger.addHandler(handler)
    try:
        guard_handlers("tests.secrets")
        guard_handlers("tests.secrets")
        logging.getLogger("tests.secrets.child").error("said %s", "open-sesame")
    finally:
        logger.removeHandler(handler)
    assert seen == [f"said {HIDDEN}"]
    assert len(handler.filters) == 1


def test_a_handler_of_somebody_else_gets_no_secret_in_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X_PASSWORD", "open-sesame")
    seen: list[str] = []

    class Keeps(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            assert record.exc_info is None  # some print it themselves
            seen.append(self.format(record))

    logger = logging.getLogger("tests.secrets.traceback")
    handlers = [Keeps(), Keeps()]
    for handler in handlers:
        logger.addHandler(handler)
    try:
        guard_handlers("tests.secrets.traceback")
        password = "open-sesame"
        try:
            raise ValueError("refused open-sesame")
        except ValueError:
            logger.exception("failed", stack_info=True)
        assert password
    finally:
        for handler in handlers:
            logger.removeHandler(handler)
    assert len(seen) == 2
    for text in seen:
        assert "Traceback" in text
        assert f"ValueError: refused {HIDDEN}" in text
        assert "open-sesame" not in text
