"""What is made of the tables: albums, gallery, sidecars. Each is brought up to date, or skipped where nothing changed."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from landmark.storage import is_s3
from landmark.tagging.output_config import OutputConfig
from landmark.tagging.state import State

if TYPE_CHECKING:
    from landmark.recognition.recognizer import Recognizer

log = logging.getLogger(__name__)

GALLERY_PAGE = Path("gallery", "index.html")


def write_outputs(
    state: State,
    out: Path,
    recognizer: Path,
    settings: OutputConfig,
    token: str,
    progress: bool,
    loaded: Recognizer | None = None,
) -> dict[str, Any]:
    """Bring albums, gallery and sidecars in line with the tables.

    Args:
        state: where it is kept what they were made of.
        out: folder of the tables.
        recognizer: folder of the recognizer that decided.
        settings: which are wanted.
        token: stands for the tables.
        progress: say on stderr how far it is.
        loaded: that recognizer, where it is in memory already.

    Returns:
        What was done, by output; nothing of those that are as they were.

    Raises:
        LandmarkError: no space or no permission; the next job goes on there.
    """
    source = state.fact("source")
    kind = "lists" if settings.albums == "links" and is_s3(source) else settings.albums
    totals = state.totals()
    # So that a page is no more work than the tags that it shows.
    near = min(settings.near_misses, max(50, totals["photos"] // 100))
    why = min(settings.why, max(4, totals["photos"] // 100))
    done: dict[str, Any] = {}
    if _due(state, "albums", wanted := json.dumps([token, kind])) or (kind != "none" and not (out / "albums").is_dir()):
        from landmark.tagging.albums import remove_albums, write_albums

        done["albums"] = (remove_albums(out) if kind == "none" else write_albums(out, kind, progress=progress)).to_json()
        state.set_fact("made albums", wanted)
    wanted = json.dumps([token, settings.shown, near, why])
    if settings.gallery and (_due(state, "gallery", wanted) or not (out / GALLERY_PAGE).is_file()):
        from landmark.tagging.gallery import write_gallery

        made = write_gallery(out, recognizer, near_misses=near, limit=settings.shown, why=why, progress=progress, loaded=loaded)
        done["gallery"] = made.to_json()
        state.set_fact("made gallery", wanted)
    if settings.xmp != "keep" and _due(state, "xmp", wanted := json.dumps([token, settings.xmp])):
        from landmark.tagging.sidecars import remove_sidecars, write_sidecars

        write = settings.xmp == "write"
        result = write_sidecars(out, progress=progress) if write else remove_sidecars(out, progress=progress)
        done["xmp"] = result.to_json()
        if not result.failed:  # what could not be written is tried again
            state.set_fact("made xmp", wanted)
    if settings.copy_to is not None and _due(state, "copy", wanted := json.dumps([token, settings.model_dump(mode="json")])):
        from landmark.tagging.publication import copy_to

        done["copy"] = {"files": copy_to(out, settings.copy_to), "to": settings.copy_to}
        state.set_fact("made copy", wanted)
    return done


def _due(state: State, output: str, wanted: str) -> bool:
    return state.fact(f"made {output}") != wanted
