"""Checks on the number of slices, their distances and their thickness."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hemoscope.ct.scan import Scan
from hemoscope.reasons import Check, Reason

# The thickest head scans are 10 mm; an infant's brain is 80 mm high.
FEWEST_SLICES = 8

# A gap is a distance well above the usual one there, and wide enough to hide a bleeding of clinical size. Usual is what
# the distances on either side agree on: a scanner that goes on with another spacing (GE: 4, then 7 mm) leaves no gap.
# Where every other slice is missing the distances agree too, and only the thickness of the slices tells.
GAP_RATIO = 1.5
GAP_UNCOVERED_MM = 1.0
SIDE = 3  # distances looked at on each side
AGREEING = 2  # so many of them
EQUAL_SHARE = 0.05  # distances that differ by less are equal
UNEVEN_MM, UNEVEN_SHARE = 0.2, 0.1  # DICOM positions are rounded; what exceeds both is another spacing
SAME_POSITION_MM = 0.01

# The detector was trained on slices of 4 to 7 mm.
THIN_MM = 2.5
THICK_MM = 7.5


def spacing_checks(scan: Scan) -> Iterator[Check]:
    """What the count, positions and thickness of the slices of a scan say; nothing on positions that are unknown."""
    if not scan.independent:
        yield from _count(scan)
        yield from _distances(scan)
    yield from _thickness(scan)


def _count(scan: Scan) -> Iterator[Check]:
    count = len(scan.slices)
    if count < FEWEST_SLICES:
        yield Check(
            Reason.TOO_FEW_SLICES,
            f"The scan has {count} slice{'s' if count > 1 else ''}; a whole head needs at least {FEWEST_SLICES}.",
        )


def _distances(scan: Scan) -> Iterator[Check]:
    known = [slice_.position_mm for slice_ in scan.slices if slice_.position_mm is not None]
    if len(known) < len(scan.slices) or len(known) < 3:
        return
    distances = np.abs(np.diff(np.asarray(known)))  # mm
    apart = np.flatnonzero(distances >= SAME_POSITION_MM)  # two slices at one position are not a distance
    if not len(apart):
        return
    usual = float(np.median(distances[apart]))
    gaps = sorted({*(int(apart[i]) for i in find_gaps(distances[apart])), *_uncovered(scan, distances)})
    if gaps:
        widest = max(gaps, key=lambda i: distances[i])
        yield Check(
            Reason.GAP,
            f"Slices are missing at {len(gaps)} place{'s' if len(gaps) > 1 else ''}: neighbours are up to "
            f"{distances[widest]:.1f} mm apart (slices {widest} and {widest + 1}), where {usual:.1f} mm are usual"
            f"{_thickness_there(scan, widest)}.",
            tuple(sorted({j for i in gaps for j in (i, i + 1)})),
        )
    if (np.abs(distances - usual) > max(UNEVEN_MM, UNEVEN_SHARE * usual)).any():
        same = len(distances) - len(apart)
        twice = f"; {same} position{'s hold' if same > 1 else ' holds'} two slices" if same else ""
        yield Check(
            Reason.UNEVEN_SPACING,
            f"The distance between slices runs from {distances.min():.2f} to {distances.max():.2f} mm{twice}.",
        )


def _uncovered(scan: Scan, distances_mm: NDArray[np.float64]) -> Iterator[int]:
    """Where slices are too thin to reach the next one: i for slices i and i + 1; nothing where they do not say."""
    for i, (lower, upper) in enumerate(pairwise(scan.slices)):
        if lower.thickness_mm is not None and upper.thickness_mm is not None:
            covered = (lower.thickness_mm + upper.thickness_mm) / 2
            if distances_mm[i] > GAP_RATIO * covered and distances_mm[i] - covered > GAP_UNCOVERED_MM:
                yield i


def _thickness_there(scan: Scan, i: int) -> str:
    thickness = scan.slices[i].thickness_mm
    return "" if thickness is None else f" and slices are {thickness:.1f} mm thick"


def find_gaps(distances_mm: NDArray[np.float64]) -> list[int]:
    """Where slices are missing: i for a gap between slices i and i + 1, from the distances of neighbours in mm."""
    usual = np.array([_usual(distances_mm, i) for i in range(len(distances_mm))])
    gaps = (distances_mm > GAP_RATIO * usual) & (distances_mm - usual > GAP_UNCOVERED_MM)
    return [int(i) for i in np.flatnonzero(gaps)]


def _usual(distances_mm: NDArray[np.float64], i: int) -> float:
    """What the distances around the i-th agree on: the largest of before, after and beside; else the median of all."""
    before, after = distances_mm[max(0, i - SIDE) : i], distances_mm[i + 1 : i + 1 + SIDE]
    agreed = []
    for group in (before, after, np.concatenate((before[-1:], after[:1]))):
        if len(group) >= AGREEING:
            middle = float(np.sort(group)[len(group) // 2])
            if (np.abs(group - middle) <= EQUAL_SHARE * middle).sum() >= AGREEING:
                agreed.append(middle)
    return max(agreed, default=float(np.median(distances_mm)))


def _thickness(scan: Scan) -> Iterator[Check]:
    stated = scan.acquisition.slice_thickness_mm
    thickness = stated or scan.acquisition.spacing_mm
    if thickness is None:
        return
    what = "Slices are" if stated else "Slices are spaced"
    if thickness < THIN_MM:
        yield Check(Reason.THIN_SLICES, f"{what} {thickness:.2f} mm; the detector was trained on 4 to 7 mm.")
    elif thickness > THICK_MM:
        yield Check(Reason.THICK_SLICES, f"{what} {thickness:.1f} mm; the detector was trained on 4 to 7 mm.")
