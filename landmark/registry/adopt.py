"""What a refresh starts from: the settings of a run, and a recognizer whose network is kept."""

from __future__ import annotations

from pathlib import Path

from landmark.config import REFRESH, RunConfig
from landmark.errors import UsageError
from landmark.recognition.recognizer_file import MANIFEST


def refreshed(config: RunConfig, model: str | None = None) -> RunConfig:
    """The settings of a run that trains nothing and takes over the network of a recognizer.

    What needs training besides (landmarks kept from a second training, cleaning by networks of later rounds) is left out.

    Args:
        config: the settings of the run that a retrain would make; its name gets the ending `-refresh`.
        model: `models:/NAME@ALIAS` or a folder; None: the champion of the config's model.

    Raises:
        UsageError: there is no such recognizer, or it lies in S3.
    """
    wanted = model or f"models:/{config.registry.model}@champion"
    if wanted.startswith("models:/"):
        from landmark.registry.models import fetch

        folder = fetch(wanted, Path(config.home), config.registry)
    else:
        folder = Path(wanted).absolute()
    if not (folder / MANIFEST).is_file():
        raise UsageError(f"refresh: {wanted}: no recognizer there; give models:/NAME@ALIAS or the folder of one")
    return config.model_copy(
        update={
            "name": f"{config.name}{REFRESH}",
            "base": str(folder),
            "cleaning": config.cleaning.model_copy(update={"rounds": min(config.cleaning.rounds, 1)}),
            "evaluation": config.evaluation.model_copy(update={"leave_out": 0}),
        }
    )
