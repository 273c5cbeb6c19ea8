"""`hemoscope train`, `predict`, `export`, `runs` and `networks`: systems from recipes, and what they leave."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hemoscope.cli.options import debug_option
from hemoscope.reasons import UsageError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from hemoscope.training.fit_curves import Method

CALIBRATIONS = ("platt", "temperature", "isotonic")  # the METHODS of training.fit_curves, which is slow to import
PATH = click.Path(path_type=Path)
PACKAGES = ("torch", "torchvision", "timm", "effdet", "lightning_fabric", "pydantic", "yaml", "tensorboard", "psutil")


device_option = click.option(
    "--device", metavar="NAME", default="auto", show_default=True, help="cpu, cuda, or auto: a GPU if there is one."
)


def need_training_packages() -> None:
    """Raise UsageError where the packages of the extra `train` are not installed."""
    from importlib.util import find_spec

    if not all(find_spec(package) for package in PACKAGES):
        sentence = "Training needs packages that detection does not: pip install 'hemoscope[train]'"
        raise UsageError(f"{sentence} (in a clone of the repository: .venv/bin/pip install -e '.[train]').")


@click.command(short_help="Train a system from a recipe, or go on with a run.")
@click.argument("recipe", metavar="[RECIPE]", required=False, type=PATH)
@click.argument("changes", metavar="[KEY=VALUE]...", nargs=-1)
@click.option("--manifest", metavar="FILE", type=PATH, help="The Manifest, with its split.")
@click.option("--store", metavar="DIR", type=PATH, help="Its slice store, of the recipe's size.")
@click.option("--out", metavar="DIR", type=PATH, help="The folder of the run.")
@click.option("--resume", metavar="DIR", type=PATH, help="Go on with the run in this folder, where it was stopped.")
@device_option
@click.option("--workers", metavar="N", type=click.IntRange(min=0), default=0, show_default=True,
              help="Processes that read slices ahead of the training.")  # fmt: skip
@click.option("--checkpoint-every", metavar="SECONDS", type=click.FloatRange(min=0), default=60.0, show_default=True,
              help="How much a run that is killed may lose.")  # fmt: skip
@debug_option
def train(
    recipe: Path | None,
    changes: tuple[str, ...],
    manifest: Path | None,
    store: Path | None,
    out: Path | None,
    resume: Path | None,
    device: str,
    workers: int,
    checkpoint_every: float,
) -> None:
    """Train a system stage by stage as a recipe says; KEY=VALUE changes it, for example stages.cnn.epochs=1.

    A run that was stopped, even killed, goes on from its last checkpoint:  hemoscope train --resume DIR

    With several GPUs or machines, start it with torchrun: docs/training.md.
    """
    need_training_packages()
    from hemoscope.cli.screen import console, say
    from hemoscope.training.kernels import lacks_bfloat16
    from hemoscope.training.recipe import Recipe
    from hemoscope.training.run import Run
    from hemoscope.training.stage import Settings
    from hemoscope.training.train import train as train_run

    screen = console()
    fabric_of = _fabric(device)
    if resume is not None:
        if recipe is not None:
            raise UsageError("--resume goes on with a run as it was begun: give no recipe and no changes.")
        run = Run.open(resume, manifest, store)
        if run.facts["state"] == "finished":
            say(screen, f"The run in {resume} is finished.")
            return
        fabric = fabric_of(run.recipe.precision)
    else:
        if recipe is None or manifest is None or store is None or out is None:
            raise UsageError(
                "Give RECIPE, --manifest, --store and --out to begin a run, or --resume to go on with one."
            )
        wanted = Recipe.read(recipe, changes)
        fabric = fabric_of(wanted.precision)
        run = Run.new(out, wanted, manifest, store)
        # of a run that goes on nothing is said, as its precision is part of what it is
        if wanted.precision == "bf16" and fabric.device.type == "cpu" and fabric.is_global_zero and lacks_bfloat16():
            say(
                screen,
                "PyTorch has no fast bfloat16 for this processor, so that the recipe's precision, bf16, is slower than "
                "float32: stop this run, and begin anew with precision=32 and another --out.",
            )
    with _watching(fabric) as watch:
        try:
            train_run(run, fabric, Settings(watch, checkpoint_every, workers))
        except KeyboardInterrupt:
            say(screen, f"Go on with: hemoscope train --resume {run.folder}")
            raise
    if fabric.is_global_zero:
        say(screen, f"The run is in {run.folder}: run.json, weights, epochs.csv, and its curves as PNG.")


@click.command(short_help="Score the slices and scans of a Manifest with a trained run.")
@click.argument("run", metavar="RUN", type=PATH)
@click.option("--manifest", metavar="FILE", type=PATH, help="Instead of the Manifest that it was trained on.")
@click.option("--store", metavar="DIR", type=PATH, help="Instead of the slice store that it was trained on.")
@click.option("--split", "splits", metavar="NAME", multiple=True, help="Only slices of this split; may be repeated.")
@click.option("--out", metavar="DIR", required=True, type=PATH, help="The folder for slices.csv and scans.csv.")
@device_option
@debug_option
def predict(
    run: Path, manifest: Path | None, store: Path | None, splits: tuple[str, ...], out: Path, device: str
) -> None:
    """Write the network's own probabilities of every slice and scan, for `hemoscope evaluate`."""
    need_training_packages()
    from hemoscope.cli.progress import counting
    from hemoscope.cli.screen import console, say
    from hemoscope.training.predict import predict as predict_with
    from hemoscope.training.run import Run

    trained = Run.open(run, manifest, store)
    if splits and manifest is None:
        trained.check_same_split()
    fabric = _fabric(device)("32")  # as `detect` does: bfloat16 would round logits to a few hundred values
    with counting("Predicting") as progress:
        slices, scans = predict_with(trained, splits or None, out, fabric, progress)
    say(console(), f"{slices:,} slices and {scans:,} scans are in {out}.")


