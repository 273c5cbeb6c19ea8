"""Train each published system for minutes at reduced size on the collections at hand, and measure it.

    make dataset                                  # first
    python scripts/system_trials.py data runs/trials

Every command is printed before it runs. A trial that was finished is not repeated, one that was stopped goes on. The
table of docs/systems.md and the predictions in results/ are written anew from what is there. Patients of fold1 are held
out, half of all, over all collections at once. The figures are of whole scans with all labels (CT-ICH and the RSNA
series), never of loose slices.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from commands import run_command, train
from lightning_fabric import Fabric
from scipy.special import expit

from hemoscope.datasets.manifest import Manifest
from hemoscope.evaluation.statistics.bootstrap import Draws
from hemoscope.evaluation.statistics.clustered import auc_clustered, auc_difference
from hemoscope.networks.patel2019_baselines import SequenceSVM, maximum, percentile_95
from hemoscope.networks.system import System
from hemoscope.training.answers import answers_to, features_of
from hemoscope.training.building import new_system
from hemoscope.training.examples import Examples
from hemoscope.training.held_out import held_out_examples
from hemoscope.training.predict import tables, write_predictions
from hemoscope.training.run import Run
from hemoscope.training.stage import kept_weights

ROOT = Path(__file__).parent.parent
PAGE, MARK = ROOT / "docs/systems.md", "<!-- written by scripts/system_trials.py -->"
PREDICTIONS = ROOT / "results"
WHOLE_SCANS = ("ct-ich", "rsna_hu")


@dataclass(frozen=True)
class Trial:
    """A recipe of recipes/trials, and the size of its slices; only: datasets that it sees, where all take too long."""

    recipe: str
    size: int
    only: tuple[str, ...] = ()


TRIALS = (
    Trial("wong2019", 128),
    Trial("ye2019_two_type", 128),
    Trial("ye2019_two_type_sub_lab", 128),
    Trial("ye2019_five_type", 128),
    Trial("burduja2020", 128),
    Trial("patel2019", 256),
    Trial("efficientclass2021", 512, only=(*WHOLE_SCANS, "rsna_loose")),
)


def trained(trial: Trial, data: Path, out: Path) -> Run:
    """The run of a trial, which is trained unless that is done."""
    manifest, store = out / "manifest.parquet", out / f"store{trial.size}"
    if not manifest.exists():
        run_command("dataset", "split", data / "manifest.parquet", "--scheme", "kfold:2", "--out", manifest)
    if trial.only:
        manifest = part_of(manifest, trial.only, out / f"{trial.recipe}.parquet")
    if not (store / "store.json").exists():
        run_command("dataset", "build", manifest, "--store", store, "--size", trial.size)
    recipe = Path(os.path.relpath(ROOT / f"recipes/trials/{trial.recipe}.yaml"))
    return Run.open(train(recipe, manifest, store, out / trial.recipe))


def part_of(manifest: Path, datasets: tuple[str, ...], path: Path) -> Path:
    """Write the slices of some datasets as a Manifest, in the same split."""
    everything = Manifest.read(manifest)
    everything.take(np.isin(everything.table["dataset"].to_numpy(), datasets)).write(path)
    return path


def export(out: Path, name: str, *runs: str) -> None:
    """Write the bundle of a run, or of a cascade of two, unless that is done."""
    if not (out / "bundles" / name).exists():
        run_command("export", *(out / run for run in runs), "--out", out / "bundles" / name)


@dataclass(frozen=True)
class Scores:
    """What one way of scoring gave to held-out examples, one row each with its patient.

    stage: that made the network. how: where the stage scores in several ways. unit: slices or scans.
    """

    system: str
    stage: str
    how: str
    finding: str
    unit: str
    labels: np.ndarray
    scores: np.ndarray
    patients: np.ndarray


def scores_of(run: Run, fabric: Fabric) -> list[Scores]:
    """Each stage of a run on the held-out whole scans, and for Patel's system its baselines.

    What the last stage says is written to results/.
    """
    system = new_system(run.recipe)
    examples = held_out_examples(run, system.findings)
    rows = run.manifest.take(examples.rows).table
    whole = np.isin(rows["dataset"].to_numpy(), WHOLE_SCANS) & (examples.labels >= 0).all(1)
    patients = np.asarray(rows["patient"].to_pylist(), object)
    first = examples.starts[:-1]
    found: list[Scores] = []
    for stage in run.recipe.stages:
        run.load_weights(system, kept_weights(stage))
        seen = System(system.slice_network) if stage.trains == "slice_network" else system
        answers = answers_to(seen, examples, run.store, run.recipe.input, fabric, lambda done, total: None)
        taught = stage.trains == "slice_network" or stage.loss.slices > 0
        for place, finding in enumerate(system.findings):
            if finding != "any" and "any" in system.findings:
                continue
            names = (run.recipe.name, stage.name, "", finding)
            if taught:
                labels, of_slices = examples.labels[whole, place], answers.slices[whole, place]
                found.append(Scores(*names, "slices", labels, of_slices, patients[whole]))
            use = whole[first]
            labels = examples.labels_of_scans[use, place]
            found.append(Scores(*names, "scans", labels, answers.scans[use, place], patients[first][use]))
        if stage.name == "cnn" and run.recipe.network["name"] == "patel2019":
            found += baselines(run, system, examples, use, patients[first][use], fabric)
    slices, scans = tables(examples, answers)
    write_predictions(PREDICTIONS / run.recipe.name, slices[whole], scans[whole[first]])
    return found


def baselines(
    run: Run, system: System, examples: Examples, use: np.ndarray, patients: np.ndarray, fabric: Fabric
) -> list[Scores]:
    """Patel 2019, section IV-A: scans scored by their slices' probabilities, or by a support vector machine."""

    def ignore(done: int, total: int) -> None:
        pass

    held_out = features_of(system, examples, run.store, run.recipe.input, fabric, ignore)
    probabilities = expit(held_out.logits[:, 0])
    labels = examples.labels_of_scans[use, 0]
    training = Examples.of(run.manifest, run.store, run.recipe.split.train, system.findings)
    learned = training.usable_scans(*run.recipe.scan_slices, by_slices=False, by_scans=True)
    places = np.concatenate([training.places_of_scan(scan) for scan in learned])
    of_training = features_of(system, training, run.store, run.recipe.input, fabric, ignore)
    svm = SequenceSVM().fit(
        of_training.features[places], training.lengths[learned], training.labels_of_scans[learned, 0]
    )
    scores = {
        "95th percentile": percentile_95(probabilities, examples.lengths)[use],
        "support vector machine": svm.scores(held_out.features, examples.lengths)[use],
        "maximum": maximum(probabilities, examples.lengths)[use],
    }
    names = (run.recipe.name, "cnn")
    return [Scores(*names, how, "any", "scans", labels, value, patients) for how, value in scores.items()]


