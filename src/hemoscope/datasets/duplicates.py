"""Pictures of the same slice under several patients: found by a perceptual hash, confirmed by their pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemoscope.ct.prepare import HEAD_THRESHOLD_HU, NETWORK_WINDOW

HASH_SIDE = 16  # the hash has HASH_SIDE rows of HASH_SIDE bits
LEVEL_HU = 0.25  # neighbours that differ by less count as equal
# Only the brain tells heads apart: bone and air look the same in all. Less of it than this says too little.
LEAST_BRAIN = 0.25


def dhash(hu: NDArray[np.int16]) -> bytes | None:
    """Difference hash of a slice: 256 bits, each whether the head grows brighter from one column to the next.

    hu: HU [row, column] in radiological display, of any size, true or restored from a picture: only 0 to 70 HU counts,
    which all windows of the field share. Bits row by row, the first is the highest of the first byte. None where there
    is too little brain to tell one head from another.
    """
    shown = head_square(hu, HASH_SIDE, HASH_SIDE + 1)
    brain = (shown > HEAD_THRESHOLD_HU) & (shown < 0.9 * NETWORK_WINDOW.high)
    if brain.mean() < LEAST_BRAIN:
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
    by_row, by_column = tissue.sum(axis=1), tissue.sum(axis=0)
    if not by_row.any():
        return np.zeros((rows, columns), np.float32)
    (row, row_spread), (column, column_spread) = _centre_and_spread(by_row), _centre_and_spread(by_column)
    side = 4 * max(row_spread, column_spread, 1.0)  # an even ellipse reaches 2 standard deviations from its centre
    clipped = np.clip(hu, NETWORK_WINDOW.low, NETWORK_WINDOW.high).astype(np.float32)
    down = _means(len(by_row), np.linspace(row - side / 2, row + side / 2, rows + 1))
    across = _means(len(by_column), np.linspace(column - side / 2, column + side / 2, columns + 1))
    return np.asarray(down @ clipped @ across.T, np.float32)


def _centre_and_spread(counts: NDArray[np.integer[Any]]) -> tuple[float, float]:
    """Mean and standard deviation of a position, in pixels from the edge, of `counts` pixels at each."""
    places = np.arange(len(counts)) + 0.5
    centre = np.average(places, weights=counts)
    return float(centre), float(np.sqrt(np.average((places - centre) ** 2, weights=counts)))


def _means(pixels: int, edges: NDArray[np.float64]) -> NDArray[np.float32]:
    """The weights [cell, pixel] that average a line of pixels over cells between `edges`, in fractions of pixels.

    What lies outside the line counts as 0.
    """
    starts = np.arange(pixels)
    overlap = np.minimum(edges[1:, None], starts + 1) - np.maximum(edges[:-1, None], starts)
    return np.asarray(np.clip(overlap, 0, None) / (edges[1] - edges[0]), np.float32)
