"""A recognizer of the small catalog of painted photos, by a network with random weights."""

from __future__ import annotations

import numpy as np

from landmark.config import CentroidsConfig, MetadataConfig, NetworkConfig
from landmark.evaluation.explain import embed_picture
from landmark.network.network import Network
from landmark.photos.catalog import Catalog
from landmark.photos.decode import decode
from landmark.recognition.calibration import Calibration
from landmark.recognition.centroids import build_centroids
from landmark.recognition.index.search import SearchIndex
from landmark.recognition.recognizer import Recognizer

NETWORK = NetworkConfig(backbone="test_efficientnet.r160_in1k", pretrained="none", dim=16, image_size=32)


def recognizer_of(catalog: Catalog, gallery: bool = True, threshold: float = 0.5) -> Recognizer:
    network = Network.build(NETWORK)
    table = catalog.table
    vectors = np.stack([embed_picture(network, decode(photo).image) for photo in table["photo"]])
    own = np.asarray(table["landmark"] != "")
    photos, landmarks = table["photo"][own].tolist(), table["landmark"][own].tolist()
    return Recognizer(
        network,
        build_centroids(vectors[own], landmarks, photos, CentroidsConfig()),
        Calibration(threshold=threshold, specificity=0.9, slope=10.0, intercept=-5.0),
        None,
        SearchIndex.exact(vectors[own], photos) if gallery else None,
        catalog.landmarks.assign(name=["The <b>Arch</b>", "The Bell", "", "Dome $1$"], lat=[1.0, 1, 1, 1], lon=[2.0, 2, 2, 2]),
        MetadataConfig(),
    )
