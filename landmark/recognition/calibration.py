"""The threshold below which a photo shows no landmark, and how sure a score above it makes us.

The threshold is an order statistic of the scores of non-landmark photos (see `conformal`): a further non-landmark photo from
the same source scores above it with a probability of at most 1 - specificity, whatever the distribution, for any number of
photos. The guarantee holds because nothing else is chosen on the photos that set it: re-scoring is chosen on other ones.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from landmark.config import CalibrationConfig
from landmark.errors import LandmarkError
from landmark.network.aspects import Array
from landmark.recognition.confidence import PRIOR, fit_confidence, logistic
from landmark.recognition.conformal import conformal_threshold, needed, own_thresholds

log = logging.getLogger(__name__)

__all__ = ["Calibration", "Scored", "bank_similarity", "calibrate", "chooses", "conformal_threshold", "needed"]

WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Re-scoring weights that are tried."""
CHOOSER_SHARE = 3
"""One in so many calibration photos (by hash) chooses the re-scoring weight; the others set the threshold."""
_CHUNK = 4096


@dataclass(frozen=True)
class Scored:
    """Photos as calibration sees them.

    Attributes:
        similarity: to the nearest centroid [n].
        bank: mean similarity to the nearest photos of the bank [n] (zeros without a bank).
        right: whether the nearest centroid's landmark is the photo's [n]; False for non-landmarks.
        landmark: the nearest centroid's landmark [n]; None: not told, so none gets a threshold of its own.
    """

    similarity: Array
    bank: Array
    right: NDArray[np.bool_]
    landmark: NDArray[np.str_] | None = None

    def __post_init__(self) -> None:
        for name in ("similarity", "bank"):
            values = getattr(self, name)
            if values.shape != self.right.shape or not np.isfinite(values).all():
                raise LandmarkError(f"calibration: '{name}' must be {len(self.right)} finite numbers")
        if self.landmark is not None and np.shape(self.landmark) != self.right.shape:
            raise LandmarkError(f"calibration: 'landmark' must be {len(self.right)} ids")

    def __len__(self) -> int:
        return len(self.right)

    def score(self, weight: float) -> NDArray[np.float64]:
        """What is compared with the threshold [n]: similarity - weight * bank."""
        return np.asarray(self.similarity, np.float64) - weight * np.asarray(self.bank, np.float64)

    def only(self, mask: NDArray[np.bool_]) -> Scored:
        """The photos that a mask [n] keeps."""
        landmark = None if self.landmark is None else self.landmark[mask]
        return Scored(self.similarity[mask], self.bank[mask], self.right[mask], landmark)


