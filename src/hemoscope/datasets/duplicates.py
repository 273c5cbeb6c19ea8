"""Pictures of the same slice under several patients: found by a perceptual hash, confirmed by their pixels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pyarrow.compute as pc
from numpy.typing import NDArray

from hemoscope.ct.prepare import HEAD_THRESHOLD_HU, NETWORK_WINDOW
from hemoscope.datasets.manifest import Manifest
from hemoscope.datasets.patients import patients_of

HASH_SIDE = 16  # the hash has HASH_SIDE rows of HASH_SIDE bits
LEVEL_HU = 0.25  # neighbours that differ by less count as equal
# Only the brain tells heads apart: bone and air look the same in all. Less of it than this says too little.
LEAST_BRAIN = 0.25

# A hash is cut into bands, and pairs that share one are compared: every pair of at most BANDS - 1 different bits does.
# Measured on 9,050 slices: DICOM and pictures of it at half the size differ in at most 9 bits, a picture saved again as
# JPEG of quality 75 in 7 (99%), at half its size in 14 (95%). Of slices of two patients, 2 pairs differ in 12 bits or
# fewer, 370 in 20: among 750,000 slices 7,000 times as many pairs would have to be read.
BANDS = 12
MOST_BITS = 12
# Correlation of HU over the brain. Measured: DICOM and pictures of it at half the size 0.93 to 1.00, JPEG of
# quality 75 above 0.98; slices of two patients whose hashes are near at most 0.90.
CONFIRMED = 0.93
CONFIRM_SIDE = 32  # the head in 32 x 32 cells


def dhash(hu: NDArray[np.int16]) -> bytes | None:
    """Difference hash of a slice: 256 bits, each whether the head grows brighter from one column to the next.

    hu: HU [row, column] in radiological display, of any size, true or restored from a picture: only 0 to 70 HU counts,
    which all windows of the field share. Bits row by row, the first is the highest of the first byte. None where there
    is too little brain to tell one head from another.
    """
    shown = head_square(hu, HASH_SIDE, HASH_SIDE + 1)
    if _is_brain(shown).mean() < LEAST_BRAIN:
        return None
    steps = np.diff(shown, axis=1)
    # Equal neighbours (air, bone) count as growing in the left half only: so the hash of a mirrored picture follows
    # from the hash (`mirrored`).
    left = np.arange(HASH_SIDE) < HASH_SIDE // 2
    return np.packbits(np.where(np.abs(steps) < LEVEL_HU, left, steps > 0)).tobytes()


def mirrored(hashes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The hashes of the same slices mirrored left to right. hashes: uint8 [slice, 32]."""
    bits = np.unpackbits(hashes, axis=1).reshape(-1, HASH_SIDE, HASH_SIDE)
    turned: NDArray[np.uint8] = np.packbits(1 - bits[:, :, ::-1].reshape(len(hashes), -1), axis=1)
    return turned


def head_square(hu: NDArray[np.int16], rows: int, columns: int) -> NDArray[np.float32]:
    """The head, whatever the size and margin of the picture: mean HU, clipped to 0...70, of [rows, columns] cells.

    The square around it is set by the centre and the spread of all tissue. They hardly change with noise or lossy
    compression, where the outline of the head (`ct.prepare.head_crop`) may jump.
    """
    tissue = hu > HEAD_THRESHOLD_HU
    by_row, by_column = _counts(tissue, 1), _counts(tissue, 0)
    if not by_row.any():
        return np.zeros((rows, columns), np.float32)
    (row, row_spread), (column, column_spread) = _centre_and_spread(by_row), _centre_and_spread(by_column)
    side = 4 * max(row_spread, column_spread, 1.0)  # an even ellipse reaches 2 standard deviations from its centre
    # Whole numbers, so that the sums are exact. A product of matrices would start threads in every process of a build.
    clipped = np.clip(hu, *np.array([NETWORK_WINDOW.low, NETWORK_WINDOW.high], np.int16)).astype(np.uint8)
    sums = cv2.integral(clipped)  # [row, column] of all that lies above and to the left
    across = _at(sums.T, np.linspace(column - side / 2, column + side / 2, columns + 1))
    corners = _at(across.T, np.linspace(row - side / 2, row + side / 2, rows + 1))
    area = (side / rows) * (side / columns)
    return np.asarray(np.diff(np.diff(corners, axis=0), axis=1) / area, np.float32)


