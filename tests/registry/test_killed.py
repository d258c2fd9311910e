"""kill -9 while a version is registered, judged and promoted: a rerun ends where an undisturbed run would have."""

import json
import os
import subprocess
import sys
from typing import Any

from tests.registry.samples import Sample
from tests.test_cli import ROOT

REGISTERING = [
    ("shutil:copyfile", 30),  # half way through the files
    ("mlflow.store.artifact.local_artifact_repo:LocalArtifactRepository.log_artifacts", 1),  # before the upload
    ("landmark.registry.package:_compare", 1),  # uploaded, not compared
    ("mlflow:MlflowClient.create_model_version", 1),  # compared, no version
    ("mlflow:MlflowClient.set_registered_model_alias", 1),  # a version, not challenger
]
JUDGING = [
    ("landmark.registry.judge:_keep", 1),  # compared
    ("landmark.registry.verdicts:write", 1),  # the files are there, the tags not
    ("landmark.registry.judge:switch", 1),  # the tags are there
    ("mlflow:MlflowClient.set_registered_model_alias", 2),  # champion, not anchor
    ("landmark.registry.trace:end", 1),  # the alias is switched, the trace has no outcome
]


def run(sample: Sample, jobs: list[tuple[str, str, int]]) -> list[dict[str, Any]]:
    """What the registry holds after each job, and facts of those that were not killed."""
    command = [sys.executable, "-m", "tests.registry.killed", str(sample.folder), str(sample.home), json.dumps(jobs)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = []
    facts: dict[str, Any] = {}
    for line in done.stdout.splitlines():
        row = json.loads(line)
        facts = row.get("facts", facts)
        if "job" in row:
            assert row["status"] == (-9 if row["job"][1] else 0), (row, done.stderr[-3000:])
            found.append({"job": row["job"], "facts": facts if not row["job"][1] else None})
        elif "state" in row:
            found[-1]["state"] = row["state"]
    assert [row["job"] for row in found] == [list(job) for job in jobs]
    return found


def test_killed_at_every_point(sample: Sample) -> None:
    first = [("deaf", target, number) for target, number in [*REGISTERING, *JUDGING]]
    switching = ("mlflow:MlflowClient.set_registered_model_alias", 2)  # the event is written, the alias not switched
    second = [("good", target, number) for target, number in [REGISTERING[2], switching]]
    states = run(sample, [*first, ("deaf", "", 0), *second, ("good", "", 0)])
    for row in states[: len(REGISTERING)]:
        assert row["state"]["aliases"] == {}, row
    assert [len(row["state"]["versions"]) for row in states[: len(first)]] == [0, 0, 0, 0, 1, 1, 1, 1, 1, 1]
    for row in states[5:8]:
        assert row["state"]["aliases"] == {"challenger": "1"}, row
    assert states[8]["state"]["aliases"] == {"challenger": "1", "champion": "1"}
    # Mended by the next one, which is killed before it has written so.
    assert states[9]["state"]["aliases"] == {"challenger": "1", "champion": "1", "anchor": "1"}
    assert [row["state"]["outcomes"] for row in states[8:10]] == [[None], [None]]
    done = states[10]
    assert done["state"] == {
        "versions": ["1"],
        "aliases": {"challenger": "1", "champion": "1", "anchor": "1"},
        "gates": ["passed"],
        "outcomes": ["done"],
    }
    assert done["facts"]["promoted"] is True
    assert done["facts"]["champion"] is None
    # The champion is never one that no gate has passed.
    for row in states[11:13]:
        assert row["state"]["aliases"]["champion"] == "1", row
    last = states[-1]
    assert last["state"]["versions"] == ["1", "2"]
    assert last["state"]["aliases"] == {"challenger": "2", "champion": "2", "anchor": "1"}
    assert last["state"]["outcomes"] == ["done", "not done", "done"]
    assert last["facts"] == {
        "passed": True, "promoted": True, "champion": "1", "challenger": "2", "reasons": [], "note": "",
    }  # fmt: skip
    (folder,) = [path for path in sample.home.glob("steps/gate-*") if '"version": "2"' in (path / "verdict.json").read_text()]
    assert {path.name for path in folder.iterdir()} >= {"gate.html", "verdict.json", "shares.png"}
