"""Where the retrainings run: a home folder that is set back to the same state, with a champion, before each fault."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

MODEL = "landmark"
RUN = "fault"
CONFIG: dict[str, Any] = {
    "name": RUN,
    "threads": 1,
    "data": {
        "format": "world",
        "calibrate": 0.2,
        "world": {"landmarks": 3, "photos": 10, "others": 60, "size": 48},
    },
    "network": {"backbone": "test_efficientnet.r160_in1k", "pretrained": "none", "dim": 16, "image_size": 48},
    "training": {"batch_size": 16, "stages": [{"name": "all", "epochs": 2}]},
    "calibration": {"specificity": 0.8},
    "evaluation": {"pictures": 0, "baselines": False, "map": "pca"},
    # So few photos show nothing; who becomes champion must not hang on them, nor on how fast this machine is just now.
    "registry": {
        "gate": {
            "max_seconds_ratio": None,
            "specificity_margin": 1.0,
            "anchor_drop": 1.0,
            "sensitivity_drop": 1.0,
            "landmark_drop": 1.0,
            "alpha": 1e-9,
        }
    },
}
VARIANTS: dict[str, tuple[str, ...]] = {
    "first": (),
    "passes": ("seed=1",),
    "refused": ("seed=2", "registry.gate.min_sensitivity=1.0", "registry.gate.min_specificity=1.0"),
    "all new": ("seed=3", "data.world.seed=3"),
    "long": ("seed=4", "training.stages.0.epochs=12", "training.workers=1"),
}
"""What a retraining does otherwise than the one that made the champion, `first`; all but `all new` take its photos again."""


@dataclass
class Place:
    """A folder for retrainings.

    Attributes:
        root: everything lies below it.
        extra: environment of every command.
    """

    root: Path
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """The home folder; always the same path, as catalogs and MLflow keep whole paths."""
        return self.root / "home"

    @property
    def template(self) -> Path:
        """The home folder as it was when its champion had been made."""
        return self.root / "template"

    @property
    def config(self) -> Path:
        """The config file."""
        return self.root / "fault.yaml"

    @property
    def logs(self) -> Path:
        """What the commands said."""
        return self.root / "logs"

    def write_config(self) -> None:
        """Write the config file."""
        self.logs.mkdir(parents=True, exist_ok=True)
        self.config.write_text(yaml.safe_dump({**CONFIG, "home": str(self.home)}, sort_keys=False), encoding="utf-8")

    def empty(self) -> None:
        """Take the home folder away, and whatever is mounted there."""
        if os.path.ismount(self.home):
            subprocess.run(["umount", str(self.home)], check=True)
        shutil.rmtree(self.home, ignore_errors=True)

    def keep(self) -> None:
        """Keep the home folder as it is now."""
        shutil.rmtree(self.template, ignore_errors=True)
        shutil.copytree(self.home, self.template, symlinks=True)

    def restore(self, *, fresh: bool = False, disk: int | None = None) -> None:
        """Set the home folder back.

        Args:
            fresh: to nothing, as on a new machine.
            disk: on a disk of its own with so much free space [bytes].

        Raises:
            OSError: no disk can be mounted here.
        """
        self.empty()
        if disk is not None:
            self.home.mkdir()
            size = sum(2 * 4096 + file.stat().st_size for file in self.template.rglob("*") if file.is_file()) + disk
            done = subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(self.home)],
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise OSError(f"no disk can be mounted: {done.stderr.strip()}")
        if not fresh:
            shutil.copytree(self.template, self.home, symlinks=True, dirs_exist_ok=True)

    def json(self, name: str) -> Any:
        """What was kept under a name, or None."""
        file = self.root / f"{name}.json"
        return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None

    def write(self, name: str, value: Any) -> None:
        """Keep something for later starts."""
        (self.root / f"{name}.json").write_text(json.dumps(value, indent=1), encoding="utf-8")
