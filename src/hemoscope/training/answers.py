"""What a system answers to examples, seen exactly as detection sees them: for validation and predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor

from hemoscope.datasets.slice_store.store import SliceStore
from hemoscope.networks.system import SLICES_AT_ONCE, System
from hemoscope.training.batches import StoredFeatures, as_detection_sees, filtered_lengths
from hemoscope.training.examples import Examples
from hemoscope.training.recipe import Input

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Answers:
    """Logits float32 of examples: slices [slice, finding], scans [scan, finding].

    Where a system scores only slices, the logits of a scan are the largest of its slices; where it scores only scans,
    those of slices are its slice network's. from_slices says which is so for the scans.
    """

    slices: NDArray[np.float32]
    scans: NDArray[np.float32]
    from_slices: bool


def scans_in_groups(examples: Examples) -> Iterator[NDArray[np.int64]]:
    """The scans in their order, so many together that a group has about `SLICES_AT_ONCE` slices."""
    group: list[int] = []
    slices = 0
    for scan, length in enumerate(examples.lengths.tolist()):
        if group and slices + length > SLICES_AT_ONCE:
            yield np.array(group)
            group, slices = [], 0
        group.append(scan)
        slices += length
    if group:
        yield np.array(group)


@torch.inference_mode()
def answers_to(
    system: System,
    examples: Examples,
    store: SliceStore,
    inputs: Input,
    fabric: Fabric,
    on_progress: OnProgress,
    stored: StoredFeatures | None = None,
) -> Answers:
    """Score every slice and scan. stored: what the slice network said of them, where that is known already."""
    system.eval()
    slices = np.empty((len(examples), len(examples.findings)), np.float32)
    scans = np.empty((len(examples.lengths), len(examples.findings)), np.float32)
    from_slices = False
    for group in scans_in_groups(examples):
        places = np.concatenate([examples.places_of_scan(scan) for scan in group])
        lengths = torch.from_numpy(examples.lengths[group])
        joined = filtered_lengths(lengths, inputs)
        if stored is None:
            features, logits = _of_slices(system, examples.stored[places], lengths, store, inputs, fabric)
        else:
            features = torch.from_numpy(np.asarray(stored.features[places])).to(fabric.device)
            logits = torch.from_numpy(np.asarray(stored.logits[places])).to(fabric.device)
        of_scans = None
        if system.scan_network is not None:
            with fabric.autocast():
                answer = system.scan_network(features, logits, joined)
            logits, of_scans = logits if answer.slices is None else answer.slices, answer.scans
        parts = torch.split(logits.float().cpu(), joined.tolist())
        if of_scans is None:
            from_slices, of_scans = True, torch.stack([part.amax(0) for part in parts])
        scans[group] = of_scans.float().cpu().numpy()
        # slices that a maximum filter joined have one answer
        repeated = [
            part.repeat_interleave(inputs.maximum_filter[0], 0)[:length]
            for part, length in zip(parts, lengths.tolist(), strict=True)
        ]
        slices[places] = torch.cat(repeated).numpy()
        on_progress(int(places[-1]) + 1, len(examples))
    return Answers(slices, scans, from_slices)


@torch.inference_mode()
def features_of(
    system: System, examples: Examples, store: SliceStore, inputs: Input, fabric: Fabric, on_progress: OnProgress
) -> StoredFeatures:
    """What the slice network says of every slice, without augmentation."""
    system.eval()
    features = np.empty((len(examples), system.slice_network.feature_count), np.float32)
    logits = np.empty((len(examples), len(examples.findings)), np.float32)
    for group in scans_in_groups(examples):
        places = np.concatenate([examples.places_of_scan(scan) for scan in group])
        lengths = torch.from_numpy(examples.lengths[group])
        found, said = _of_slices(system, examples.stored[places], lengths, store, inputs, fabric)
        features[places], logits[places] = found.float().cpu().numpy(), said.float().cpu().numpy()
        on_progress(int(places[-1]) + 1, len(examples))
    return StoredFeatures(features, logits)


def _of_slices(
    system: System, stored: NDArray[np.int64], lengths: Tensor, store: SliceStore, inputs: Input, fabric: Fabric
) -> tuple[Tensor, Tensor]:
    """Features and logits of the slice network."""
    pictures = as_detection_sees(store, stored, lengths, inputs).to(fabric.device)
    with fabric.autocast():
        features = system.features(pictures)
        return features, system.slice_network.classify(features)
