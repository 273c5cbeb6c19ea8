"""A trained run, or a cascade of two, to a bundle that `hemoscope detect` uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from lightning_fabric import Fabric

from hemoscope.ct.prepare import NetworkInput
from hemoscope.datasets.splitting.schemes import GIVEN
from hemoscope.detector.bundle import Bundle
from hemoscope.findings import ANY, FINDING_NAMES
from hemoscope.networks.system import System
from hemoscope.networks.ye2019 import Cascade
from hemoscope.reasons import UsageError
from hemoscope.training.answers import OnProgress
from hemoscope.training.batches import as_detection_sees
from hemoscope.training.building import scores_slices
from hemoscope.training.calibrate import SIGMAS_MM, Settings, cross_fitted, fit, operating_points, to_calibrate_on
from hemoscope.training.examples import Examples
from hemoscope.training.export import Pictures, check_new, export_system
from hemoscope.training.fit_curves import Method
from hemoscope.training.held_out import held_out_table, write_held_out
from hemoscope.training.measure import auc, patients, proportion
from hemoscope.training.model_card import CardFacts, TrainedOn, model_card
from hemoscope.training.recipe import Input
from hemoscope.training.run import Run
from hemoscope.training.train import trained_system

COMPARED_SCANS, COMPARED_SLICES = 3, 64  # at most, on which ONNX Runtime must agree with PyTorch
OF_ONE_FOLD = ("split", "initial_weights")  # what the recipes of folds may differ in
LICENCE = "of the code Apache-2.0; of the weights as the training data demand"


def export_runs(
    runs: Sequence[Run],
    folds: Sequence[Run],
    name: str,
    folder: Path,
    fabric: Fabric,
    on_progress: OnProgress,
    version: str = "0",
    method: Method = "platt",
    held_out: Path | None = None,
    remarks: Sequence[str] = (),
) -> Bundle:
    """Write the bundle of a run, or of two that make a cascade (Ye et al. 2019).

    folds: runs of the same recipe that each held other patients out; calibration (by `method`), operating points and
    figures come from their held-out answers. Without them the bundle is not calibrated. held_out: a folder for these
    answers as Predictions, each fold calibrated on the others. remarks: sentences for the model card.
    Raises UsageError where the runs do not fit.
    """
    check_new(folder)
    for one in (*runs, *folds):
        one.check_finished()
        one.check_same_split()
    run, system = runs[0], _system(runs)
    if untaught := [one for one in runs if not scores_slices(system, one.recipe, len(one.recipe.stages) - 1)]:
        raise UsageError(
            f"No label of a slice taught {untaught[0].folder} what to say of slices, and a bundle shows it: give "
            "the last stage that trains its slice network a `loss.slices`."
        )
    facts: dict[str, Any] = {
        "name": name,
        "version": version,
        "licence": LICENCE,
        "provenance": _provenance(runs, folds),
    }
    metrics: dict[str, str] = {}
    if folds:
        _check_folds(run, folds)
        table = pd.concat(
            [held_out_table(one, f"fold{number}", fabric, on_progress) for number, one in enumerate(folds)]
        )
        # a network over the scan has seen the neighbours: its answers are not smoothed over them again
        settings = Settings(sigmas_mm=SIGMAS_MM if system.scan_network is None else (), method=method)
        calibrated, metrics = _calibration(table, system, settings)
        facts |= calibrated | {"metrics": metrics}
    card = model_card(replace(_card(runs, folds, name, system, metrics), remarks=remarks))
    bundle = export_system(system, network_input(run.recipe.input), folder, facts, card, _pictures(run))
    if folds and held_out is not None:
        write_held_out(table, settings, held_out)
    return bundle


def network_input(inputs: Input) -> NetworkInput:
    """A recipe's input as detection has it."""
    slices, pixels = inputs.maximum_filter
    return NetworkInput(inputs.size, inputs.display_windows, inputs.neighbours, inputs.framing, slices, pixels)


def _system(runs: Sequence[Run]) -> System:
    if len(runs) == 1:
        return trained_system(runs[0])
    if len(runs) != 2 or runs[0].recipe.input != runs[1].recipe.input:
        raise UsageError("A bundle is made of one run, or of two with the same input that make a cascade.")
    return Cascade(trained_system(runs[0]), trained_system(runs[1]))


def _check_folds(run: Run, folds: Sequence[Run]) -> None:
    """Raise UsageError where a fold is alone, of another recipe, or where two held the same split out."""
    if len(folds) < 2:
        raise UsageError(
            "A bundle is measured on each fold by what was fitted on the others: give --fold for two runs or more."
        )
    recipe = replace_split(run)
    for one in folds:
        if replace_split(one) != recipe:
            raise UsageError(f"The recipe of {one.folder} differs from that of {run.folder} in more than its split.")
    held_out = [split for one in folds for split in one.recipe.split.validation]
    if len(set(held_out)) < len(held_out):
        raise UsageError("Two of the runs held the same split out: its patients would count twice.")


def replace_split(run: Run) -> dict[str, Any]:
    """The recipe without what may differ between folds."""
    return {key: value for key, value in run.recipe.model_dump().items() if key not in OF_ONE_FOLD}


def _calibration(table: pd.DataFrame, system: System, settings: Settings) -> tuple[dict[str, Any], dict[str, str]]:
    """What bundle.json says of calibration and operating points, and the figures of the card."""
    scans = to_calibrate_on(table)
    fitted = fit(scans, settings)
    slices_of, scans_of = cross_fitted(scans, settings)
    facts = fitted.facts(system.findings) | {"operating_points": operating_points(fitted, slices_of, scans_of)}
    return facts, _figures(table, slices_of, scans_of)