def auc_with_interval(one: Scores) -> str:
    """ROC AUC with a 95% interval from draws of patients."""
    draws = Draws.of(one.patients)
    return auc_clustered(one.labels, one.scores, draws.codes, draws).text()


def difference(before: Scores, after: Scores) -> str:
    """AUC of one way of scoring minus that of another on the same rows, with a 95% interval from draws of patients."""
    assert (before.labels == after.labels).all() and (before.patients == after.patients).all()
    draws = Draws.of(before.patients)
    found = auc_difference(before.labels, after.scores, before.scores, draws.codes, draws).estimate
    if found.value is None or found.low is None or found.high is None:
        return found.text()
    return f"{found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f})"


def table(runs: list[Run], fabric: Fabric) -> str:
    """The table of all trials in Markdown."""
    lines = ["| recipe | stage | finding | held out | patients, with it | AUC (95%) | against the CNN (95%) |"]
    lines += ["| --- | --- | --- | --- | --- | --- | --- |"]
    times = ["| recipe, stage | trained on patients, slices | steps | loss, first and last tenth | seconds |"]
    times += ["| --- | --- | --- | --- | --- |"]
    for run in runs:
        found = scores_of(run, fabric)
        for one in found:
            positive = len(set(one.patients[one.labels == 1]))
            first = next(other for other in found if (other.unit, other.finding) == (one.unit, one.finding))
            against = difference(first, one) if first.stage == "cnn" and first is not one else ""
            stage = f"{one.stage}, {one.how}" if one.how else one.stage
            of = f"{len(one.labels):,} {one.unit} | {len(set(one.patients))}, {positive}"
            lines.append(f"| {one.system} | {stage} | {one.finding} | {of} | {auc_with_interval(one)} | {against} |")
        steps = pd.read_csv(run.folder / "steps.csv")
        for stage, facts in run.facts["stages"].items():
            loss = steps.loc[steps["stage"] == stage, "loss"].to_numpy()
            tenth = max(1, len(loss) // 10)
            change = f"{loss[:tenth].mean():.3f}, {loss[-tenth:].mean():.3f}"
            trained = facts["train"]
            of = f"{trained['patients']}, {trained['labelled_slices']:,}"
            times.append(
                f"| {run.recipe.name}, {stage} | {of} | {facts['steps']} | {change} | {facts['seconds']:.0f} |"
            )
    return "\n".join([*lines, "", *times])


def bundles(out: Path) -> str:
    """How far each bundle is from PyTorch, as Markdown."""
    lines = ["| bundle | largest difference of ONNX Runtime from PyTorch |", "| --- | --- |"]
    for path in sorted((out / "bundles").glob("*/bundle.json")):
        facts = json.loads(path.read_text())
        lines.append(f"| {facts['name']} | {facts['largest_difference_from_pytorch']:.1g} |")
    return "\n".join(lines)


def main(data: Path, out: Path, *only: str) -> None:
    """Train what is not trained, then write the table."""
    out.mkdir(parents=True, exist_ok=True)
    for trial in TRIALS:
        if not only or trial.recipe in only:
            trained(trial, data, out)
    runs = [Run.open(out / one.recipe) for one in TRIALS if (out / one.recipe / "run.json").exists()]
    finished = [run for run in runs if run.facts["state"] == "finished"]
    names = [run.folder.name for run in finished]
    for name in names:
        export(out, name, name)
    if {"ye2019_two_type", "ye2019_five_type"} <= set(names):
        export(out, "ye2019_cascade", "ye2019_two_type", "ye2019_five_type")
    written = table(finished, Fabric(accelerator="cpu")) + "\n\n" + bundles(out)
    before, _, _ = PAGE.read_text().partition(MARK)
    PAGE.write_text(f"{before}{MARK}\n\n{written}\n")
    print(written)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
