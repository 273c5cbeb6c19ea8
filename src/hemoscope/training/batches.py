"""Slices and scans from the store to the network: read in the background, augmented and windowed where it trains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (the name that PyTorch's own documentation uses)
from torch.utils.data import DataLoader, Dataset

from hemoscope.datasets.augment.augmenter import Augmented, Augmenter
from hemoscope.datasets.slice_store.store import SliceStore
from hemoscope.training.examples import Examples
from hemoscope.training.places import Boxes
from hemoscope.training.recipe import Input, Stage

ASSUMED_SPACING_MM = (5.0, 0.5, 0.5)  # slice, row, column; where unknown


@dataclass(frozen=True)
class Batch:
    """HU int16 of slices (N, 1 + neighbours, H, W) or of whole scans (N, 1, H, W), and what is known of them.

    lengths: (B,) slices of each scan, 1 for slices by themselves. labels: int8 (N, findings), scan_labels:
    (B, findings). spacing_mm: (B, 3) slice, row, column. boxes: uint8 (N, findings, H, W), 1 inside a box, where places
    are learned. features: (N, F) instead of HU where they are stored.
    """

    lengths: Tensor
    labels: Tensor
    scan_labels: Tensor
    spacing_mm: Tensor
    hu: Tensor | None = None
    boxes: Tensor | None = None
    features: Tensor | None = None
    logits: Tensor | None = None


@dataclass(frozen=True, eq=False)
class StoredFeatures:
    """What the frozen slice network says of every slice: float32 features [slice, F] and logits [slice, finding]."""

    features: NDArray[np.float32]
    logits: NDArray[np.float32]


class Slices(Dataset[Batch]):
    """Batches of slices by themselves: an item is a batch of the slices with these numbers, with their boxes if any."""

    def __init__(self, examples: Examples, store: SliceStore, inputs: Input, boxes: Boxes | None = None) -> None:
        self._examples, self._store, self._boxes = examples, store, boxes
        self._around = examples.stored[examples.neighbours(inputs.neighbours)]

    def __getitem__(self, numbers: NDArray[np.int64]) -> Batch:
        around = self._around[numbers]
        hu = self._store.batch(around.ravel()).reshape(*around.shape, *self._store.shape)
        return Batch(
            lengths=torch.ones(len(numbers), dtype=torch.int64),
            labels=torch.from_numpy(self._examples.labels[numbers]),
            scan_labels=torch.from_numpy(self._examples.scan_labels[numbers]),
            spacing_mm=torch.tensor([ASSUMED_SPACING_MM]).expand(len(numbers), 3),
            hu=torch.from_numpy(hu),
            boxes=None if self._boxes is None else torch.from_numpy(self._boxes.masks(numbers)),
        )


class Scans(Dataset[Batch]):
    """Batches of whole scans: an item is a batch of the scans with these numbers, their slices one after another."""

    def __init__(self, examples: Examples, store: SliceStore, stored: StoredFeatures | None = None) -> None:
        self._examples, self._store, self._stored = examples, store, stored
        self._spacing_mm = spacing_of_scans(examples, store)

    def __getitem__(self, numbers: NDArray[np.int64]) -> Batch:
        examples = self._examples
        places = np.concatenate([examples.places_of_scan(scan) for scan in numbers])
        hu = features = logits = None
        if self._stored is None:
            hu = torch.from_numpy(self._store.batch(examples.stored[places])[:, None])
        else:
            features = torch.from_numpy(np.asarray(self._stored.features[places]))
            logits = torch.from_numpy(np.asarray(self._stored.logits[places]))
        return Batch(
            lengths=torch.from_numpy(examples.lengths[numbers]),
            labels=torch.from_numpy(examples.labels[places]),
            scan_labels=torch.from_numpy(examples.labels_of_scans[numbers]),
            spacing_mm=torch.from_numpy(self._spacing_mm[numbers]),
            hu=hu,
            features=features,
            logits=logits,
        )


def spacing_of_scans(examples: Examples, store: SliceStore) -> NDArray[np.float64]:
    """Spacing in mm of each scan [scan, (slice, row, column)] as stored; assumed where unknown."""
    spacing = np.tile(np.array(ASSUMED_SPACING_MM), (len(examples.lengths), 1))
    first = examples.stored[examples.starts[:-1]]
    for axis, column in ((1, "row_spacing_mm"), (2, "column_spacing_mm")):
        known = store.index[column].to_numpy()[first]
        spacing[:, axis] = np.where(np.isfinite(known), known, spacing[:, axis])
    positions = examples.manifest.table["position_mm"].to_numpy()[examples.rows]
    for scan in range(len(spacing)):
        between = np.diff(positions[examples.places_of_scan(scan)])
        if len(between) and np.isfinite(between).all() and np.median(between) > 0:
            spacing[scan, 0] = np.median(between)
    return spacing


def reading(dataset: Dataset[Batch], batches: Sequence[NDArray[np.int64]], workers: int) -> Iterator[Batch]:
    """Read batches in order, ahead of their use where there are worker processes."""
    return iter(DataLoader(dataset, batch_size=None, sampler=list(batches), num_workers=workers))


class Pictures:
    """Turns a batch of HU into pictures (N, channels, H, W), grey levels 0 to 1, on the device where it lies."""

    def __init__(self, inputs: Input, stage: Stage) -> None:
        self._inputs = inputs
        self._augmenter = Augmenter(stage.augmentations, inputs.display_windows)

    def __call__(self, batch: Batch, hu: Tensor, generator: torch.Generator, *, whole_scans: bool) -> Augmented:
        """Augmented pictures with their boxes if any; hu: of the batch, on the device where the work is to be done.

        whole_scans: one transform for all slices of a scan, else for each slice its own.
        """
        if not whole_scans:
            boxes = None if batch.boxes is None else batch.boxes.to(hu.device)
            moved = self._augmenter.slices(hu, generator, boxes)
            alone = torch.ones(len(hu), dtype=torch.int64)
            return Augmented(filtered(moved.pictures, alone, self._inputs), moved.mask)
        scans = torch.split(hu, batch.lengths.tolist())
        spacings: list[tuple[float, float, float]] = batch.spacing_mm.tolist()
        pictures = torch.cat(
            [self._augmenter.scan(scan, mm, generator).pictures for scan, mm in zip(scans, spacings, strict=True)]
        )
        joined = filtered(with_neighbours(pictures, batch.lengths, self._inputs), batch.lengths, self._inputs)
        return Augmented(joined, None)


def as_detection_sees(store: SliceStore, stored: NDArray[np.int64], lengths: Tensor, inputs: Input) -> Tensor:
    """The pictures of scans exactly as `hemoscope detect` prepares them: grey levels of 8 bits.

    stored: numbers in the store of their slices, scan after scan, foot to head; lengths: (B,) slices of each. Returns
    float32 (N, channels, H, W), 0 to 1, with N smaller than the slices where a maximum filter joins some.
    """
    grey = torch.from_numpy(store.windowed(stored, inputs.display_windows))
    return filtered(with_neighbours(grey, lengths, inputs), lengths, inputs).float() / 255


def with_neighbours(pictures: Tensor, lengths: Tensor, inputs: Input) -> Tensor:
    """(N, windows, H, W) of scans to (N, channels, H, W): below first; the ends of a scan repeat their slice."""
    if not inputs.neighbours:
        return pictures
    reach = torch.arange(-inputs.neighbours, inputs.neighbours + 1)
    parts = []
    for scan in torch.split(pictures, lengths.tolist()):
        around = (torch.arange(len(scan))[:, None] + reach).clamp(0, len(scan) - 1)
        parts.append(scan[around].flatten(1, 2))  # (S, reach, windows, H, W) -> (S, channels, H, W)
    return torch.cat(parts)


def filtered(pictures: Tensor, lengths: Tensor, inputs: Input) -> Tensor:
    """The largest grey level of so many slices and pixels (Patel et al. 2019, section III-C); a last slice stays alone.

    As windows never turn the order of HU, this is the window of the largest HU.
    """
    slices, pixels = inputs.maximum_filter
    if (slices, pixels) == (1, 1):
        return pictures
    parts = []
    for scan in torch.split(pictures, lengths.tolist()):
        volume = scan.float().transpose(0, 1)[None]  # (1, channels, S, H, W)
        parts.append(F.max_pool3d(volume, (slices, pixels, pixels), ceil_mode=True)[0].transpose(0, 1))
    return torch.cat(parts)


def filtered_lengths(lengths: Tensor, inputs: Input) -> Tensor:
    """The slices of each scan after the maximum filter."""
    return -(-lengths // inputs.maximum_filter[0])


def filtered_labels(labels: Tensor, lengths: Tensor, inputs: Input) -> Tensor:
    """Labels (N, findings) of slices that the maximum filter joins: 1 if one has it, else unknown if one is."""
    slices = inputs.maximum_filter[0]
    if slices == 1:
        return labels
    parts = [part for scan in torch.split(labels, lengths.tolist()) for part in torch.split(scan, slices)]
    joined = [torch.where((part == 1).any(0), 1, part.amin(0)) for part in parts]
    return torch.stack(joined).to(labels.dtype)
