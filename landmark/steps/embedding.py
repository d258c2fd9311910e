"""Step: embed all photos of the catalog."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from landmark.config import RunConfig
from landmark.network.embeddings import Embedded, EmbeddingStore
from landmark.network.network import Network
from landmark.photos.catalog import Catalog
from landmark.run import Work
from landmark.steps.photos import CATALOG
from landmark.steps.training import load_network, use_threads
from landmark.storage import StorageUnavailable, sha256_file, write_json

EMBEDDINGS = "embeddings.npy"
Vectors = NDArray[np.float32]


def embed(work: Work) -> Mapping[str, Any]:
    """Embed all photos; those that the store has are not embedded again.

    Returns:
        facts: digest (of the embeddings), failed and reused (counts), and the rates of the photos embedded now.
    """
    embedded = embed_catalog(load_network(work), Catalog.load(work.file("catalog", CATALOG)), work.home, work.config)
    if len(embedded.failed) > work.config.data.max_shrink * len(embedded.vectors):
        raise StorageUnavailable(
            f"embed: {len(embedded.failed)} of {len(embedded.vectors)} photos cannot be read; see that their disk is there, "
            "then give the same command again"
        )
    file = work.out / EMBEDDINGS
    np.save(file, embedded.vectors, allow_pickle=False)
    write_json(work.out / "failed.json", dict(embedded.failed))
    return {"digest": sha256_file(file), "failed": len(embedded.failed), "reused": embedded.reused, **embedded.rates}


def embed_catalog(network: Network, catalog: Catalog, home: Path, config: RunConfig | None = None) -> Embedded:
    """Embeddings of a catalog's photos, through the store of a home folder."""
    if config is not None:
        use_threads(config)
    store = EmbeddingStore(home / "embeddings", network, threads=config.threads if config else 0)
    return store.embed_photos(catalog.table["photo"].tolist(), catalog.table["sha256"].tolist())


def usable(table: pd.DataFrame, vectors: Vectors) -> tuple[pd.DataFrame, Vectors]:
    """The rows of a catalog's table that have an embedding, and their unit vectors [n, d]."""
    ok = ~np.isnan(vectors[:, 0])
    return (table, vectors) if ok.all() else (table[ok].reset_index(drop=True), vectors[ok])


def load_embeddings(work: Work) -> tuple[pd.DataFrame, Vectors]:
    """What `embed` made: the rows of the catalog's table that have an embedding, and their unit vectors [n, d]."""
    vectors: Vectors = np.load(work.file("embed", EMBEDDINGS), mmap_mode="r", allow_pickle=False)
    return usable(Catalog.load(work.file("catalog", CATALOG)).table, vectors)
