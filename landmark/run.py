"""A run: its steps in order, which of them are done, and the folder with its final artefacts.

Nothing here imports torch, Prefect or MLflow: whether anything is left to do is decided from manifests alone, in
well under a second.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from landmark.cache import MANIFEST, Output, StepCache, content_key, locked
from landmark.config import RunConfig
from landmark.errors import LandmarkError
from landmark.fingerprint import fingerprint as fingerprint
from landmark.storage import (
    atomic_file,
    atomic_folder,
    exists,
    is_s3,
    join,
    put_file,
    read_json,
    sha256_file,
    upload_folder,
    write_bytes,
    write_json,
)

log = logging.getLogger(__name__)

RECORD = "run.json"
COPIED = "published.json"
"""Which version a `publish` place holds, written there when it is whole."""
GLANCE = 0.5
"""Others take a run's lock for a moment, to see whether it is being made (`landmark.prune`) [s]."""
Log = Callable[[dict[str, float], int], None]


@dataclass(frozen=True)
class Work:
    """What a step function is given.

    Attributes:
        config: the run's settings.
        inputs: each output that the step depends on, by step name.
        out: folder to write into.
        home: folder for what outlives runs (embeddings).
        log: takes training figures and the step they belong to, as training goes on.
    """

    config: RunConfig
    inputs: Mapping[str, Output]
    out: Path
    home: Path
    log: Log | None = None

    def file(self, step: str, name: str) -> Path:
        """A file or folder of a step's output."""
        return self.inputs[step].folder / name


@dataclass(frozen=True)
class Step:
    """One step of a run.

    Attributes:
        name: name of the step, also of its output.
        version: raised by hand when the step's code gives another output from the same input.
        function: `module:name` of a function that takes a `Work` and returns facts; imported only when it is called.
        settings: the part of the settings that the output depends on, as JSON, and whatever else it depends on.
        inputs: steps whose output it reads; `step.fact` depends on that fact of the output alone, not on its files.
        resumes: the function goes on from what a broken-off attempt left in `Work.out`.
    """

    name: str
    version: str
    function: str
    settings: Callable[[RunConfig], Mapping[str, Any]] = field(repr=False)
    inputs: tuple[str, ...] = ()
    resumes: bool = False

    def key(self, config: RunConfig, outputs: Mapping[str, Output]) -> str:
        """The sha256 of all that the step's output depends on."""
        inputs = {}
        for name in self.inputs:
            step, _, fact = name.partition(".")
            inputs[name] = outputs[step].facts[fact] if fact else outputs[step].digest
        return content_key(
            {"step": self.name, "version": self.version, "settings": dict(self.settings(config)), "inputs": inputs}
        )

    def call(self, work: Work) -> Mapping[str, Any]:
        """Do the step's work."""
        module, _, name = self.function.partition(":")
        facts: Mapping[str, Any] = getattr(importlib.import_module(module), name)(work)
        return facts


