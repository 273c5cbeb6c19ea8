"""Pictures of single slices of a Manifest, with the heat map of a bundle over each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hemoscope.ct.pixels import Decoder
from hemoscope.ct.prepare import Crop, head_crop
from hemoscope.ct.windows import BRAIN, SUBDURAL
from hemoscope.datasets.manifest import Manifest
from hemoscope.datasets.slice_store.read_slices import read_slices, slice_sources
from hemoscope.datasets.slice_store.store import SliceStore
from hemoscope.detector.bundle import Bundle
from hemoscope.detector.networks import Networks
from hemoscope.detector.scoring import HuSlice, Score
from hemoscope.findings import ANY, FINDING_NAMES
from hemoscope.reasons import HemoscopeError
from hemoscope.report import figures, wording
from hemoscope.report.panels import Picture, data_uri

LONGEST_SIDE = 320  # pixels; a page has a hundred pictures


@dataclass(frozen=True, eq=False)
class Heat:
    """Class activation of one finding in a slice: logits [h, w] over the part `crop` of it.

    probability: of the finding in the slice, from the same run of the network; NaN where the bundle gives none.
    """

    finding: int
    probability: float
    activation: NDArray[np.float32]
    crop: Crop


class SlicePictures:
    """Draws slices of a Manifest from its store, or without one from the files that it names."""

    def __init__(self, manifest: Manifest, store: SliceStore | None = None, bundle: Bundle | None = None) -> None:
        """bundle: whose heat maps are laid over the slices; None draws the slices alone."""
        self._manifest, self._store, self.bundle = manifest, store, bundle
        self._networks = None if bundle is None else Networks(bundle)
        self._scans = manifest.scans.to_pandas().to_numpy(object)
        self._stored = None if store is None else store.rows_of(manifest)
        has_file = np.asarray(manifest.table["path"].is_valid())
        self._there = has_file if self._stored is None else self._stored >= 0
        self._keys = {key: row for row, key in enumerate(manifest.keys.to_pylist()) if key is not None}

    def of(self, wanted: Sequence[tuple[str, int]]) -> tuple[list[list[Picture] | str], float]:
        """Draw slices: ([the pictures of each, or why there are none], logits at the end of the scale of heat maps).

        wanted: (key in the Manifest, finding) of each. All heat maps have one scale.
        """
        read = [self._read(key, finding) for key, finding in wanted]
        heats = [one[1] for one in read if not isinstance(one, str) and one[1] is not None]
        scale = max([figures.LOWEST_SCALE_LOGITS, *(float(heat.activation.max()) for heat in heats)])
        return [one if isinstance(one, str) else _draw(*one, scale) for one in read], scale

    def _read(self, key: str, finding: int) -> tuple[HuSlice, Heat | None] | str:
        """A slice and its heat map, None where the bundle gives none; or a sentence why the slice cannot be shown."""
        row = self._keys.get(key, -1)
        if row < 0 or not self._there[row]:
            return "It is not in the slice store." if self._store else "The Manifest names no file of it."
        rows = np.flatnonzero((self._scans == self._scans[row]) & self._there)  # foot to head
        place = int(np.searchsorted(rows, row))
        groups = [[place]] if self.bundle is None else _shown(self.bundle, place, len(rows))
        slices: dict[int, HuSlice] = {}
        for number in {place, *(number for group in groups for number in group)}:
            try:
                slices[number] = self._slice(int(rows[number]), number)
            except HemoscopeError as error:
                return error.sentence
        return slices[place], self._heat([[slices[number] for number in group] for group in groups], place, finding)

    def _slice(self, row: int, number: int) -> HuSlice:
        """HU of a row of the Manifest; raises HemoscopeError. number: in its scan."""
        if self._store is not None and self._stored is not None:
            index = int(self._stored[row])
            sides = self._store.index.slice(index, 1).select(["row_spacing_mm", "column_spacing_mm"]).to_pylist()[0]
            spacing = tuple(sides.values())
            return HuSlice(number, self._store.hu(index), None if None in spacing else spacing)
        sources = slice_sources(self._manifest.take(np.array([row])))
        with Decoder(jobs=1) as decoder:
            ((_, found),) = read_slices(sources, decoder)
        if isinstance(found, HemoscopeError):
            raise found
        return HuSlice(number, found.hu, found.spacing_mm)

    def _heat(self, groups: Sequence[Sequence[HuSlice]], place: int, finding: int) -> Heat | None:
        """The map of the finding, or of `any` where the bundle does not score it."""
        if self._networks is None or self.bundle is None:
            return None
        score = self._networks.score(groups)
        scored = self.bundle.slice_findings
        shown = next((one for one in (finding, ANY) if FINDING_NAMES[one] in scored), None)
        if score.maps is None or shown is None:
            return None
        activation = score.maps[scored.index(FINDING_NAMES[shown])]
        return Heat(shown, self._probability(score, place, shown), activation, score.slices[place])

    def _probability(self, score: Score, place: int, finding: int) -> float:
        """Calibrated for a slice by itself, which no neighbour speaks for."""
        assert self._networks is not None and self.bundle is not None  # there is a score
        logits = self._networks.logits([score], max(score.slices) + 1)
        if logits is None:
            return math.nan
        of_slice, _ = self.bundle.calibration(logits.slices[[place]], None)
        return float(of_slice[0, finding])


def _shown(bundle: Bundle, place: int, count: int) -> list[list[int]]:
    """The slices, of so many, in the picture that the network sees of one of them: [neighbour, slice]."""
    return bundle.input.shown(place // bundle.input.maximum_slices, count)


def _draw(one: HuSlice, heat: Heat | None, scale: float) -> list[Picture]:
    """The slice through two windows, and its heat map between them."""
    view = figures.view_of(head_crop(one.hu, one.spacing_mm), one.spacing_mm, LONGEST_SIDE)
    brain = figures.windowed(one.hu, view, BRAIN)
    pictures = [Picture(f"Brain {BRAIN}", data_uri(brain))]
    if heat is not None:
        laid = figures.heat(heat.activation, heat.crop, view)
        title = f"Heat map, {FINDING_NAMES[heat.finding]}: {wording.percent(heat.probability)}"
        pictures.append(Picture(title, data_uri(figures.overlay(brain, laid, scale))))
    return [*pictures, Picture(f"Subdural {SUBDURAL}", data_uri(figures.windowed(one.hu, view, SUBDURAL)))]
