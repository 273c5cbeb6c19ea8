"""The order of the slices of many scans at once, from where each lies in the patient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from hemoscope.ct.geometry import SAME_ORIENTATION_DEGREES, SAME_POSITION_MM
from hemoscope.datasets.problems import Found, Problem

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Z_AXIS = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True, eq=False)
class SliceOrder:
    """slice: number in the scan from 0, foot to head, masked where unknown. position_mm: along the slice normal, NaN
    where unknown. found: the scans of which some slices have no sure place."""

    slice: np.ma.MaskedArray[tuple[int], np.dtype[np.int32]]
    position_mm: Floats
    found: tuple[Found, ...]


def order_slices(series: pa.Array, positions_mm: Floats, normals: Floats) -> SliceOrder:
    """Number the slices of each scan along its slice normal, or along z where an orientation is not known.

    series: the scan of each slice, null for a loose slice, which has no number. positions_mm: [slice, 3], the same
    point of each slice (ImagePositionPatient); normals: [slice, 3], unit vectors to the head; both NaN where unknown.
    Slices at one place keep the order in which they are given, as when a scan is read. A slice without position, or
    turned against most of its scan, has no number.
    """
    encoded = series.dictionary_encode()
    scans = encoded.indices.fill_null(-1).to_numpy()
    in_scan = scans >= 0
    along, oriented = _directions(scans, positions_mm, normals)
    height_mm = np.where(in_scan, (positions_mm * along).sum(axis=1), np.nan)

    order = np.lexsort((height_mm, scans))  # NaN comes last in its scan
    shared = (np.diff(scans[order]) == 0) & (np.diff(height_mm[order]) <= SAME_POSITION_MM)
    places = np.cumsum(np.concatenate(([True], ~shared)))[: len(order)]
    order = order[np.lexsort((order, places))]
    number = np.empty(len(scans), np.int32)
    number[order] = np.arange(len(scans)) - np.searchsorted(scans[order], scans[order])
    unplaced = np.isnan(height_mm)
    at_another = np.zeros(len(scans), bool)
    at_another[order[1:][shared]] = at_another[order[:-1][shared]] = True
    return SliceOrder(
        np.ma.masked_array(number, unplaced),
        np.where(oriented, height_mm, np.nan),
        _doubts(encoded.dictionary, scans, unplaced & in_scan, at_another),
    )


def _directions(scans: NDArray[np.int32], positions_mm: Floats, normals: Floats) -> tuple[Floats, Flags]:
    """(the direction to order each slice along, NaN if it is turned against its scan; whether that is the normal)."""
    usual = pd.DataFrame(normals).groupby(scans).transform("median").to_numpy()
    usual = usual / np.linalg.norm(usual, axis=1, keepdims=True)
    placed_only = np.isnan(normals).any(axis=1) & ~np.isnan(positions_mm).any(axis=1)
    oriented = ~pd.Series(placed_only).groupby(scans).transform("any").to_numpy()
    turned = (normals * usual).sum(axis=1) < np.cos(np.radians(SAME_ORIENTATION_DEGREES))
    along = np.where(oriented[:, None], usual, Z_AXIS)
    return np.where(turned[:, None], np.nan, along), oriented


def _doubts(names: pa.Array, scans: NDArray[np.int32], unplaced: Flags, at_another: Flags) -> tuple[Found, ...]:
    """One problem for each scan with slices that have no sure place."""
    sizes, missing, repeated = (
        np.bincount(scans[chosen], minlength=len(names)) for chosen in (scans >= 0, unplaced, at_another)
    )
    doubtful = np.flatnonzero(missing + repeated)
    return tuple(
        Found(
            Problem.NO_POSITION,
            name,
            f"Of {sizes[scan]} slices {missing[scan]} have no position or are turned against the rest and have no"
            f" number; {repeated[scan]} lie where another does and are in the order of their names.",
        )
        for scan, name in zip(doubtful, names.take(pa.array(doubtful)).to_pylist(), strict=True)
    )
