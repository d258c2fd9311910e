"""How good open-set recognition is: photos of known landmarks, of unknown ones and of other things together.

A photo is accepted iff its score > threshold (and a landmark was proposed at all).

- sensitivity: share of landmark photos that are accepted with the RIGHT landmark;
- specificity: share of non-landmark photos that are not accepted. Photos of landmarks that the model does not know are
  a negative class of their own (`unknown_specificity`), counted in neither of the two;
- GAP: micro average precision of the Google Landmarks v2 recognition task (Weyand et al., CVPR 2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from landmark.errors import LandmarkError
from landmark.evaluation.intervals import wilson

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

RIGHT, WRONG, MISSED, FALSE_TAG, REJECTED = "right", "wrong", "missed", "false tag", "rejected"


@dataclass(frozen=True, eq=False)
class OpenSet:
    """Scored predictions beside the truth, a row a photo.

    Attributes:
        score: confidence [n], any scale, higher is surer; -inf for a photo that must never be accepted; NaN is refused.
        predicted: id of the best landmark [n]; "" where none was proposed.
        truth: id of the landmark shown [n]; "" for a photo that shows no landmark the model knows.
        known: [n], False for photos of a landmark that the model does not know (their truth is ""). None: all True.
    """

    score: Floats
    predicted: NDArray[np.str_]
    truth: NDArray[np.str_]
    known: Bools | None = None

    def __post_init__(self) -> None:
        set_field = object.__setattr__
        set_field(self, "score", np.asarray(self.score, np.float64))
        set_field(self, "predicted", np.asarray(self.predicted, dtype=str))
        set_field(self, "truth", np.asarray(self.truth, dtype=str))
        known = np.ones(self.score.shape, bool) if self.known is None else np.asarray(self.known, bool)
        set_field(self, "known", known)
        lengths = {name: np.shape(getattr(self, name)) for name in ("score", "predicted", "truth", "known")}
        if self.score.ndim != 1 or len(set(lengths.values())) > 1:
            raise ValueError(f"OpenSet: score, predicted, truth and known must all be [n], got {lengths}")
        if np.isnan(self.score).any():
            raise ValueError(
                f"OpenSet: score of row {int(np.isnan(self.score).argmax())} is NaN; use -inf for 'never accepted'"
            )
        if (~known & (self.truth != "")).any():
            raise ValueError("OpenSet: a photo with a truth shows a known landmark; set known=True or truth=''")

    def __len__(self) -> int:
        return len(self.score)

    @cached_property
    def landmark_photo(self) -> Bools:
        """Which photos [n] show a known landmark."""
        return np.asarray(self.truth != "", bool)

    @cached_property
    def other_photo(self) -> Bools:
        """Which photos [n] show no landmark at all: the negatives of the specificity."""
        return ~self.landmark_photo & ~self.unknown_photo

    @cached_property
    def unknown_photo(self) -> Bools:
        """Which photos [n] show a landmark that the model does not know."""
        assert self.known is not None
        return np.logical_not(self.known)

    @cached_property
    def correct(self) -> Bools:
        """Which landmark photos [n] have the right landmark as best candidate, whatever its score."""
        return np.asarray(self.landmark_photo & (self.predicted == self.truth), bool)

    @cached_property
    def confidence(self) -> Floats:
        """The score [n], -inf where no landmark was proposed."""
        return np.where(self.predicted == "", -np.inf, self.score)

    def accepted(self, threshold: float) -> Bools:
        """Which photos [n] get a landmark at this threshold."""
        return np.asarray(self.confidence > threshold, bool)

    def outcome(self, threshold: float) -> NDArray[np.str_]:
        """What became of each photo [n]: landmark photos `right`, `wrong`, `missed`; the rest `false tag`, `rejected`."""
        accepted = self.accepted(threshold)
        of_landmark = np.where(~accepted, MISSED, np.where(self.correct, RIGHT, WRONG))
        of_other = np.where(accepted, FALSE_TAG, REJECTED)
        return np.where(self.landmark_photo, of_landmark, of_other)

    def figures(self, threshold: float) -> dict[str, float]:
        """All figures under their fixed names (see the module's docstring and DESIGN).

        `unknown_specificity` is there only if photos of unknown landmarks are. `macro_sensitivity` is the mean over
        landmarks; `top1` the share of landmark photos whose best candidate is right, without threshold;
        `sensitivity_at_99` the sensitivity at the smallest threshold whose specificity measured HERE is at least 0.99.

        Raises:
            LandmarkError: no landmark photos or no non-landmark photos to measure on.
        """
        self.check_measurable()
        accepted = self.accepted(threshold)
        landmarks, others = int(self.landmark_photo.sum()), int(self.other_photo.sum())
        right = int((accepted & self.correct).sum())
        rejected = int((~accepted & self.other_photo).sum())
        sensitivity_low, sensitivity_high = wilson(right, landmarks)
        specificity_low, specificity_high = wilson(rejected, others)
        figures = {
            "sensitivity": right / landmarks,
            "sensitivity_low": float(sensitivity_low),
            "sensitivity_high": float(sensitivity_high),
            "specificity": rejected / others,
            "specificity_low": float(specificity_low),
            "specificity_high": float(specificity_high),
            "threshold": float(threshold),
            "gap": self.gap(),
            "sensitivity_at_99": self.sensitivity_at(0.99),
            "sensitivity_at_99_9": self.sensitivity_at(0.999),
            "top1": int(self.correct.sum()) / landmarks,
            "macro_sensitivity": float(self.per_landmark(threshold)["sensitivity"].mean()),
        }
        if self.unknown_photo.any():
            figures["unknown_specificity"] = float((~accepted)[self.unknown_photo].mean())
        return figures

    def gap(self) -> float:
        """Global average precision (micro-AP): sum over ranks i of precision@i * correct_i / landmark photos.

        Photos with tied scores have no order of their own: each gets the precision at the end of its group, so that the
        figure does not depend on the order of the rows. Photos without a proposal are not ranked.
        """
        if not self.landmark_photo.any():
            raise LandmarkError("GAP: no test photo shows a landmark; add landmark photos to the test split")
        order = np.argsort(-self.confidence, kind="stable")
        order = order[self.predicted[order] != ""]
        confidence, correct = self.confidence[order], self.correct[order]
        last = np.searchsorted(-confidence, -confidence, side="right")
        precision = np.cumsum(correct)[last - 1] / last
        return float((precision * correct).sum() / self.landmark_photo.sum())

    def threshold_at(self, specificity: float) -> float:
        """The smallest threshold whose specificity, measured on these photos, is at least `specificity`.

        With tied scores the specificity may be higher than asked for, never lower.
        """
        if not 0 <= specificity <= 1:
            raise ValueError(f"specificity must lie in 0..1, got {specificity}")
        others = np.sort(self.confidence[self.other_photo])
        if len(others) == 0:
            raise LandmarkError(
                "specificity: no test photo shows anything but a landmark; add non-landmark photos to the test split"
            )
        # 0.07 * 100 is 7.000000000000001: a share that is exactly reached must not ask for one photo more.
        rejected = int(np.ceil(specificity * len(others) - 1e-9))
        return float(others[rejected - 1]) if rejected > 0 else float("-inf")

    def sensitivity_at(self, specificity: float) -> float:
        """Sensitivity at `threshold_at(specificity)`."""
        self.check_measurable()
        accepted = self.accepted(self.threshold_at(specificity))
        return float((accepted & self.correct).sum() / self.landmark_photo.sum())

    def curve(self) -> pd.DataFrame:
        """Sensitivity and specificity at every threshold that makes a difference.

        Returns:
            columns threshold (ascending, from -inf), sensitivity (falling), specificity (rising), each with _low and _high:
            95 % Wilson, at each threshold by itself.
        """
        self.check_measurable()
        thresholds = np.unique(np.append(self.confidence, -np.inf))
        correct = np.sort(self.confidence[self.correct])
        others = np.sort(self.confidence[self.other_photo])
        accepted = len(correct) - np.searchsorted(correct, thresholds, side="right")
        rejected = np.searchsorted(others, thresholds, side="right")
        table = pd.DataFrame({"threshold": thresholds})
        for name, count, of in (
            ("sensitivity", accepted, int(self.landmark_photo.sum())),
            ("specificity", rejected, len(others)),
        ):
            table[name] = count / of
            table[f"{name}_low"], table[f"{name}_high"] = wilson(count, of)
        return table

    def per_landmark(self, threshold: float) -> pd.DataFrame:
        """A row a landmark that is shown or given, by id.

        Returns:
            columns landmark, photos, sensitivity (NaN without photos), low, high (95 % Wilson), wrong (photos of it given
            another landmark), missed (given none), false_tags (photos of no known landmark that were given it).
        """
        accepted = self.accepted(threshold)
        outcome = self.outcome(threshold)
        truth, predicted, ids = self._codes
        count = len(ids)
        photos = np.bincount(truth, minlength=count)
        right = np.bincount(truth[accepted & self.correct], minlength=count)
        low, high = wilson(right, photos)
        table = pd.DataFrame(
            {
                "landmark": ids,
                "photos": photos,
                "sensitivity": np.divide(right, photos, out=np.full(count, np.nan), where=photos > 0),
                "low": low,
                "high": high,
                "wrong": np.bincount(truth[outcome == WRONG], minlength=count),
                "missed": np.bincount(truth[outcome == MISSED], minlength=count),
                "false_tags": np.bincount(predicted[outcome == FALSE_TAG], minlength=count),
            }
        )
        given = np.bincount(predicted[accepted], minlength=count)
        return table[(table["landmark"] != "") & ((photos > 0) | (given > 0))].reset_index(drop=True)

    def confusions(self, threshold: float) -> pd.DataFrame:
        """What was taken for what: accepted photos with a landmark that they do not show, most frequent pair first.

        Returns:
            columns truth ("" for no known landmark), known (False: a landmark that the model does not know), predicted,
            photos, top_score (highest score of the pair).
        """
        wrong = self.accepted(threshold) & ~self.correct
        assert self.known is not None
        rows = pd.DataFrame(
            {
                "truth": self.truth[wrong],
                "known": self.known[wrong],
                "predicted": self.predicted[wrong],
                "score": self.score[wrong],
            }
        )
        pairs = rows.groupby(["truth", "known", "predicted"], as_index=False).agg(
            photos=("score", "size"), top_score=("score", "max")
        )
        return pairs.sort_values(
            ["photos", "top_score", "truth", "predicted"], ascending=[False, False, True, True], ignore_index=True
        )

    @cached_property
    def _codes(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.object_]]:
        """(truth [n], predicted [n], ids): every id as its position in the sorted ids."""
        codes, ids = pd.factorize(np.concatenate([self.truth, self.predicted]).astype(object), sort=True)
        return codes[: len(self)], codes[len(self) :], np.asarray(ids, object)

    def check_measurable(self) -> None:
        """Refuse a set on which sensitivity or specificity means nothing.

        Raises:
            LandmarkError: no landmark photos or no others.
        """
        if not self.landmark_photo.any():
            raise LandmarkError("sensitivity: no test photo shows a landmark; add landmark photos to the test split")
        if not self.other_photo.any():
            raise LandmarkError(
                "specificity: no test photo shows anything but a landmark; add non-landmark photos to the test split"
            )
