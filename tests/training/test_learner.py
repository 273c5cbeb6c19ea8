"""What learns in each stage, what is frozen, and how the loss treats labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from torch.nn import functional as F  # noqa: N812
from training_examples import Data

from hemoscope.datasets.manifest import UNKNOWN, Manifest
from hemoscope.datasets.slice_store.store import SliceStore
from hemoscope.networks.system import Answer
from hemoscope.reasons import UsageError
from hemoscope.training import memory
from hemoscope.training import stage as stage_module
from hemoscope.training.building import new_system
from hemoscope.training.examples import Examples
from hemoscope.training.learner import Learner
from hemoscope.training.loss import MaskedLoss, positive_weights
from hemoscope.training.memory import check_memory, saved_bytes
from hemoscope.training.recipe import Loss, Recipe
from hemoscope.training.run import Run
from hemoscope.training.sampling import batches_of_epoch, random_of, sampling_weights


@pytest.mark.parametrize("trains", ["slice_network", "scan_network", "system"])
def test_only_the_part_learns(recipe: Path, trains: str) -> None:
    read = Recipe.read(recipe, [f"stages.sequence.trains={trains}", "stages.sequence.features=live",
                                "stages.sequence.loss.scans=0"])  # fmt: skip
    system = new_system(read)
    learner = Learner(system, read.stages[1])
    learner.freeze_the_rest()
    learner.train()
    before = {name: value.clone() for name, value in system.state_dict().items()}
    optimizer = torch.optim.SGD([one for one in learner.part.parameters() if one.requires_grad], lr=0.1)
    for _ in range(2):  # the last layer of the sequence network begins at zero, so that the others wait a step
        optimizer.zero_grad()
        answer = learner(torch.rand(5, 3, 64, 64), None, torch.tensor([3, 2]))
        assert answer.slices is not None
        answer.slices.square().sum().backward()
        optimizer.step()
    changed = {
        name.split(".")[0] for name, value in system.state_dict().items() if not torch.equal(value, before[name])
    }
    assert changed == ({"slice_network", "scan_network"} if trains == "system" else {trains})


@pytest.fixture(scope="module")
def some(data: Data) -> Examples:
    return Examples.of(Manifest.read(data.manifest), SliceStore.open(data.store), ["train"], ["epidural", "any"])


def test_unknown_labels_teach_nothing(some: Examples) -> None:
    loss = MaskedLoss(Loss(slices=1.0, finding_weights={"any": 2.0}), some)
    labels = torch.tensor([[1, 0], [UNKNOWN, 1], [UNKNOWN, UNKNOWN]], dtype=torch.int8)
    logits = torch.randn(3, 2, requires_grad=True)
    nothing = torch.full((1, 2), UNKNOWN, dtype=torch.int8)
    value = loss(Answer(logits, None), labels, nothing, loss.known(labels, nothing))
    each = F.binary_cross_entropy_with_logits(logits, labels.clamp(min=0).float(), reduction="none")
    assert torch.isclose(value, (each[0, 0] + 2 * each[0, 1] + 2 * each[1, 1]) / 5)
    value.backward()
    assert logits.grad is not None
    assert (logits.grad == 0).tolist() == [[False, False], [True, False], [True, True]]


def test_positives_count_as_often_as_negatives(some: Examples) -> None:
    labels = np.array([[1, 1], [0, 1], [0, UNKNOWN], [0, 0]], np.int8)
    assert positive_weights(labels).tolist() == [3.0, 0.5]


def test_half_of_what_is_drawn_is_positive(recipe: Path, some: Examples) -> None:
    stage = Recipe.read(recipe).stages[0]
    usable = some.labelled_slices()
    weights = sampling_weights(stage, some, usable)
    positive = (some.labels[usable] == 1).any(1)
    assert weights[positive].sum() == pytest.approx(0.5)
    assert weights.min() > 0


def test_an_epoch_shows_each_slice_once_in_another_order(recipe: Path, some: Examples) -> None:
    stage = Recipe.read(recipe, ["stages.slices.steps=null", "stages.slices.epochs=2",
                                 "stages.slices.sampling={kind: all}"]).stages[0]  # fmt: skip
    usable = some.labelled_slices()
    first, again, second = (batches_of_epoch(stage, some, usable, random_of(7, epoch)) for epoch in (0, 0, 1))
    assert sorted(np.concatenate(first)) == sorted(usable)
    assert all((one == other).all() for one, other in zip(first, again, strict=True))
    assert not all((one == other).all() for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize(("kind", "share"), [("balanced", 0.5), ("positive", 1.0)])
def test_balanced_and_positive_sampling(recipe: Path, some: Examples, kind: str, share: float) -> None:
    stage = Recipe.read(recipe, ["stages.slices.steps=null", "stages.slices.epochs=1",
                                 f"stages.slices.sampling={{kind: {kind}}}"]).stages[0]  # fmt: skip
    shown = np.concatenate(batches_of_epoch(stage, some, some.labelled_slices(), random_of(1)))
    assert (some.labels[shown] == 1).any(1).mean() == share
    assert set(np.flatnonzero((some.labels == 1).any(1))) <= set(shown)


def test_saved_activations_are_counted_once() -> None:
    weight = torch.zeros(100, 50, requires_grad=True)
    given = torch.zeros(8, 100, requires_grad=True)
    assert saved_bytes(lambda: given @ weight) == 4 * (100 * 50 + 8 * 100)


def test_memory_counts_weights_once_and_slices_each(
    data: Data, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights that are cast for mixed precision are kept for the gradient, and once for all slices."""
    counted = []
    monkeypatch.setattr(stage_module, "check_memory", lambda weights, activations, device: counted.append(activations))
    for batch in (1, 2, 3):
        read = Recipe.read(recipe, [f"stages.slices.batch={batch}", "precision=bf16"])
        run = Run.new(tmp_path / "run", read, data.manifest, data.store)
        fabric = Fabric(accelerator="cpu", precision="bf16-mixed")
        settings = stage_module.Settings(lambda what: lambda done, total: None)
        stage_module.StageTraining(run, fabric, settings, new_system(read), 0).check_memory()
    one, two, three = counted
    assert two - one == three - two > 0
    assert two < 2 * one, "weights count twice"


def test_too_little_memory_is_said() -> None:
    with pytest.raises(UsageError, match="lower the stage's `batch`"):
        check_memory(0, 1 << 60, torch.device("cpu"))


def test_stored_features_are_counted_in_every_process(
    data: Data, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slice of the recipe's network has as many float32 as features and findings, of trained and held-out slices."""
    read = Recipe.read(recipe)
    run = Run.new(tmp_path / "run", read, data.manifest, data.store)
    settings = stage_module.Settings(lambda what: lambda done, total: None)
    system = new_system(read)
    stage = stage_module.StageTraining(run, Fabric(accelerator="cpu"), settings, system, 1)
    splits = (*read.split.train, *read.split.validation)
    slices = len(Examples.of(run.manifest, run.store, splits, system.findings))
    needed = 4 * slices * (system.slice_network.feature_count + len(system.findings))
    for processes in (1, 2):
        monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))
        monkeypatch.setattr(memory, "available_bytes", lambda device, free=processes * needed: free)
        stage.check_memory()
        monkeypatch.setattr(memory, "available_bytes", lambda device, free=processes * needed - 1: free)
        with pytest.raises(UsageError, match=f"features of {slices:,} slices .* train on fewer slices"):
            stage.check_memory()