def _counts(mask: NDArray[np.bool_], axis: int) -> NDArray[np.integer[Any]]:
    """`mask.sum(axis)`, four times as fast."""
    return np.asarray(cv2.reduce(mask.view(np.uint8), axis, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel())


def _centre_and_spread(counts: NDArray[np.integer[Any]]) -> tuple[float, float]:
    """Mean and standard deviation of a position, in pixels from the edge, of `counts` pixels at each."""
    places = np.arange(len(counts)) + 0.5
    total = counts.sum()
    centre = (places * counts).sum() / total
    return float(centre), math.sqrt(((places - centre) ** 2 * counts).sum() / total)


def _at(sums: NDArray[Any], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rows of a table of sums at `edges`, in fractions of pixels: [edge, column].

    What lies outside the picture counts as 0, so that there the sums do not grow.
    """
    edges = np.clip(edges, 0, len(sums) - 1)
    before = np.minimum(edges.astype(np.intp), len(sums) - 2)
    part = (edges - before)[:, None]
    return np.asarray(sums[before] * (1 - part) + sums[before + 1] * part, np.float64)


@dataclass(frozen=True)
class Duplicate:
    """Two rows of a Manifest with the same picture, or its mirror image; how many bits of the hashes differ."""

    first: int
    second: int
    bits: int
    correlation: float
    mirrored: bool


def find_duplicates(
    manifest: Manifest, hashes: Sequence[bytes | None], read: Callable[[int], NDArray[np.int16]]
) -> list[Duplicate]:
    """Find pictures that are shared by two patients, or by an unknown one; mirrored ones too.

    hashes: `dhash` of each row; read: gives the HU of a row. Slices of one patient, or of one scan, are not compared.
    Slices with too little brain are not found.
    """
    rows = np.flatnonzero([value is not None for value in hashes])
    if not len(rows):
        return []
    known = np.frombuffer(b"".join(value for value in hashes if value is not None), np.uint8).reshape(len(rows), -1)
    patients = pd.factorize(patients_of(manifest).to_pandas()[rows])[0]
    scans = pd.factorize(manifest.scans.to_pandas()[rows])[0]
    found: dict[
        tuple[int, int], Duplicate
    ] = {}  # a symmetric slice may be near as it is and mirrored: the better counts
    for first, second, bits, turned in _near_pairs(known, patients, scans):
        one, other = read(int(rows[first])), read(int(rows[second]))
        correlation = brain_correlation(one, other[:, ::-1] if turned else other)
        earlier = found.get((first, second))
        if correlation >= CONFIRMED and (earlier is None or correlation > earlier.correlation):
            found[first, second] = Duplicate(int(rows[first]), int(rows[second]), bits, correlation, turned)
    return list(found.values())


def shared_by_datasets(manifest: Manifest) -> int:
    """How many slices are in more than one dataset, told by their identifiers."""
    named = manifest.table.select(["sop_instance_uid", "dataset"]).drop_null()
    datasets = named.group_by("sop_instance_uid").aggregate([("dataset", "count_distinct")])
    return int(pc.sum(pc.greater(datasets["dataset_count_distinct"], 1)).as_py() or 0)


def brain_correlation(one: NDArray[np.int16], other: NDArray[np.int16]) -> float:
    """Pearson correlation of the HU of two slices where at least one shows brain; 0 where neither does."""
    first, second = (head_square(hu, CONFIRM_SIDE, CONFIRM_SIDE) for hu in (one, other))
    brain = _is_brain(first) | _is_brain(second)
    if not brain.any() or not first[brain].std() or not second[brain].std():
        return 0.0
    return float(np.corrcoef(first[brain], second[brain])[0, 1])


def _near_pairs(
    hashes: NDArray[np.uint8], patients: NDArray[np.intp], scans: NDArray[np.intp]
) -> list[tuple[int, int, int, bool]]:
    """Pairs (first, second, different bits, mirrored) of at most MOST_BITS, of two patients and two scans.

    patients: -1 where unknown. Multi-index hashing (Norouzi, Punjani, Fleet 2012, section 2).
    """
    total = len(hashes)
    both = np.concatenate([hashes, mirrored(hashes)])  # the mirror images follow: total + slice
    words = np.ascontiguousarray(both).view(np.uint64)  # (2 * total, 4)
    near: dict[tuple[int, int, bool], int] = {}
    for one, other in _band_pairs(both):
        keep = (one < total) | (other < total)  # mirror images of both are the pair itself
        first, second = one[keep], other[keep]
        turned = (first >= total) | (second >= total)
        first, second = first % total, second % total
        strangers = (scans[first] != scans[second]) & ((patients[first] != patients[second]) | (patients[first] < 0))
        left, right = one[keep][strangers], other[keep][strangers]
        bits = np.bitwise_count(words[left] ^ words[right]).sum(axis=1)
        for place in np.flatnonzero(bits <= MOST_BITS):
            pair = sorted((int(first[strangers][place]), int(second[strangers][place])))
            near[pair[0], pair[1], bool(turned[strangers][place])] = int(bits[place])
    return [(first, second, bits, turned) for (first, second, turned), bits in sorted(near.items())]


def _band_pairs(hashes: NDArray[np.uint8]) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """All pairs of slices that have the same bits in a band, many at a time; a pair may come in several bands."""
    bits = np.unpackbits(hashes, axis=1)
    # Bits of a band are drawn from all over the head: neighbouring bits say nearly the same.
    for band in np.array_split(np.random.default_rng(0).permutation(bits.shape[1]), BANDS):
        keys = bits[:, band] @ (1 << np.arange(len(band), dtype=np.uint32))
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        here = np.arange(len(keys))
        for step in count(1):  # slices of one key lie side by side: compare those `step` apart
            here = here[here < len(keys) - step]
            here = here[keys[here] == keys[here + step]]
            if not len(here):
                break
            yield order[here], order[here + step]


def _is_brain(hu: NDArray[np.float32]) -> NDArray[np.bool_]:
    return np.asarray((hu > HEAD_THRESHOLD_HU) & (hu < 0.9 * NETWORK_WINDOW.high))
