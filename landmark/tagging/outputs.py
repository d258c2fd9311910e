"""What is made of the tables: albums, gallery, sidecars. Each is brought up to date, or skipped where nothing changed."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from landmark.errors import LandmarkError
from landmark.storage import is_s3
from landmark.tagging.output_config import OutputConfig
from landmark.tagging.state import State

if TYPE_CHECKING:
    from landmark.recognition.recognizer import Recognizer

log = logging.getLogger(__name__)

GALLERY_PAGE = Path("gallery", "index.html")
SIDECARS_DONE = ("written", "withdrawn", "removed", "declined", "failed")


@dataclass
class Outputs:
    """Makes them.

    Args:
        state: where it is kept what they were made of.
        out: folder of the tables.
        recognizer: folder of the recognizer that decided.
        settings: which are wanted.
        token: stands for the tables.
        progress: say on stderr how far it is.
        loaded: that recognizer, where it is in memory already.
    """

    state: State
    out: Path
    recognizer: Path
    settings: OutputConfig
    token: str
    progress: bool
    loaded: Recognizer | None = None
    done: dict[str, Any] = field(default_factory=dict)
    _failed: list[LandmarkError] = field(default_factory=list)

    def make(self) -> dict[str, Any]:
        """Bring all that is wanted in line with the tables; one that fails does not keep the others from it.

        Returns:
            What was done, by output; nothing of those that are as they were.

        Raises:
            LandmarkError: no space or no permission; the next job goes on there.
        """
        for output in (self._albums, self._gallery, self._sidecars, self._copy):
            output()
        if self._failed:
            raise self._failed[0]
        return self.done

    def _albums(self) -> None:
        kind, out = self.settings.albums, self.out
        if kind == "links" and is_s3(self.state.fact("source")):
            kind = "lists"
        wanted = json.dumps([self.token, kind])
        if self._is("albums", wanted) and (kind == "none" or (out / "albums").is_dir()):
            return
        from landmark.tagging.albums import remove_albums, write_albums

        made = None
        with self._making("albums", wanted):
            made = remove_albums(out) if kind == "none" else write_albums(out, kind, progress=self.progress)
            self.done["albums"] = made.to_json()
        if made is not None and made.failed:
            self.state.set_fact("made albums", "")

    def _gallery(self) -> None:
        if not self.settings.gallery:
            return
        photos = self.state.totals()["photos"]
        # So that a page is no more work than the tags that it shows.
        near = min(self.settings.near_misses, max(50, photos // 100))
        why = min(self.settings.why, max(4, photos // 100))
        wanted = json.dumps([self.token, self.settings.shown, near, why])
        if self._is("gallery", wanted) and (self.out / GALLERY_PAGE).is_file():
            return
        from landmark.tagging.gallery import write_gallery

        sizes = {"near_misses": near, "limit": self.settings.shown, "why": why}
        with self._making("gallery", wanted):
            made = write_gallery(self.out, self.recognizer, **sizes, progress=self.progress, loaded=self.loaded)
            self.done["gallery"] = made.to_json()

    def _sidecars(self) -> None:
        wanted = json.dumps([self.token, self.settings.xmp])
        # Written ones are looked at in every job: the user's own programs may have changed or removed them.
        if self.settings.xmp == "keep" or (self.settings.xmp == "withdraw" and self._is("xmp", wanted)):
            return
        from landmark.tagging.sidecars import remove_sidecars, write_sidecars

        with self._making("xmp", wanted):
            write = write_sidecars if self.settings.xmp == "write" else remove_sidecars
            counts = write(self.out, progress=self.progress).to_json()
            if any(counts[name] for name in SIDECARS_DONE):
                self.done["xmp"] = counts
        if self.done.get("xmp", {}).get("failed"):
            self.state.set_fact("made xmp", "")  # what could not be written is tried again

    def _copy(self) -> None:
        target = self.settings.copy_to
        wanted = json.dumps([self.token, self.settings.model_dump(mode="json")])
        if target is None or (self._is("copy", wanted) and not self.done):
            return
        from landmark.tagging.publication import copy_to

        with self._making("copy", wanted):
            self.done["copy"] = {"files": copy_to(self.out, target), "to": target}

    def _is(self, output: str, wanted: str) -> bool:
        return self.state.fact(f"made {output}") == wanted

    @contextlib.contextmanager
    def _making(self, output: str, wanted: str) -> Iterator[None]:
        # Killed or failed on the way, it is neither what it was nor what it shall be.
        self.state.set_fact(f"made {output}", "")
        try:
            yield
        except LandmarkError as error:
            self._failed.append(error)
            log.warning("%s: %s", output, error)
        else:
            self.state.set_fact(f"made {output}", wanted)
