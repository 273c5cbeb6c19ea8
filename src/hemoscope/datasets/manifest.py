"""The Manifest: every labelled slice of one or many collections, a row each, kept as one Parquet file."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hemoscope.datasets.columns import COLUMN_NAMES, SCAN_FINDING_NAMES, SCHEMA
from hemoscope.findings import FINDING_NAMES
from hemoscope.reasons import UsageError

FORMAT = 1
METADATA_KEY = b"hemoscope"
UNKNOWN = -1  # stands for null in arrays of labels


@dataclass(frozen=True)
class Split:
    """How the column `split` was made: scheme, seed, and what is wrong with the paper's own rule ("" = nothing)."""

    scheme: str
    seed: int
    caveat: str = ""


@dataclass(frozen=True, eq=False)
class Manifest:
    """Slices of labelled collections, in the order that is stored: dataset, then scan by scan, foot to head.

    table: the columns of `columns.SCHEMA`, in that order. roots: the folder of each dataset that its paths begin at.
    mask_values: what the values of a dataset's masks stand for, {dataset: {value: finding}}. split: how `split` was
    made, None where it was not. Raises UsageError when the table is not one.
    """

    table: pa.Table
    roots: Mapping[str, Path] = field(default_factory=dict)
    mask_values: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    split: Split | None = None

    def __post_init__(self) -> None:
        if self.table.schema.remove_metadata() != SCHEMA:
            raise UsageError(f"A Manifest has these columns, in this order: {', '.join(COLUMN_NAMES)}.")
        for name in (*FINDING_NAMES, *SCAN_FINDING_NAMES):
            ends = pc.min_max(self.table[name]).as_py()
            if ends["min"] not in (None, 0, 1) or ends["max"] not in (None, 0, 1):
                raise UsageError(f"Labels are 0, 1 or unknown; the column {name} holds others.")
        if self.table["dataset"].null_count:
            raise UsageError("Every slice of a Manifest belongs to a dataset; the column dataset has nulls.")

    @classmethod
    def from_columns(
        cls,
        dataset: str,
        root: Path,
        columns: Mapping[str, Any],
        mask_values: Mapping[int, str] | None = None,
    ) -> Manifest:
        """Make the Manifest of one dataset.

        columns: by name, each a sequence, NumPy array or Arrow array with None, NaN or a mask where unknown; those left
        out are unknown. Labels may be int arrays with UNKNOWN. Rows may come in any order.
        """
        unknown = set(columns) - set(COLUMN_NAMES)
        if unknown:
            raise ValueError(f"no such columns in a Manifest: {sorted(unknown)}")
        count = len(next(iter(columns.values())))
        given = {**columns, "dataset": pa.repeat(pa.scalar(dataset, pa.string()), count)}
        arrays = [
            _column(given[entry.name], entry) if entry.name in given else pa.nulls(count, entry.type)
            for entry in SCHEMA
        ]
        table = pa.Table.from_arrays(arrays, schema=SCHEMA).combine_chunks()
        order = pc.sort_indices(table, [(name, "ascending") for name in ("patient", "study", "series", "slice")])
        return cls(table.take(order), {dataset: root}, {dataset: mask_values} if mask_values else {})

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Read a Manifest from its Parquet file; raises UsageError with one sentence where it is none."""
        try:
            table = pq.read_table(path)
        except FileNotFoundError:
            raise UsageError(f"There is no Manifest {path}; `hemoscope dataset import` makes one.") from None
        except (OSError, pa.ArrowException) as error:
            raise UsageError(f"{path} is no Parquet file: {str(error).splitlines()[0]}") from error
        try:
            facts = json.loads((table.schema.metadata or {})[METADATA_KEY])
        except (KeyError, ValueError):
            raise UsageError(f"{path} is a Parquet file but no Manifest of Hemoscope.") from None
        if facts["format"] != FORMAT:
            raise UsageError(f"{path} is a Manifest of format {facts['format']}; this Hemoscope reads format {FORMAT}.")
        return cls(
            table.replace_schema_metadata(None),
            {name: Path(root) for name, root in facts["roots"].items()},
            {name: {int(value): finding for value, finding in values.items()}
             for name, values in facts["mask_values"].items()},
            Split(**facts["split"]) if facts["split"] else None,
        )  # fmt: skip

    def write(self, path: Path) -> None:
        """Write the Parquet file; it appears when it is complete. Raises UsageError where it cannot be written."""
        facts = {
            "format": FORMAT,
            "roots": {name: str(root) for name, root in self.roots.items()},
            "mask_values": self.mask_values,
            "split": vars(self.split) if self.split else None,
        }
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(self.table.replace_schema_metadata({METADATA_KEY: json.dumps(facts)}), unfinished,
                           compression="zstd")  # fmt: skip
            unfinished.replace(path)
        except OSError as error:
            raise UsageError(f"The Manifest {path} cannot be written: {error.strerror or error}.") from error
        finally:
            if path.parent.is_dir():
                unfinished.unlink(missing_ok=True)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def labels(self) -> NDArray[np.int8]:
        """Labels of the slices: int8 [slice, finding], UNKNOWN where null."""
        return self._labels(FINDING_NAMES)

    @property
    def scan_labels(self) -> NDArray[np.int8]:
        """Labels of the scan that each slice is of: int8 [slice, finding], UNKNOWN where null."""
        return self._labels(SCAN_FINDING_NAMES)

    @property
    def scans(self) -> pa.Array:
        """The scan of each slice, a string that is unique over all datasets: `dataset/series`.

        A loose slice is a scan of its own, named by its identifier or its file.
        """
        own = pc.coalesce(self.table["sop_instance_uid"], self.table["path"])
        names = pc.coalesce(self.table["series"], own)
        return pc.binary_join_element_wise(self.table["dataset"], names, "/").combine_chunks()

    @property
    def is_slice(self) -> NDArray[np.bool_]:
        """False for a row that stands for a scan of which only labels are known: bool [row]."""
        named = (self.table[name].is_valid() for name in ("path", "slice", "sop_instance_uid"))
        return np.asarray(functools.reduce(pc.or_, named))

    def __str__(self) -> str:
        """How much is in it: "2,501 slices", or "53 slices and 489 scans without slices"."""
        slices = int(self.is_slice.sum())
        others = len(self) - slices
        return f"{slices:,} slices" + (f" and {others:,} scans without slices" if others else "")

    @property
    def keys(self) -> pa.Array:
        """What names each row, in a slice store too: `dataset/path#frame`; null where there is no file."""
        frames = pc.coalesce(self.table["frame"], 0).cast(pa.string())
        files = pc.binary_join_element_wise(self.table["dataset"], self.table["path"], "/")
        return pc.binary_join_element_wise(files, frames, "#").combine_chunks()

    def in_splits(self, *splits: str) -> NDArray[np.bool_]:
        """Which rows are in one of these splits: bool [row]; those in no split are in none."""
        return np.asarray(pc.is_in(self.table["split"], pa.array(splits, pa.string())))

    def take(self, rows: NDArray[np.integer[Any]] | NDArray[np.bool_] | pa.Array) -> Manifest:
        """Some of the rows: by number or by a mask."""
        chosen = pa.array(rows)
        kept = self.table.filter(chosen) if pa.types.is_boolean(chosen.type) else self.table.take(chosen)
        return replace(self, table=kept)

    def with_columns(self, columns: Mapping[str, Any]) -> Manifest:
        """The same rows with other values in some columns."""
        table = self.table
        for name, values in columns.items():
            place = COLUMN_NAMES.index(name)
            table = table.set_column(place, SCHEMA.field(place), _column(values, SCHEMA.field(place)))
        return replace(self, table=table)

    def _labels(self, names: Sequence[str]) -> NDArray[np.int8]:
        columns = [pc.fill_null(self.table[name], UNKNOWN).to_numpy() for name in names]
        return np.stack(columns, axis=1).astype(np.int8)


def _column(values: Any, entry: pa.Field) -> pa.Array:
    """Values as an Arrow array of the column's type; UNKNOWN labels, NaN, pandas' NA and None become null."""
    if isinstance(values, (pa.Array, pa.ChunkedArray)):
        array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
        array = array.cast(entry.type)
    else:
        if isinstance(values, np.ndarray) and values.dtype == np.int8:
            values = np.ma.masked_equal(values, UNKNOWN)
        if isinstance(values, np.ma.MaskedArray):
            array = pa.array(values.data, mask=np.ma.getmaskarray(values)).cast(entry.type)
        else:
            array = pa.array(values, from_pandas=True)
            array = array.cast(entry.type) if not pa.types.is_nested(entry.type) else pa.array(values, entry.type)
    return array
