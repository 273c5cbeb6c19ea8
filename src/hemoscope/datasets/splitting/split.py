"""Splits by patient, over all datasets at once and stratified over the findings; and the search for leaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hemoscope.datasets.manifest import Manifest
from hemoscope.datasets.patients import patients_of, people_of, scan_names
from hemoscope.reasons import UsageError

TRAIN, VALIDATION, TEST = "train", "validation", "test"
NAMED_LEAKS = 5  # patients that the error about a leak names


@dataclass(frozen=True)
class Units:
    """What a split deals out: patients or scans, each with what is known of its labels.

    of_row: the number of the unit of each row, -1 where the row belongs to none. names: sorted, so that a split does
    not depend on the order of rows. labelled: a label of the unit is known. positive: bool [unit, finding], in a slice
    or the scan. dataset: the first of its datasets. official_test: the collection itself keeps it for testing.
    """

    of_row: NDArray[np.intp]
    names: NDArray[Any]
    labelled: NDArray[np.bool_]
    positive: NDArray[np.bool_]
    dataset: NDArray[Any]
    official_test: NDArray[np.bool_]

    @classmethod
    def of(cls, manifest: Manifest, names: pa.Array | pa.ChunkedArray) -> Units:
        """Units of a Manifest without a split of ours. names: the unit of each row, null where it belongs to none."""
        of_row, found = pd.factorize(names.to_pandas(), sort=True)
        within = of_row >= 0
        positive = (manifest.labels == 1) | (manifest.scan_labels == 1)
        rows = pd.DataFrame(positive[within]).assign(
            labelled=is_labelled(manifest)[within], test=is_official_test(manifest)[within]
        )
        units = rows.groupby(of_row[within]).any().to_numpy(bool)
        datasets = manifest.table["dataset"].to_pandas()[within].groupby(of_row[within]).min().to_numpy(object)
        return cls(of_row, np.asarray(found), units[:, -2], units[:, :-2], datasets, units[:, -1])

    def __len__(self) -> int:
        return len(self.names)

    @property
    def free(self) -> NDArray[np.intp]:
        """The numbers of the units that a split may deal out: labelled, and not a collection's own test set."""
        return np.flatnonzero(self.labelled & ~self.official_test)

    @property
    def strata(self) -> NDArray[Any]:
        """The stratum of each unit: its dataset and its findings, as `dataset/010001`, the rarest of all units first.

        In the order of the alphabet, units that share the rarest finding follow each other.
        """
        rarest_first = np.argsort(self.positive.sum(axis=0), kind="stable")
        marks = np.where(self.positive[:, rarest_first], "1", "0").astype(object)
        return np.asarray(self.dataset + "/" + marks.sum(axis=1))


def deal(strata: NDArray[Any], shares: Mapping[str, float], random: np.random.Generator) -> NDArray[Any]:
    """Deal units out to splits, so that each gets its share of all and, within one or two, of neighbouring strata.

    shares: fractions that add up to 1. Units are put in random order within their stratum; each goes to the split that
    is furthest behind its share (largest deficit), the deficits running on from one stratum to the next. The sizes of
    the splits are the shares rounded by largest remainder (`sizes`).
    """
    names, wanted = list(shares), np.array(list(shares.values()))
    left = np.array(list(sizes(len(strata), shares).values()))
    order = np.lexsort([random.permutation(len(strata)), pd.factorize(strata, sort=True)[0]])
    dealt = np.empty(len(strata), object)
    behind = np.zeros(len(names))
    for unit in order:
        behind += wanted
        chosen = int(np.argmax(np.where(left > 0, behind, -np.inf)))
        behind[chosen] -= 1
        left[chosen] -= 1
        dealt[unit] = names[chosen]
    return dealt


def sizes(count: int, shares: Mapping[str, float]) -> dict[str, int]:
    """How many of `count` units each split gets: the share rounded down, the rest to the largest remainders."""
    exact = {name: round(count * share, 9) for name, share in shares.items()}  # 0.29 * 100 is 28.999...
    whole = {name: int(value) for name, value in exact.items()}
    rest = count - sum(whole.values())
    for name in sorted(exact, key=lambda name: whole[name] - exact[name])[:rest]:
        whole[name] += 1
    return whole


def split_patients(manifest: Manifest, shares: Mapping[str, float], random: np.random.Generator) -> Manifest:
    """Split by patient, stratified over dataset and findings. The Manifest must have no split of ours yet.

    All rows of a patient, of whatever dataset, are in one split.
    """
    patients = Units.of(manifest, patients_of(manifest))
    return with_split(manifest, patients, deal(patients.strata[patients.free], shares, random))


def with_split(manifest: Manifest, units: Units, split_of_free: NDArray[Any]) -> Manifest:
    """Fill the column `split` from the splits of `units.free`.

    Units of a collection's own test set stay in `test`; units without any label are in no split (null). Labelled rows
    of no unit (patient unknown) are `train`: they could be of anyone; but `test` where their scan or slice is in a
    collection's own test set. Unlabelled rows are in `test` only where the collection says so, which `merge.unsplit`
    relies on; those of units that we test on are in no split.
    """
    split_of_unit = np.full(len(units) + 1, None, object)  # the last stands for rows of no unit, numbered -1
    split_of_unit[:-1][units.official_test] = TEST
    split_of_unit[units.free] = split_of_free
    split = split_of_unit[units.of_row]
    known, official = is_labelled(manifest), is_official_test(manifest)
    person = people_of(manifest)
    tested = np.isin(person, person[official])
    split[(units.of_row < 0) & known] = np.where(tested, TEST, TRAIN)[(units.of_row < 0) & known]
    split[(split == TEST) & ~known] = None
    split[official & ~known] = TEST
    return manifest.with_columns({"split": pa.array(split, pa.string())})


def leaks(manifest: Manifest, names: pa.Array) -> list[str]:
    """The units that are in more than one split, sorted. names: the unit of each row (patient, scan), null for none."""
    pairs = pa.table({"unit": names, "split": manifest.table["split"]}).drop_null().group_by(["unit", "split"])
    counts = pairs.aggregate([]).group_by("unit").aggregate([("split", "count")])
    return sorted(counts.filter(pc.greater(counts["split_count"], 1))["unit"].to_pylist())


def check_leaks(manifest: Manifest) -> None:
    """Raise UsageError when a patient or scan is in two splits, unless that is the caveat of a paper's own split."""
    if manifest.split and manifest.split.caveat:
        return
    for kind, names, remedy in (
        ("Patients", patients_of(manifest), "split the Manifest anew."),
        ("Scans", scan_names(manifest), "they have slices of several patients: give each scan a name of its own."),
    ):
        found = leaks(manifest, names)
        if found:
            some = ", ".join(found[:NAMED_LEAKS]) + (" ..." if len(found) > NAMED_LEAKS else "")
            raise UsageError(f"{kind} are in more than one split ({len(found):,}: {some}); {remedy}")


def is_labelled(manifest: Manifest) -> NDArray[np.bool_]:
    """Of which rows a label is known, of the slice or its scan: bool [row]."""
    return np.asarray((manifest.labels >= 0).any(axis=1) | (manifest.scan_labels >= 0).any(axis=1))


def is_official_test(manifest: Manifest) -> NDArray[np.bool_]:
    """Which rows of a Manifest without a split of ours the collection itself keeps for testing: bool [row]."""
    return np.asarray(pc.fill_null(pc.equal(manifest.table["split"], TEST), False).to_numpy())
