"""Which slices or scans each step of a stage shows: seed, stage and epoch alone decide it, so that a run resumes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemoscope.datasets.manifest import UNKNOWN
from hemoscope.datasets.patients import patients_of
from hemoscope.datasets.splitting.sampling import balanced_slices
from hemoscope.findings import ANY, FINDING_NAMES
from hemoscope.reasons import UsageError
from hemoscope.training.examples import Examples
from hemoscope.training.recipe import Stage


def random_of(*numbers: int) -> np.random.Generator:
    """Random numbers that seed, stage, epoch or step and the like decide."""
    return np.random.default_rng(np.random.SeedSequence(numbers))


def steps_an_epoch(stage: Stage, examples: Examples, usable: NDArray[np.int64]) -> int:
    """The steps of one epoch; a stage that is counted in steps is one epoch of them."""
    if stage.steps is not None:
        return stage.steps
    return math.ceil(len(epoch_order(stage, examples, usable, random_of(0))) / stage.batch)


def batches_of_epoch(
    stage: Stage, examples: Examples, usable: NDArray[np.int64], random: np.random.Generator
) -> list[NDArray[np.int64]]:
    """The examples of each step of an epoch. usable: the slices, or the scans, that have labels."""
    steps = steps_an_epoch(stage, examples, usable)
    if stage.sampling.kind == "weighted":
        weights = sampling_weights(stage, examples, usable)
        return list(random.choice(usable, (steps, stage.batch), p=weights))
    order = epoch_order(stage, examples, usable, random)
    while len(order) < (steps - 1) * stage.batch + 1:
        order = np.concatenate([order, epoch_order(stage, examples, usable, random)])
    return [order[start : start + stage.batch] for start in range(0, steps * stage.batch, stage.batch)]


def epoch_order(
    stage: Stage, examples: Examples, usable: NDArray[np.int64], random: np.random.Generator
) -> NDArray[np.int64]:
    """The examples of one pass over the data in random order."""
    if stage.sampling.kind == "balanced":
        usable = usable[balanced_slices(_positive(stage, examples)[usable], random)]
        if not len(usable):
            raise UsageError(f"The stage {stage.name} takes as many negative as positive ones, but there are none.")
    if stage.sampling.kind == "positive":
        usable = usable[_positive(stage, examples)[usable] == 1]
    order: NDArray[np.int64] = random.permutation(usable)
    return order


def positive_alone(stage: Stage, examples: Examples) -> Examples:
    """The examples, with the labels made unknown of all that a stage with the sampling `positive` would not show."""
    positive = _positive(stage, examples)[:, None] == 1
    if stage.trains == "slice_network":
        return replace(examples, labels=np.where(positive, examples.labels, UNKNOWN).astype(np.int8))
    positive = positive[examples.scan_of]
    labels, scan_labels = (
        np.where(positive, known, UNKNOWN).astype(np.int8) for known in (examples.labels, examples.scan_labels)
    )
    return replace(examples, labels=labels, scan_labels=scan_labels)


def _positive(stage: Stage, examples: Examples) -> NDArray[np.int8]:
    """Whether each slice or scan has any of the findings, UNKNOWN where that is not known."""
    labels = examples.labels if stage.trains == "slice_network" else examples.labels_of_scans
    if stage.trains != "slice_network" and not stage.loss.scans:  # scans of which only slices are labelled
        parts = [examples.labels[examples.places_of_scan(scan)] for scan in range(len(labels))]
        labels = np.stack([np.where((part == 1).any(0), 1, part.min(0)) for part in parts])  # one unknown: unknown
    known = np.where((labels == UNKNOWN).any(1), UNKNOWN, 0)
    return np.where((labels == 1).any(1), 1, known).astype(np.int8)


def sampling_weights(stage: Stage, examples: Examples, usable: NDArray[np.int64]) -> NDArray[np.float64]:
    """The probability to draw each usable slice or scan.

    Datasets by `shares` (equal ones where none are given; a dataset without a share is not drawn), within each half
    positive, so that the dataset does not give the label away. Patients of many slices and frequent findings weigh
    less, by the square root.
    """
    by_slice = stage.trains == "slice_network"
    labels = (examples.labels if by_slice else examples.labels_of_scans)[usable]
    table = examples.manifest.take(examples.rows[usable if by_slice else examples.starts[usable]])
    dataset = table.table["dataset"].to_numpy()
    patients, _ = pd.factorize(patients_of(table).to_numpy(zero_copy_only=False))  # -1 where unknown
    positive = (labels == 1).any(axis=1)
    weights = np.zeros(len(labels))
    for name, share in _shares(stage, set(dataset)).items():
        for label in (False, True):
            chosen = np.flatnonzero((dataset == name) & (positive == label))
            if len(chosen):
                weight = _evened(labels[chosen], patients[chosen], examples.findings)
                weights[chosen] = share / 2 * weight / weight.sum()
    weights /= weights.sum()
    return weights


def _shares(stage: Stage, datasets: set[str]) -> Mapping[str, float]:
    shares = stage.sampling.shares or dict.fromkeys(sorted(datasets), 1.0)
    if missing := set(shares) - datasets:
        sentence = f"The stage {stage.name} gives a share to {', '.join(sorted(missing))}"
        raise UsageError(f"{sentence}, of which nothing is to be trained on; there is {', '.join(sorted(datasets))}.")
    return shares


def _evened(labels: NDArray[np.int8], patients: NDArray[np.intp], findings: tuple[str, ...]) -> NDArray[np.float64]:
    """Weights of examples that are all positive, or all negative."""
    slices_of = np.bincount(patients[patients >= 0], minlength=1)
    weight: NDArray[np.float64] = 1 / np.sqrt(np.where(patients >= 0, slices_of[patients.clip(0)], 1))
    subtypes = labels[:, [name != FINDING_NAMES[ANY] for name in findings]] == 1
    if not subtypes.any():
        return weight
    rarest = (subtypes / np.sqrt(subtypes.sum(axis=0).clip(1))).max(axis=1)
    weight *= np.where(rarest > 0, rarest, rarest[rarest > 0].min())
    return weight