@click.command(short_help="Make a bundle of a trained run.")
@click.argument("runs", metavar="RUN [RUN]", nargs=-1, required=True, type=PATH)
@click.option("--out", metavar="DIR", required=True, type=PATH, help="The folder of the bundle.")
@click.option("--name", metavar="NAME", help="Of the bundle; without it, that of the folder.")
@click.option(
    "--bundle-version",
    "version",
    metavar="TEXT",
    default="0",
    show_default=True,
    help="Of the bundle, for its reports.",
)
@click.option("--fold", "folds", metavar="RUN", multiple=True, type=PATH, help="A run of the same recipe that held "
              "patients out; give two or more. The bundle is calibrated on what they answered to these.")  # fmt: skip
@click.option("--calibration", type=click.Choice(CALIBRATIONS), show_default="platt", help="How, with --fold: a "
              "line a finding, one temperature for all, or a curve a finding that never falls.")  # fmt: skip
@click.option(
    "--remark", "remarks", metavar="TEXT", multiple=True, help="A sentence for the model card; may be repeated."
)
@click.option("--held-out", metavar="DIR", type=PATH, help="Also write what the folds say of the patients that they "
              "held out, calibrated on the others: slices.csv and scans.csv for `hemoscope evaluate`.")  # fmt: skip
