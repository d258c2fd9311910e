"""The photos as training sees them: decoded once, then cropped, mirrored and tinted anew each epoch."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms import v2

from landmark.config import TrainingConfig
from landmark.photos.decode import decode, resize
from landmark.storage import atomic_file

_AT_ONCE = 256
"""Photos handed to the decoding threads at a time, so that memory does not grow with their number."""


class Pixels:
    """The photos of a catalog at one size, uint8 [n, size, size, 3]: decoded once into a memory-mapped file where they fit.

    Args:
        photos: URIs.
        digest: of the photos in this order; part of the file's name.
        size: side [pixels].
        mode: 'squash' or 'crop', as of `resize`.
        folder: where the file is kept.
        limit: largest file [bytes]; above it photos are decoded each time.
    """

    def __init__(
        self, photos: Sequence[str], digest: str, size: int, mode: Literal["squash", "crop"], folder: Path, limit: int
    ) -> None:
        self.photos, self.size, self.mode = list(photos), size, mode
        self.file = folder / f"pixels-{mode}-{size}-{digest[:16]}.npy"
        self._array: NDArray[np.uint8] | None = None
        self.cached = len(self.photos) * size * size * 3 <= limit

    def prepare(self) -> None:
        """Decode all photos into the file, unless it is there (one process does this; the others only read)."""
        shape = (len(self.photos), self.size, self.size, 3)
        if not self.cached or (self.file.exists() and np.load(self.file, mmap_mode="r").shape == shape):
            return
        with atomic_file(self.file) as temporary:
            array = np.lib.format.open_memmap(temporary, "w+", np.uint8, shape)
            with ThreadPoolExecutor() as pool:
                for start in range(0, len(self.photos), _AT_ONCE):
                    photos = self.photos[start : start + _AT_ONCE]
                    for position, pixels in enumerate(pool.map(self._decode, photos), start):
                        array[position] = pixels
            array.flush()

    def __getitem__(self, position: int) -> NDArray[np.uint8]:
        if not self.cached:
            return self._decode(self.photos[position])
        if self._array is None:
            self._array = np.load(self.file, mmap_mode="r")
        return np.array(self._array[position])

    def _decode(self, photo: str) -> NDArray[np.uint8]:
        pixels: NDArray[np.uint8] = resize(decode(photo, min_side=self.size).image, self.size, self.mode)
        return pixels

    def remove(self) -> None:
        """Delete the file."""
        self._array = None
        self.file.unlink(missing_ok=True)


def augmentation(size: int, settings: TrainingConfig) -> v2.Compose:
    """Random crop and stretch, mirror, light and colour; now and then grey, so that colour alone decides nothing.

    Maps uint8 [3, h, w] to uint8 [3, size, size].
    """
    return v2.Compose(
        [
            v2.RandomResizedCrop(size, scale=(settings.crop_scale, 1.0), ratio=(0.75, 4 / 3), antialias=True),
            v2.RandomHorizontalFlip(),
            v2.ColorJitter(brightness=0.3, contrast=0.3),
            v2.RandomGrayscale(0.15),
        ]
    )


class TrainingPhotos(Dataset[tuple[Tensor, int, int]]):
    """Augmented photos of one epoch, uint8 [size, size, 3], with their class indices and which photo each is.

    Where several views of each are wanted, the draws are repeated as often: draw n + i is another view of draw i of n.
    Each draw's randomness comes from its own seed, so that it does not depend on which process or worker makes it.

    Args:
        pixels: the decoded photos.
        photos: rows of `pixels` [n].
        targets: class index of each photo [n].
        draws: positions in `photos` in the order in which they are drawn [draws].
        transform: uint8 [3, h, w] -> uint8 [3, s, s].
        seed: of the epoch.
    """

    def __init__(
        self,
        pixels: Pixels,
        photos: NDArray[np.int64],
        targets: NDArray[np.int64],
        draws: NDArray[np.int64],
        transform: v2.Compose,
        seed: int,
    ) -> None:
        self.pixels, self.photos, self.targets, self.draws = pixels, photos, targets, draws
        self.transform, self.seed = transform, seed

    def __len__(self) -> int:
        return len(self.draws)

    def __getitem__(self, draw: int) -> tuple[Tensor, int, int]:
        row = int(self.draws[draw])
        image = torch.from_numpy(self.pixels[int(self.photos[row])]).permute(2, 0, 1)
        # As torch.random.fork_rng would, at a hundredth of its time: it takes longer than the augmentation.
        generator = torch.default_generator
        state = generator.get_state()
        generator.manual_seed((self.seed * 1_000_003 + draw) % (1 << 63))
        try:
            return self.transform(image).permute(1, 2, 0), int(self.targets[row]), row
        finally:
            generator.set_state(state)
