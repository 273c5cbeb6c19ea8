"""Boxes as a loss of their own: class activation maps learn where in a slice a finding is.

It needs labels beside it. Masks of a Manifest are not used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (the name that PyTorch's own documentation uses)

from hemoscope.datasets.slice_store.store import SliceStore
from hemoscope.findings import ANY, FINDING_NAMES
from hemoscope.reasons import UsageError
from hemoscope.training.examples import Examples

CROP = ("crop_top", "crop_left", "crop_height", "crop_width")


@dataclass(frozen=True, eq=False)
class Boxes:
    """The boxes of slices in pixels of the store.

    shape: (findings, rows, columns) of a slice's mask. findings: of each box, its number among those of the examples.
    sides: int64 [box, (top, left, bottom, right)], from top to before bottom. starts: [slice + 1] the first box of each
    slice, and the number of boxes.
    """

    shape: tuple[int, int, int]
    findings: NDArray[np.int64]
    sides: NDArray[np.int64]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, examples: Examples, store: SliceStore, stage: str) -> Boxes:
        """The boxes of the examples' findings; stage: its name, for the sentence.

        Those of a finding on a slice are taken to be all. Every box is one of `any` too, but not in a slice with a
        subtype that nobody drew: there `any` has more places than its boxes. Raises UsageError where no slice has a
        box, or the store does not know which part of a slice it shows.
        """
        lists = examples.manifest.table["boxes"].take(pa.array(examples.rows)).combine_chunks()
        slices, boxes = pc.list_parent_indices(lists).to_numpy(), lists.flatten()
        drawn = pc.index_in(boxes.field("finding"), pa.array(FINDING_NAMES)).to_numpy()  # [box], of all six findings
        sides = _in_store(boxes, slices, examples, store)

        subtypes = examples.manifest.labels[examples.rows] == 1  # [slice, finding]
        subtypes[slices, drawn] = False
        subtypes[:, ANY] = False
        complete = ~subtypes.any(axis=1)[slices]  # [box], whether every subtype of its slice is drawn
        chosen = [
            complete if name == "any" else drawn == FINDING_NAMES.index(name) for name in examples.findings
        ]  # (findings, box)
        findings, numbers = np.nonzero(np.stack(chosen) & (sides[:, 2:] > sides[:, :2]).all(axis=1))
        if not len(numbers):
            raise UsageError(
                f"The stage {stage} has a loss of places, and none of its slices has a box of "
                f"{', '.join(examples.findings)}: import boxes with the collection, or leave `loss.places` out."
            )
        order = np.argsort(slices[numbers], kind="stable")
        starts = np.searchsorted(slices[numbers][order], np.arange(len(examples) + 1))
        return cls((len(examples.findings), *store.shape), findings[order], sides[numbers][order], starts)

    def masks(self, numbers: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Slices with these numbers: (N, findings, H, W), 1 inside a box of the finding."""
        masks = np.zeros((len(numbers), *self.shape), np.uint8)
        for mask, number in zip(masks, numbers, strict=True):
            for box in range(self.starts[number], self.starts[number + 1]):
                top, left, bottom, right = self.sides[box]
                mask[self.findings[box], top:bottom, left:right] = 1
        return masks


def _in_store(
    boxes: pa.StructArray, slices: NDArray[np.int64], examples: Examples, store: SliceStore
) -> NDArray[np.int64]:
    """Sides of boxes, in pixels of slices in their files, to pixels of the store: rounded outwards, cut at its edge."""
    if missing := [name for name in CROP if name not in store.index.column_names]:
        raise UsageError(
            f"The store {store.folder} has no {missing[0]}, so that no box can be placed: "
            "`hemoscope dataset build` again adds it."
        )
    top, left, height, width = (store.index[name].to_numpy()[examples.stored[slices]] for name in CROP)
    rows, columns = store.shape
    sides = [
        np.floor((boxes.field("ymin").to_numpy() - top) * rows / height).clip(0, rows),
        np.floor((boxes.field("xmin").to_numpy() - left) * columns / width).clip(0, columns),
        np.ceil((boxes.field("ymax").to_numpy() - top) * rows / height).clip(0, rows),
        np.ceil((boxes.field("xmax").to_numpy() - left) * columns / width).clip(0, columns),
    ]
    return np.stack(sides, axis=1).astype(np.int64)


def taught(labels: Tensor, boxes: Tensor) -> Tensor:
    """Of which slices and findings places are known: bool (N, findings).

    Those whose label is 0, and those with a box; a label of 1 without a box says nothing of places, and a box that the
    augmentation moved out of the picture nothing either. labels: int8 (N, findings), boxes: (N, findings, H, W).
    """
    return (labels == 0) | (boxes != 0).any(3).any(2)


def places_loss(logits: Tensor, labels: Tensor, boxes: Tensor, count: Tensor) -> Tensor:
    """Binary cross-entropy of places, the mean over slices and findings of which places are known.

    logits: (N, findings, h, w) of places; labels: int8 (N, findings); boxes: (N, findings, H, W), not 0 inside a box;
    count: how many are `taught`, of all processes.

    - Label 0: every place is negative; the mean over them.
    - Boxes: half the mean over the places outside of all of them, which are negative, and half the highest place
      inside, which is positive. A box is drawn around blood and is not full of it, so that no more is known of its
      places than that one bleeds (multiple instance learning). A place that a box only touches is inside.
    - Else nothing.

    The logit of a place is the class activation map there and the bias: what the slice's logit would be if all of it
    looked so. It needs no scale of its own: the mean of these logits is the slice's, so both losses mean the same by
    negative. Where there is blood they do not: on a share s of a slice whose other places are at -c, it must reach
    about c / s before the slice's logit is above 0. This loss forbids no height, but pushes only to a few units; the
    slices' labels must do the rest, and a large weight of places holds the logits of small hemorrhage down.
    """
    inside = F.adaptive_max_pool2d(boxes.float(), logits.shape[-2:]) > 0  # (N, findings, h, w)
    inside &= (labels != 0)[:, :, None, None]
    outside, boxed, known = ~inside, inside.any(3).any(2), taught(labels, boxes)
    logits = logits.float()
    negative = (F.softplus(logits) * outside).sum((2, 3)) / outside.sum((2, 3)).clamp(min=1)  # (N, findings)
    highest = logits.masked_fill(outside, -math.inf).amax((2, 3))
    positive = F.softplus(-highest.where(boxed, highest.new_zeros(())))
    each = torch.where(boxed, (negative + positive) / 2, negative)
    return (each * known).sum() / count.clamp(min=1)