@dataclass(frozen=True)
class Calibration:
    """How scores become decisions.

    Attributes:
        threshold: a photo shows its best candidate if its score is larger.
        specificity: share of non-landmark photos that must get no landmark.
        rescore_weight: how much of the similarity to the bank is subtracted; 0: no re-scoring.
        neighbours: bank photos whose mean similarity that is.
        n_calibrate: non-landmark photos that set the threshold.
        slope, intercept: of `confidence`, the logistic function of the score.
        prior: share of landmark photos that `confidence` assumes.
        n_choose: non-landmark photos that chose the weight; 0: it was set, or chosen on training photos.
        tried: share of landmark photos recognised at each weight tried.
        own_thresholds: of landmarks that have one, by id. Scores of a landmark are moved by what its own threshold lies
            above the common one, so that `threshold` is the one that scores are compared with.
    """

    threshold: float
    specificity: float
    rescore_weight: float = 0.0
    neighbours: int = 5
    n_calibrate: int = 0
    slope: float = 0.0
    intercept: float = 0.0
    prior: float = PRIOR
    n_choose: int = 0
    tried: dict[str, float] | None = None
    own_thresholds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.own_thresholds, dict):
            raise LandmarkError("calibration: own_thresholds must be an object of landmark ids and numbers; calibrate again")
        numbers = (self.threshold, self.rescore_weight, self.slope, self.intercept, *self.own_thresholds.values())
        if not all(isinstance(number, int | float) and math.isfinite(number) for number in numbers):
            raise LandmarkError("calibration: thresholds, rescore_weight, slope and intercept must be finite numbers")
        if not (0 < self.specificity < 1 and self.rescore_weight >= 0 and self.neighbours >= 1 and self.slope >= 0):
            raise LandmarkError("calibration: specificity in (0, 1), weight and slope at least 0, neighbours at least 1 needed")

    def score(self, similarity: ArrayLike, bank: ArrayLike, moved: ArrayLike = 0.0) -> NDArray[np.float64]:
        """Score [n] of photos: similarity to the nearest centroid [n] - rescore_weight * similarity to the bank [n] - moved.

        `moved` [n] is what `moves` says of the best candidates.
        """
        score = np.asarray(similarity, np.float64) - self.rescore_weight * np.asarray(bank, np.float64)
        return score - np.asarray(moved, np.float64) if self.own_thresholds else score

    def moves(self, landmarks: Iterable[Any]) -> NDArray[np.float64]:
        """How far above the common threshold that of each landmark [n] lies; 0 for those that have none of their own."""
        own = self.own_thresholds
        return np.array([own.get(str(landmark), self.threshold) - self.threshold for landmark in landmarks], np.float64)

    def of(self, photos: Scored) -> NDArray[np.float64]:
        """Score [n] of photos as calibration sees them."""
        return self.score(photos.similarity, photos.bank, 0.0 if photos.landmark is None else self.moves(photos.landmark))

    def confidence(self, score: ArrayLike) -> NDArray[np.float64]:
        """Probability [n] that a photo with this score shows its best candidate, if `prior` of all photos show a landmark.

        1 / (1 + exp(-(slope * score + intercept))): monotone, so that no photo with a larger score is surer to be wrong.
        """
        return logistic(self.slope * np.asarray(score, np.float64) + self.intercept)

    def to_json(self) -> dict[str, Any]:
        """As a JSON object; without `own_thresholds` where there are none, as packages before them wrote and read it."""
        values = asdict(self)
        return values if self.own_thresholds else {key: values[key] for key in values if key != "own_thresholds"}

    @classmethod
    def from_json(cls, values: Any) -> Self:
        """From a JSON object.

        Raises:
            LandmarkError: keys missing or unknown, or impossible values.
        """
        known = {item.name for item in fields(cls)}
        if not isinstance(values, dict) or {*values, "own_thresholds"} != known:
            wrong = sorted(known.symmetric_difference(values)) if isinstance(values, dict) else ["not an object"]
            raise LandmarkError(f"calibration: expected the keys {', '.join(sorted(known))}; wrong: {', '.join(wrong)}")
        try:
            return cls(**values)
        except TypeError as error:
            raise LandmarkError(f"calibration: impossible value ({error}); calibrate again") from error


def bank_similarity(embeddings: Array, bank: Array | None, neighbours: int, itself: bool = False) -> Array:
    """Mean similarity to the nearest photos of the bank of non-landmark photos (arXiv 2010.01650).

    Args:
        embeddings: unit vectors [n, d].
        bank: unit vectors [m, d] of non-landmark photos, or None.
        neighbours: how many count (all, if the bank has fewer).
        itself: the embeddings are the bank: each leaves itself out.

    Returns:
        float32 [n]; zeros without a bank.
    """
    size = 0 if bank is None else len(bank) - int(itself)
    result = np.zeros(len(embeddings), np.float32)
    if bank is None or size < 1:
        return result
    near = min(neighbours, size)
    for start in range(0, len(embeddings), _CHUNK):
        similarity = embeddings[start : start + _CHUNK] @ bank.T
        if itself:
            rows = np.arange(len(similarity))
            similarity[rows, start + rows] = -np.inf
        result[start : start + _CHUNK] = np.partition(similarity, -near, axis=1)[:, -near:].mean(1)
    return result


def chooses(sha256: Sequence[str]) -> NDArray[np.bool_]:
    """Which calibration photos choose re-scoring [n] (about a third, by a hash of the sha256); the rest set the threshold."""
    digests = [hashlib.sha256(f"calibration:{name}".encode()).digest() for name in sha256]
    return np.array([int.from_bytes(digest[:8], "big") % CHOOSER_SHARE == 0 for digest in digests], bool)


