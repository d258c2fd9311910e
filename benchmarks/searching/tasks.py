"""Work in processes of its own, kept when it is done: a crash is a result too, and an interrupted benchmark goes on."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import landmark
from landmark.storage import read_json, write_json

HERE = Path(__file__).parent
INDEX = Path(landmark.__file__).parent / "recognition" / "index"
COMMON = ("inputs.py", "measuring.py")
CODE = {
    "ours": ("by_ours.py",),
    "promise": ("by_ours.py", "promise.py"),
    "update": ("by_ours.py", "update.py"),
    "others": ("by_faiss.py", "by_others.py", "coarse.py"),
}
LIMIT = 45.0
"""Minutes after which a piece of work is given up."""


def code_of(kind: str) -> str:
    """Short sha256 of the code that a result depends on: changed code is measured again."""
    files = [HERE / name for name in (*COMMON, *CODE[kind])]
    if kind != "others":
        files += sorted(INDEX.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


def missing(packages: tuple[str, ...]) -> list[str]:
    """Those that are not installed."""
    absent = []
    for package in packages:
        try:
            version(package)
        except PackageNotFoundError:
            absent.append(package)
    return absent


def kept(spec: dict[str, Any], folder: Path) -> dict[str, Any] | None:
    """The result of a piece of work that was done before; None: it was not, or something that it depends on has changed."""
    file = _file(spec, folder)
    return dict(read_json(file)["result"]) if file.is_file() and read_json(file)["spec"] == spec else None


def _file(spec: dict[str, Any], folder: Path) -> Path:
    return folder / "done" / f"{spec['data']}-{spec['part']}-{spec['name']}.json"


def perform(spec: dict[str, Any], folder: Path, minutes: float = LIMIT) -> dict[str, Any]:
    """Do a piece of work in a process of its own, unless it was done before.

    Args:
        spec: what to do: `part`, `name`, `data`, ... and all that its result depends on; plain values.
        folder: keeps results and inputs.
        minutes: limit.

    Returns:
        what the work returned, or {"failed": why}.
    """
    before, file = kept(spec, folder), _file(spec, folder)
    if before is not None:
        return before
    file.parent.mkdir(parents=True, exist_ok=True)
    why = file.with_suffix(".failed")
    for old in (file, why):
        old.unlink(missing_ok=True)
    process = multiprocessing.get_context("spawn").Process(target=_work, args=(spec, folder, file, why))
    process.start()
    process.join(60 * minutes)
    if process.is_alive():
        process.kill()
        process.join()
        return {"failed": f"not done in {minutes:g} minutes"}
    if file.is_file():
        return dict(read_json(file)["result"])
    if why.is_file():
        return {"failed": why.read_text(encoding="utf-8")}
    code = process.exitcode or 0
    return {"failed": f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"}


def _work(spec: dict[str, Any], folder: Path, file: Path, why: Path) -> None:
    os.environ["OMP_NUM_THREADS"] = str(spec["threads"])
    begin = time.perf_counter()
    try:
        from threadpoolctl import threadpool_limits

        from benchmarks.searching import work

        with threadpool_limits(spec["threads"]):  # of libraries that were loaded before the variable was set
            result = work.run(spec, folder)
    except Exception as error:  # whatever a library trips over is the row's result
        why.write_text(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}", encoding="utf-8")
        return
    write_json(file, {"spec": spec, "result": {**result, "wall_seconds": time.perf_counter() - begin}})
