"""Who each slice is of, over all datasets at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hemoscope.datasets.manifest import Manifest


def patients_of(manifest: Manifest) -> pa.Array:
    """The patient of each row, null where unknown.

    Collections that were made from another one may name its patients anew, or not at all. Rows with the identifier of
    one slice are of one patient: they get the first of the names in the order of the alphabet. Rows without a patient
    get that of their scan, and names that meet in one scan are one, unless its own slices name two patients.
    """
    number, names = _link(manifest)
    found = np.array([*names, None], object)[np.minimum(number, len(names))]
    return pa.array(found, pa.string(), from_pandas=True)


def people_of(manifest: Manifest) -> NDArray[np.intp]:
    """A number for the person of each row. Where no patient is known, rows of one scan or slice share a number."""
    return _link(manifest)[0]


def scan_names(manifest: Manifest) -> pa.Array:
    """The scan of each row, null for a loose slice: nobody knows which others are of the same scan."""
    return pc.if_else(manifest.table["series"].combine_chunks().is_valid(), manifest.scans, None)


def _link(manifest: Manifest) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """(the number of the person of each row, the names of the first numbers); higher numbers have no name."""
    table = manifest.table
    patient, names = pd.factorize(table["patient"].to_pandas(), sort=True)
    slices = pd.factorize(table["sop_instance_uid"].to_pandas())[0]
    scans = pd.factorize(manifest.scans.to_pandas())[0]
    number = np.where(patient >= 0, patient, len(names) + np.arange(len(patient)))
    # A scan whose own slices name two patients makes them not one: its name may not be unique.
    ambiguous = (pd.Series(patient).where(patient >= 0).groupby(scans).transform("nunique") > 1).to_numpy()
    while True:  # names can be linked by several slices in a chain
        before = number.copy()
        for groups in (patient, slices, scans):
            lowest = np.full(groups.max(initial=-1) + 2, len(names) + len(patient))
            np.minimum.at(lowest, groups, number)
            changing = (groups >= 0) & ((groups is not scans) | ~ambiguous | (number >= len(names)))
            number[changing] = lowest[groups[changing]]
        if (number == before).all():
            return number, np.asarray(names, object)
