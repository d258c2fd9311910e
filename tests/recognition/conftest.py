"""A recognizer that is made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from landmark.recognition.recognizer import Recognizer
from tests.recognition.striped import striped


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recognizer, Path]:
    """The recognizer, and the folder that it was saved in."""
    made, folder = striped(), tmp_path_factory.mktemp("recognizer") / "recognizer"
    made.save(folder)
    return made, folder
