"""Labels of scans, from those of their slices."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hemoscope.datasets.manifest import UNKNOWN


def labels_of_scans(series: pa.Array, labels: NDArray[np.int8], fewest_slices: int = 1) -> NDArray[np.int8]:
    """Give each slice the labels of its scan: 1 with one slice at 1, 0 with every slice at 0, else UNKNOWN.

    series: the scan of each slice, null for a loose slice, whose scan is not known. labels: int8 [slice, finding].
    fewest_slices: of a whole scan; of a smaller one some are missing, and these may have what the others have not.
    """
    encoded = series.dictionary_encode()
    scans = encoded.indices.fill_null(-1).to_numpy()
    in_scan = scans >= 0
    lowest = np.ones((len(encoded.dictionary) + 1, labels.shape[1]), np.int8)
    highest = np.full_like(lowest, UNKNOWN)
    np.minimum.at(lowest, scans[in_scan], labels[in_scan])
    np.maximum.at(highest, scans[in_scan], labels[in_scan])
    lowest[np.bincount(scans[in_scan], minlength=len(lowest)) < fewest_slices] = UNKNOWN
    of_scan = np.where(highest == 1, 1, np.where(lowest == UNKNOWN, UNKNOWN, 0)).astype(np.int8)
    return np.where(in_scan[:, None], of_scan[scans], UNKNOWN).astype(np.int8)
