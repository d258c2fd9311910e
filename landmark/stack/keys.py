"""Secrets of the servers: made at random once, kept in files that only their owner can read."""

from __future__ import annotations

import json
import os
import secrets
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path

from landmark.errors import LandmarkError

FILE = "secrets.json"
ENV = "env"


def private_folder(path: Path, mode: int = 0o700) -> Path:
    """Make a folder that others may not read, and see that it can be written.

    Raises:
        LandmarkError: it cannot.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
        write_private(path / ".probe", "x" * 4096)
        (path / ".probe").unlink()
    except OSError as error:
        raise LandmarkError(
            f"{path}: cannot be written ({error.strerror}); free some space, mend the permissions or choose another --home"
        ) from error
    return path


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read; whole or not at all."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)  # noqa: PTH105
    finally:
        temporary.unlink(missing_ok=True)


def keep(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """A secret for each name: those of earlier starts, and new ones (160 bits) where there were none.

    Raises:
        LandmarkError: the file is damaged; the databases know the old ones, so no new ones are made.
    """
    file = folder / FILE
    known: dict[str, str] = {}
    if file.exists():
        try:
            known = {str(name): str(value) for name, value in json.loads(file.read_text(encoding="utf-8")).items()}
        except (OSError, ValueError, AttributeError) as error:
            raise LandmarkError(
                f"{file}: damaged ({error}); restore it from a backup: the databases know its passwords"
            ) from error
    missing = [name for name in names if name not in known]
    if missing:
        # Hexadecimal: nothing that an address, a shell or an ini file would read otherwise.
        known |= {name: secrets.token_hex(20) for name in missing}
        write_private(file, json.dumps(known, indent=2, sort_keys=True) + "\n")
    return known


def write_env(folder: Path, variables: Mapping[str, str]) -> Path:
    """The file that a client's shell reads: `. FILE`."""
    lines = ["# What a client of these servers needs. Keep it to yourself."]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    write_private(folder / ENV, "\n".join(lines) + "\n")
    return folder / ENV
