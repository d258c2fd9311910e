"""What a person said of a photo, when a program has written into its file since (a rating, a caption): it still holds.

A correction is known by the sha256 of the file, which any such program changes, while it changes no pixel. So before a job
reads changed photos, it puts aside what was known of those that were corrected (`edited.npz`); afterwards, a photo whose
embedding is as it was has the same pixels, and what was said of it is said of the file as it is now.
"""

from __future__ import annotations

import io
import logging
import os
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from landmark.names import shown
from landmark.photos.correction import Correction
from landmark.photos.corrections import FILE, Corrections
from landmark.photos.said import TAGS_FILE, photos_of
from landmark.storage import atomic_file
from landmark.tagging.plan import content_of
from landmark.tagging.shard import PhotoRow, ShardFolder
from landmark.tagging.source import Listed, Listing
from landmark.tagging.state import ShardRow, State

log = logging.getLogger(__name__)

EDITED = "edited.npz"
SAME = 1e-4
"""Largest 1 - cosine of embeddings of the same pixels. Between machines and batches it is below 1e-6; a photo that is saved
anew, as JPEG of the best quality, comes to 1e-4 and more."""

_Vector = NDArray[np.float32]
_Edited = dict[tuple[bytes, str], _Vector | None]
"""Embeddings [d] by photo and sha256 as they were; None: of another network than the one in use, or lost."""


def put_aside(state: State, listing: Listing, out: Path, fingerprint: str, dim: int) -> None:
    """Keep what a job that is about to read changed photos would lose: embeddings of those that were corrected.

    No shard is opened whose photos are as they were, and none where nothing is corrected.

    Args:
        state: the shards as they are before the job.
        listing: the photos now.
        out: folder of the job.
        fingerprint: of the network in use.
        dim: length of its embeddings.

    Raises:
        LandmarkError: no space, or the corrections are damaged.
    """
    said = Corrections(out / FILE).current
    if not said:
        return
    file = state.folder / EDITED
    before, _ = _read(file, fingerprint)
    edited = dict(before)
    for shard, photos in _by_shard(state, _photos(said, out / TAGS_FILE)):
        if not (versions := _changed(state, listing, shard, photos)):
            continue
        folder = ShardFolder(state.shards_folder / shard.id)
        rows = [row for row in folder.photos() if row.sha256 in said and versions.get(row.photo, row.version) != row.version]
        kept = folder.vectors(fingerprint, dim, {row.sha256 for row in rows}) if rows else {}
        for row in rows:
            edited.setdefault((row.photo, row.sha256), kept.get(row.sha256))
    if edited.keys() != before.keys():
        _write(file, edited, fingerprint, dim)


def carry_over(state: State, out: Path, fingerprint: str) -> int:
    """Say of edited photos what was said of them before, and forget what was put aside.

    What can't be told is said in the log: those that another network embeds now. Those that can't be read now stay aside.

    Args:
        state: the shards as they are after the job.
        out: folder of the job.
        fingerprint: of the network in use.

    Returns:
        Corrections added [count].

    Raises:
        LandmarkError: no space, or the corrections are damaged.
    """
    file = state.folder / EDITED
    if not file.exists():
        return 0
    edited, dim = _read(file, fingerprint)
    corrections = Corrections(out / FILE)
    said = corrections.current
    moves: list[tuple[Correction, str, str]] = []
    waiting: _Edited = {}
    unknown = others = 0
    for (photo, sha256), row, vector in _now(state, edited, fingerprint, dim):
        if sha256 not in said or row is None or row.sha256 == sha256 or row.sha256 in said:
            continue
        old = edited[photo, sha256]
        if row.reason:
            waiting[photo, sha256] = old
        elif old is None or vector is None:
            unknown += 1
        elif _far(old, vector) > SAME:
            others += 1
        else:
            moves.append((said[sha256], row.sha256, os.fsdecode(photo)))
    moves.sort(key=lambda move: move[0].time)
    # Of two words for one file the later one holds.
    carried = corrections.carry({move[1]: move for move in moves}.values()) if moves else 0
    if not waiting:
        file.unlink(missing_ok=True)
    elif waiting.keys() != edited.keys():
        _write(file, waiting, fingerprint, dim)
    if carried or others:
        what = "%s: %d corrections are carried over to photos that a program wrote into; %d photos are other pictures now"
        log.info(what, shown(out), carried, others)
    if unknown or waiting:
        log.warning(
            "%s: what was said of %d photos that changed is not carried over: %d could not be compared, for the network "
            "is another one (say it again in `landmark review`), %d can't be read now",
            *(shown(out), unknown + len(waiting), unknown, len(waiting)),
        )
    return carried


