"""Pictures of the same slice under several patients: found by a perceptual hash, confirmed by their pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hemoscope.ct.prepare import HEAD_THRESHOLD_HU, NETWORK_WINDOW, prepare_slice

HASH_SIDE = 16  # the hash has HASH_SIDE rows of HASH_SIDE bits
HASH_BYTES = HASH_SIDE * HASH_SIDE // 8
# A square around the head in which less than this is tissue holds air, the tip of the skull or a holder.
LEAST_TISSUE = 0.2


def dhash(hu: NDArray[np.int16]) -> bytes | None:
    """Difference hash of a slice: 256 bits, each whether the head grows brighter from one column to the next.

    hu: HU [row, column] in radiological display, of any size, true or restored from a picture: only 0 to 70 HU counts,
    which all windows of the field share. Bits row by row, the first is the highest of the first byte. None where there
    is too little tissue to tell one head from another.
    """
    # (17, 17): the head fills it, so that neither the size of the picture nor its margin counts
    grey = prepare_slice(hu, None, HASH_SIDE + 1)[0][:HASH_SIDE].astype(np.int16)
    tissue = grey > HEAD_THRESHOLD_HU * 255 / NETWORK_WINDOW.width
    if tissue.mean() < LEAST_TISSUE:
        return None
    steps = np.diff(grey, axis=1)
    # Equal neighbours (air, bone) count as growing in the left half only: so the hash of a mirrored picture follows
    # from the hash (`mirrored`).
    left = np.arange(HASH_SIDE) < HASH_SIDE // 2
    return np.packbits((steps > 0) | ((steps == 0) & left)).tobytes()


def mirrored(hashes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The hashes of the same slices mirrored left to right. hashes: uint8 [slice, 32]."""
    bits = np.unpackbits(hashes, axis=1).reshape(-1, HASH_SIDE, HASH_SIDE)
    return np.packbits(1 - bits[:, :, ::-1].reshape(len(hashes), -1), axis=1)
