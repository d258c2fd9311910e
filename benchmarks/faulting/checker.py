"""Looks at what is left after a fault. Trusts nothing of the project: it reads files, databases and buckets itself."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.faulting.place import RUN
from benchmarks.faulting.registry_view import Version, View

LITTER = re.compile(r"^\.(.*\.tmp(\.\w+)?|.*\.old|incoming-.*|download-.*)$|\.part$")
TIMED = ("photos_per_second",)
SAME = ("world", "catalog", "train", "embed", "centroids", "calibrate")
"""Steps whose output hangs on nothing but their input. `index` and `evaluate` measure how fast a search is and write it down,
`recognizer` holds the index, and what comes after names runs and times."""
TIMED_FILES = ("gallery/index.json", "gallery/operating_points.json", "recognizer.json")
"""Files of a recognizer that hold such a time, or the sha256 of one that does; the index's own numbers are in neither."""

PLACED_FILES = ("gallery/rows.arrow", "centroids.parquet")
"""Files of a recognizer that name photos by their paths: in another home they differ."""

Reader = Callable[[str], dict[str, bytes]]
"""Place of artefacts -> file name -> content."""


@dataclass
class Findings:
    """What was looked at and what was wrong with it: a check is told once, with all that is wrong."""

    checks: dict[str, list[str]] = field(default_factory=dict)

    def say(self, check: str, *wrong: str) -> None:
        """A check was done; `wrong`: what it found."""
        self.checks.setdefault(check, []).extend(wrong)

    @property
    def wrong(self) -> list[str]:
        """All that is wrong, a line each."""
        return [f"{check}: {line}" for check, lines in self.checks.items() for line in lines]


@dataclass(frozen=True)
class Undisturbed:
    """What a retraining comes to that nothing disturbs.

    Attributes:
        seconds: from the command to its end.
        cpu: processor time of its process [s].
        digests: by step.
        files: sha256 by file of the recognizer.
        metrics: its figures.
        promoted: whether it becomes champion.
        counts: how much it does of each kind; see inject/sitecustomize.py.
        work: seconds by step.
    """

    seconds: float
    cpu: float
    digests: dict[str, str]
    files: dict[str, str]
    metrics: dict[str, float]
    promoted: bool
    counts: dict[str, int]
    work: dict[str, float]


def sha256(data: bytes) -> str:
    """In hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def read_folder(place: str) -> dict[str, bytes]:
    """All files below a folder."""
    root = Path(place)
    return {file.relative_to(root).as_posix(): file.read_bytes() for file in sorted(root.rglob("*")) if file.is_file()}


def whole(files: dict[str, bytes]) -> list[str]:
    """What is wrong with a recognizer's files by its own manifest."""
    try:
        listed = json.loads(files["recognizer.json"])["files"]
    except KeyError:
        return ["no recognizer.json"]
    except ValueError as error:
        return [f"recognizer.json is half written ({error})"]
    wrong = [f"{name} is missing" for name in listed if name not in files]
    wrong += [f"{name} is damaged" for name, digest in listed.items() if name in files and sha256(files[name]) != digest]
    return wrong + [f"{name} is in no manifest" for name in files if name not in listed and name != "recognizer.json"]


def steps(home: Path) -> dict[str, tuple[int, str]]:
    """Step folders whose every file is as its manifest says -> the manifest's inode, and when it was made."""
    return {name: found for name, (found, wrong) in _all_steps(home).items() if not wrong}


def _all_steps(home: Path) -> dict[str, tuple[tuple[int, str], list[str]]]:
    found = {}
    for folder in sorted((home / "steps").glob("*")) if (home / "steps").exists() else []:
        file = folder / "manifest.json"
        try:
            manifest = json.loads(file.read_text(encoding="utf-8"))
            listed = manifest["files"]
        except (OSError, ValueError, KeyError) as error:
            found[folder.name] = ((0, ""), [f"{folder.name}: its manifest cannot be read ({error})"])
            continue
        there = {one.relative_to(folder).as_posix() for one in folder.rglob("*") if one.is_file()} - {"manifest.json"}
        wrong = [f"{folder.name}/{name} is missing" for name in listed if name not in there]
        wrong += [f"{folder.name}/{name} is in no manifest" for name in there if name not in listed]
        wrong += [
            f"{folder.name}/{name} is damaged"
            for name, row in listed.items()
            if name in there and sha256((folder / name).read_bytes()) != row["sha256"]
        ]
        found[folder.name] = ((file.stat().st_ino, str(manifest["created"])), wrong)
    return found


