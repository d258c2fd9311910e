"""The rule by which a new version takes the champion's place: every number of it is a setting, its digest goes with a verdict.

Both recognizers decide on the same test photos in the same process, and each photo is compared with itself. Near-duplicates
are not independent: a near-duplicate group counts once in a test, and is drawn as a whole by the bootstrap.

- **Specificity must be shown not to be worse.** The challenger passes if the test at level `alpha` excludes a net loss of
  `specificity_margin` or more (Tango's score test, or the bootstrap's interval). Who must prove something is the challenger.
  Where there are too few photos for that even if none were lost (fewer than 268 at 1 % and 5 %), nothing may be lost at all,
  and below `specificity_photos` nothing passes.
- **Sensitivity must not be lower**: the net loss on the photos of landmarks that both know is at most `sensitivity_drop`
  as observed (0: better or equal), and no loss at all is significant at level `alpha`.
- **No landmark is given up**: see `landmark_drop`, `landmark_photos`, `landmark_alpha`, `may_lose`. None may lose all of two or
  more photos, and those with few photos are also tested together.
- **The anchor holds the line.** Many small steps, each within its margin, would lead anywhere. So the same photos are also
  decided by the anchor: the version that a person promoted last, or the first champion. Against it specificity may be lower
  by `anchor_drop` at most, sensitivity not at all, and no landmark given up. A promotion by hand moves it.
- **Size and speed** stay within their bounds.
- **Bounds that need no rival**: `min_sensitivity`, `min_specificity`, and a specificity that is shown to lie below what was
  calibrated for, by more than `target_tolerance`, refuses. The first version of a model has none but these.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from landmark.settings import Fraction, Positive, Settings

Level = Annotated[float, Field(gt=0, lt=0.5)]
Ratio = Annotated[float, Field(gt=0)]


class GateConfig(Settings):
    """What a new version must be, beside the champion, to take its place."""

    auto_promote: bool = Field(
        True, description="a version that passes becomes champion by itself; false: only the verdict is kept"
    )
    test: Literal["mcnemar", "bootstrap"] = Field(
        "mcnemar",
        description="paired test: 'mcnemar' (score and exact; near-duplicates count once) or 'bootstrap' (groups redrawn)",
    )
    alpha: Level = Field(0.05, description="level of the one-sided tests of sensitivity and specificity [probability]")
    resamples: Annotated[int, Field(ge=200)] = Field(2000, description="resamples of the bootstrap [count]")
    seed: int = Field(0, description="seed of the bootstrap and of the choice of timed photos")
    specificity_margin: Fraction = Field(
        0.01, description="largest net loss of specificity that is no loss [share of the non-landmark photos]"
    )
    specificity_photos: Positive = Field(
        50, description="fewest non-landmark test photos, near-duplicates counted once, on which specificity is judged [count]"
    )
    anchor_drop: Fraction = Field(
        0.01, description="largest loss of specificity against the anchor, as observed [share of the non-landmark photos]"
    )
    sensitivity_drop: Fraction = Field(
        0.0,
        description="largest net loss of sensitivity that is let pass where it isn't significant [share of landmark photos]",
    )
    landmark_drop: Fraction = Field(0.1, description="largest net loss of one landmark's sensitivity [share of its photos]")
    landmark_photos: Positive = Field(
        30,
        description="test photos from which on a drop counts as it is; with fewer it must be significant too [count]",
    )
    landmark_alpha: Level = Field(
        0.05, description="level of the exact one-sided test of a landmark with few photos: 1 lost of 3 is chance [probability]"
    )
    landmark_correction: Literal["none", "holm"] = Field(
        "none", description="'holm': correct that test for the number of landmarks, of which thousands hold one by chance"
    )
    may_lose: tuple[str, ...] = Field((), description="ids of landmarks that the challenger need not know any more")
    max_bytes: Positive | None = Field(None, description="largest recognizer [bytes]; None: no bound")
    max_bytes_ratio: Ratio | None = Field(2.0, description="largest recognizer [multiples of the champion's]; None: no bound")
    max_seconds: Ratio | None = Field(None, description="longest time a photo, from file to answer [seconds]; None: no bound")
    max_seconds_ratio: Ratio | None = Field(
        1.5, description="longest time a photo [multiples of the champion's, each by its fastest round]; None: no bound"
    )
    timed_photos: Positive = Field(32, description="test photos whose recognition is timed [count]")
    timed_rounds: Positive = Field(5, description="rounds of timing, the two recognizers in turns [count]")
    target_tolerance: Fraction | None = Field(
        0.01, description="specificity may lie so far below `calibration.specificity` [share]; None: no bound"
    )
    min_sensitivity: Fraction | None = Field(
        None, description="sensitivity that every champion must have [share]; None: no bound"
    )
    min_specificity: Fraction | None = Field(
        None, description="specificity that every champion must have [share]; None: no bound"
    )
    pictures: Annotated[int, Field(ge=0)] = Field(
        12, description="photos won and photos lost that the page shows, of each [count]"
    )
