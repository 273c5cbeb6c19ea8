"""How the five papers split their data. On the papers' own collections their numbers come out, on others their shares.

Each takes a Manifest without a split of ours and fills its column `split`. Rows whose patient or scan is unknown, and a
collection's own test set, are kept apart as in our splits (`split.with_split`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hemoscope.datasets.columns import SCAN_FINDING_NAMES
from hemoscope.datasets.manifest import UNKNOWN, Manifest
from hemoscope.datasets.patients import patients_of, scan_names
from hemoscope.datasets.splitting.split import TEST, TRAIN, VALIDATION, Units, deal, with_split
from hemoscope.findings import ANY, FINDING_NAMES

# Burduja et al. 2020, section 4.1 and Table 1: the official training data of RSNA 2019, stage 2
BURDUJA_SCANS = {TRAIN: 21_000, VALIDATION: 744}
BURDUJA_SLICES = {TRAIN: 728_513, VALIDATION: 24_290}
# Cortes-Ferre et al. 2021, section 4.3: of 18,938 patients 17,044, 947 and 947
EFFICIENTCLASS_PATIENTS = {TRAIN: 90, VALIDATION: 5, TEST: 5}
# Wong 2019, section 3.2
WONG_TRAINING_SHARE = 0.95
NAMES_OF_A_SLICE = ("dataset", "sop_instance_uid", "path", "frame", "patient", "series", "slice")
# Ye et al. 2019, "Training procedures". The text says 10% for testing; 299 of 2,836 subjects are 10.5%.
YE_PATIENTS = {TRAIN: 80, VALIDATION: 10, TEST: 10}
# Patel et al. 2019, Table 2: scans; Table 3: of them those with slice labels (170 "exams"), positive and negative alike
PATEL_POSITIVE = {TRAIN: 666, VALIDATION: 44, TEST: 177}
PATEL_NEGATIVE = {TRAIN: 782, VALIDATION: 52, TEST: 209}
PATEL_SLICE_LABELLED = {TRAIN: 75, VALIDATION: 10}


def burduja2020(manifest: Manifest, random: np.random.Generator) -> Manifest:
    """Scans, stratified over the findings."""
    scans = Units.of(manifest, scan_names(manifest))
    strata = scans.strata[scans.free]
    split = deal(strata, _shares(BURDUJA_SCANS), random)
    slices = np.bincount(scans.of_row[scans.of_row >= 0], minlength=len(scans))[scans.free]
    if len(split) == sum(BURDUJA_SCANS.values()) and slices.sum() == sum(BURDUJA_SLICES.values()):
        _exchange_scans(split, strata, slices, BURDUJA_SLICES[VALIDATION], random)
    return with_split(manifest, scans, split)


def _exchange_scans(
    split: NDArray[Any], strata: NDArray[Any], slices: NDArray[np.intp], wanted: int, random: np.random.Generator
) -> None:
    """Exchange scans of one stratum between training and validation until validation has `wanted` slices.

    The paper's validation scans are shorter than the others: 32.6 slices on average, not 34.7.
    """
    excess = int(slices[split == VALIDATION].sum()) - wanted
    for leaving in random.permutation(np.flatnonzero(split == VALIDATION)):
        if excess == 0:
            break
        others = np.flatnonzero((split == TRAIN) & (strata == strata[leaving]))
        left = np.abs(excess - slices[leaving] + slices[others])
        better = others[left == 0] if (left == 0).any() else others[left < abs(excess)]
        if len(better):
            coming = random.choice(better)
            split[leaving], split[coming] = TRAIN, VALIDATION
            excess += int(slices[coming] - slices[leaving])


def efficientclass2021(manifest: Manifest, random: np.random.Generator) -> Manifest:
    """Patients, at random. Its balanced choice of slices within each split is `sampling.balanced_slices`."""
    return _random_patients(manifest, EFFICIENTCLASS_PATIENTS, random)


def ye2019(manifest: Manifest, random: np.random.Generator) -> Manifest:
    """Subjects, at random."""
    return _random_patients(manifest, YE_PATIENTS, random)


def _random_patients(manifest: Manifest, numbers: Mapping[str, int], random: np.random.Generator) -> Manifest:
    patients = Units.of(manifest, patients_of(manifest))
    one_stratum = np.zeros(len(patients.free))
    return with_split(manifest, patients, deal(one_stratum, _shares(numbers), random))


def wong2019(manifest: Manifest, random: np.random.Generator) -> Manifest:
    """Labelled slices, at random: PyTorch's `random_split` into int(0.95 n) slices and the rest."""
    order = pc.sort_indices(manifest.table, [(name, "ascending") for name in NAMES_OF_A_SLICE]).to_numpy()
    labelled = order[(manifest.labels[order] != UNKNOWN).any(axis=1)]
    split = manifest.table["split"].to_pandas().to_numpy(object, copy=True)
    split[labelled] = VALIDATION
    split[random.permutation(labelled)[: int(len(labelled) * WONG_TRAINING_SHARE)]] = TRAIN
    return manifest.with_columns({"split": pa.array(split, pa.string(), from_pandas=True)})


def patel2019(manifest: Manifest, random: np.random.Generator) -> Manifest:
    """Scans whose `any` is known, positive and negative ones apart, at random; few of them keep their slice labels.

    Training and validation scans outside the subset of Table 3 lose the labels of their slices, never those of the
    scan. Positive scans in it keep those of positive slices only: "negative samples were only obtained from negatively
    labeled cases" (section III-C.1).
    """
    scans = Units.of(manifest, scan_names(manifest))
    positive = scans.positive[scans.free, ANY]
    negative = ~positive & np.isin(scans.free, scans.of_row[manifest.scan_labels[:, ANY] == 0])
    with_slices = np.isin(scans.free, scans.of_row[manifest.labels[:, ANY] != UNKNOWN])
    split = np.full(len(scans.free), None, object)
    keeps_slices = np.zeros(len(scans), bool)
    for members, numbers in ((positive, PATEL_POSITIVE), (negative, PATEL_NEGATIVE)):
        split[members] = deal(np.zeros(members.sum()), _shares(numbers), random)
        for name, count in PATEL_SLICE_LABELLED.items():
            there = members & (split == name)
            able = random.permutation(scans.free[there & with_slices])
            keeps_slices[able[: round(count * there.sum() / numbers[name])]] = True
    done = with_split(manifest, scans, split)
    return _hide_slice_labels(done, scans, keeps_slices)


def _hide_slice_labels(manifest: Manifest, scans: Units, keeps_slices: NDArray[np.bool_]) -> Manifest:
    """Make slice labels unknown but in the test set and in scans that keep them; what they say of the scan stays."""
    labels = manifest.labels
    in_scan = scans.of_row >= 0
    positive = scans.positive[scans.of_row] & in_scan[:, None]
    kept = in_scan & keeps_slices[scans.of_row] & (~positive[:, ANY] | (labels[:, ANY] == 1))
    kept |= np.asarray(pc.fill_null(pc.equal(manifest.table["split"], TEST), False).to_numpy())
    shown = np.where(kept[:, None], labels, np.int8(UNKNOWN))
    of_scan = np.where(positive, np.int8(1), manifest.scan_labels)
    columns = dict(zip(FINDING_NAMES, shown.T, strict=True)) | dict(zip(SCAN_FINDING_NAMES, of_scan.T, strict=True))
    return manifest.with_columns(columns)


def _shares(numbers: Mapping[str, int]) -> dict[str, float]:
    total = sum(numbers.values())
    return {name: number / total for name, number in numbers.items()}
