"""The generated sample: a small world of landmarks, each seen in several aspects, and of other things that resemble them."""

from landmark.photos.world.holiday import write_holiday
from landmark.photos.world.sheet import contact_sheet
from landmark.photos.world.write import write_world

__all__ = ["contact_sheet", "write_holiday", "write_world"]
