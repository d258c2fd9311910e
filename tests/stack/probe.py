"""A flow that only waits."""

import os
import time
from pathlib import Path

from prefect import flow


@flow(name="probe")
def probe(seconds: float = 0.0, file: str | None = None) -> None:
    if file is not None:
        Path(file).write_text(str(os.getpid()))
    time.sleep(seconds)
