"""What all settings have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[int, Field(ge=1)]


class Settings(BaseModel):
    """Base of all settings: immutable, and strict about unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)
