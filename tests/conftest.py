"""One thread a test process: tests run side by side, and threads that wait for each other make them crawl."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("LANDMARK_CACHE", str(Path(tempfile.gettempdir()) / "landmark-tests"))  # not the user's own
