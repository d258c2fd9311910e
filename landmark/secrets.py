"""Secrets kept out of what is written down: log lines, the journal, messages to other people."""

from __future__ import annotations

import logging
import os
import re

HIDDEN = "***"
_NAMES = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|AUTH_STRING|ACCESS_KEY|CREDENTIAL|CONNECTION_URL|WEBHOOK", re.IGNORECASE)
_USERINFO = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)[^\s/@'\"]+@")
_SIGNED = re.compile(r"(?P<name>X-Amz-(?:Signature|Credential|Security-Token)=)[^&\s'\"]+", re.IGNORECASE)
_SHORTEST = 6
_TRACEBACK = logging.Formatter()


def scrub(text: str) -> str:
    """Text without what the environment calls a secret, without log-ins in URLs and signatures of presigned ones.

    A value of fewer than six characters is too common a word to be looked for.

    >>> scrub("postgresql://landmark:hunter2@db/mlflow is down")
    'postgresql://***@db/mlflow is down'
    """
    for value in sorted(_secrets(), key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    text = _USERINFO.sub(rf"\g<scheme>{HIDDEN}@", text)
    return _SIGNED.sub(rf"\g<name>{HIDDEN}", text)


def _secrets() -> set[str]:
    found = set()
    for name, value in os.environ.items():
        if _NAMES.search(name) and len(value) >= _SHORTEST:
            found.add(value)
            # user:password: each part alone is one as well
            if name.endswith("AUTH_STRING"):
                found.update(part for part in value.split(":")[1:] if len(part) >= _SHORTEST)
    return found


class ScrubbingFormatter(logging.Formatter):
    """A formatter whose lines, tracebacks too, are scrubbed."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return scrub(super().format(record))


class ScrubbingFilter(logging.Filter):
    """A handler's filter after which a record, whoever formats it, holds no secret."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, scrubbed, its traceback too."""
        record.msg, record.args = scrub(record.getMessage()), ()
        if record.exc_info and record.exc_info[0] is not None and not record.exc_text:
            record.exc_text = _TRACEBACK.formatException(record.exc_info)
        # An exception itself cannot be scrubbed, and whoever formats the record next would read it again.
        record.exc_info = None
        if record.exc_text:
            record.exc_text = scrub(record.exc_text)
        if record.stack_info:
            record.stack_info = scrub(record.stack_info)
        return True


def guard_handlers(*loggers: str) -> None:
    """Let nothing secret pass through the handlers of some loggers; done twice, it is done once."""
    for name in loggers:
        for handler in logging.getLogger(name).handlers:
            if not any(isinstance(known, ScrubbingFilter) for known in handler.filters):
                handler.addFilter(ScrubbingFilter())