@device_option
@debug_option
def export(
    runs: tuple[Path, ...],
    out: Path,
    name: str | None,
    version: str,
    folds: tuple[Path, ...],
    calibration: Method | None,
    remarks: tuple[str, ...],
    held_out: Path | None,
    device: str,
) -> None:
    """Write a run as a bundle that `hemoscope detect --bundle` uses, without PyTorch.

    Two runs of ye2019 make a cascade: bleeding or not, then the subtypes. Nothing is written where ONNX Runtime and
    PyTorch differ by more than 1e-4 (features and maps: of their largest number).
    """
    need_training_packages()
    for option, given in (("--calibration", calibration), ("--held-out", held_out)):
        if given is not None and not folds:
            raise UsageError(f"{option} needs --fold: runs that held patients out.")
    from hemoscope.cli.progress import counting
    from hemoscope.cli.screen import console, say
    from hemoscope.training.bundle import export_runs
    from hemoscope.training.run import Run

    opened = [Run.open(run) for run in runs]
    with counting("Scoring what the folds held out") as progress:
        bundle = export_runs(
            opened,
            [Run.open(fold) for fold in folds],
            name or out.name,
            out,
            _fabric(device)("32"),
            progress,
            version,
            calibration or "platt",
            held_out,
            remarks,
        )
    difference = bundle.facts["largest_difference_from_pytorch"]
    calibrated = "" if folds else " It is not calibrated: --fold gives runs to calibrate it on."
    say(console(), f"The bundle {bundle.name} is in {out}; it differs from PyTorch by {difference:.1g}.{calibrated}")


@click.command(short_help="List the runs in a folder, with their results.")
@click.argument("folder", metavar="DIR", type=PATH)
@debug_option
def runs(folder: Path) -> None:
    """Compare the runs in a folder: their stages, and what each gave on held-out patients."""
    from hemoscope.cli.screen import console, plain_table, say
    from hemoscope.training.compare_runs import COLUMNS, rows_of

    rows = rows_of(folder)
    if not rows:
        raise UsageError(f"There is no run in {folder}.")
    table = plain_table(*COLUMNS, right=COLUMNS[4:])
    for row in rows:
        table.add_row(*row)
    console().print(table)
    say(console(), "AUC: of `any`, or of the one finding, on held-out slices and scans. Patients: trained on/held out.")


@click.command(short_help="List the networks that a recipe may name.")
@debug_option
def networks() -> None:
    """List the published systems and our own: findings, settings and parameters of each."""
    need_training_packages()
    import torch

    from hemoscope.cli.screen import console, plain_table
    from hemoscope.networks.catalogue import NETWORKS

    table = plain_table("Network", "What it is", "Scores", "Parameters", right=("Parameters",))
    for kind in NETWORKS.values():
        with torch.device("meta"):  # its layers without their weights
            system = kind.build(kind.settings())
        parameters = sum(parameter.numel() for parameter in system.parameters())
        findings = ", ".join(system.findings) if len(system.findings) < 6 else "six findings"
        table.add_row(kind.name, kind.paper, findings, f"{parameters / 1e6:.1f} M")
    console().print(table)


def _fabric(device: str) -> Callable[[str], Fabric]:
    """How the processes of this run share the work: one alone, or as many as torchrun or Slurm started."""
    import torch
    from lightning_fabric import Fabric
    from lightning_fabric.strategies.ddp import DDPStrategy

    if device not in ("auto", "cpu", "cuda"):
        raise UsageError(f"--device is auto, cpu or cuda, not '{device}'.")
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: PyTorch finds no GPU here; take cpu, or auto.")
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it tells what the recipe says already
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))

    def start(precision: str) -> Fabric:
        torch.backends.cudnn.allow_tf32 = precision != "32"  # a GPU's convolutions would round float32
        # Sub-Lab training leaves the head that scores slices without a gradient
        several: Any = DDPStrategy(find_unused_parameters=True) if processes > 1 else "auto"
        fabric = Fabric(
            accelerator=device,
            devices=here,
            num_nodes=processes // here,
            strategy=several,
            precision="bf16-mixed" if precision == "bf16" else "32-true",
        )
        fabric.launch()
        return fabric

    return start


@contextmanager
def _watching(fabric: Fabric) -> Iterator[Callable[[str], Callable[[int, int], None]]]:
    """Show the works of a run one after another, on the first process only."""
    from contextlib import ExitStack

    from hemoscope.cli.progress import counting

    with ExitStack() as stack:

        def watch(what: str) -> Callable[[int, int], None]:
            stack.close()
            if not fabric.is_global_zero:
                return lambda done, total: None
            return stack.enter_context(counting(what))

        yield watch
