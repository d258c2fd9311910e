"""A recognizer of painted stripes of three colours, by a network with random weights."""

from __future__ import annotations

import numpy as np
import pandas as pd
from PIL import Image

from landmark.config import CentroidsConfig, MetadataConfig, NetworkConfig
from landmark.network.embedder import Embedder
from landmark.network.network import Network
from landmark.photos.decode import resize
from landmark.recognition.calibration import Calibration
from landmark.recognition.centroids import build_centroids
from landmark.recognition.index.search import SearchIndex
from landmark.recognition.recognizer import Recognizer

NETWORK = NetworkConfig(backbone="test_efficientnet.r160_in1k", pretrained="none", dim=16, image_size=32)
IDS = ["arch", "bell", "dome"]
LANDMARKS = pd.DataFrame(
    {
        "landmark": [*IDS, "spare"],
        "name": ["The Arch", "The Bell", "", "Spare"],
        "city": ["Rome", "Paris", "?", ""],
        "lat": [41.89, 48.86, np.nan, 0.0],
        "lon": [12.49, 2.29, np.nan, 0.0],
    }
)


def paint(kind: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    x, y = np.meshgrid(np.arange(48), np.arange(48))
    stripes = np.sin((x if kind % 2 else y) / (1.5 + kind)) > 0
    colour = np.array([[220, 40, 40], [40, 200, 60], [40, 60, 220], [130, 130, 130]][kind])
    return np.clip(np.where(stripes[..., None], colour, 20) + random.normal(0, 8, (48, 48, 1)), 0, 255).astype(np.uint8)


def striped() -> Recognizer:
    network = Network.build(NETWORK)
    embed = Embedder(network)
    kinds = np.repeat(np.arange(4), 8)
    pixels = np.stack([resize(Image.fromarray(paint(kind, n)), 32) for n, kind in enumerate(kinds)])
    embeddings = embed(pixels)
    photos = [f"{n}.png" for n in range(24)]
    centroids = build_centroids(
        embeddings[:24], [IDS[kind] for kind in kinds[:24]], photos, CentroidsConfig(), others=embeddings[24:]
    )
    own = (embeddings[:24] @ centroids.vectors.T).max(1)
    calibration = Calibration(threshold=float(own.min()) - 1e-4, specificity=0.9, slope=50.0, intercept=-40.0)
    gallery = SearchIndex.exact(embeddings[:24], photos)
    return Recognizer(network, centroids, calibration, embeddings[24:], gallery, LANDMARKS, MetadataConfig())
