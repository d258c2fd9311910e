"""What training minimises: every loss by name, and the pull to the centres beside it."""

from landmark.network.objectives.base import NON_LANDMARK, Objective
from landmark.network.objectives.centres import Centres
from landmark.network.objectives.class_head import ClassHead, Classification
from landmark.network.objectives.factory import make_objective

__all__ = ["NON_LANDMARK", "Centres", "ClassHead", "Classification", "Objective", "make_objective"]