def check_steps(home: Path, findings: Findings) -> None:
    """No half folder under steps/."""
    findings.say("steps are whole", *(line for _, wrong in _all_steps(home).values() for line in wrong))


def check_run_folder(home: Path, findings: Findings, *, must: bool, run: str = RUN) -> None:
    """The run's own artefacts: whole, or not there where they need not be."""
    folder = home / "runs" / run
    recognizer = folder / "recognizer"
    if recognizer.exists() or must:
        findings.say("the run's recognizer is whole", *whole(read_folder(str(recognizer))))
    wrong = []
    for name in ("metrics.json", "run.json"):
        file = folder / name
        if file.exists():
            try:
                json.loads(file.read_text(encoding="utf-8"))
            except ValueError as error:
                wrong.append(f"{name} is half written ({error})")
        elif must:
            wrong.append(f"{name} is missing")
    if must and not (folder / "report.html").read_text(encoding="utf-8").rstrip().endswith("</html>"):
        wrong.append("report.html is half written")
    findings.say("metrics and report are whole", *wrong)


def check_registry(view: View, findings: Findings, read: Reader = read_folder) -> None:
    """Versions are of different content, and the champion is whole, ready, and let in by the gate."""
    versions = view.versions()
    digests = [version.digest for version in versions]
    doubled = {digest for digest in digests if digests.count(digest) > 1}
    findings.say("one version for each content", *(f"{digest[:16]} has several" for digest in sorted(doubled)))
    champion = view.aliases().get("champion")
    named = [version for version in versions if version.number == champion]
    if champion is None:
        findings.say("champion is whole")
        return
    if not named:
        findings.say("champion is whole", f"version {champion} is champion and does not exist")
        return
    (version,) = named
    wrong = [] if version.status == "READY" else [f"its status is {version.status}"]
    files = read(f"{version.place}/artifacts/recognizer")
    wrong += whole(files)
    if "recognizer.json" in files and sha256(files["recognizer.json"]) != version.tags.get("landmark.manifest"):
        wrong.append("another recognizer lies in its place")
    findings.say("champion is whole", *wrong)
    findings.say("the gate let the champion in", *_let_in(version, versions))


def _let_in(champion: Version, versions: list[Version]) -> list[str]:
    """Every version that was ever made champion had a verdict `passed` against the one before."""
    events = []
    for version in versions:
        for key, value in version.tags.items():
            if key.startswith("landmark.event."):
                events.append((key.removeprefix("landmark.event."), version, json.loads(value)))
    events.sort(key=lambda event: event[0])
    wrong, before = [], None
    for name, version, row in events:
        outcome = version.tags.get(f"landmark.outcome.{name}")
        # Of a switch that a kill has broken off the alias alone tells, until the next command writes it down.
        happened = (
            outcome.startswith("done") if outcome is not None else (name, champion.number) == (events[-1][0], version.number)
        )
        if not happened:
            continue
        if row["from"] != before:
            wrong.append(f"version {version.number} took the place of {row['from']}, but {before} was champion")
        verdicts = [json.loads(v) for k, v in version.tags.items() if k.startswith("landmark.gate.verdict.")]
        if not any(verdict["passed"] and verdict["against"] == (before or "none") for verdict in verdicts):
            wrong.append(f"version {version.number} became champion without a verdict against {before}")
        before = version.number
    if before != champion.number:
        wrong.append(f"the history ends with version {before}, but {champion.number} is champion")
    return wrong


