"""Aim: every system learns and answers 3 times as fast on a CPU, 10 times on a GPU, as the plain published way.

    python benchmarks/systems.py                       # all six
    python benchmarks/systems.py wong2019 current      # only these

The plain way: a PyTorch DataLoader that reads each item from its DICOM file (published_way.py), float32, channels
first, eager. Ours: the training room itself, step for step, with `precision=bf16`, and on a GPU `compiled=true` (on a
CPU it pays for `current` only, whose recipe has it); `hemoscope detect` with an exported bundle (ONNX Runtime, on the
CPU in any case); and `hemoscope predict` from the slice store, in bf16. Both sides have the same network with random
weights, the optimizer, batch and size of the recipe. On a CPU batches and scans are small and nothing is read ahead. On
a GPU batches are the recipe's, and both sides read ahead with as many workers: what these do in the other side's turn
is free for both.

The share of the chip's matrix rate counts the slice network's multiplications and additions (torch.utils.flop_counter),
not those that checkpointing does again, against a large bf16 product in the same run.
"""

from __future__ import annotations

import logging
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from made_series import write_series
from measure import in_turn, report
from pipeline import detect
from published_way import PublishedItems
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (the name that PyTorch's own documentation uses)
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode

from hemoscope import read_scan
from hemoscope.datasets.augment.sets import Augmentation
from hemoscope.datasets.manifest import Manifest
from hemoscope.datasets.slice_store.build import build_store
from hemoscope.detector.inference import Detector
from hemoscope.findings import FINDING_NAMES
from hemoscope.networks.system import Answer, System
from hemoscope.training.answers import answers_to
from hemoscope.training.building import new_system
from hemoscope.training.bundle import network_input
from hemoscope.training.examples import Examples
from hemoscope.training.export import export_system
from hemoscope.training.recipe import Recipe
from hemoscope.training.run import Run
from hemoscope.training.stage import Settings
from hemoscope.training.train import train

RECIPES = Path(__file__).resolve().parent.parent / "recipes"
ON_GPU = torch.cuda.is_available()
DEVICE = torch.device("cuda" if ON_GPU else "cpu")
CHIP = torch.cuda.get_device_name() if ON_GPU else "CPU"
AIM = 10 if ON_GPU else 3
ROUNDS = 3
STEPS = 50 if ON_GPU else 1  # of training in a round
WORKERS = 8 if ON_GPU else 0
OURS, PLAIN = "hemoscope train", "the plain published way"
DETECT, PREDICT = "hemoscope detect (ONNX Runtime on the CPU)", "hemoscope predict (bf16, from the slice store)"
OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "rmsprop": torch.optim.RMSprop}


@dataclass(frozen=True)
class Measured:
    """A system to measure. batch: of its stage on a CPU; slices: of a scan; size: instead of the recipe's."""

    recipe: str
    stage: str
    batch: int
    slices: int
    size: int | None = None
    inference: bool = True


SYSTEMS = {
    "wong2019": Measured("wong2019_resnet34", "train", batch=8, slices=24),
    "burduja2020": Measured("burduja2020", "cnn", batch=2, slices=24),
    # the features of the slices are computed before: small pictures give as many
    "burduja2020 LSTM": Measured("burduja2020", "lstm", batch=1, slices=70, size=64, inference=False),
    "efficientclass2021": Measured("efficientclass2021", "cnn", batch=2, slices=24),
    "ye2019": Measured("ye2019_two_type_sli_lab", "end_to_end", batch=1, slices=24),
    "patel2019": Measured("patel2019", "end_to_end", batch=1, slices=32),
    "current": Measured("default", "slices", batch=16, slices=24),
}


@dataclass(frozen=True)
class Material:
    """One system with its data: two made scans, as files and in a slice store, the second with hemorrhage."""

    name: str
    measured: Measured
    recipe: Recipe
    scans: list[list[Path]]
    run: Run

    @property
    def pictures(self) -> int:
        """What a training step sees."""
        (stage,) = self.recipe.stages
        a_scan = network_input(self.recipe.input).pictures(self.measured.slices)
        return stage.batch if stage.trains == "slice_network" else stage.batch * a_scan