class Run:
    """One run of a list of steps under a home folder."""

    def __init__(self, config: RunConfig, steps: Sequence[Step]) -> None:
        self.config = config
        self.steps = tuple(steps)
        self.home = Path(config.home).resolve()
        self.folder = self.home / "runs" / config.name
        self.cache = StepCache(self.home)
        self.outputs: dict[str, Output] = {}
        self.ran: list[str] = []

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes out of this run.

        Raises:
            LandmarkError: another process has it.
        """
        file = self.home / "locks" / f"run-{self.config.name}.lock"
        refuse = f"run '{self.config.name}': another process is making it (lock {file}); wait for it, or choose another name"
        with ExitStack() as stack:
            deadline = time.monotonic() + GLANCE
            while True:
                try:
                    stack.enter_context(locked(file, refuse=refuse))
                    break
                except LandmarkError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(GLANCE / 10)
            yield

    def key(self, step: Step) -> str:
        """Key of a step whose inputs are done."""
        return step.key(self.config, self.outputs)

    def look(self) -> Step | None:
        """Find the outputs that exist, in order, and return the first step that has none (None: all are done)."""
        self.outputs = {}
        for step in self.steps:
            output = self.cache.get(step.name, self.key(step))
            if output is None:
                return step
            self.outputs[step.name] = output
        return None

    def is_done(self, step: Step) -> bool:
        """Whether the step has a whole output for what its inputs are now; every file's content is compared."""
        return self.cache.get(step.name, self.key(step), deep=True) is not None

    def take(self, step: Step) -> Output:
        """The output of a step that is done, for the steps after it.

        Raises:
            LandmarkError: it is not there.
        """
        output = self.outputs.get(step.name) or self.cache.get(step.name, self.key(step))
        if output is None:
            raise LandmarkError(f"{step.name}: its output vanished from {self.home / 'steps'}; give the same command again")
        with suppress(OSError):
            os.utime(output.folder / MANIFEST)  # in use: see `landmark.prune`
        self.outputs[step.name] = output
        return output

    def perform(self, step: Step, log_figures: Log | None = None) -> Output:
        """Do a step, unless it has its output already."""
        inputs = {name: self.outputs[name] for name in (spec.partition(".")[0] for spec in step.inputs)}

        def work(out: Path) -> Mapping[str, Any]:
            log.info("%s ...", step.name)
            self.ran.append(step.name)
            return step.call(Work(self.config, inputs, out, self.home, log_figures))

        output = self.cache.make(step.name, self.key(step), work, resumes=step.resumes)
        if step.name in self.ran:
            log.info("%s: done in %.1f s", step.name, output.seconds)
        self.outputs[step.name] = output
        return output

    def publish(self, artefacts: Mapping[str, str]) -> None:
        """Copy final artefacts into the run's folder, and from there to the config's `publish`, if they may go live.

        Each is copied as a whole: an earlier one stays until the new one is complete. What is there already is left alone.
        What the gate did not promote is copied nowhere else, nor is what an earlier run left once a later version lies there.

        Args:
            artefacts: name in the run's folder -> `step/path` of a file or folder of a step's output.

        Raises:
            LandmarkError: the folder cannot be written; names the path.
            StorageUnavailable: S3 can't be reached; the run's own folder is complete.
        """
        if not self._is_gathered(artefacts):
            self._gather(artefacts)
        if self.config.publish is None or self._is_settled():
            return
        place = join(self.config.publish)
        if self._may_go_live(place):
            self._copy(artefacts, place)
        else:
            log.info("publish: nothing is copied to %s: it is for what the gate promoted last", place)
            self._record(kept_from=place)

    def _gather(self, artefacts: Mapping[str, str]) -> None:
        steps, before = self._recorded("steps"), self._recorded("before")
        if not isinstance(steps, dict):
            steps = {}
        if steps != self.record():
            before = steps
        # Killed on the way, neither what the run stood on nor what it will stand on may be pruned.
        self._write({"steps": steps, "gathering": self.record(), "before": before or {}})
        for name, place in artefacts.items():
            step, _, path = place.partition("/")
            source = self.outputs[step].folder / path
            if source.is_dir():
                with atomic_folder(self.folder / name) as folder:
                    shutil.copytree(source, folder, dirs_exist_ok=True)
            elif source.exists():
                with atomic_file(self.folder / name) as file:
                    shutil.copyfile(source, file)
        with atomic_file(self.folder / "config.yaml") as file:
            file.write_text(yaml.safe_dump(self.config.model_dump(), sort_keys=False, allow_unicode=True), encoding="utf-8")
        self._record()

    def _record(self, **facts: str) -> None:
        # What it stood on before stays too, so that going back costs nothing, and a clock that jumps takes nothing.
        self._write({"steps": self.record(), "before": self._recorded("before") or {}, **facts})

    def _write(self, row: Mapping[str, Any]) -> None:
        write_json(self.folder / RECORD, {"name": self.config.name, **row})

    def _may_go_live(self, place: str) -> bool:
        """Whether the gate promoted this version, now or when it was made, and no later one lies at the place."""
        gate = self.outputs.get("gate")
        if gate is None:
            return True
        if not gate.facts.get("promoted"):
            return False
        file = join(place, COPIED)
        last = read_json(file) if "gate" not in self.ran and exists(file) else None
        if last is None or last["model"] != self.config.registry.model:
            return True
        return int(last["version"]) <= int(self.outputs["register"].facts["version"])

    def _copy(self, artefacts: Mapping[str, str], place: str) -> None:
        for name in artefacts:
            source, target = self.folder / name, join(place, name)
            if source.is_dir():
                upload_folder(source, target)
            elif not source.exists():
                continue
            elif is_s3(target):
                put_file(source, target)
            elif not exists(target) or sha256_file(target) != sha256_file(source):
                with atomic_file(Path(target)) as file:
                    shutil.copyfile(source, file)
        if "gate" in self.outputs:
            facts = self.outputs["register"].facts
            row = {"run": self.config.name, "model": self.config.registry.model, "version": facts["version"]}
            last = join(place, COPIED)
            if not exists(last) or read_json(last) != row:
                write_bytes(last, (json.dumps(row, sort_keys=True) + "\n").encode())
        self._record(published=place)

    def record(self) -> dict[str, dict[str, Any]]:
        """What stands in run.json of each step that is done."""
        return {
            name: {"key": output.key, "digest": output.digest, "seconds": output.seconds, "created": output.created}
            for name, output in self.outputs.items()
        }

    def is_published(self, artefacts: Mapping[str, str]) -> bool:
        """Whether the run's folder, and the config's `publish` if they may go there, hold the artefacts of the outputs now.

        Of `publish` the run's own record is asked, so that it need not be reached.
        """
        return self._is_gathered(artefacts) and (self.config.publish is None or self._is_settled())

    def _is_gathered(self, artefacts: Mapping[str, str]) -> bool:
        if self._recorded("steps") != self.record() or self._recorded("gathering") is not None:
            return False
        return all((self.folder / name).exists() for name in artefacts)

    def _is_settled(self) -> bool:
        """Whether the artefacts were copied to `publish`, or it was settled that they are not."""
        assert self.config.publish is not None
        return join(self.config.publish) in (self._recorded("published"), self._recorded("kept_from"))

    def _recorded(self, key: str) -> Any:
        try:
            return json.loads((self.folder / RECORD).read_text(encoding="utf-8"))[key]
        except (OSError, ValueError, KeyError, TypeError):
            return None
