"""What a search index must reach."""

from __future__ import annotations

from dataclasses import dataclass

from landmark.errors import UsageError

MOST_RESULTS = 2048
"""As many as FAISS's GPU kernels take."""


@dataclass(frozen=True)
class Goal:
    """What an index must reach.

    Attributes:
        recall: recall@k against exact search, to be promised.
        k: results a query.
        max_bytes: largest size of lists and copies [bytes]; None: any.
        device: auto, cpu or gpu.
        training: vectors to train on; None: 64 for each list.
        milliseconds: longest time for a query that is asked alone [ms, 95th percentile, on the building machine]; None: any.
        strict: a recall that can't be promised is an error; False: a warning, and the best setting is taken.

    Raises:
        UsageError: out of range.
    """

    recall: float = 0.95
    k: int = 10
    max_bytes: int | None = None
    device: str = "auto"
    training: int | None = None
    milliseconds: float | None = None
    strict: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.recall < 1:
            raise UsageError(f"recall {self.recall}: give a share between 0 and 1, such as 0.95")
        for name, value in (("k", self.k), ("max-bytes", self.max_bytes), ("training", self.training)):
            if value is not None and value < 1:
                raise UsageError(f"{name} {value}: must be at least 1")
        if self.k > MOST_RESULTS:
            raise UsageError(f"k {self.k}: at most {MOST_RESULTS} can be promised")
        if self.milliseconds is not None and not self.milliseconds > 0:
            raise UsageError(f"milliseconds {self.milliseconds}: must be above 0")
