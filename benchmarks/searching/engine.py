"""What a searcher must be able to do, to be measured beside others."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from benchmarks.searching.inputs import Array, Inputs


class Engine(Protocol):
    """An index that is built, saved, and searched.

    Attributes:
        facts: what the table should say of it beside its figures.
    """

    facts: dict[str, Any]

    def build(self, inputs: Inputs, folder: Path, threads: int) -> None:
        """Train and fill, ready to be searched."""

    def save(self, folder: Path) -> int:
        """Write it; its size there [bytes]."""

    def settings(self, name: str = "") -> list[Any]:
        """Settings of searching, from cheap to dear; `name`: of the data, if it is not what the index was built for."""

    def search(self, queries: Array, setting: Any) -> NDArray[Any]:
        """Rows of the ten nearest stored vectors [q, 10]."""