def log_unmatched(out: Path) -> int:
    """Say in the log how many corrections are of no photo of the collection, by the tables as they are now.

    Those of photos of which something is said as they are now don't count.

    Returns:
        Corrections [count].
    """
    said = Corrections(out / FILE).current
    found = photos_of(out / TAGS_FILE, said) if said else {}
    known = {photo for photos in found.values() for photo in photos}
    missing = sum(sha256 not in found and word.photo not in known for sha256, word in said.items())
    if missing:
        log.info("%s: %d corrections match no photo of the collection now", shown(out), missing)
    return missing


def _photos(said: Mapping[str, Correction], table: Path) -> set[bytes]:
    """Where corrected photos are: where they were when it was said, and where the tables of the last job have them."""
    named = {word.photo for word in said.values()}
    if table.is_file():
        named.update(photo for photos in photos_of(table, said).values() for photo in photos)
    return {photo.encode("utf-8") for photo in named if _storable(photo)}


def _storable(photo: str) -> bool:
    return "\0" not in photo and not any("\ud800" <= character <= "\udfff" for character in photo)


def _by_shard(state: State, photos: Iterable[bytes]) -> Iterator[tuple[ShardRow, list[bytes]]]:
    """Photos with the shard in whose range they are."""
    shard: ShardRow | None = None
    group: list[bytes] = []
    for photo in sorted(photos):
        found = state.holding(photo)
        if shard is not None and found != shard:
            yield shard, group
            group = []
        shard = found
        group.append(photo)
    if shard is not None:
        yield shard, group


def _changed(state: State, listing: Listing, shard: ShardRow, photos: Collection[bytes]) -> dict[bytes, str]:
    """Versions of these photos as they are now; none where the whole shard is as it was."""
    first, following = state.after(None), state.after(shard.first)
    low = b"" if first is None or first.id == shard.id else shard.first
    wanted, versions = set(photos), dict[bytes, str]()

    def listed() -> Iterator[Listed]:
        for photo, version in listing.between(low, None if following is None else following.first):
            if photo in wanted:
                versions[photo] = version
            yield photo, version

    return {} if content_of(listed()) == shard.content else versions


def _now(
    state: State, edited: _Edited, fingerprint: str, dim: int
) -> Iterator[tuple[tuple[bytes, str], PhotoRow | None, _Vector | None]]:
    """What is known now of photos that were put aside: rows (None: gone) and embeddings [d]."""
    for shard, photos in _by_shard(state, {photo for photo, _ in edited}):
        folder, wanted = ShardFolder(state.shards_folder / shard.id), set(photos)
        rows = {row.photo: row for row in folder.photos() if row.photo in wanted}
        keys = [key for key in edited if key[0] in wanted]
        # Where none can be compared, the length of an embedding may be another one than that of these.
        some = any(edited[key] is not None for key in keys)
        vectors = folder.vectors(fingerprint, dim, {row.sha256 for row in rows.values()}) if some else {}
        for key in keys:
            row = rows.get(key[0])
            yield key, row, vectors.get(row.sha256) if row is not None else None


def _far(one: _Vector, other: _Vector) -> float:
    """1 - cosine of two embeddings."""
    a, b = one.astype(np.float64), other.astype(np.float64)
    return 1 - float(a @ b) / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-30)


def _read(file: Path, fingerprint: str) -> tuple[_Edited, int]:
    """What was put aside, and the length of an embedding."""
    try:
        with np.load(file, allow_pickle=False) as kept:
            photos, sha256, vectors, there = (kept[name] for name in ("photos", "sha256", "vectors", "there"))
            there = there & (str(kept["fingerprint"]) == fingerprint)
            keys = zip(photos.tolist(), sha256.tolist(), strict=True)
            rows = [vectors[row] if there[row] else None for row in range(len(photos))]
            return dict(zip(keys, rows, strict=True)), int(vectors.shape[1])
    except FileNotFoundError:
        return {}, 0
    except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile) as error:
        what = "%s is damaged (%s): corrections of photos that changed in a job that was broken off are not carried over"
        log.warning(what, shown(file), " ".join(str(error).split())[:200])
        return {}, 0


def _write(file: Path, edited: _Edited, fingerprint: str, dim: int) -> None:
    vectors = np.zeros((len(edited), dim), np.float32)
    for row, vector in enumerate(edited.values()):
        if vector is not None:
            vectors[row] = vector
    stream = io.BytesIO()
    np.savez(
        stream,
        photos=np.array([photo for photo, _ in edited], np.bytes_),
        sha256=np.array([sha256 for _, sha256 in edited]),
        there=np.array([vector is not None for vector in edited.values()]),
        vectors=vectors,
        fingerprint=np.array(fingerprint),
    )
    with atomic_file(file) as temporary:
        temporary.write_bytes(stream.getvalue())
