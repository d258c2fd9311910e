"""Is confidence a probability? Reliability diagram, calibration error, Brier score, and what tags of high confidence are worth.

A confidence says how probable it is that a photo shows its best candidate, where a share `PRIOR` of all photos show a
landmark. A test split holds far more of them, so each photo is weighted: landmark photos together by that share, the
others (those of landmarks that the model does not know among them) by the rest. There nearly every photo is rightly given a
confidence near 0, and an error over all photos is small for that reason alone. So it is also measured over the photos
that are tagged, over those above `NOTICEABLE`, and over all photos as they are in the test split, with the confidence moved
to that share of landmark photos.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from landmark.evaluation.intervals import wilson
from landmark.evaluation.open_set import OpenSet
from landmark.evaluation.prevalence import at_prevalence
from landmark.recognition.confidence import PRIOR

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

BINS = 15
"""As in Guo et al. (2017)."""
HIGH = 0.9
NOTICEABLE = 0.05


@dataclass(frozen=True, eq=False)
class Confidences:
    """Confidences beside whether they were right, a row a photo.

    Attributes:
        confidence: probability [n] that the best candidate is right.
        right: whether it is [n].
        weight: of each photo [n], any scale; None: all alike.
    """

    confidence: Floats
    right: Bools
    weight: Floats | None = None

    def __post_init__(self) -> None:
        set_field = object.__setattr__
        set_field(self, "confidence", np.asarray(self.confidence, np.float64))
        set_field(self, "right", np.asarray(self.right, bool))
        weight = np.ones(self.confidence.shape) if self.weight is None else np.asarray(self.weight, np.float64)
        set_field(self, "weight", weight)
        if self.confidence.ndim != 1 or {self.right.shape, weight.shape} != {self.confidence.shape}:
            raise ValueError("Confidences: confidence, right and weight must all be [n]")
        if not ((self.confidence >= 0) & (self.confidence <= 1)).all():
            raise ValueError("Confidences: a confidence must lie in 0..1")
        if not (np.isfinite(weight) & (weight >= 0)).all():
            raise ValueError("Confidences: a weight must be a finite number, at least 0")

    def __len__(self) -> int:
        return len(self.confidence)

    @cached_property
    def _weight(self) -> Floats:
        assert self.weight is not None
        return self.weight

    def only(self, mask: Bools) -> Self:
        """The photos that a mask [n] keeps."""
        return replace(self, confidence=self.confidence[mask], right=self.right[mask], weight=self._weight[mask])

    def bins(self, count: int = BINS, equal_mass: bool = False) -> pd.DataFrame:
        """The reliability diagram (DeGroot and Fienberg, "The comparison and evaluation of forecasters", 1983) as a table.

        Args:
            count: of bins.
            equal_mass: bins that hold the same weight each ("adaptive": Nguyen and O'Connor, "Posterior calibration and
                exploratory analysis for natural language processing models", 2015), not the same width. Photos of the same
                confidence stay together.

        Returns:
            A row a bin that holds any weight, rising: start, end, photos (count), weight (share of all), confidence (mean),
            right (share), right_low, right_high: 95 % Wilson, with (sum w)^2 / sum w^2 for the number of photos (Kish,
            "Survey Sampling", 1965), which is their number where all weigh the same.
            Where weights differ much it is too narrow: it knows nothing of heavy photos that a bin happens not to hold.
        """
        if count < 1:
            raise ValueError(f"bins: at least 1 is needed, got {count}")
        which, edges = self._equal_mass(count) if equal_mass else self._equal_width(count)
        weight, total = self._weight, float(self._weight.sum())

        def summed(values: Floats | Bools) -> Floats:
            return np.bincount(which, values, minlength=count).astype(np.float64)

        held = summed(weight)
        some = held > 0
        held = held[some]
        share = np.clip(summed(weight * self.right)[some] / held, 0, 1)
        effective = held**2 / summed(weight**2)[some]
        low, high = wilson(share * effective, effective)
        return pd.DataFrame(
            {
                "start": edges[:-1][some],
                "end": edges[1:][some],
                "photos": np.bincount(which, minlength=count)[some],
                "weight": held / total,
                "confidence": summed(weight * self.confidence)[some] / held,
                "right": share,
                "right_low": low,
                "right_high": high,
            }
        )

    def ece(self, count: int = BINS, equal_mass: bool = False) -> float:
        """Expected calibration error: sum over bins of their weight * |share right - mean confidence|.

        Guo et al., "On calibration of modern neural networks", ICML 2017, equation 3, there with 15 bins of equal width; after
        Naeini et al., AAAI 2015. NaN without photos.
        """
        if not self._weight.sum() > 0:
            return float("nan")
        table = self.bins(count, equal_mass)
        return float((table["weight"] * (table["right"] - table["confidence"]).abs()).sum())

    def brier(self) -> float:
        """Brier score: weighted mean of (confidence - right)^2 (Brier, Monthly Weather Review 1950). NaN without photos."""
        total = self._weight.sum()
        return float((self._weight * (self.confidence - self.right) ** 2).sum() / total) if total > 0 else float("nan")

    def _equal_width(self, count: int) -> tuple[NDArray[np.int64], Floats]:
        edges = np.linspace(0, 1, count + 1)
        # (start, end], as in the source; 0 belongs to the first.
        return np.clip(np.searchsorted(edges, self.confidence, side="left") - 1, 0, count - 1), edges

    def _equal_mass(self, count: int) -> tuple[NDArray[np.int64], Floats]:
        values, group = np.unique(self.confidence, return_inverse=True)
        mass = np.bincount(group, self._weight, minlength=len(values))
        middle = (np.cumsum(mass) - mass / 2) / max(float(mass.sum()), 1e-300)
        of_value = np.minimum((middle * count).astype(np.int64), count - 1)
        first = np.searchsorted(of_value, np.arange(count), side="left")
        edges = np.append(np.append(values, 1.0)[first], 1.0) if len(values) else np.ones(count + 1)
        edges[0] = 0.0
        return of_value[group], edges


@dataclass(frozen=True, eq=False)
class Reliability:
    """Confidences of the test photos, in a collection and as they are.

    Attributes:
        in_collection: every photo weighted to a share `prior` of landmark photos.
        as_tested: all photos alike, the confidence moved to their share of landmark photos.
        tagged: photos [n] that are given a landmark.
        figures: under their fixed names; see `reliability`.
    """

    in_collection: Confidences
    as_tested: Confidences
    tagged: Bools
    figures: dict[str, float]

    def parts(self) -> list[tuple[str, Confidences, Confidences]]:
        """What the calibration error is measured over: name, in a collection, as tested."""
        noticed = self.in_collection.confidence > NOTICEABLE
        masks = {"all": np.ones(len(self.tagged), bool), "tagged": self.tagged, f"confidence above {NOTICEABLE}": noticed}
        return [(name, self.in_collection.only(mask), self.as_tested.only(mask)) for name, mask in masks.items() if mask.any()]


def rebased(confidence: ArrayLike, prior: float, to: float) -> Floats:
    """Probabilities for another share of landmark photos: the log-odds move by logit(to) - logit(prior).

    Exact for what is like either a right landmark photo or another photo (Saerens et al., "Adjusting the outputs of a
    classifier to new a priori probabilities", 2002); landmark photos with a wrong candidate, which are few, count among the
    others.

    >>> float(rebased(0.02, 0.02, 0.5).round(6))
    0.5
    """
    odds = to / (1 - to) * (1 - prior) / prior
    probability = np.asarray(confidence, np.float64)
    return np.asarray(probability * odds / (1 - probability + probability * odds))


def to_prevalence(open_set: OpenSet, prevalence: float) -> Floats:
    """Weight [n] of each photo, 1 in all, so that landmark photos make up a share `prevalence`.

    Raises:
        LandmarkError: no landmark photos or no others.
    """
    open_set.check_measurable()
    shows = open_set.landmark_photo
    return np.asarray(np.where(shows, prevalence / shows.sum(), (1 - prevalence) / (~shows).sum()), np.float64)


def drawn(open_set: OpenSet, prevalence: float, photos: int, seed: int) -> NDArray[np.int64]:
    """Rows of a collection drawn from the test photos with replacement, a share `prevalence` of them landmark photos.

    Args:
        open_set: test photos.
        prevalence: share of landmark photos, rounded to whole photos.
        photos: of the collection [count].
        seed: of the draw.
    """
    random = np.random.default_rng(seed)
    landmarks = round(photos * prevalence)
    shows = open_set.landmark_photo
    rows = [random.choice(np.flatnonzero(shows), landmarks), random.choice(np.flatnonzero(~shows), photos - landmarks)]
    return np.concatenate(rows)


def reliability(open_set: OpenSet, confidence: ArrayLike, tagged: ArrayLike, prior: float = PRIOR) -> Reliability:
    """Measure confidences on test photos.

    The figures, at the prior unless they end in `_as_tested` (all photos alike, at the test photos' own share of landmarks):

    - `ece`, `brier`: over all photos. At 2 % nearly all have a confidence near 0, so this is small in any case;
    - `ece_tagged`: over tagged photos; `ece_noticeable`: over those with a confidence above 0.05. A false tag weighs as much
      as many right ones there, so that few test photos decide it;
    - `ece_as_tested`, `ece_tagged_as_tested`, `brier_as_tested`: what a miscalibrated confidence shows in most clearly;
      `ece_equal_mass_as_tested`: with bins that hold the same number of photos;
    - `precision_at_confidence_90` with `_low` and `_high`: share of tags right among photos of confidence 0.9 or more (see
      `at_prevalence`); with `_with_unknown` where as many photos show a landmark that the model does not know;
    - `tags_at_confidence_90`: such test photos [count]; `sensitivity_at_confidence_90`: share of landmark photos that have
      such a confidence in the right landmark.

    A figure that no photo tells anything about is left out.

    Args:
        open_set: the test photos.
        confidence: of their best candidates [n], at the prior; 0 where there is none.
        tagged: which photos [n] are given a landmark.
        prior: share of landmark photos that the confidence assumes.

    Raises:
        LandmarkError: no landmark photos or no others.
    """
    weight = to_prevalence(open_set, prior)
    chances, given = np.asarray(confidence, np.float64), np.asarray(tagged, bool)
    in_collection = Confidences(chances, open_set.correct, weight)
    as_tested = Confidences(rebased(chances, prior, float(open_set.landmark_photo.mean())), open_set.correct)
    sure = OpenSet(chances, open_set.predicted, open_set.truth, open_set.known)
    below = float(np.nextafter(HIGH, 0))
    figures = {
        "ece": in_collection.ece(),
        "ece_tagged": in_collection.only(given).ece(),
        "ece_noticeable": in_collection.only(chances > NOTICEABLE).ece(),
        "ece_as_tested": as_tested.ece(),
        "ece_tagged_as_tested": as_tested.only(given).ece(),
        "ece_equal_mass_as_tested": as_tested.ece(equal_mass=True),
        "brier": in_collection.brier(),
        "brier_as_tested": as_tested.brier(),
        "tags_at_confidence_90": float(sure.accepted(below).sum()),
        "sensitivity_at_confidence_90": float((sure.accepted(below) & sure.correct).sum() / sure.landmark_photo.sum()),
    }
    for row in at_prevalence(sure, below, [prior]).to_dict("records"):
        name = "precision_at_confidence_90" + "_with_unknown" * (row["unknown"] > 0)
        if not np.isnan(row["tags_right"]):
            figures |= {name + end: float(row[f"tags_right{end}"]) for end in ("", "_low", "_high")}
    # What no photo tells is not known, and JSON has no NaN.
    known = {name: value for name, value in figures.items() if not np.isnan(value)}
    return Reliability(in_collection, as_tested, given, known)