def check_champions_seen(seen: list[str | None], allowed: list[str | None], findings: Findings) -> None:
    """The champions that were seen, in order, are some of those allowed, in order."""
    rest = iter(allowed)
    wrong = [] if all(any(one == other for other in rest) for one in seen) else [f"it was {seen}, expected {allowed}"]
    findings.say("champion at every moment", *wrong)


def check_answers(home: Path, findings: Findings, run: str = RUN) -> None:
    """The run's recognizer recognises a photo."""
    from landmark.recognition.recognizer import Recognizer

    photo = next(iter(sorted((home / "steps").glob("world-*/photos/landmarks/*/*.jpg"))))
    table = Recognizer.load(home / "runs" / run / "recognizer").recognize([str(photo)])
    wrong = [] if len(table) == 1 and not str(table["reason"].iloc[0]).startswith("unreadable") else [f"{table.to_dict()}"]
    findings.say("recognizer answers", *wrong)


def check_same(home: Path, undisturbed: Undisturbed, findings: Findings, run: str = RUN) -> None:
    """What came out is what comes out undisturbed."""
    made = json.loads((home / "runs" / run / "run.json").read_text(encoding="utf-8"))["steps"]
    known = undisturbed.digests
    wrong = [f"{step} differs" for step in SAME if step in made and step in known and made[step]["digest"] != known[step]]
    files = {name: sha256(data) for name, data in read_folder(str(home / "runs" / run / "recognizer")).items()}
    wrong += [
        f"recognizer/{name} differs"
        for name, digest in undisturbed.files.items()
        if name not in TIMED_FILES and files.get(name) != digest
    ]
    metrics = json.loads((home / "runs" / run / "metrics.json").read_text(encoding="utf-8"))
    wrong += [
        f"{name} is {value}, undisturbed {undisturbed.metrics.get(name)}"
        for name, value in metrics.items()
        if name not in TIMED and undisturbed.metrics.get(name) != value
    ]
    more = [f"and {len(wrong) - 4} more"] if len(wrong) > 4 else []
    findings.say("same as undisturbed", *wrong[:4], *more)


def unfinished(view: View) -> tuple[int, int]:
    """How many flow runs and MLflow runs say that they are going on, or about to."""
    flows = [kind for kind in view.flow_runs() if kind in ("RUNNING", "PENDING", "CANCELLING")]
    return len(flows), view.runs().count("RUNNING")


def check_ended(view: View, findings: Findings, before: tuple[int, int] = (0, 0)) -> None:
    """Nobody says that it runs when nothing does; `before`: how many did before the fault."""
    for what, now, known in zip(("flow", "MLflow"), unfinished(view), before, strict=True):
        findings.say(f"no {what} run left running", *([f"{now - known} more than before"] if now > known else []))


def outcomes(home: Path) -> list[str]:
    """What the journal says of each attempt, in order; `begun` where its process said no more."""
    found: dict[str, str] = {}
    for name in ("journal.jsonl.1", "journal.jsonl"):
        file = home / name
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines() if file.exists() else []:
            try:
                row = json.loads(line)
                found[row["id"]] = row["event"]
            except (ValueError, KeyError, TypeError):
                continue
    return list(found.values())


def litter(home: Path, since: float) -> list[str]:
    """Temporary files and folders that were begun before a moment and still lie about, and work that nobody goes on with."""
    found = []
    for path in home.rglob("*"):
        inside = path.relative_to(home).parts
        unfinished = inside[0] == "work" and len(inside) == 2
        try:
            if (LITTER.search(path.name) or unfinished) and path.lstat().st_mtime < since:
                found.append("/".join(inside))
        except OSError:
            continue
    return found


def recognizer_digests(home: Path, run: str = RUN) -> tuple[dict[str, str], dict[str, str], dict[str, Any]]:
    """Digest by step, sha256 by file of the recognizer, metrics."""
    folder = home / "runs" / run
    made = json.loads((folder / "run.json").read_text(encoding="utf-8"))["steps"]
    files = {name: sha256(data) for name, data in read_folder(str(folder / "recognizer")).items()}
    return (
        {name: row["digest"] for name, row in made.items()},
        files,
        json.loads((folder / "metrics.json").read_text(encoding="utf-8")),
    )
