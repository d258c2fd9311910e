"""The checks find what they are for: each is shown a thing that is broken by hand."""

import hashlib
import json
import os
import sqlite3
from pathlib import Path

import pytest

from benchmarks.faulting import checker
from benchmarks.faulting.checker import Findings
from benchmarks.faulting.registry_view import Files


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def recognizer(folder: Path, content: bytes = b"vectors") -> bytes:
    """A folder with one file and a manifest; the manifest."""
    folder.mkdir(parents=True)
    (folder / "centroids.parquet").write_bytes(content)
    manifest = json.dumps({"files": {"centroids.parquet": sha(content)}}).encode()
    (folder / "recognizer.json").write_bytes(manifest)
    return manifest


def step(home: Path, name: str = "train-0123456789abcdef") -> Path:
    folder = home / "steps" / name
    folder.mkdir(parents=True)
    (folder / "network.bin").write_bytes(b"weights")
    files = {"network.bin": {"bytes": 7, "sha256": sha(b"weights")}}
    (folder / "manifest.json").write_text(json.dumps({"files": files, "created": "2026-01-01T00:00:00+00:00"}))
    return folder


class Store:
    """MLflow's tables, as far as they are read, made by hand."""

    def __init__(self, home: Path) -> None:
        self.home = home
        (home / "mlflow").mkdir(parents=True)
        self.database = sqlite3.connect(home / "mlflow" / "mlflow.db")
        for table in (
            "registered_model_aliases(alias, version, name)",
            "model_versions(name, version, status, current_stage, storage_location)",
            "model_version_tags(name, version, key, value)",
            "runs(status)",
        ):
            self.database.execute(f"create table {table}")

    def version(self, number: int, digest: str, status: str = "READY", before: str | None = None, passed: bool = True) -> Path:
        """A version that the gate judged, and that took the place of another."""
        place = self.home / "mlflow" / "artifacts" / str(number)
        manifest = recognizer(place / "artifacts" / "recognizer", digest.encode())
        tags = {
            "landmark.digest": digest,
            "landmark.manifest": sha(manifest),
            f"landmark.event.2026010{number}-x": json.dumps({"from": before, "action": "gate"}),
            f"landmark.outcome.2026010{number}-x": "done at 2026",
            "landmark.gate.verdict.x": json.dumps({"passed": passed, "against": before or "none"}),
        }
        row = ("landmark", number, status, "None", f"file://{place}")
        self.database.execute("insert into model_versions values (?, ?, ?, ?, ?)", row)
        for key, value in tags.items():
            self.database.execute("insert into model_version_tags values ('landmark', ?, ?, ?)", (number, key, value))
        self.database.commit()
        return place / "artifacts" / "recognizer"

    def champion(self, number: int) -> None:
        self.database.execute("delete from registered_model_aliases")
        self.database.execute("insert into registered_model_aliases values ('champion', ?, 'landmark')", (number,))
        self.database.commit()

    def wrong(self) -> list[str]:
        findings = Findings()
        checker.check_registry(Files(self.home), findings)
        assert findings.checks
        return findings.wrong


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "home")
    made.version(1, "first")
    made.version(2, "second", before="1")
    made.champion(2)
    return made


def test_what_is_whole_passes(store: Store) -> None:
    assert store.wrong() == []


def test_a_champion_that_was_cut_off(store: Store) -> None:
    file = store.home / "mlflow" / "artifacts" / "2" / "artifacts" / "recognizer" / "centroids.parquet"
    file.write_bytes(b"seco")
    assert store.wrong() == ["champion is whole: centroids.parquet is damaged"]
    file.unlink()
    assert store.wrong() == ["champion is whole: centroids.parquet is missing"]


def test_another_recognizer_in_the_champions_place(store: Store) -> None:
    folder = store.home / "mlflow" / "artifacts" / "2" / "artifacts" / "recognizer"
    for file in folder.iterdir():
        file.write_bytes((store.home / "mlflow/artifacts/1/artifacts/recognizer" / file.name).read_bytes())
    assert store.wrong() == ["champion is whole: another recognizer lies in its place"]


def test_a_champion_that_is_not_ready(store: Store) -> None:
    store.version(3, "third", status="PENDING_REGISTRATION", before="2")
    store.champion(3)
    assert store.wrong() == ["champion is whole: its status is PENDING_REGISTRATION"]


def test_a_champion_that_does_not_exist(store: Store) -> None:
    store.champion(9)
    assert store.wrong() == ["champion is whole: version 9 is champion and does not exist"]


def test_a_champion_that_the_gate_refused(store: Store) -> None:
    store.version(3, "third", before="2", passed=False)
    store.champion(3)
    assert store.wrong() == ["the gate let the champion in: version 3 became champion without a verdict against 2"]


