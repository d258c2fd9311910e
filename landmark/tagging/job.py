"""The tag job: a collection's photos to `tags.parquet`, in shards; taken up where it was left, and only for what is new."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from landmark.cache import locked
from landmark.errors import LandmarkError, UsageError
from landmark.names import shown
from landmark.photos.corrections import FILE as CORRECTIONS
from landmark.recognition import recognizer_file
from landmark.storage import is_s3, join, read_json, write_json
from landmark.tagging import tables
from landmark.tagging.carried import carry_over, log_unmatched, put_aside
from landmark.tagging.deciding import deciding
from landmark.tagging.landmarks import LANDMARKS, write_landmarks
from landmark.tagging.languages import environment_language
from landmark.tagging.output_config import OutputConfig
from landmark.tagging.outputs import Outputs
from landmark.tagging.plan import Done, Wanted, blocks, old_rows
from landmark.tagging.progress import Bar
from landmark.tagging.reading import now
from landmark.tagging.schema import VERSION
from landmark.tagging.source import Listing, check_source, identity, list_photos
from landmark.tagging.state import State

if TYPE_CHECKING:
    from landmark.tagging.work import Work

log = logging.getLogger(__name__)

Engine = Literal["local", "ray"]
STATE = ".state"
LOCK = "lock"


@dataclass(frozen=True)
class TagResult:
    """What a tag job came to.

    Attributes:
        out: folder of the tables.
        model: as in the column `model`.
        digest: sha256 that stands for the recognizer.
        photos: in the collection now.
        tagged: of these, with a landmark.
        unreadable: of these, listed in `unreadable.csv`.
        read: read now: new or changed ones (all of them where the network is another one).
        embedded: embedded now.
        rescored: scored anew from kept embeddings.
        changed: whether the tables were written; False: they are as they were.
        seconds: of this job [s].
        rate: photos read a second, by this job.
        outputs: what was done to albums, gallery and sidecars; those that are as they were are not in it.
    """

    out: str
    model: str
    digest: str
    photos: int
    tagged: int
    unreadable: int
    read: int
    embedded: int
    rescored: int
    changed: bool
    seconds: float
    rate: float
    outputs: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)


def tag(
    photos: str,
    model: str | Path,
    out: str | Path,
    home: str | Path,
    *,
    shard: int = 512,
    label: str | None = None,
    device: str = "auto",
    workers: int = 0,
    engine: Engine = "local",
    outputs: OutputConfig | None = None,
    progress: bool = True,
) -> TagResult:
    """Tag a collection, or bring its tags up to date.

    What was done before stays done: photos whose size and time (in S3: ETag and size) are as before aren't opened; with
    another recognizer kept embeddings are scored anew; only with another network photos are read and embedded again. Photos
    that are gone leave the tables. A job that is killed goes on where it was, and the tables of the job before stay until
    the new ones are whole. Memory does not grow with the number of photos.

    Args:
        photos: folder, list (.txt, .csv: a path or URI a line, relative ones start where the list is) or s3:// prefix.
        model: a recognizer's folder, s3://, or models:/ where the registry is imported.
        out: folder for the tables; what the job knows is kept in `.state` in it.
        home: the home folder; exported graphs are cached in it.
        shard: photos a shard [count].
        label: what stands in the column `model`, such as "landmark/3"; None: the first digits of the recognizer's digest.
        device: as in `Embedder`.
        workers: threads that read photos; 0: one a CPU (16 for s3://).
        engine: "local", or "ray": decoding and the network on a Ray cluster (extra `ray`), with the same result.
        outputs: what is made beside the tables; None: as `OutputConfig` has it.
        progress: say on stderr how far it is.

    Raises:
        UsageError: no such source, `out` is in S3 or belongs to another source; nothing was done.
        LandmarkError: another process tags into `out`, no photos, no space, a recognizer that can't be loaded.
        StorageUnavailable: S3 can't be reached.
    """
    begin = time.monotonic()
    settings = outputs or OutputConfig()
    folder = _check(photos, out, shard, settings)
    refuse = f"{shown(folder)}: another process is tagging into this folder; let it end, or give another --out"
    with contextlib.ExitStack() as stack:
        recognizer = stack.enter_context(recognizer_file.folder_of(model))
        digest, fingerprint = _identity(recognizer)
        _make(folder)
        stack.enter_context(locked(folder / STATE / LOCK, refuse=refuse))
        state = stack.enter_context(State(folder / STATE))
        listing = stack.enter_context(Listing(folder / STATE / "listing.sqlite"))
        if state.fact("source", identity(photos)) != identity(photos):
            there = f", and copy {CORRECTIONS} there: it holds what people said" if (folder / CORRECTIONS).exists() else ""
            raise UsageError(f"{shown(folder)}: holds the tags of {shown(state.fact('source'))}; give another --out{there}")
        listing.fill(list_photos(photos, folder))
        if not listing.count:
            raise LandmarkError(f"{shown(photos)}: no photos there; is a disk not mounted? What was tagged stays as it was")
        state.set_fact("source", identity(photos))
        state.sweep()
        tables.sweep(folder)
        wanted = Wanted(fingerprint, digest, shard)
        job = _Job(state, listing, wanted, folder, label or digest[:12], settings, str(model), begin)
        return job.run(recognizer, Path(home), device, workers, engine, is_s3(photos), progress)


@dataclass(frozen=True)
class _Job:
    state: State
    listing: Listing
    wanted: Wanted
    out: Path
    label: str
    settings: OutputConfig
    model: str
    begin: float

    def run(
        self, recognizer: Path, home: Path, device: str, workers: int, engine: Engine, remote: bool, progress: bool
    ) -> TagResult:
        deciding(self.state, self.out, recognizer, self.settings, self.label)  # what is wrong with names is said early
        todo, changed = self._count()
        done, loaded = Done(), None
        if changed:
            from landmark.recognition.recognizer import Recognizer

            loaded = Recognizer.load(recognizer)
            put_aside(self.state, self.listing, self.out, self.wanted.fingerprint, loaded.network.embedding_dim)
            work = _engine(engine)(loaded, self.state, self.wanted, home / "embeddings", device, workers, remote)
            with Bar(todo, progress) as bar, contextlib.closing(blocks(self.state, self.listing, self.wanted)) as todos:
                done = work.run(todos, bar)
        carry_over(self.state, self.out, self.wanted.fingerprint)
        made = deciding(self.state, self.out, recognizer, self.settings, self.label)
        token = json.dumps([VERSION, self.state.generation, self.label, self.wanted.digest, made.digest, self.settings.csv])
        more = [LANDMARKS, *([tables.CSV] if self.settings.csv else [])]
        same = self.state.fact("tables") == token + tables.stamp(self.out, *more) and (self.out / tables.SUMMARY).is_file()
        if not same:
            write_landmarks(made.landmarks, self.out)
            with made.decisions() as decisions:
                tagged = tables.write_tables(self.state, self.out, decisions.final, self.settings.csv)
            self.state.set_fact("tagged", str(tagged))
            log_unmatched(self.out)
        totals = self.state.totals()
        counts = {"photos": totals["photos"], "tagged": int(self.state.fact("tagged")), "unreadable": totals["unreadable"]}
        seconds = self._seconds()
        rate = round(done.read / max(seconds, 1e-9), 2)
        asked = json.dumps([self.model, self.settings.options()])
        if not same or self.state.fact("asked") != asked:
            self._write_summary(recognizer, counts, done, seconds, rate)
            self.state.set_fact("asked", asked)
        if not same:
            self.state.set_fact("tables", token + tables.stamp(self.out, *more))
        outputs = Outputs(self.state, self.out, recognizer, self.settings, token, progress, loaded).make()
        log.info(
            "%s: %d photos, %d tagged, %d unreadable; %d read, %d embedded, %d scored anew in %.1f s%s",
            *(shown(self.out), *counts.values(), done.read, done.embedded, done.rescored, seconds),
            "; tables as they were" if same else "",
        )
        return TagResult(
            str(self.out), self.label, self.wanted.digest, **counts, read=done.read, embedded=done.embedded,
            rescored=done.rescored, changed=not same, seconds=self._seconds(), rate=rate, outputs=outputs,
        )  # fmt: skip

    def _seconds(self) -> float:
        return round(time.monotonic() - self.begin, 3)

    def _write_summary(self, recognizer: Path, counts: dict[str, int], done: Done, seconds: float, rate: float) -> None:
        language = self.settings.language
        calibration = read_json(recognizer / "calibration.json")
        summary = {
            **counts,
            **asdict(done),
            "model": self.label,
            "digest": self.wanted.digest,
            "fingerprint": self.wanted.fingerprint,
            "threshold": calibration["threshold"],
            "recognizer": self.model,
            "options": self.settings.options(),
            "language": environment_language(os.environ) if language == "auto" else language,
            "source": shown(self.state.fact("source")),
            "version": VERSION,
            "seconds": seconds,
            "rate": rate,
            "time": now().isoformat(timespec="seconds"),
        }
        write_json(self.out / tables.SUMMARY, summary)

    def _count(self) -> tuple[int, bool]:
        """Photos to read or to score anew, and whether anything is to be done."""
        photos, changed = 0, False
        for block in blocks(self.state, self.listing, self.wanted):
            if block.work == "keep":
                continue
            changed = True
            if block.work == "score" or block.old is None or block.old.fingerprint != self.wanted.fingerprint:
                photos += len(block.listed)
            else:
                rows = old_rows(self.state, block)
                photos += sum(photo not in rows or rows[photo].version != version for photo, version in block.listed)
        return photos, changed


def _engine(engine: Engine) -> type[Work]:
    if engine == "ray":
        from landmark.tagging.on_ray import RayWork

        return RayWork
    from landmark.tagging.work import Work

    return Work


def _check(photos: str, out: str | Path, shard: int, settings: OutputConfig) -> Path:
    if shard < 1:
        raise UsageError(f"--shard {shard}: must be at least 1")
    check_source(photos)
    if is_s3(out):
        raise UsageError(f"--out {shown(out)}: tags are written to a folder of this machine; give one, and copy it to S3")
    folder = Path(join(out))
    if not is_s3(photos) and folder == Path(join(photos)):
        raise UsageError(f"--out {shown(folder)}: is the folder of the photos; give another one, it may lie in it")
    target = f"{settings.copy_to or ''}".rstrip("/") + "/"
    if is_s3(photos) and target.startswith(photos.rstrip("/") + "/"):
        raise UsageError(f"--copy-to {shown(target)}: lies among the photos, and would be tagged; give another prefix")
    return folder


def _make(folder: Path) -> None:
    try:
        (folder / STATE).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {shown(folder)}: cannot be made ({error.strerror}); give another folder") from error


def _identity(folder: Path) -> tuple[str, str]:
    """Digest of a recognizer, by its manifest, which has the sha256 of every other file; and its network's fingerprint."""
    file = folder / recognizer_file.MANIFEST
    try:
        data = file.read_bytes()
        fingerprint = json.loads(data)["fingerprint"]
    except (OSError, ValueError, KeyError, TypeError):
        recognizer_file.read_manifest(folder, set())  # says what is wrong with it
        raise LandmarkError(f"{shown(os.fspath(file))}: no fingerprint; build the recognizer again") from None
    return hashlib.sha256(data).hexdigest(), str(fingerprint)