def calibrate(
    others: Scored,
    sha256: Sequence[str],
    landmarks: Scored,
    settings: CalibrationConfig,
    bank: Scored | None = None,
) -> Calibration:
    """Choose re-scoring, set the threshold, fit the confidence.

    The weight is the smallest that recognises no fewer landmark photos than the best does, less a standard error of the
    paired difference, at the threshold of the non-landmark photos that choose. These are a third of the calibration
    photos, if the other two thirds are at least twice what the target needs; else all of them set the
    threshold, and the bank's own photos (each left out of the bank) choose.

    Args:
        others: non-landmark photos of the calibrate split [n].
        sha256: of their files [n].
        landmarks: landmark photos that placed no centroid: of the calibrate split, or cross-fitted training photos
            (`centroids.held_out`).
        settings: target, whether to re-score, neighbours.
        bank: the bank's photos, each scored without itself; None: there is no bank, so no re-scoring.

    Raises:
        LandmarkError: too few non-landmark photos for the target; re-scoring asked for without a bank.
    """
    if len(sha256) != len(others):
        raise LandmarkError(f"calibration: {len(others)} non-landmark photos but {len(sha256)} sha256; give one a photo")
    if settings.rescore == "always" and bank is None:
        raise LandmarkError("calibration.rescore 'always' needs non-landmark photos in the train split; add some or use 'auto'")
    weights = {"never": WEIGHTS[:1], "always": WEIGHTS[1:], "auto": WEIGHTS}[settings.rescore]
    setting, n_choose = others, 0
    weight, tried = 0.0, None
    if bank is not None and len(bank) and len(landmarks) and settings.rescore != "never":
        chooser = chooses(sha256)
        judges = bank
        if (~chooser).sum() >= 2 * needed(settings.specificity):
            judges, setting, n_choose = others.only(chooser), others.only(~chooser), int(chooser.sum())
        weight, tried = _choose_weight(judges, landmarks, weights, settings.specificity)
    own: dict[str, float] = {}
    if settings.per_landmark == "auto" and setting.landmark is not None:
        threshold, own = own_thresholds(setting.score(weight), setting.landmark, settings.specificity)
    else:
        threshold = conformal_threshold(setting.score(weight), settings.specificity)
    made = Calibration(
        threshold=threshold,
        specificity=settings.specificity,
        rescore_weight=weight,
        neighbours=settings.neighbours,
        n_calibrate=len(setting),
        n_choose=n_choose,
        tried=tried,
        own_thresholds=own,
    )
    slope, intercept = fit_confidence(made.of(others), made.of(landmarks), landmarks.right)
    log.info(
        "threshold %.4f by %d photos, %d landmarks with one of their own, re-scoring weight %s by %d photos",
        *(threshold, len(setting), len(own), weight, n_choose),
    )
    return replace(made, slope=slope, intercept=intercept)


def _choose_weight(
    judges: Scored, landmarks: Scored, weights: Sequence[float], specificity: float
) -> tuple[float, dict[str, float]]:
    # Few photos choose: around the target, the mean over several quantiles is far less noisy than the one asked for.
    misses = [multiple * (1 - specificity) for multiple in (1.0, 1.5, 2.0)]
    shares = []
    for weight in weights:
        strange = np.sort(judges.score(weight))
        ranks = [min(len(strange), math.ceil((len(strange) + 1) * (1 - miss))) for miss in misses if miss < 1]
        score = landmarks.score(weight)
        shares.append(np.mean([landmarks.right & (score > strange[rank - 1]) for rank in ranks], axis=0))
    best = int(np.argmax([share.sum() for share in shares]))
    tried = {f"{weight:g}": float(share.mean()) for weight, share in zip(weights, shares, strict=True)}
    for weight, share in zip(weights, shares, strict=True):
        gain = shares[best] - share
        if gain.sum() <= math.sqrt(float(((gain - gain.mean()) ** 2).sum())):
            return weight, tried
    return weights[best], tried
