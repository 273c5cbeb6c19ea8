"""Which slice goes where in a slice store, settled before any is read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hemoscope.ct.prepare import Framing
from hemoscope.datasets.manifest import Manifest

# What a store holds depends on these columns, and on the names of slices and scans; labels may change.
READ_COLUMNS = ("window", "hu_low", "hu_high", "patient_orientation", "row_spacing_mm", "column_spacing_mm")


@dataclass(frozen=True, eq=False)
class Plan:
    """The slices of a store in their order: scan by scan, foot to head.

    rows: of the Manifest, one a slice. shards: [from, before) in `rows`; a scan is never divided. repeated: rows that
    name the same slice as an earlier one. digest: SHA-256 of all that decides what the store will hold.
    """

    rows: NDArray[np.int64]
    shards: tuple[tuple[int, int], ...]
    repeated: NDArray[np.int64]
    digest: str


def plan_store(manifest: Manifest, size: int | None, framing: Framing, shard_slices: int) -> Plan:
    """Plan a store; rows without a file are left out. shard_slices: more are in a shard only when one scan has more."""
    rows = np.flatnonzero(manifest.table["path"].is_valid())
    keys = manifest.keys.take(pa.array(rows)).dictionary_encode().indices.to_numpy()
    _, first = np.unique(keys, return_index=True)
    repeated = np.delete(rows, first)
    rows = rows[np.sort(first)]
    scans = manifest.scans.take(pa.array(rows)).dictionary_encode().indices.to_numpy()
    last = np.iinfo(np.int32).max
    slices = pc.fill_null(manifest.table["slice"], last).to_numpy()[rows]
    order = np.lexsort((rows, slices, scans))  # scans in the order in which they first come
    rows = rows[order]
    shards = tuple(_shards(np.bincount(scans[order]), shard_slices))
    return Plan(rows, shards, repeated, _digest(manifest, rows, f"{size} {framing} {shard_slices}"))


def _shards(counts: NDArray[np.int64], shard_slices: int) -> Iterator[tuple[int, int]]:
    """Fill shards with whole scans. counts: slices of each scan."""
    start = end = 0
    for count in counts.tolist():
        if end > start and end + count - start > shard_slices:
            yield start, end
            start = end
        end += count
    if end > start:
        yield start, end


def _digest(manifest: Manifest, rows: NDArray[np.int64], settings: str) -> str:
    chosen = manifest.take(rows)
    columns = [chosen.keys, chosen.scans, *(chosen.table[name].cast(pa.string()) for name in READ_COLUMNS)]
    lines = pc.binary_join_element_wise(*columns, "\t", null_handling="replace", null_replacement="")
    return hashlib.sha256((f"{settings}\n" + "\n".join(lines.to_pylist())).encode()).hexdigest()
