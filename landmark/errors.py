"""Errors that end a command. Each message is one line: what is wrong, where, and the mend."""

from __future__ import annotations

from landmark.secrets import scrub


class LandmarkError(Exception):
    """The work failed (exit status 1). Its message goes to logs and to servers: it holds no secret."""

    exit_status = 1

    def __init__(self, *parts: object) -> None:
        super().__init__(*(scrub(part) if isinstance(part, str) else part for part in parts))


class UsageError(LandmarkError):
    """The command line or the config is wrong (exit status 2); raised before any work is done."""

    exit_status = 2


class GateRefused(LandmarkError):
    """The gate keeps a version from becoming champion (exit status 3): the work was done, and nothing was changed."""

    exit_status = 3
