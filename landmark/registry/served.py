"""The code of the registered model (MLflow "models from code"): loads a Recognizer's folder, recognises photos.

MLflow runs this file when it loads the model; nothing is unpickled.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from typing import Any

import mlflow
import pandas as pd
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from landmark.recognition.recognizer import Recognizer

COLUMNS = ("photo", "landmark", "name", "confidence", "similarity", "candidates", "reason")


class ServedRecognizer(PythonModel):
    """A recognizer behind MLflow's predict."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the recognizer from the model's own folder."""
        self.recognizer = Recognizer.load(context.artifacts["recognizer"])

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Recognise photos.

        Args:
            context: unused.
            model_input: column `photo`: path, s3:// URI, bytes of an image file, or those in base64. MLflow takes a list of
                `{"photo": ...}`; a bare list of values has no column name, and MLflow refuses it by the signature.
            params: unused.

        Returns:
            A row a photo: photo (path, or "" where bytes were given), landmark ("": none), name, confidence, similarity,
            candidates (JSON), reason.
        """
        photos = [photo_of(value) for value in model_input["photo"]]
        table = self.recognizer.recognize(photos).reset_index(drop=True)
        table["photo"] = [photo if isinstance(photo, str) else "" for photo in photos]
        table["candidates"] = [json.dumps(candidates, default=float) for candidates in table["candidates"]]
        return table[list(COLUMNS)]


def photo_of(value: Any) -> str | bytes:
    """What a cell holds: bytes as they are; text is base64 where it decodes to an image's first bytes, else a path."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    text = str(value)
    # Not Path.exists: it raises where a name is longer than the file system takes.
    if len(text) > 64 and "://" not in text and not (len(text) < 4096 and os.path.exists(text)):  # noqa: PTH110
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            return text
    return text


mlflow.models.set_model(ServedRecognizer())
