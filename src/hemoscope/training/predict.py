"""The predictions of a run as tables, in the columns that every system writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from lightning_fabric import Fabric
from numpy.typing import NDArray

from hemoscope.findings import FINDING_NAMES
from hemoscope.reasons import UsageError
from hemoscope.report.write import write_whole
from hemoscope.training.answers import Answers, OnProgress, answers_to
from hemoscope.training.building import place, scores_slices
from hemoscope.training.examples import Examples
from hemoscope.training.run import Run
from hemoscope.training.train import trained_system

SLICES, SCANS = "slices.csv", "scans.csv"


def predict(
    run: Run, splits: Sequence[str] | None, out: Path, fabric: Fabric, on_progress: OnProgress
) -> tuple[int, int]:
    """Write slices.csv and scans.csv of some splits, None for all; returns how many slices and scans.

    Findings that the system does not score are empty, and all of slices where no label taught it what to say of one.
    Raises UsageError where there is nothing to score.
    """
    system = trained_system(run)
    examples = Examples.of(run.manifest, run.store, splits, system.findings)
    if not len(examples):
        of = f"the split {', '.join(splits)}" if splits else "the Manifest"
        raise UsageError(f"The slice store {run.store.folder} has no slice of {of}.")
    place(system, fabric.device)
    answers = answers_to(system, examples, run.store, run.recipe.input, fabric, on_progress)
    if not scores_slices(system, run.recipe, len(run.recipe.stages) - 1):
        answers = replace(answers, slices=np.full_like(answers.slices, np.nan))
    slices, scans = tables(examples, answers)
    scans = drop_parts(scans, slices["source"])
    write_predictions(out, slices, scans)
    return len(slices), len(scans)


def drop_parts(scans: pd.DataFrame, keys: pd.Series) -> pd.DataFrame:
    """Drop scans that are one slice without a number among others of its scan: its answer is none for that scan.

    keys: of all slices; such a scan has that of its slice for a name.
    """
    return scans[~scans["scan"].isin(keys)]


def write_predictions(out: Path, slices: pd.DataFrame, scans: pd.DataFrame) -> None:
    """Write slices.csv and scans.csv; raises UsageError where that cannot be done."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, table in ((SLICES, slices), (SCANS, scans)):
            write_whole(out / name, table.to_csv(index=False, float_format="%.8g").encode())
    except OSError as error:
        raise UsageError(f"The predictions cannot be written to {out}: {error.strerror}.") from error


def tables(examples: Examples, answers: Answers) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables of slices and of scans: Predictions as docs/outputs.md describes them."""
    rows = examples.manifest.take(examples.rows)
    scan = np.asarray(examples.scans.to_pylist(), object)
    number = np.arange(len(examples)) - examples.starts[examples.scan_of]
    slices = pd.DataFrame(
        {
            "scan": scan,
            "slice": number,
            "position_mm": rows.table["position_mm"].to_numpy(),
            "sop_instance_uid": rows.table["sop_instance_uid"].to_pylist(),
            "source": rows.keys.to_pylist(),
        }
        | probabilities(answers.slices, examples.findings)
    )
    first = examples.starts[:-1]
    scores = answers.slices[:, -1]  # of `any`, or of the last finding that there is
    highest = [int(np.argmax(scores[examples.places_of_scan(one)])) for one in range(len(first))]
    suspicious = pd.array([None if np.isnan(scores[0]) else one for one in highest], "Int64")
    scans = pd.DataFrame(
        {"scan": scan[first]} | probabilities(answers.scans, examples.findings) | {"suspicious_slice": suspicious}
    )
    return slices, scans


def probabilities(logits: NDArray[np.float32], findings: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Logits [example, finding] as a column of probabilities for each of the six findings, NaN where not scored."""
    chances = 1 / (1 + np.exp(-logits.astype(np.float64)))
    unknown = np.full(len(logits), np.nan)
    return {name: chances[:, findings.index(name)] if name in findings else unknown for name in FINDING_NAMES}
