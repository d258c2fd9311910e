"""How a version becomes THE version: tracking, packaging, champion. Importing it lets `Recognizer.load` open `models:/`."""

from __future__ import annotations

from pathlib import Path

from landmark.recognition.recognizer_file import register_resolver


def _open(uri: str) -> Path:
    from landmark.registry.models import resolve  # imports MLflow

    return resolve(uri)


register_resolver("models", _open)
