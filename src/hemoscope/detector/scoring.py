"""The slices of one scan on their way through the slice network, while others are still decoded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hemoscope.ct.prepare import Crop, NetworkInput

Spacing = tuple[float, float] | None


@dataclass(frozen=True, eq=False)
class HuSlice:
    """One slice of a scan: its number, HU [row, column] in display orientation, pixel spacing in mm."""

    index: int
    hu: NDArray[np.int16]
    spacing_mm: Spacing


@dataclass(frozen=True, eq=False)
class Score:
    """What the slice network says of one picture.

    slices: those that the picture is made of, with the part of each that it shows. logits: [k], features: [F], maps:
    [k, h, w]; None for what the network does not give or nobody needs.
    """

    slices: Mapping[int, Crop]
    logits: NDArray[np.float32]
    features: NDArray[np.float32] | None
    maps: NDArray[np.float32] | None


# Begins to score a picture; its slices as `NetworkInput.shown` orders them.
Submit = Callable[[Sequence[Sequence[HuSlice]]], Future[Score]]


class Scoring:
    """One scan, whose slices are added one by one.

    A picture that is made of one slice is scored at once. One that shows several waits for them: it is scored as soon
    as all slices from the foot to the last that it shows are there. What is left, at the upper end and above a slice
    that cannot be read, is scored when all are there.
    """

    def __init__(self, wanted: NetworkInput, submit: Submit) -> None:
        self._input, self._submit = wanted, submit
        self._slices: dict[int, HuSlice] = {}
        self._without_gap = 0  # slices from the foot on
        self._begun = 0  # pictures of these
        self._futures: dict[tuple[int, ...], Future[Score]] = {}  # by the slices of the picture

    def add(self, index: int, hu: NDArray[np.int16], pixel_spacing_mm: Spacing) -> None:
        """Score slice `index`: HU [row, column] in display orientation, not to be changed any more. Returns at once."""
        self._slices[index] = HuSlice(index, hu, pixel_spacing_mm)
        if self._input.neighbours == 0 and self._input.maximum_slices == 1:
            self._begin(0, [index])
            return
        while self._without_gap in self._slices:
            self._without_gap += 1
        while (self._begun + 1) * self._input.maximum_slices + self._input.neighbours <= self._without_gap:
            self._begin(self._begun, range(self._without_gap))
            self._begun += 1

    def scores(self) -> list[Score]:
        """Wait for all and give the scores, foot to head; logits that are no numbers are no score."""
        readable = sorted(self._slices)
        for picture in range(self._input.pictures(len(readable))):
            self._begin(picture, readable)
        scores = [self._futures[slices].result() for slices in sorted(self._futures)]
        return [score for score in scores if np.isfinite(score.logits).all()]

    def _begin(self, picture: int, slices: Sequence[int]) -> None:
        """Begin to score a picture, unless that was done. slices: those among which pictures are counted."""
        own = tuple(slices[place] for place in self._input.slices_of(picture, len(slices)))
        if own not in self._futures:
            shown = self._input.shown(picture, len(slices))
            self._futures[own] = self._submit([[self._slices[slices[place]] for place in group] for group in shown])
