"""The answers of runs to patients that they held out, as one table: for calibration, model cards and comparisons."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
from lightning_fabric import Fabric

from hemoscope.datasets.patients import patients_of
from hemoscope.datasets.slice_store.store import FACTS
from hemoscope.findings import FINDING_NAMES
from hemoscope.reasons import UsageError
from hemoscope.report.write import write_whole
from hemoscope.training.answers import Answers, OnProgress, answers_to
from hemoscope.training.building import new_system, place
from hemoscope.training.calibrate import (
    LABELS,
    NAMES,
    SCAN_LABELS,
    SCAN_NAMES,
    Settings,
    cross_fitted,
    to_calibrate_on,
)
from hemoscope.training.examples import Examples
from hemoscope.training.predict import drop_parts, write_predictions
from hemoscope.training.run import RECIPE, Run
from hemoscope.training.stage import kept_weights
from hemoscope.training.train import trained_system

ANSWERS = "held_out.npz"  # in the folder of a run: its logits of what it held out


def held_out_examples(run: Run, findings: Sequence[str] = FINDING_NAMES) -> Examples:
    """The slices that a run held out; raises UsageError where it held out none, or trained on them in the end."""
    if run.recipe.held_out(len(run.recipe.stages) - 1) != run.recipe.split.validation:
        raise UsageError(f"A stage of the run {run.folder} was trained on what had been held out before.")
    examples = Examples.of(run.manifest, run.store, run.recipe.split.validation, findings)
    if not len(examples):
        raise UsageError(f"The run {run.folder} held out no slice of its store: nothing can be measured with it.")
    return examples


def held_out_table(run: Run, fold: str, fabric: Fabric, on_progress: OnProgress) -> pd.DataFrame:
    """One row a slice with the columns that `training.calibrate` describes; NaN for findings that are not scored.

    fold: what to call the run. Also `sop_instance_uid` and `key`, by which the Manifest knows it.
    """
    findings = new_system(run.recipe).findings
    examples = held_out_examples(run, findings)
    answers = _answers(run, examples, fabric, on_progress)
    all_findings = held_out_examples(run)
    rows = run.manifest.take(examples.rows)
    own = [findings.index(name) if name in findings else -1 for name in NAMES]
    columns = {
        "run": fold,
        "source": rows.table["dataset"].to_pylist(),
        "patient": patients_of(run.manifest).take(examples.rows).to_pylist(),
        "scan": examples.scans.to_pylist(),
        "slice": np.arange(len(examples)) - examples.starts[examples.scan_of],
        "position_mm": rows.table["position_mm"].to_numpy(),
        "age_years": rows.table["age"].to_numpy(),
        "sop_instance_uid": rows.table["sop_instance_uid"].to_pylist(),
        "key": rows.keys.to_pylist(),
    }
    of_scans = answers.scans[examples.scan_of]
    for names, logits in ((NAMES, answers.slices), *(() if answers.from_slices else ((SCAN_NAMES, of_scans),))):
        columns |= {name: logits[:, place] if place >= 0 else np.nan for name, place in zip(names, own, strict=True)}
    for names, labels in ((LABELS, all_findings.labels), (SCAN_LABELS, all_findings.scan_labels)):
        columns |= dict(zip(names, labels.T, strict=True))
    return pd.DataFrame(columns)


def _answers(run: Run, examples: Examples, fabric: Fabric, on_progress: OnProgress) -> Answers:
    """What a run says of examples; kept in its folder, as scoring them takes minutes, and needs no weights then."""
    path, of = run.folder / ANSWERS, np.array(_identity(run, examples))
    if path.exists():
        with np.load(path) as kept:
            if np.array_equal(kept["of"], of):
                return Answers(kept["slices"], kept["scans"], bool(kept["from_slices"]))
    if path.exists() and not (run.folder / kept_weights(run.recipe.stages[-1])).exists():
        raise UsageError(
            f"What {path} holds is of another version, recipe or store, or of other slices, and the weights to score "
            f"these are not there: train {run.folder} again."
        )
    system = trained_system(run)
    place(system, fabric.device)
    answers = answers_to(system, examples, run.store, run.recipe.input, fabric, on_progress)
    file = BytesIO()
    np.savez_compressed(file, of=of, **vars(answers))
    with suppress(OSError):  # what is kept only saves time
        write_whole(path, file.getvalue())
    return answers


def _identity(run: Run, examples: Examples) -> list[str]:
    """All that answers depend on: version, weights, recipe, store, slices and which of them are together a scan."""
    weights = run.facts["stages"][run.recipe.stages[-1].name]["weights_sha256"]
    files = (run.folder / RECIPE, run.store.folder / FACTS)
    hashes = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    slices = zip(examples.scans.to_pylist(), run.manifest.take(examples.rows).keys.to_pylist(), strict=True)
    return [version("hemoscope"), weights, *hashes, *(name for names in slices for name in names)]


def write_held_out(table: pd.DataFrame, settings: Settings, out: Path) -> None:
    """Write a table of several folds as Predictions, each fold calibrated on the others."""
    slices, scans = cross_fitted(table, settings, to_calibrate_on(table))
    scans = drop_parts(scans, table["key"])
    slices = each_once(slices)
    names = ["scan", "slice", "position_mm", "sop_instance_uid", "source", *NAMES]
    write_predictions(out, slices.assign(source=slices["key"])[names], scans[["scan", *NAMES]])


def each_once(slices: pd.DataFrame) -> pd.DataFrame:
    """Of a slice that several datasets hold, the row of the dataset that has most of its scan, or else of the last."""
    known = slices["sop_instance_uid"].notna()
    by_size = slices.assign(size=slices.groupby("scan")["slice"].transform("size"))[known].sort_values(
        ["size", "source"], kind="stable"
    )
    repeated = by_size["key"][by_size.duplicated("sop_instance_uid", keep="last")]
    return slices[~slices["key"].isin(repeated)]