def recipe_of(measured: Measured) -> Recipe:
    """The recipe with the one stage that is measured."""
    changes = ["precision=bf16"] + (["compiled=true"] if ON_GPU else [])
    recipe = Recipe.read(RECIPES / f"{measured.recipe}.yaml", changes)
    (stage,) = (stage for stage in recipe.stages if stage.name == measured.stage)
    endless = {"epochs": None, "steps": 10_000, "sampling": {}, "keep": "last"}
    endless |= {} if ON_GPU else {"batch": measured.batch}
    optimizer = stage.optimizer.model_dump() | {"learning_rate": 1e-4}  # one, whatever the number of epochs
    changed = recipe.model_dump() | {
        "stages": [stage.model_dump() | endless | {"optimizer": optimizer}],
        "initial_weights": "random",
        "scan_slices": (1, 1024),
        "split": {"train": ["train"], "validation": ["held_out"]},
    }
    changed["input"]["size"] = measured.size or recipe.input.size
    return Recipe.model_validate(changed)


def prepare(name: str, measured: Measured, work: Path) -> Material:
    """Write the scans, their Manifest and their store."""
    recipe = recipe_of(measured)
    columns: dict[str, list[Any]] = {key: [] for key in ("path", "patient", "series", "slice", "split")}
    columns |= {prefix + finding: [] for prefix in ("", "scan_") for finding in FINDING_NAMES}
    scans = []
    for label in (0, 1):
        scans.append(write_series(work / f"scan{label}", measured.slices, 150 / measured.slices))
        for number, path in enumerate(scans[-1]):
            row = [str(path.relative_to(work)), f"measured:{label}", str(label), number, "train"]
            for column, value in zip(columns.values(), row + [label] * (2 * len(FINDING_NAMES)), strict=True):
                column.append(value)
    manifest = Manifest.from_columns("measured", work, columns)
    manifest.write(work / "manifest.parquet")
    build_store(manifest, work / "store", recipe.input.size, 1, lambda done, total: None, recipe.input.framing)
    run = Run.new(work / "run", recipe, work / "manifest.parquet", work / "store")
    return Material(name, measured, recipe, scans, run)


class Enough(Exception):  # noqa: N818  (it is no error)
    """All rounds are measured: the training is left."""


class Turns:
    """Called by the training room after each of its steps: notes their time, then lets the plain way do as many."""

    def __init__(self, plain: Iterator[float], steps: int, rounds: int) -> None:
        self._plain, self._steps, self._rounds = plain, steps, rounds
        self._begun: float | None = None
        self.seconds: dict[str, list[float]] = {OURS: [], PLAIN: []}

    def __call__(self, done: int, total: int) -> None:
        """done: steps; the first is not timed, nor is the first round, as both compile and fill caches."""
        if (done - 1) % self._steps:
            return
        now = time.perf_counter()
        if self._begun is not None:
            self.seconds[OURS].append((now - self._begun) / self._steps)
        if len(self.seconds[OURS]) > self._rounds:
            self.seconds = {side: values[-self._rounds :] for side, values in self.seconds.items()}
            raise Enough
        torch.use_deterministic_algorithms(False)
        start = time.perf_counter()
        for _ in range(self._steps):
            next(self._plain)
        self.seconds[PLAIN].append((time.perf_counter() - start) / self._steps)
        torch.use_deterministic_algorithms(True, warn_only=True)
        self._begun = time.perf_counter()


class WholeScans(Dataset[Any]):
    """The published items of whole scans."""

    def __init__(self, items: PublishedItems) -> None:
        self._items = items

    def __getitem__(self, scan: int) -> Any:
        return self._items.whole_scan(scan)


class StoredEmbeddings(Dataset[Any]):
    """The features of the slices of scans, and the CNN's logits, in memory."""

    def __init__(self, slices: int, features: int) -> None:
        self._features = torch.rand(slices, features)

    def __getitem__(self, scan: int) -> Tensor:
        return self._features


