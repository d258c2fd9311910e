"""What retrainings come to by plain calls of their steps, in a home of their own: neither Prefect nor MLflow.

python -m benchmarks.faulting.plain CONFIG HOME OUT OVERRIDE ...
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(config: str, home: str, out: str, *overrides: str) -> None:
    """Make one, and write down what the checks compare."""
    from benchmarks.faulting.checker import recognizer_digests
    from landmark.config_file import load_config
    from landmark.run import Run
    from landmark.steps.plan import artefacts, plan

    settings = load_config(config, [*overrides, f"home={home}", "registry.enabled=false"])
    run = Run(settings, plan(settings))
    for step in run.steps:
        run.perform(step)
    run.publish(artefacts(settings))
    Path(out).write_text(json.dumps(recognizer_digests(Path(home))), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