def test_a_history_that_does_not_end_with_the_champion(store: Store) -> None:
    store.champion(1)
    assert store.wrong() == ["the gate let the champion in: the history ends with version 2, but 1 is champion"]


def test_a_switch_that_took_the_place_of_another_than_was_there(store: Store) -> None:
    store.version(3, "third", before="1")
    store.champion(3)
    assert store.wrong()[0].endswith("version 3 took the place of 1, but 2 was champion")


def test_a_switch_that_a_kill_broke_off(store: Store) -> None:
    store.version(3, "third", before="2")
    store.database.execute("delete from model_version_tags where version = 3 and key like 'landmark.outcome.%'")
    store.database.commit()
    assert store.wrong() == []  # not switched yet
    store.champion(3)
    assert store.wrong() == []  # switched, not written down yet
    store.version(4, "fourth", before="1")
    store.champion(4)
    assert store.wrong()[0].endswith("version 4 took the place of 1, but 2 was champion")


def test_two_versions_of_one_content(store: Store) -> None:
    store.version(3, "second", before="2")
    store.champion(3)
    assert store.wrong() == ["one version for each content: second has several"]


def test_steps(tmp_path: Path) -> None:
    folder = step(tmp_path)
    before = checker.steps(tmp_path)
    assert list(before) == [folder.name]

    def wrong() -> list[str]:
        findings = Findings()
        checker.check_steps(tmp_path, findings)
        return findings.wrong

    assert wrong() == []
    (folder / "left.bin").write_bytes(b"")
    assert wrong() == [f"steps are whole: {folder.name}/left.bin is in no manifest"]
    (folder / "left.bin").unlink()
    (folder / "network.bin").write_bytes(b"Weights")
    assert wrong() == [f"steps are whole: {folder.name}/network.bin is damaged"]
    assert checker.steps(tmp_path) == {}
    (folder / "manifest.json").write_text('{"files": {')
    assert "its manifest cannot be read" in wrong()[0]


def test_a_step_that_was_done_again_has_another_manifest(tmp_path: Path) -> None:
    folder = step(tmp_path)
    before = checker.steps(tmp_path)
    # A new file beside the old one: it cannot be given the same inode.
    copy = folder / "manifest.new"
    copy.write_bytes((folder / "manifest.json").read_bytes())
    os.replace(copy, folder / "manifest.json")  # noqa: PTH105
    after = checker.steps(tmp_path)
    assert before.keys() == after.keys()
    assert before != after


def test_the_runs_folder(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "fault"
    recognizer(folder / "recognizer")
    (folder / "metrics.json").write_text("{}")
    (folder / "run.json").write_text("{}")
    (folder / "report.html").write_text("<html></html>")

    def wrong() -> list[str]:
        findings = Findings()
        checker.check_run_folder(tmp_path, findings, must=True)
        return findings.wrong

    assert wrong() == []
    (folder / "metrics.json").write_text('{"sensitivity": 0.')
    assert "metrics.json is half written" in wrong()[0]
    (folder / "metrics.json").write_text("{}")
    (folder / "report.html").write_text("<html>")
    assert wrong() == ["metrics and report are whole: report.html is half written"]
    (folder / "report.html").write_text("<html></html>")
    (folder / "recognizer" / "recognizer.json").write_text("{")
    assert "recognizer.json is half written" in wrong()[0]


@pytest.mark.parametrize(
    ("seen", "allowed", "good"),
    [
        (["1"], ["1"], True),
        (["1", "2"], ["1", "2"], True),
        (["2"], ["1", "2"], True),
        ([None, "1"], [None, "1"], True),
        (["1", None, "2"], ["1", "2"], False),
        (["1", "2", "1"], ["1", "2"], False),
        (["1", "2"], ["1"], False),
    ],
)
def test_champions_that_were_seen(seen: list[str | None], allowed: list[str | None], good: bool) -> None:
    findings = Findings()
    checker.check_champions_seen(seen, allowed, findings)
    assert (findings.wrong == []) is good


def test_litter(tmp_path: Path) -> None:
    for name in ("runs/fault/.0123.tmp.json", "models/.incoming-ab/x", "work/train-0123/y", "runs/fault/metrics.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    later = (tmp_path / "work" / "train-0123" / "y").stat().st_mtime + 10
    assert sorted(checker.litter(tmp_path, later)) == ["models/.incoming-ab", "runs/fault/.0123.tmp.json", "work/train-0123"]
    assert checker.litter(tmp_path, later - 1000) == []


def test_what_the_journal_says(tmp_path: Path) -> None:
    lines = [{"id": "a", "event": "begun"}, {"id": "b", "event": "begun"}, {"id": "b", "event": "done"}]
    (tmp_path / "journal.jsonl").write_text("\n".join(map(json.dumps, lines)) + '\n{"id": "c", "ev')
    assert checker.outcomes(tmp_path) == ["begun", "done"]