def plain_training(material: Material, system: System) -> Iterator[float]:
    """Step after step of the plain way: gives the loss of each."""
    (stage,) = material.recipe.stages
    settings = stage.augmentations
    turns = not isinstance(settings, Augmentation) or settings.affine_probability > 0
    degrees = settings.rotate_degrees if turns else 0.0
    items = PublishedItems(material.scans, network_input(material.recipe.input), degrees)
    by_slice = stage.trains == "slice_network"
    dataset: Dataset[Any] = items if by_slice else WholeScans(items)  # type: ignore[assignment]
    part: nn.Module = system
    if stage.features == "stored":
        dataset = StoredEmbeddings(material.measured.slices, system.slice_network.feature_count)
        part = fitted_scan_network(system)
    order = np.random.default_rng(7).integers(
        len(items) if by_slice else len(material.scans), size=(20_000, stage.batch)
    )
    loader: Any = DataLoader(dataset, batch_sampler=order.tolist(), num_workers=WORKERS)
    optimizer = OPTIMIZERS[stage.optimizer.name](part.parameters(), lr=1e-4)
    part.to(DEVICE).train()
    for batch in loader:
        seen = batch.to(DEVICE)
        lengths = torch.ones(len(seen), dtype=torch.int64) if by_slice else torch.full((len(seen),), seen.shape[1])
        if by_slice:
            answer = Answer(system.slice_network(seen), None)
        elif stage.features == "stored":
            answer = part(
                seen.flatten(0, 1), seen.new_zeros(seen.shape[0] * seen.shape[1], len(FINDING_NAMES)), lengths
            )
        else:
            answer = system(seen.flatten(0, 1), lengths)
        logits = [given for given in answer if given is not None]
        loss = sum(
            (F.binary_cross_entropy_with_logits(one, torch.ones_like(one)) for one in logits),
            torch.zeros(()).to(DEVICE),
        )
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        yield loss.item()


def fitted_scan_network(system: System) -> nn.Module:
    """That of Burduja 2020, its feature selection fitted on anything."""
    network: Any = system.scan_network
    network.fit(torch.rand(200, system.slice_network.feature_count), system.slice_network)
    return network  # type: ignore[no-any-return]


def fabric(precision: str = "bf16-mixed") -> Fabric:
    """As the command line makes it."""
    made = Fabric(accelerator=DEVICE.type, devices=1, precision=precision)  # type: ignore[arg-type]
    made.launch()
    return made


def measure_training(material: Material, system: System) -> dict[str, list[float]]:
    """Seconds a step of the training room and of the plain way."""
    turns = Turns(plain_training(material, system), STEPS, ROUNDS)

    def watch(what: str) -> Callable[[int, int], None]:
        return turns if what.startswith("Training") else lambda done, total: None

    try:
        train(material.run, fabric(), Settings(watch, checkpoint_seconds=float("inf"), workers=WORKERS))
    except Enough:
        torch.use_deterministic_algorithms(False)
        return turns.seconds
    raise SystemExit(f"the training of {material.name} ended before it was measured")


def plain_answers(material: Material, system: System, scans: list[list[Path]]) -> list[float]:
    """From DICOM files to the logits of a scan, the plain way."""
    items: Any = PublishedItems(scans, network_input(material.recipe.input))
    features = []
    with torch.no_grad():
        for batch in DataLoader(items, batch_size=material.recipe.stages[0].batch, num_workers=WORKERS):
            features.append(system.slice_network.features(batch.to(DEVICE)))
        joined = torch.cat(features)
        logits = system.slice_network.classify(joined)
        if system.scan_network is not None:
            answer = system.scan_network(joined, logits, torch.tensor([len(joined)]))
            logits = answer.scans if answer.scans is not None else answer.slices
    found: list[float] = logits.amax(0).tolist()
    return found


