"""One stage of a training: its examples in batches, its steps, its validation, and what is kept of it."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from hemoscope.datasets.augment.augmenter import Augmented
from hemoscope.datasets.manifest import UNKNOWN
from hemoscope.networks.system import Answer, System
from hemoscope.reasons import UsageError
from hemoscope.training.answers import Answers, OnProgress, answers_to, features_of
from hemoscope.training.batches import (
    Batch,
    Pictures,
    Scans,
    Slices,
    StoredFeatures,
    filtered_labels,
    filtered_lengths,
    reading,
)
from hemoscope.training.building import scores_slices
from hemoscope.training.examples import Examples, check_labels
from hemoscope.training.learner import Learner
from hemoscope.training.loss import MaskedLoss
from hemoscope.training.memory import check_features, check_memory, saved_bytes
from hemoscope.training.optimizers import optimizer_and_schedule
from hemoscope.training.places import Boxes, places_loss, taught
from hemoscope.training.recipe import Stage
from hemoscope.training.run import Run
from hemoscope.training.sampling import batches_of_epoch, positive_alone, random_of, steps_an_epoch
from hemoscope.training.watch import Log, aucs, plot_curves, plot_losses

EPOCH, DROPOUT, AUGMENTATION = range(3)  # what random numbers are for
Checkpoint = Mapping[str, Any]


@dataclass(frozen=True)
class Settings:
    """How a run is made, which decides nothing of its result.

    watch: of what a long work is, gives what to call with (done, total). workers: processes that read slices ahead.
    """

    watch: Callable[[str], OnProgress]
    checkpoint_seconds: float = 60.0
    workers: int = 0


class StageTraining:
    """Trains one part of a system; which is step `n` of it depends on recipe, data and `n` alone."""

    def __init__(self, run: Run, fabric: Fabric, settings: Settings, system: System, number: int) -> None:
        """number: of the stage. Raises UsageError where its labels or its network cannot be used."""
        self._run, self._fabric, self._settings, self._system = run, fabric, settings, system
        self._number, self._stage = number, run.recipe.stages[number]
        recipe, stage = run.recipe, self._stage
        self._learner = Learner(system, stage)
        self._examples = Examples.of(run.manifest, run.store, stage.splits or recipe.split.train, system.findings)
        self._held_out = Examples.of(run.manifest, run.store, recipe.held_out(number), system.findings)
        if stage.sampling.kind == "positive" and len(self._held_out):
            self._held_out = positive_alone(stage, self._held_out)
        # a slice by itself is no scan: its one score is not to be ranked among the highest of thirty
        self._scan_labels = _labels_of_whole_scans(self._held_out, recipe.scan_slices)
        self._usable = _usable(self._examples, stage, recipe.scan_slices)
        self._epoch_steps = steps_an_epoch(stage, self._examples, self._usable)
        batches_of_epoch(stage, self._examples, self._usable, random_of(0))  # raises UsageError
        self._loss = MaskedLoss(stage.loss, self._examples)
        self._check_held_out()
        self._boxes = Boxes.of(self._examples, run.store, stage.name) if stage.loss.places else None
        self._pictures = Pictures(recipe.input, stage)
        self._features: StoredFeatures | None = None
        self.steps = self._epoch_steps * (stage.epochs or 1)

    def _check_held_out(self) -> None:
        """Raise UsageError where the best weights are to be kept, and nothing tells which they are."""
        known = self._loss.known(torch.from_numpy(self._held_out.labels), torch.from_numpy(self._scan_labels))
        by_slices = self._stage.loss.slices > 0 and not self._chosen_by_scans
        counts = known * torch.tensor([by_slices, self._stage.loss.scans > 0])
        if self._stage.keep == "best" and not counts.sum():
            raise UsageError(
                f"The stage {self._stage.name} keeps the best weights, but nothing is held out that has labels for its "
                "loss: name other splits in `split.validation`, or take `keep: last`."
            )

    def train(self, checkpoint: Checkpoint | None, steps_before: int) -> None:
        """Train to the end of the stage.

        checkpoint: where to go on, None for the first step; steps_before: of the stages before this one.
        """
        stage, fabric = self._stage, self._fabric
        begin = time.monotonic()  # moved back by what the run had taken before it was stopped
        self._prepare()
        part = self._learner.part
        optimizer, schedule = optimizer_and_schedule(part, stage.optimizer, self.steps, self._epoch_steps)
        average = _averaged(part, stage)
        self._best, done = float("inf"), 0
        if checkpoint is not None:
            done, self._best = checkpoint["step"], checkpoint["best"]
            begin -= checkpoint["seconds"]
            optimizer.load_state_dict(checkpoint["optimizer"])
            schedule.load_state_dict(checkpoint["schedule"])
            if average is not None:
                average.load_state_dict(checkpoint["average"])
        learner, optimizer = fabric.setup(self._learner, optimizer)
        log = Log(self._run.folder, stage.name, done, steps_before) if fabric.is_global_zero else None
        progress, kept_at = self._settings.watch(f"Training {stage.name}"), time.monotonic()
        for step, batch in self._batches(done):
            self._learner.train()
            loss = self._loss_of(learner, batch, step)
            optimizer.zero_grad(set_to_none=True)
            fabric.backward(loss)
            if stage.optimizer.clip_gradient is not None:
                fabric.clip_gradients(learner, optimizer, max_norm=stage.optimizer.clip_gradient)
            optimizer.step()
            if average is not None:
                average.update_parameters(part)
            shown: Tensor = fabric.all_reduce(loss.detach(), reduce_op="mean")  # type: ignore[assignment]
            self._check_loss(float(shown), step)
            if log is not None:
                log.step(step, shown.item(), float(schedule.get_last_lr()[0]))
            schedule.step()
            progress(step, self.steps)
            ends_epoch = step % self._epoch_steps == 0
            if ends_epoch and log is not None:
                self._validate(_with_average(self._system, stage, average), log, step)
                if len(self._held_out) and step < self.steps:
                    progress = self._settings.watch(f"Training {stage.name}")
            if log is not None and (ends_epoch or time.monotonic() - kept_at > self._settings.checkpoint_seconds):
                state = {"optimizer": optimizer.state_dict(), "schedule": schedule.state_dict(), "best": self._best}
                state |= {"seconds": time.monotonic() - begin}
                state |= {"average": average.state_dict()} if average is not None else {}
                self._run.save_checkpoint(state | self._place(self._number, step))
                kept_at = time.monotonic()
            fabric.barrier()
        self._finish(_with_average(self._system, stage, average), log, time.monotonic() - begin)

    def _place(self, stage: int, step: int) -> dict[str, Any]:
        return {"stage": stage, "step": step, "system": self._system.state_dict()}

    def _prepare(self) -> None:
        """What is needed once before the first step, and again when the run is resumed."""
        recipe, stage, examples = self._run.recipe, self._stage, self._examples
        self._learner.freeze_the_rest()
        if stage.features == "stored":
            watch = self._settings.watch
            arguments = (self._run.store, recipe.input, self._fabric)
            self._features = features_of(self._system, examples, *arguments, watch("Features to train on"))
            self._held_out_features = features_of(self._system, self._held_out, *arguments, watch("Held-out features"))
            if (fit := getattr(self._system.scan_network, "fit", None)) is not None:
                fit(torch.from_numpy(self._features.features), self._system.slice_network)
            return
        if recipe.compiled and stage.trains == "slice_network":
            self._system.slice_network.compile()

    def _batches(self, done: int) -> Iterator[tuple[int, Batch]]:
        """(step, batch) from the step after `done` to the last; each process gets its part of a batch."""
        dataset: Slices | Scans
        if self._stage.trains == "slice_network":
            dataset = Slices(self._examples, self._run.store, self._run.recipe.input, self._boxes)
        else:
            dataset = Scans(self._examples, self._run.store, self._features)
        rank, world = self._fabric.global_rank, self._fabric.world_size
        for epoch in range(done // self._epoch_steps, self.steps // self._epoch_steps):
            random = random_of(self._run.recipe.seed, self._number, EPOCH, epoch)
            batches = batches_of_epoch(self._stage, self._examples, self._usable, random)
            first = max(done, epoch * self._epoch_steps)
            # the last batch of an epoch may be smaller than the number of processes: some of it is shown twice then
            left = [np.resize(one, max(world, len(one)))[rank::world] for one in batches[first % self._epoch_steps :]]
            yield from enumerate(reading(dataset, left, self._settings.workers), first + 1)

    def _loss_of(self, learner: Any, batch: Batch, step: int) -> Tensor:
        """The loss of this process' part of a batch; the mean over processes is that of the whole batch."""
        fabric, inputs = self._fabric, self._run.recipe.input
        place = (self._run.recipe.seed, self._number, step, fabric.global_rank)
        torch.manual_seed(int(random_of(DROPOUT, *place).integers(2**62)))
        lengths = batch.lengths
        labels = filtered_labels(batch.labels, lengths, inputs).to(fabric.device)
        scan_labels = batch.scan_labels.to(fabric.device)
        boxes: Tensor | None = None
        if self._features is not None:
            assert batch.features is not None and batch.logits is not None
            answer: Answer = learner(batch.features.to(fabric.device), batch.logits.to(fabric.device), lengths)
        else:
            generator = torch.Generator().manual_seed(int(random_of(AUGMENTATION, *place).integers(2**62)))
            seen = self._seen(batch, generator)
            answer, boxes = learner(seen.pictures, None, filtered_lengths(lengths, inputs)), seen.mask
        known: Tensor = fabric.all_reduce(self._loss.known(labels, scan_labels), reduce_op="sum")  # type: ignore[assignment]
        loss = self._loss(answer, labels, scan_labels, known)
        if boxes is not None:
            assert answer.places is not None
            count: Tensor = fabric.all_reduce(taught(labels, boxes).sum(), reduce_op="sum")  # type: ignore[assignment]
            loss = loss + self._stage.loss.places * places_loss(answer.places, labels, boxes, count)
        return loss * fabric.world_size

    def _seen(self, batch: Batch, generator: torch.Generator) -> Augmented:
        """Augmented pictures on the device, with their boxes where places are learned."""
        assert batch.hu is not None
        whole_scans = self._stage.trains != "slice_network"
        return self._pictures(batch, batch.hu.to(self._fabric.device), generator, whole_scans=whole_scans)

    def check_memory(self) -> None:
        """Raise UsageError where stored features do not fit, or a step, judged by a few slices or the longest scan."""
        if self._stage.features == "stored":  # beside them a step is small
            numbers = self._system.slice_network.feature_count + len(self._examples.findings)
            check_features(len(self._examples) + len(self._held_out), numbers)
            return
        self._learner.freeze_the_rest()
        activations = self._activations()
        weights = sum(one.numel() * one.element_size() for one in self._learner.part.parameters())
        check_memory(weights, activations, self._fabric.device)

    def _activations(self) -> int:
        """The bytes that this process' part of a batch keeps for the gradient."""
        examples, stage, run = self._examples, self._stage, self._run
        by_slice = stage.trains == "slice_network"
        one = self._usable[:1] if by_slice else self._usable[[np.argmax(examples.lengths[self._usable])]]
        dataset = Slices(examples, run.store, run.recipe.input) if by_slice else Scans(examples, run.store)
        batch = dataset[one]
        pictures = self._seen(batch, torch.Generator().manual_seed(0)).pictures
        lengths = filtered_lengths(batch.lengths, run.recipe.input)
        learner = deepcopy(self._learner).train()  # a copy, as no statistics must be kept of this
        at_once = self._system.slices_at_once
        share = -(-stage.batch // self._fabric.world_size)
        with self._fabric.autocast():
            if by_slice:  # of two and of three, as weights that are cast for mixed precision are kept once for all
                two, three = (saved_bytes(partial(learner, pictures.repeat(count, 1, 1, 1), None, lengths))
                              for count in (2, 3))  # fmt: skip
                return two + (share - 2) * (three - two)
            activations = share * saved_bytes(partial(learner, pictures, None, lengths))
            if at_once is not None and stage.trains == "system":  # the part that is computed anew
                activations += saved_bytes(partial(learner.system.slice_network.features, pictures[:at_once]))
            return activations

    def _validate(self, system: System, log: Log, step: int) -> None:
        """Measure the held-out examples, and keep the weights where their loss is the lowest so far."""
        if not len(self._held_out):
            return
        progress = self._settings.watch("Validating")
        stored = None if self._features is None else self._held_out_features
        arguments = (self._held_out, self._run.store, self._run.recipe.input, self._fabric, progress, stored)
        # a scan network that has learned nothing yet must not stand between the slices and their measures
        alone = self._stage.trains == "slice_network"
        seen = System(system.slice_network) if alone else system
        answers = answers_to(seen, *arguments)
        loss = self._held_out_loss(answers)
        self._check_loss(loss, step)
        if not scores_slices(seen, self._run.recipe, self._number):
            answers = replace(answers, slices=np.full_like(answers.slices, np.nan))
        held_out, findings = self._held_out, system.findings
        measures = {
            f"slice_auc_{name}": value for name, value in aucs(held_out.labels, answers.slices, findings).items()
        }
        of_scans = aucs(self._scan_labels, answers.scans, findings)
        measures |= {f"scan_auc_{name}": value for name, value in of_scans.items()}
        log.epoch(step, {"loss": loss} | measures)
        is_best = loss < self._best
        if is_best:
            self._best = loss
            self._run.save_weights(system, f"{self._stage.name}.best.safetensors")
        plot_losses(self._run.folder)
        plot_curves(self._run.folder, "slices", held_out.labels, answers.slices, findings)
        plot_curves(self._run.folder, "scans", self._scan_labels, answers.scans, findings)
        if is_best or self._stage.keep == "last":  # of the weights that are kept
            self._run.update_stage(self._stage.name, validation={"step": step, "loss": loss} | measures)

    @property
    def _chosen_by_scans(self) -> bool:
        """Whether slices are scored beside the network over the scan, by a layer that says nothing of it."""
        scan_network = self._system.scan_network
        beside = scan_network is not None and "slices" not in scan_network.scores
        return beside and self._stage.trains == "system"

    def _check_loss(self, loss: float, step: int) -> None:
        """Raise UsageError where a loss is no number: the weights are lost."""
        if not math.isfinite(loss):
            raise UsageError(
                f"The loss at step {step} of the stage {self._stage.name} is no number. Begin a new run with a lower "
                "learning rate, or with `clip_gradient`."
            )

    def _held_out_loss(self, answers: Answers) -> float:
        labels = torch.from_numpy(self._held_out.labels)
        scan_labels = torch.from_numpy(self._scan_labels)
        slices = None if self._chosen_by_scans else torch.from_numpy(answers.slices)
        answer = Answer(slices, torch.from_numpy(answers.scans))
        return float(self._loss(answer, labels, scan_labels, self._loss.known(labels, scan_labels)))

    def _finish(self, system: System, log: Log | None, seconds: float) -> None:
        """Keep the weights, and give the system those that the recipe keeps."""
        stage, run = self._stage, self._run
        if log is not None:
            log.close()
            plot_losses(run.folder)
            run.save_weights(system, f"{stage.name}.last.safetensors")
            run.update_stage(
                stage.name, steps=self.steps, seconds=round(seconds, 1),
                train=_count(self._examples), held_out=_count(self._held_out),
                weights_sha256=hashlib.sha256((run.folder / kept_weights(stage)).read_bytes()).hexdigest(),
            )  # fmt: skip
        self._fabric.barrier()
        run.load_weights(self._system, kept_weights(stage))
        if log is not None:
            run.save_checkpoint(self._place(self._number + 1, 0))
        self._fabric.barrier()


def kept_weights(stage: Stage) -> str:
    """The file of the weights that a stage hands on."""
    return f"{stage.name}.{stage.keep}.safetensors"


def _usable(examples: Examples, stage: Stage, scan_slices: tuple[int, int]) -> NDArray[np.int64]:
    """The slices or scans that the stage can learn from; raises UsageError where they teach nothing."""
    if stage.trains == "slice_network":
        usable = examples.labelled_slices()
        check_labels(examples.labels[usable], examples.findings, f"slices of the stage {stage.name}")
        return usable
    use_slices, use_scans = stage.loss.slices > 0, stage.loss.scans > 0
    usable = examples.usable_scans(*scan_slices, by_slices=use_slices, by_scans=use_scans)
    if use_scans:
        check_labels(examples.labels_of_scans[usable], examples.findings, f"scans of the stage {stage.name}")
    if use_slices:
        in_use = np.isin(examples.scan_of, usable)
        check_labels(examples.labels[in_use], examples.findings, f"slices of the stage {stage.name}")
    return usable


def _labels_of_whole_scans(examples: Examples, scan_slices: tuple[int, int]) -> NDArray[np.int8]:
    """Labels of the scans, UNKNOWN where they have fewer or more slices than the recipe's scans."""
    fewest, most = scan_slices
    whole = (examples.lengths >= fewest) & (examples.lengths <= most)
    return np.where(whole[:, None], examples.labels_of_scans, UNKNOWN).astype(np.int8)


def _averaged(part: torch.nn.Module, stage: Stage) -> AveragedModel | None:
    if stage.average is None:
        return None
    return AveragedModel(part, multi_avg_fn=get_ema_multi_avg_fn(stage.average), use_buffers=True)  # type: ignore[no-untyped-call]


def _with_average(system: System, stage: Stage, average: AveragedModel | None) -> System:
    """The system with averaged weights in the part that learns."""
    if average is None:
        return system
    part: Any = average.module
    if stage.trains == "system":
        return part  # type: ignore[no-any-return]
    parts = {"slice_network": system.slice_network, "scan_network": system.scan_network, stage.trains: part}
    return System(**parts, slices_at_once=system.slices_at_once)


def _count(examples: Examples) -> dict[str, int]:
    labelled = int((examples.labels != UNKNOWN).any(axis=1).sum())
    return {
        "slices": len(examples),
        "labelled_slices": labelled,
        "scans": len(examples.lengths),
        "patients": examples.patients,
    }
