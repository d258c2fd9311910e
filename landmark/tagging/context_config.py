"""Settings of context: what a photo's position and the photos around it may change. Light to import."""

from __future__ import annotations

from pydantic import Field

from landmark.settings import Fraction, Positive, Settings


class ContextConfig(Settings):
    """How much context counts, in log-odds added to what the photo alone says.

    Position and neighbours say the same thing, that the camera was at a landmark: of all that supports a landmark the largest
    counts, not the sum. So no photo can get a landmark that lacks more than the largest support of the threshold. The defaults
    were chosen as docs/context.md says; `mutual` is off because it won nothing there that it did not cost.
    """

    gps: bool = Field(True, description="a photo taken near a landmark supports it")
    neighbours: bool = Field(True, description="sure photos of one burst or visit support each other's near misses")
    near_km: float = Field(
        1.0, gt=0, description="up to here a photo is near a landmark; support fades out until twice as far [km]"
    )
    near: float = Field(1.0, ge=0, le=5, description="support by a position near a landmark [log-odds]")
    burst_seconds: float = Field(30.0, ge=0, description="longest time between two photos of a burst [s]")
    burst: float = Field(1.5, ge=0, le=5, description="support by a sure photo of the same burst [log-odds]")
    visit_minutes: float = Field(60.0, ge=0, description="longest time between two photos of a visit [min]")
    visit: float = Field(0.5, ge=0, le=5, description="support by a sure photo of the same visit [log-odds]")
    visit_km: float = Field(1.0, gt=0, description="photos farther apart, where both have a position, are no neighbours [km]")
    sure: Fraction = Field(0.5, description="smallest confidence of a tag that supports its neighbours [probability]")
    lifts: Positive = Field(2, description="most photos that one sure photo's support gives a landmark to [count]")
    mutual: float = Field(
        0.0, ge=0, le=5, description="support by a near miss of the same visit, but not of the same burst; 0: off [log-odds]"
    )
    against: float = Field(
        1.0, ge=0, le=5,
        description="what two sure photos of the same visit that show landmarks over 200 km away take from a tag that is not "
        "sure, of a photo without a position; 0: off [log-odds]",
    )  # fmt: skip

    @property
    def most(self) -> float:
        """Largest support there can be [log-odds]."""
        around = max(self.burst, self.visit, self.mutual) if self.neighbours else 0.0
        return max(self.near if self.gps else 0.0, around)
