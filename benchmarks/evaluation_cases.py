"""Claim: a million predicted slices are read, found in a Manifest and made into cases of slices and scans in seconds.

Labels and probabilities are made up: 30,000 scans of 18,000 patients. Compared with a plain merge by pandas that knows
which column names the slice, checks nothing and takes the maximum over a scan; ours adds three more rules.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from measure import in_turn, report

from hemoscope.datasets.columns import SCAN_FINDING_NAMES
from hemoscope.datasets.manifest import Manifest
from hemoscope.evaluation.evaluate import score
from hemoscope.evaluation.matching.truth import Truth
from hemoscope.evaluation.question import Question
from hemoscope.findings import FINDING_NAMES

SLICES, SCANS, PATIENTS = 1_000_000, 30_000, 18_000
POSITIVE = 0.05
SECONDS = 10.0
REPEATS = 2
NAMES = list(FINDING_NAMES)


def made(folder: Path) -> Question:
    """A Manifest and the predictions of all of its slices."""
    random = np.random.default_rng(7)
    scan = np.sort(random.integers(SCANS, size=SLICES))
    number = np.arange(SLICES) - np.searchsorted(scan, scan)
    labels = (random.random((SLICES, len(NAMES))) < POSITIVE).astype(np.int8)
    of_scan = pd.DataFrame(labels).groupby(scan).transform("max").to_numpy(np.int8)
    series = np.array([f"{name:010x}" for name in range(SCANS)], object)[scan]
    patient = np.array([f"rsna:{name:08x}" for name in range(PATIENTS)], object)[
        random.integers(PATIENTS, size=SCANS)[scan]
    ]
    uids = [f"ID_{name:09x}" for name in random.permutation(SLICES)]
    columns = {"patient": patient, "series": series, "slice": number, "sop_instance_uid": uids,
               "path": [f"train/{uid}.dcm" for uid in uids]}  # fmt: skip
    columns |= dict(zip(NAMES, labels.T, strict=True)) | dict(zip(SCAN_FINDING_NAMES, of_scan.T, strict=True))
    Manifest.from_columns("rsna", folder, columns).write(folder / "manifest.parquet")
    table = pd.DataFrame({"scan": "rsna/" + series, "slice": number, "sop_instance_uid": uids,
                          "source": [f"rsna/train/{uid}.dcm#0" for uid in uids]})  # fmt: skip
    table[NAMES] = random.random((SLICES, len(NAMES))).round(6)
    table.to_csv(folder / "slices.csv", index=False)
    return Question(folder / "manifest.parquet", folder / "slices.csv")


def main() -> None:
    """Measure and report."""
    with TemporaryDirectory() as name:
        question = made(Path(name))

        def ours() -> None:
            slices, by_rule = score(question, Truth.of(Manifest.read(question.manifest)))
            for scored in (slices, *by_rule.values()):
                scored.cases(())

        def plain() -> None:
            truth = pd.read_parquet(question.manifest, columns=["sop_instance_uid", "series", *NAMES])
            table = pd.read_csv(question.slices)
            both = truth.merge(table, on="sop_instance_uid", suffixes=("_true", ""))
            both.groupby("series")[NAMES].max()

        sides = {"hemoscope: every check, four rules to scans": ours, "pandas: a merge and the maximum": plain}
        report("evaluation cases: a million slices from CSV and Manifest", in_turn(sides, REPEATS), SECONDS)


if __name__ == "__main__":
    main()
