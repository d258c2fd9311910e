"""What people said of photos, in a catalog: as labels of photos that it has, and as photos for training that it has not.

Corrected photos are no random sample: they were looked at because the model was unsure or wrong. So they only train, and a
near-duplicate of a photo that calibrates or tests is left out. A photo of the source keeps the split that it has anyway, with
the person's word as its label, unless that makes a landmark photo of one without a landmark, or the reverse: drawn to
calibrate or test, it is left out then, for it was no draw from the photos that it would stand among.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from landmark.names import shown
from landmark.photos.corrections import Correction
from landmark.photos.duplicates import near_groups
from landmark.photos.record import read_records, records_table, storable
from landmark.photos.record_cache import RecordCache

log = logging.getLogger(__name__)

CHANGED = "corrections: its content is not what it was when someone said what it shows; say it of the photo as it is now"
OTHER_KIND = "corrections: was drawn for split {} as what it does not show; left out"
TOO_NEAR = "corrections: nearly the same as a photo of split {}; left out"
Rejects = list[tuple[str, str]]


def relabel(table: pd.DataFrame, said: Mapping[str, Correction]) -> tuple[pd.DataFrame, Rejects]:
    """Give the photos of a source the labels that people gave them.

    Args:
        table: columns photo, sha256, landmark, known, split.
        said: what holds, by sha256.

    Returns:
        The rows that stay (index kept), with a column `verified`; and the others, with the reason.
    """
    rejects: Rejects = []
    landmark, verified = table["landmark"].tolist(), np.zeros(len(table), bool)
    stays = np.ones(len(table), bool)
    for row, (sha256, known) in enumerate(zip(table["sha256"], table["known"], strict=True)):
        word = said.get(sha256)
        # Who rejects a photo of a landmark that is unknown says what the source says.
        if word is None or (not known and not word.landmark):
            continue
        split = table["split"].iloc[row]
        if bool(word.landmark) != bool(landmark[row]) and split != "train":
            stays[row] = False
            rejects.append((table["photo"].iloc[row], OTHER_KIND.format(split)))
        landmark[row], verified[row] = word.landmark, True
    known = table["known"] | (np.asarray(landmark, object) != "")
    return table.assign(landmark=landmark, known=known, verified=verified)[stays], rejects


def read_said_photos(
    said: Mapping[str, Correction], elsewhere: Collection[str] = (), progress: bool = True
) -> tuple[pd.DataFrame, np.ndarray, Rejects]:
    """Read photos that people spoke of and that the source does not have.

    Args:
        said: of those, by sha256.
        elsewhere: files of the source, whose contents are known to be others.
        progress: show a bar on stderr, if that is a terminal.

    Returns:
        Rows for training, as `relabel` gives them; their perceptual hashes (uint64 [n]); and those that are gone, can't be
        read or have other contents now, with the reason.
    """
    words = [said[sha256] for sha256 in sorted(said) if said[sha256].photo not in elsewhere]
    records, kept = [], []
    rejects = [(word.photo, CHANGED) for word in said.values() if word.photo in elsewhere]
    with RecordCache() as cache:
        for word, record in zip(words, read_records([word.photo for word in words], progress, cache), strict=True):
            if record.reason or record.sha256 != word.sha256:
                photo = word.photo if storable(word.photo) else shown(word.photo)
                rejects.append((photo, f"corrections: {record.reason}" if record.reason else CHANGED))
            else:
                records.append(record)
                kept.append(word)
    table = records_table(records).assign(
        landmark=[word.landmark for word in kept], known=True, pinned="train", split="train", verified=True
    )
    return table, np.array([record.phash for record in records], dtype=np.uint64), rejects


def add_said(
    table: pd.DataFrame, hashes: np.ndarray, said: Mapping[str, Correction], bits: int, progress: bool = True
) -> tuple[pd.DataFrame, np.ndarray, Rejects]:
    """A catalog's photos with what people said of photos.

    Args:
        table: columns photo, sha256, width, height, taken_at, lat, lon, landmark, known, pinned, split [n].
        hashes: perceptual hashes, uint64 [n].
        said: what holds, by sha256.
        bits: largest distance of two near-duplicates [bits of 64].
        progress: show a bar on stderr, if that is a terminal.

    Returns:
        The table with a column `verified`, its hashes, and the photos that are left out, with the reason.
    """
    had = set(table["sha256"])
    stay, rejects = relabel(table, said)
    unknown = {sha256: word for sha256, word in said.items() if sha256 not in had}
    new, new_hashes, unread = read_said_photos(unknown, set(table["photo"]), progress)
    # A program wrote into the file, and the same was said of it as it is now: what it was before is no loss.
    now = {word.photo for sha256, word in said.items() if sha256 in had} | set(new["photo"])
    unread = [(photo, why) for photo, why in unread if why != CHANGED or photo not in now]
    hashes = np.concatenate([hashes[stay.index.to_numpy()], new_hashes])
    group = near_groups(hashes, bits)
    held_out = np.append(stay["split"].to_numpy(object), np.full(len(new), "train", object))
    apart = {int(number): str(split) for number, split in zip(group, held_out, strict=True) if split != "train"}
    near = [apart.get(int(number), "") for number in group[len(stay) :]]
    too_near = [(photo, TOO_NEAR.format(split)) for photo, split in zip(new["photo"], near, strict=True) if split]
    fits = np.array([not split for split in near], dtype=bool)
    joined = pd.concat([stay, new[fits]], ignore_index=True) if fits.any() else stay.reset_index(drop=True)
    log.info(
        "corrections: %d photos, of which the source had %d and %d are new; %d left out: %d drawn to calibrate or test as "
        "what they do not show, %d nearly the same as such photos, %d gone or changed",
        len(said),
        len(had & set(said)),
        int(fits.sum()),
        len(rejects) + len(too_near) + len(unread),
        len(rejects),
        len(too_near),
        len(unread),
    )
    return joined, np.concatenate([hashes[: len(stay)], new_hashes[fits]]), [*rejects, *too_near, *unread]
