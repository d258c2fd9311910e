"""Errors that end a command. Each message is one line: what is wrong, where, and the mend."""


class LandmarkError(Exception):
    """The work failed (exit status 1)."""

    exit_status = 1


class UsageError(LandmarkError):
    """The command line or the config is wrong (exit status 2); raised before any work is done."""

    exit_status = 2
