"""Steps for tests of runs: each writes down what it was made from, so that its digest changes whenever that does."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from landmark.run import Step, Work


def work(work: Work) -> Mapping[str, Any]:
    """Write what a real step would be found by; the content of a catalog is that of a file `content` beside the home."""
    made_from = {name: output.digest for name, output in work.inputs.items()}
    facts: dict[str, Any] = {"content": "same", "training": "same", "photos": {"train": 1}, "version": "1", "promoted": True}
    name = work.out.name.rpartition("-")[0]
    content = work.home.parent / "content"
    if (said := work.home.parent / "registry.json").exists():  # what version is registered, and what the gate says of it
        facts |= json.loads(said.read_text())
        made_from["registry"] = said.read_text()
    if name == "catalog" and content.exists():
        made_from, facts["content"], facts["training"] = {}, content.read_text(), content.read_text()
    text = json.dumps(
        [work.config.model_dump(mode="json") if name != "catalog" else facts["content"], made_from], sort_keys=True
    )
    (work.out / "made_from.json").write_text(text)
    if name == "evaluate":
        (work.out / "metrics.json").write_text('{"sensitivity": 0.5}')
        (work.out / "report.html").write_text("<p>" + text)
    if name == "recognizer":
        (work.out / "recognizer").mkdir()
        (work.out / "recognizer" / "network.json").write_text(text)
    (work.out / "curves.jsonl").write_text("")
    if name == os.environ.get("FAKE_SLOW_STEP"):
        Path(os.environ["FAKE_STARTED"]).touch()
        time.sleep(60)
    return facts


def fake(steps: list[Step]) -> list[Step]:
    """The same steps, with fake work."""
    return [replace(step, function="tests.fake_steps:work") for step in steps]
