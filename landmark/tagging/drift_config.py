"""Settings of the drift check. Light to import."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from landmark.settings import Fraction, Positive, Settings

Action = Literal["none", "refresh", "retrain"]
ACTIONS: tuple[Action, ...] = ("none", "refresh", "retrain")
"""Each does more than the one before."""


class DriftConfig(Settings):
    """What counts as drift of a tagged collection, and what to do about it.

    Every bound is the size of an effect, and a finding counts only if chance alone would not have made it (`chance`): with
    a million photos any difference is significant, and with a few hundred any difference is large.

    What triggers what, and why:

    - `far` and `scores` -> refresh. Photos that lie farther from every centroid than before show places, seasons or subjects
      that no centroid stands for. New centroids and a new threshold, from the photos there are now, are what a refresh makes;
      the network is general and need not learn.
    - `similarity` -> retrain, after `lasting` windows one after another. If photos that still are tagged are less and less
      like their centroids, the embedding itself fits them worse (another camera, another crop, another compression), and new
      centroids in the same embedding won't mend that. Training takes hours, so one odd import isn't enough.
    - `tagged` and `landmarks` -> none. What people photograph changes with every journey: a week in Paris multiplies the tags
      of one landmark without anything being wrong. They are shown, and can be made to trigger.
    """

    minimum: Positive = Field(500, description="photos in a window before it is judged, and in the reference [count]")
    minimum_tagged: Positive = Field(30, description="tagged photos on each side before their similarity is judged [count]")
    tagged: float = Field(
        0.5, gt=0, description="largest change of the share of photos that are tagged [share of the reference's]"
    )
    far_share: float = Field(
        0.05, gt=0, lt=0.5, description="photos of the reference that count as far: those least similar to any centroid [share]"
    )
    far: float = Field(1.0, gt=0, description="largest rise of the share of far photos [share of the reference's]")
    bins: int = Field(10, ge=2, le=100, description="bins of the PSI, with equal shares of the reference's photos [count]")
    psi: float = Field(
        0.2, gt=0, description="largest population stability index of the scores; above 0.2 is a major shift [nat]"
    )
    ks: Fraction = Field(0.15, description="largest Kolmogorov-Smirnov distance of the scores [share of photos]")
    similarity: float = Field(
        0.3, gt=0, description="largest loss of mean similarity of tagged photos [standard deviations of the reference]"
    )
    lasting: Positive = Field(2, description="windows one after another in which similarity must be lost [count]")
    landmark_ratio: float = Field(2.0, gt=1, description="smallest factor by which a landmark's share of the tags changes")
    chance: float = Field(
        0.001, gt=0, lt=0.2, description="probability that a finding is made where nothing changed, each window and finding"
    )
    on_tagged: Action = Field("none", description="what a changed share of tagged photos triggers")
    on_far: Action = Field("refresh", description="what a rise of far photos triggers")
    on_scores: Action = Field("refresh", description="what another distribution of scores triggers")
    on_similarity: Action = Field("retrain", description="what a lasting loss of similarity triggers")
    on_landmarks: Action = Field("none", description="what landmarks that rise or fall trigger")
    action: Action = Field("retrain", description="the most that may be advised; 'none': report only")