def measure_inference(material: Material, system: System, work: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Seconds of one slice and of a scan."""
    given = network_input(material.recipe.input)
    if system.scan_network is not None and hasattr(system.scan_network, "fit"):
        fitted_scan_network(system)
    system = system.cpu().eval()
    some = [np.random.default_rng(7).integers(256, size=(2, given.channels, given.side, given.side), dtype=np.uint8)]
    facts = {"name": "measured", "version": "0", "licence": "none", "provenance": {}}
    bundle = export_system(system, given, work / "bundle", facts, "Random weights.", some)
    detector = Detector(bundle)
    system.to(DEVICE)
    scan, alone = material.scans[0], material.scans[0][len(material.scans[0]) // 2]

    def detect_slice() -> None:
        found = read_scan(alone)
        scoring = detector.begin()
        scoring.add(0, found.hu[0], found.pixel_spacing_mm)
        scoring.scores()

    run, bf16 = material.run, fabric()
    examples = Examples.of(run.manifest, run.store, None, system.findings)

    def predict(slices: int) -> None:
        """Of the first so many slices of the store, as if they were a scan."""
        first = replace(examples, rows=examples.rows[:slices], stored=examples.stored[:slices],
                        labels=examples.labels[:slices], scan_labels=examples.scan_labels[:slices],
                        starts=np.array([0, slices]))  # fmt: skip
        answers_to(system, first, run.store, run.recipe.input, bf16, lambda done, total: None)

    one_slice: dict[str, Callable[[], object]] = {
        DETECT: detect_slice,
        PREDICT: lambda: predict(1),
        PLAIN: lambda: plain_answers(material, system, [[alone]]),
    }
    a_scan: dict[str, Callable[[], object]] = {
        DETECT: lambda: detect(scan[0].parent, detector),
        PREDICT: lambda: predict(len(scan)),
        PLAIN: lambda: plain_answers(material, system, [scan]),
    }
    if ON_GPU:  # first comes what uses the GPU: the share of its matrix rate is of the first side
        one_slice, a_scan = ({PREDICT: sides[PREDICT]} | sides for sides in (one_slice, a_scan))
    return in_turn(one_slice, ROUNDS), in_turn(a_scan, ROUNDS)


def matrix_rate() -> float:
    """Multiplications and additions a second of a large bf16 product."""
    side = 16384 if ON_GPU else 4096
    left, right = (torch.rand(side, side, device=DEVICE, dtype=torch.bfloat16) for _ in range(2))

    def product() -> None:
        torch.mm(left, right)[0, 0].item()

    return 2 * side**3 / min(in_turn({"product": product}, 5)["product"])


def operations_a_picture(recipe: Recipe) -> dict[str, float]:
    """Multiplications and additions of the slice network for a picture: of an answer, and of a training step."""
    given = network_input(recipe.input)
    counts = {}
    with torch.device("meta"):  # shapes only, nothing is computed
        network, pictures = new_system(recipe).slice_network, torch.empty(2, given.channels, given.side, given.side)
        with FlopCounterMode(display=False) as counter:
            network.train()(pictures).sum().backward()
        counts["training"] = counter.get_total_flops() / 2
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network.eval()(pictures)
        counts["answer"] = counter.get_total_flops() / 2
    return counts


def tell(what: str, pictures: int, operations: float, rate: float, seconds: dict[str, list[float]]) -> str:
    """Report one comparison; returns its line of the summary."""
    medians = {side: statistics.median(values) for side, values in seconds.items()}
    ours, *_ = medians
    share = pictures * operations / medians[ours] / rate
    figures = {f"pictures a second, {side}": pictures / median for side, median in medians.items()}
    figures["share of the measured bf16 matrix rate"] = share
    report(f"systems {what} on {CHIP}: pictures {pictures}", seconds, medians[PLAIN] / AIM, **figures)
    ratios = ", ".join(f"{medians[PLAIN] / median:.1f} x {side}" for side, median in medians.items() if side != PLAIN)
    return f"{what:<34} {pictures / medians[ours]:8.1f} pictures/s {share:7.1%} of the matrix rate   {ratios}"


def measure(name: str, measured: Measured, rate: float) -> list[str]:
    """Everything of one system; returns lines of the summary."""
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as folder:
        material = prepare(name, measured, Path(folder))
        operations = operations_a_picture(material.recipe)
        system = new_system(material.recipe)
        seconds = measure_training(material, system)
        # the features that an LSTM learns from are known: the slice network does nothing
        counted = 0 if material.recipe.stages[0].features == "stored" else operations["training"]
        lines = [tell(f"{name} training", material.pictures, counted, rate, seconds)]
        if measured.inference:
            one_slice, a_scan = measure_inference(material, system, Path(folder))
            pictures = network_input(material.recipe.input).pictures(measured.slices)
            lines.append(tell(f"{name} one slice", 1, operations["answer"], rate, one_slice))
            lines.append(tell(f"{name} scan", pictures, operations["answer"], rate, a_scan))
        return lines


def main(names: list[str]) -> None:
    """Measure and report the systems with these names, or all."""
    if unknown := set(names) - set(SYSTEMS):
        raise SystemExit(f"there is no {', '.join(sorted(unknown))}: give some of {', '.join(SYSTEMS)}")
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*deterministic.*")
    rate = matrix_rate()
    lines = [line for name in names or SYSTEMS for line in measure(name, SYSTEMS[name], rate)]
    print(f"\n{CHIP}: {rate / 1e12:.2f} T bf16 multiplications and additions a second, measured; aim {AIM} x")
    print("\n".join(lines))
    if not ON_GPU:
        print("There is no GPU here: bf16, channels last and compiled on a GPU was not measured.")


if __name__ == "__main__":
    main(sys.argv[1:])
