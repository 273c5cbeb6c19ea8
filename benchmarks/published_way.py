"""The way of the published codes: each item read from its DICOM file with pydicom, NumPy and OpenCV for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread

from hemoscope.ct.prepare import NetworkInput

Picture = NDArray[np.float32]  # [channel, row, column], grey levels 0 to 1


class PublishedItems:
    """What a DataLoader asks of a dataset: picture by picture.

    scans: the files of each scan, foot to head. wanted: size, windows, neighbours and maximum filter. rotate_degrees:
    at most, either way, beside a flip and a scale; 0 for no augmentation.
    """

    def __init__(self, scans: Sequence[Sequence[Path]], wanted: NetworkInput, rotate_degrees: float = 0.0) -> None:
        self.scans, self.wanted, self.rotate_degrees = scans, wanted, rotate_degrees
        lengths = [wanted.pictures(len(scan)) for scan in scans]
        self.places = [(scan, picture) for scan, length in enumerate(lengths) for picture in range(length)]
        self._draw = np.random.default_rng(7)

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> Picture:
        return self._picture(*self.places[index], self._turn())

    def whole_scan(self, scan: int) -> NDArray[np.float32]:
        """All pictures of a scan, turned alike: [picture, channel, row, column]."""
        turn = self._turn()
        return np.stack([self._picture(scan, picture, turn) for number, picture in self.places if number == scan])

    def _turn(self) -> NDArray[np.float64] | None:
        """A matrix for `cv2.warpAffine`, or None; half of the pictures are flipped by it."""
        if not self.rotate_degrees:
            return None
        middle = (self.wanted.side - 1) / 2
        degrees, scale = self._draw.uniform(-1, 1, 2) * (self.rotate_degrees, 0.1)
        matrix = cv2.getRotationMatrix2D((middle, middle), degrees, 1 + scale)
        if self._draw.random() < 0.5:
            matrix[0] = (0, 0, 2 * middle) - matrix[0]
        return matrix

    def _picture(self, scan: int, picture: int, turn: NDArray[np.float64] | None) -> Picture:
        wanted, paths = self.wanted, self.scans[scan]
        shown = wanted.shown(picture, len(paths))
        grey = [reduce(np.maximum, [self._windows(paths[index]) for index in group]) for group in shown]
        joined = np.concatenate(grey, axis=-1)  # [row, column, channel]
        pixels, side = wanted.maximum_pixels, wanted.side
        if pixels > 1:
            joined = joined.reshape(side, pixels, side, pixels, -1).max(axis=(1, 3))
        if turn is not None:
            joined = cv2.warpAffine(joined, turn, (side, side)).reshape(side, side, -1)
        return np.ascontiguousarray(joined.transpose(2, 0, 1), dtype=np.float32)

    def _windows(self, path: Path) -> NDArray[np.float64]:
        """One slice through its windows: [row, column, window]."""
        dataset = dcmread(path)
        hu = dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
        shown = np.stack([np.clip((hu - one.low) / one.width, 0, 1) for one in self.wanted.windows], axis=-1)
        size = self.wanted.size
        if hu.shape == (size, size):
            return shown
        return cv2.resize(shown, (size, size), interpolation=cv2.INTER_AREA).reshape(size, size, -1)
