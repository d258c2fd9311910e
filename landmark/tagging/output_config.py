"""Settings of what a tag job makes beside the tables. Light to import."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from landmark.settings import Fraction, Settings
from landmark.tagging.context_config import ContextConfig

Albums = Literal["links", "lists", "none"]
Xmp = Literal["keep", "write", "withdraw"]


class OutputConfig(Settings):
    """What users get, and where their own tools find it."""

    min_confidence: Fraction = Field(
        0.0, description="smallest confidence of a tag; 0: the recognizer's threshold alone decides [probability]"
    )
    context: ContextConfig = Field(default_factory=ContextConfig, description="what photos taken near one another tell")
    language: str | None = Field(
        None,
        description="language of names, such as fr or pt-BR; auto: of the environment; None: as the recognizer has them",
        min_length=2,
    )
    names: str | None = Field(
        None, description="CSV file `landmark,name[,city,country]` with names of your own, by landmark id"
    )
    csv: bool = Field(False, description="write tags.csv too")
    albums: Albums = Field("links", description="albums/COUNTRY/CITY/LANDMARK/ of links to the photos, lists of them, or none")
    gallery: bool = Field(True, description="write gallery/index.html")
    shown: int = Field(20_000, ge=1, description="most tagged photos that the gallery shows [count]")
    near_misses: int = Field(
        500, ge=0, description="most photos without a landmark that the gallery shows; at most 1 % of all, or 50 [count]"
    )
    why: int = Field(
        24, ge=0, description="photos whose activation map is drawn, the least sure first; at most 1 % of all, or 4 [count]"
    )
    xmp: Xmp = Field(
        "keep", description="write: XMP sidecars beside the photos; withdraw: take all of ours back; keep: leave them alone"
    )
    copy_to: str | None = Field(
        None, description="s3:// prefix that gets a copy of tables, lists and gallery", pattern=r"^s3://[^/]+(/.*)?$"
    )

    def options(self) -> list[str]:
        """What asks `landmark tag` for the same on the command line.

        >>> OutputConfig(xmp="write", min_confidence=0.9, gallery=False).options()
        ['--min-confidence', '0.9', '--no-gallery', '--xmp']
        """
        blank, found = OutputConfig(), list[str]()
        for name in type(self).model_fields:
            value, option = getattr(self, name), "--" + name.replace("_", "-")
            if value == getattr(blank, name):
                continue
            if name == "xmp":
                found.append("--xmp" if value == "write" else "--withdraw-xmp")
            elif name == "context":
                found += [] if value.most > 0 else ["--no-context"]
            elif isinstance(value, bool):
                found.append(option if value else "--no-" + name)
            else:
                found += [option, str(value)]
        return found
