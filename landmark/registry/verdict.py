"""What the gate found: a row a check, a row a landmark, and what came of it. JSON there and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from landmark.errors import LandmarkError

FORMAT = 1


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        name: what is compared; fixed names, see `gate.judge`.
        unit: `share`, `bytes`, `seconds` or `landmarks`.
        champion, challenger: their values; None: there is none.
        difference: challenger - champion.
        low, high: interval of the difference at the rule's level; None: none is given.
        bound: what the difference (or, without a rival, the value) is held against; None: shown only.
        passed: whether it holds.
        note: in words, what was counted and which rule holds.
    """

    name: str
    unit: str
    champion: float | None
    challenger: float | None
    difference: float | None
    low: float | None
    high: float | None
    bound: float | None
    passed: bool
    note: str


@dataclass(frozen=True)
class LandmarkRow:
    """One landmark in the comparison: photos, how many each had right, what was lost and won, and whether it is given up."""

    landmark: str
    photos: int
    champion: int
    challenger: int
    lost: int
    won: int
    p: float
    passed: bool
    note: str

    @property
    def difference(self) -> float:
        """Sensitivity of the challenger - of the champion; 0 without photos."""
        return (self.challenger - self.champion) / self.photos if self.photos else 0.0


@dataclass(frozen=True)
class Verdict:
    """The gate's verdict.

    Attributes:
        checks: in the order of the page.
        landmarks: of the photos compared, the greatest loss first.
        rule: the gate's settings.
        about: what was compared: model, version, against, digests, photos, time; text and numbers.
    """

    checks: tuple[Check, ...]
    landmarks: tuple[LandmarkRow, ...]
    rule: Mapping[str, Any]
    about: Mapping[str, Any]

    @property
    def passed(self) -> bool:
        """Whether every check holds."""
        return all(check.passed for check in self.checks)

    @property
    def reasons(self) -> list[str]:
        """Names of the checks that do not hold."""
        return [check.name for check in self.checks if not check.passed]

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "format": FORMAT,
            "passed": self.passed,
            "reasons": self.reasons,
            "about": dict(self.about),
            "checks": [asdict(check) for check in self.checks],
            "landmarks": [asdict(row) for row in self.landmarks],
            "rule": dict(self.rule),
        }

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """What `to_json` gave.

        Raises:
            LandmarkError: it is no verdict, or of a newer format.
        """
        try:
            if value["format"] != FORMAT:
                raise LandmarkError(f"verdict: format {value['format']}, this package reads {FORMAT}; update the package")
            found = cls(
                tuple(Check(**{field.name: row[field.name] for field in fields(Check)}) for row in value["checks"]),
                tuple(LandmarkRow(**{f.name: row[f.name] for f in fields(LandmarkRow)}) for row in value["landmarks"]),
                dict(value["rule"]),
                dict(value["about"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise LandmarkError(f"verdict: damaged ({type(error).__name__}: {error}); run the gate again") from error
        if found.passed != value.get("passed"):
            raise LandmarkError("verdict: what it says and its checks do not agree; run the gate again")
        return found
