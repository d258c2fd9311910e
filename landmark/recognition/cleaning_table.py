"""What cleaning kept and dropped, and why: a row a photo of the train split."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from landmark.errors import LandmarkError
from landmark.photos.catalog import Catalog
from landmark.recognition.cleaning import Verdict
from landmark.storage import atomic_file

REFERENCE = "reference"
TIED = "tied to references"
NEEDED = "kept so that its landmark has photos"
NOT_JUDGED = "not judged: no landmark, or no embedding"
OTHER_LANDMARK = "nearer to another landmark"
NO_LANDMARK = "nearer to photos without a landmark"
KEPT, DROPPED = (REFERENCE, TIED, NEEDED, NOT_JUDGED), (OTHER_LANDMARK, NO_LANDMARK)
_SCHEMA = pa.schema(
    [
        ("photo", pa.string()),
        ("sha256", pa.string()),
        ("landmark", pa.string()),
        ("kept", pa.bool_()),
        ("reason", pa.string()),
        ("similarity", pa.float32()),
        ("rival", pa.string()),
        ("rival_similarity", pa.float32()),
        ("cluster", pa.int32()),
        ("round", pa.int32()),
    ]
)


@dataclass(frozen=True, eq=False)
class CleaningTable:
    """The outcome of the last round of cleaning.

    Attributes:
        table: a row a photo of the train split: `photo`, `sha256`, `landmark` ("" for none), `kept`, `reason` (of `KEPT` or
            `DROPPED`), `similarity` (mean, to the nearest photos tied to its landmark's references; NaN where not judged),
            `rival` (id of the strongest rival; "" for photos without a landmark), `rival_similarity`, `cluster` (number
            within the landmark, 0 the largest; -1 where not judged), `round` (in which the verdict was first given that
            still stands).

    Raises:
        LandmarkError: a column is missing, or `kept` contradicts `reason`.
    """

    table: pd.DataFrame

    def __post_init__(self) -> None:
        missing = [name for name in _SCHEMA.names if name not in self.table.columns]
        if missing:
            raise LandmarkError(f"cleaning: no column '{missing[0]}'; it needs {', '.join(_SCHEMA.names)}")
        allowed = np.where(self.table["kept"], self.table["reason"].isin(KEPT), self.table["reason"].isin(DROPPED))
        if not allowed.all():
            row = self.table[~allowed].iloc[0]
            raise LandmarkError(
                f"cleaning: photo {row['photo']}: kept {row['kept']} for the reason '{row['reason']}'; clean again"
            )

    @classmethod
    def of(
        cls, catalog: Catalog, judged: NDArray[np.bool_], verdict: Verdict, number: int, before: CleaningTable | None
    ) -> Self:
        """Put a verdict beside the photos it is about.

        Args:
            catalog: photos of the train split [n].
            judged: which of them the verdict is about, bool [n].
            verdict: of those.
            number: of the round.
            before: what the round before found, of the same photos.
        """
        to_landmark = verdict.evidence.rival_landmark >= 0
        kept = np.where(verdict.reference, REFERENCE, np.where(verdict.tied, TIED, NEEDED))
        reason = np.where(verdict.kept, kept, np.where(to_landmark, OTHER_LANDMARK, NO_LANDMARK))

        def spread(values: NDArray[Any], empty: Any) -> NDArray[Any]:
            column = np.full(len(judged), empty, dtype=object if isinstance(empty, str) else values.dtype)
            column[judged] = values
            return column

        table = catalog.table[["photo", "sha256", "landmark"]].assign(
            kept=spread(verdict.kept, True),
            reason=spread(reason, NOT_JUDGED),
            similarity=spread(verdict.evidence.own, np.nan),
            rival=spread(verdict.rival, ""),
            rival_similarity=spread(verdict.evidence.rival, np.nan),
            cluster=spread(verdict.cluster, -1),
            round=number,
        )
        if before is not None:
            earlier = before.table.set_index("sha256").loc[table["sha256"]]
            same = earlier["kept"].to_numpy() == table["kept"].to_numpy()
            table["round"] = np.where(same, earlier["round"].to_numpy(), number)
        return cls(table.reset_index(drop=True))

    def apply(self, catalog: Catalog) -> Catalog:
        """The catalog without what was dropped; that goes to its rejects, with the reason."""
        dropped = self.table[~self.table["kept"]]
        reasons = pd.DataFrame({"photo": dropped["photo"], "reason": "cleaning: " + dropped["reason"].astype(str)})
        rejects = pd.concat([catalog.rejects, reasons], ignore_index=True)
        keep = ~catalog.table["sha256"].isin(dropped["sha256"])
        return Catalog(catalog.table[keep], catalog.landmarks, rejects)

    def kept_of(self, sha256: pd.Series) -> NDArray[np.bool_]:
        """Whether each of some photos was kept, bool [n]; photos that were not in the table count as kept."""
        return np.asarray(~sha256.isin(self.table.loc[~self.table["kept"], "sha256"]), bool)

    def counts(self) -> dict[str, int]:
        """Landmark photos that there were, and how many were dropped for which reason."""
        reason = self.table["reason"]
        return {
            "labelled": int((self.table["landmark"] != "").sum()),
            "dropped": int((~self.table["kept"]).sum()),
            "dropped_other_landmark": int((reason == OTHER_LANDMARK).sum()),
            "dropped_no_landmark": int((reason == NO_LANDMARK).sum()),
        }

    def save(self, file: str | Path) -> None:
        """Write one Parquet file, atomically."""
        table = pa.Table.from_pandas(self.table, schema=_SCHEMA, preserve_index=False).replace_schema_metadata(None)
        with atomic_file(Path(file)) as temporary:
            pq.write_table(table, temporary)

    @classmethod
    def load(cls, file: str | Path) -> Self:
        """Read what `save` wrote.

        Raises:
            LandmarkError: the file is missing, damaged, or no table of cleaning.
        """
        try:
            return cls(pq.read_table(file).to_pandas())
        except (OSError, pa.ArrowException) as error:
            reason = " ".join(str(error).split())[:200]
            raise LandmarkError(f"cleaning {file}: cannot be read ({reason}); clean again") from error
