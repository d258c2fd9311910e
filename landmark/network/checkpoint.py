"""What a training needs to go on after it was killed: written whole at the end of every epoch."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from landmark.storage import atomic_file

log = logging.getLogger(__name__)


@dataclass
class Checkpoint:
    """The state of a training after an epoch.

    Attributes:
        key: digest of settings, data and code version; a checkpoint of anything else is not continued.
        stage: the stage in progress.
        epoch: epochs of it that are done.
        step: optimiser steps since the start of training.
        learner: parameters, buffers and the objective's own state, without what never changes.
        optimizer: state of the optimiser of this stage.
        precision: state of mixed precision (the gradient scaler of 16-mixed).
        curves: rows of the training curves so far.
    """

    key: str
    stage: int
    epoch: int
    step: int
    learner: dict[str, Any]
    optimizer: dict[str, Any]
    precision: dict[str, Any]
    curves: list[dict[str, Any]] = field(default_factory=list)

    def save(self, file: Path) -> None:
        """Write the checkpoint; the one before stays until this one is whole."""
        with atomic_file(file) as temporary:
            torch.save({**vars(self), "curves": json.dumps(self.curves)}, temporary)

    @classmethod
    def load(cls, file: Path, key: str) -> Checkpoint | None:
        """The checkpoint of this very training, or None; a damaged or foreign one is passed over with a line in the log."""
        if not file.exists():
            return None
        try:
            values = torch.load(file, map_location="cpu", weights_only=True)
            checkpoint = cls(**{**values, "curves": json.loads(values["curves"])})
        except Exception as error:  # torch.load raises whatever the damaged bytes lead to
            log.warning("checkpoint %s is damaged (%s): training starts anew", file, type(error).__name__)
            return None
        if checkpoint.key != key:
            log.warning("checkpoint %s belongs to other settings or data: training starts anew", file)
            return None
        return checkpoint
