"""Every way to split, by name: ours by patient, and the five papers' own, as a table."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from hemoscope.datasets.manifest import Manifest, Split
from hemoscope.datasets.merge import unsplit
from hemoscope.datasets.patients import patients_of
from hemoscope.datasets.splitting import paper_splits
from hemoscope.datasets.splitting.given import split_as_given
from hemoscope.datasets.splitting.split import TEST, TRAIN, VALIDATION, Units, check_leaks, leaks, split_patients
from hemoscope.reasons import UsageError


@dataclass(frozen=True)
class Scheme:
    """A paper's split. source: where the paper says it; unit: what it deals out; rule: how, with its numbers.

    Where the unit is not the patient, one patient may be in two splits.
    """

    name: str
    source: str
    unit: str
    rule: str
    split: Callable[[Manifest, np.random.Generator], Manifest]


SCHEMES: dict[str, Scheme] = {
    scheme.name: scheme
    for scheme in (
        Scheme("burduja2020", "Burduja et al. 2020, section 4.1", "scan",
               "21,000 scans (728,513 slices) for training, 744 (24,290) for validation, stratified over the findings;"
               " the official test set", paper_splits.burduja2020),
        Scheme("efficientclass2021", "Cortes-Ferre et al. 2021, section 4.3", "patient",
               "90, 5 and 5% of the patients at random (17,044, 947 and 947 of 18,938)",
               paper_splits.efficientclass2021),
        Scheme("wong2019", "Wong 2019, section 3.2", "slice", "95 and 5% of the slices at random",
               paper_splits.wong2019),
        Scheme("ye2019", "Ye et al. 2019, Training procedures", "patient", "80, 10 and 10% of the subjects at random",
               paper_splits.ye2019),
        Scheme("patel2019", "Patel et al. 2019, section II and Tables 2 and 3", "scan",
               "75, 5 and 20% of the scans at random (positive 666, 44 and 177, negative 782, 52 and 209); slice labels"
               " of 75 + 75 training and 10 + 10 validation scans only", paper_splits.patel2019),
    )
}  # fmt: skip

GIVEN = "given:"


def split(manifest: Manifest, scheme: str, seed: int) -> Manifest:
    """Fill the column `split` anew, over all datasets at once.

    scheme: a name of SCHEMES, `given:FILE` (a CSV of patients), `kfold:N` (fold0, fold1 ...) or
    `holdout:TRAIN/VALIDATION/TEST` in percent; the last two by patient, stratified over dataset and findings. Raises
    UsageError for any other, for too few patients, and where a split that must not leak does.
    """
    fresh, random = unsplit(manifest), np.random.default_rng(seed)
    paper = SCHEMES.get(scheme)
    if paper is not None:
        done = paper.split(fresh, random)
    elif scheme.startswith(GIVEN):
        done = split_as_given(fresh, Path(scheme.removeprefix(GIVEN)))
    else:
        done = split_patients(fresh, _shares(scheme, fresh), random)
    caveat = _caveat(paper, done) if paper else ""
    done = replace(done, split=Split(scheme, seed, caveat))
    check_leaks(done)
    return done


def _caveat(paper: Scheme, manifest: Manifest) -> str:
    """What is wrong with a paper's rule, with counts; "" where it splits by patient."""
    if paper.unit == "patient":
        return ""
    patients = patients_of(manifest)
    known = pc.count_distinct(patients.filter(manifest.table["split"].is_valid())).as_py()
    leaking = len(leaks(manifest, patients))
    count = f"{leaking:,} of {known:,} patients are in more than one split, so that results are too good"
    here = count if leaking else f"none of {known:,} known patients is in more than one split"
    unknown = int(pc.sum(pc.and_(patients.is_null(), manifest.table["split"].is_valid())).as_py() or 0)
    besides = f", and the patient of {unknown:,} slices is unknown" if unknown else ""
    return f"{paper.source}: the {paper.unit}s were split, not the patients. Here {here}{besides}."


def _shares(scheme: str, manifest: Manifest) -> Mapping[str, float]:
    """The shares of `kfold:N` or `holdout:A/B/C`."""
    if match := re.fullmatch(r"kfold:(\d+)", scheme):
        folds, patients = int(match[1]), len(Units.of(manifest, patients_of(manifest)).free)
        if not 2 <= folds <= patients:
            sentence = f"{scheme} takes at least 2 folds and a labelled patient for each"
            raise UsageError(f"{sentence}; labelled patients of the Manifest: {patients:,}.")
        return {f"fold{number}": 1 / folds for number in range(folds)}
    if match := re.fullmatch(r"holdout:" + "/".join([r"(\d+(?:\.\d+)?)"] * 3), scheme):
        percent = [float(part) for part in match.groups()]
        if abs(sum(percent) - 100) > 1e-6:
            raise UsageError(f"The parts of {scheme} add up to {sum(percent):g} percent, not to 100.")
        return dict(zip((TRAIN, VALIDATION, TEST), (part / 100 for part in percent), strict=True))
    known = ", ".join(SCHEMES)
    raise UsageError(
        f"There is no split {scheme}; there are kfold:N, holdout:80/10/10, given:FILE and those of papers: {known}."
    )