def _figures(table: pd.DataFrame, slices: pd.DataFrame, scans: pd.DataFrame) -> dict[str, str]:
    """AUC by dataset, of slices as the network scores them, and of scans; then what the operating points give.

    slices, scans: those that were calibrated, with their calls.
    """
    figures = {}
    for source, part in table.groupby("source"):
        for finding in FINDING_NAMES:
            if part[finding].notna().all() and (part[f"label_{finding}"] >= 0).any():
                value = f"{auc(part, finding)}, {patients(part, finding)} patients"
                figures[f"slice AUC, {source}, {finding}"] = value
    for source, part in scans.groupby("source"):
        value = f"{auc(part, FINDING_NAMES[ANY])}, {patients(part, FINDING_NAMES[ANY])} patients"
        figures[f"scan AUC, {source}, any"] = value
    for unit, calls in (("scans", scans), ("single slices", slices)):
        for source, part in calls.groupby("source"):
            for point in ("sensitive", "specific"):
                bleeds = part["label_any"] == 1
                found, left = part[bleeds], part[~bleeds]
                figures[f"{unit} at `{point}`, {source}"] = (
                    f"sensitivity {proportion(found[f'{point}_call'], found['patient'])}; "
                    f"specificity {proportion(~left[f'{point}_call'], left['patient'])}"
                )
    return figures


def _pictures(run: Run) -> list[Pictures]:
    """The pictures of some scans of the store, the longest among them."""
    examples = Examples.of(run.manifest, run.store, None, FINDING_NAMES)
    order = np.argsort(-examples.lengths, kind="stable")
    chosen = dict.fromkeys(int(order[len(order) * part // COMPARED_SCANS]) for part in range(COMPARED_SCANS))
    pictures = []
    for scan in chosen:
        stored = examples.stored[examples.places_of_scan(scan)][:COMPARED_SLICES]
        seen = as_detection_sees(run.store, stored, torch.tensor([len(stored)]), run.recipe.input)
        pictures.append((seen * 255).round().to(torch.uint8).numpy())
    return pictures


def _provenance(runs: Sequence[Run], folds: Sequence[Run]) -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "recipes": [_recipe(run) for run in runs],
        "runs": [{key: run.facts[key] for key in ("versions", "git_revision", "split_sha256")} for run in runs],
        "folds": len(folds),
    }


def _recipe(run: Run) -> dict[str, Any]:
    """As resolved; of a file of initial weights its name alone."""
    return run.recipe.model_dump(mode="json") | {"initial_weights": Path(run.recipe.initial_weights).name}


def _card(runs: Sequence[Run], folds: Sequence[Run], name: str, system: System, metrics: dict[str, str]) -> CardFacts:
    run, scan = runs[0], system.scan_network
    facts = run.facts
    trained_with = {
        "recipe": ", ".join(one.recipe.name for one in runs),
        "initial weights": ", ".join(Path(one.recipe.initial_weights).name for one in runs),
    }
    scheme = (facts["manifest_split"] or {}).get("scheme", "of the Manifest itself")
    if scheme.startswith(GIVEN):  # of the file its name alone: others have it elsewhere
        scheme = GIVEN + Path(scheme.removeprefix(GIVEN)).name
    trained_with |= {"seed": ", ".join(str(one.recipe.seed) for one in runs)}
    trained_with |= {"split": scheme}
    seconds = sum(stage["seconds"] for one in runs for stage in one.facts["stages"].values())
    trained_with |= {"seconds": f"{seconds:.0f}"}
    trained_with |= {"PyTorch": facts["versions"]["torch"]}
    return CardFacts(
        name=name,
        source="; ".join(one.recipe.source for one in runs),
        findings_of_slices=system.slice_network.findings if scan is None else scan.findings,
        findings_of_scans=system.findings,
        given=network_input(run.recipe.input),
        parameters=sum(parameter.numel() for parameter in system.parameters()),
        calibrated=bool(folds),
        licence=LICENCE,
        trained_on=[
            one if len(runs) == 1 else replace(one, name=f"{one.name}, splits of {trained.recipe.name}")
            for trained in runs
            for one in _datasets([(trained, _learned(trained))])
        ],
        held_out=_datasets([(one, one.recipe.split.validation) for one in folds]),
        caveat=" ".join(dict.fromkeys((one.facts["manifest_split"] or {}).get("caveat", "") for one in runs)).strip(),
        trained_with=trained_with,
        metrics=metrics,
    )


def _learned(run: Run) -> tuple[str, ...]:
    """The splits that any stage was trained on."""
    return tuple({split for stage in run.recipe.stages for split in stage.splits or run.recipe.split.train})


def _datasets(parts_of: Sequence[tuple[Run, Sequence[str]]]) -> list[TrainedOn]:
    """The slices of some splits of each run, dataset by dataset."""
    counts: dict[str, list[TrainedOn]] = {}
    for run, splits in parts_of:
        examples = Examples.of(run.manifest, run.store, splits, FINDING_NAMES)
        dataset = examples.manifest.take(examples.rows).table["dataset"].to_numpy()
        for name in sorted(set(dataset)):
            part = replace(examples, rows=examples.rows[dataset == name])
            scans = len(part.manifest.take(part.rows).scans.unique())
            counts.setdefault(name, []).append(TrainedOn(name, part.patients or None, scans, len(part.rows)))
    return [
        TrainedOn(
            name,
            sum(one.patients or 0 for one in parts) or None,
            sum(one.scans for one in parts),
            sum(one.slices for one in parts),
        )
        for name, parts in counts.items()
    ]
