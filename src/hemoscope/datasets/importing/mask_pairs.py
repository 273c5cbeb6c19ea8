"""A picture or NIfTI volume with its voxel mask: what the mask marks in each slice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from hemoscope.ct.inputs import InputFile
from hemoscope.ct.nifti_file import open_volume
from hemoscope.ct.picture_file import picture_shape
from hemoscope.ct.sniff import sniff
from hemoscope.ct.windows import Window
from hemoscope.datasets.importing.assignments import MAX_MASK_VALUE
from hemoscope.datasets.importing.volume_facts import VolumeFile, read_volume_facts
from hemoscope.datasets.problems import Found, Problem
from hemoscope.reasons import HemoscopeError

INEXACT = 0.01  # by which a value that a file scales may miss a whole number
FARTHEST_VOXELS = 0.5  # by which the corners of image and mask may lie apart: no voxel is nearer to another's place


@dataclass(frozen=True)
class Pair:
    """An image and its mask, relative to the root; values: of the mask, {value: finding or NONE}.

    mask: None where there is none: of a volume alone the slices are read.
    """

    root: Path
    image: str
    mask: str | None
    values: Mapping[int, str]
    window: Window | None


@dataclass(frozen=True)
class MarkedSlice:
    """pixels: how many the mask marks, {value: pixels}, None without mask.

    frame, slice, position_mm: of a volume, as in a Manifest.
    """

    pixels: Mapping[int, int] | None
    frame: int | None = None
    slice: int | None = None
    position_mm: float | None = None


@dataclass(frozen=True)
class ReadPair:
    """The slices of a pair; window: that of grey levels, hu_low and hu_high: where a volume of HU was clipped.

    found: why the pair cannot be used; it then has no slices.
    """

    image: str
    slices: tuple[MarkedSlice, ...] = ()
    window: str | None = None
    hu_low: float | None = None
    hu_high: float | None = None
    found: Found | None = None

    @property
    def is_volume(self) -> bool:
        """Whether the image is a NIfTI volume."""
        return any(one.frame is not None for one in self.slices)


class _UnusableError(Exception):
    """Why a pair cannot be used."""

    def __init__(self, problem: Problem, detail: str) -> None:
        super().__init__(detail)
        self.problem = problem


def read_pair(pair: Pair) -> ReadPair:
    """Read what the mask marks in each slice of the image; whatever is wrong is `found`."""
    try:
        if pair.mask is None:
            return _read_volume(pair, None)
        image, mask = _file(pair.root, pair.image), _file(pair.root, pair.mask)
        kinds = sniff(image), sniff(mask)
        if kinds == ("nifti", "nifti"):
            _check_same_space(pair, image, mask)
            return _read_volume(pair, mask)
        if kinds == ("picture", "picture"):
            return _read_pictures(pair, image, mask)
        detail = f"{pair.image} and {pair.mask} are neither two NIfTI volumes nor two pictures."
        return ReadPair(pair.image, found=Found(Problem.UNREADABLE_FILE, pair.image, detail))
    except HemoscopeError as error:
        return ReadPair(pair.image, found=Found(Problem.UNREADABLE_FILE, pair.image, error.sentence))
    except OSError as error:
        detail = f"{error.filename} cannot be read: {error.strerror}."
        return ReadPair(pair.image, found=Found(Problem.UNREADABLE_FILE, pair.image, detail))
    except _UnusableError as error:
        return ReadPair(pair.image, found=Found(error.problem, pair.image, str(error)))


def _file(root: Path, path: str) -> InputFile:
    return InputFile(root / path, path, (root / path).stat().st_size)


def _read_pictures(pair: Pair, image: InputFile, mask: InputFile) -> ReadPair:
    if pair.window is None:
        raise _UnusableError(
            Problem.UNREADABLE_FILE, f"{pair.image} is a picture: say with --window which window it shows."
        )
    shape = picture_shape(image)
    picture_shape(mask)  # bounds the memory that decoding needs
    values = cv2.imdecode(np.frombuffer(mask.path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype != np.uint8:
        raise _UnusableError(Problem.UNREADABLE_FILE, f"{pair.mask} is damaged.")
    if values.ndim != 2:
        raise _UnusableError(Problem.MASK_VALUE, f"{pair.mask} is in colour: give masks of one channel.")
    if values.shape != shape:
        detail = f"{pair.mask} has {values.shape[0]} x {values.shape[1]} pixels, the image {shape[0]} x {shape[1]}."
        raise _UnusableError(Problem.SHAPE_MISMATCH, detail)
    return ReadPair(pair.image, (MarkedSlice(_pixels(pair, np.asarray(values, np.uint8))),), str(pair.window))


def _read_volume(pair: Pair, mask: InputFile | None) -> ReadPair:
    facts = read_volume_facts(VolumeFile(pair.root, pair.image, pair.window))
    if facts.error:
        raise _UnusableError(Problem.UNREADABLE_FILE, facts.error)
    planes = None if mask is None else _mask_planes(pair, mask)
    slices = tuple(
        MarkedSlice(None if planes is None else _pixels(pair, planes[frame]), frame, number, position)
        for number, (frame, position) in enumerate(zip(facts.frames, facts.positions_mm, strict=True))
    )
    return ReadPair(pair.image, slices, facts.window, facts.hu_low, facts.hu_high)


def _mask_planes(pair: Pair, mask: InputFile) -> NDArray[np.uint8]:
    """The values of a mask, slice by slice as stored."""
    with open_volume(mask) as (volume, layout):
        stored = _whole_values(pair, np.asarray(volume.dataobj).reshape((*volume.shape, 1)[:3]))
    return np.moveaxis(stored, layout.axes[0], 0)


def _check_same_space(pair: Pair, image: InputFile, mask: InputFile) -> None:
    """Raise where a voxel of the mask does not stand for the same voxel of the image."""
    with open_volume(image) as (one, _), open_volume(mask) as (other, _):
        shapes = one.shape, other.shape
        affines = np.asarray(one.affine, np.float64), np.asarray(other.affine, np.float64)
    if shapes[0] != shapes[1]:
        raise _UnusableError(Problem.SHAPE_MISMATCH, f"{pair.mask} has {shapes[1]} voxels, the image {shapes[0]}.")
    corners = np.array(np.meshgrid(*[(0, side - 1) for side in (*shapes[0], 1)[:3]])).reshape(3, -1)
    apart = np.linalg.norm((affines[0] - affines[1])[:3] @ np.vstack([corners, np.ones(corners.shape[1])]), axis=0)
    side_mm = np.linalg.norm(affines[0][:3, :3], axis=0).min()
    if not apart.max() <= FARTHEST_VOXELS * side_mm:
        detail = f"{pair.mask} lies {apart.max():.3g} mm away from the image: their affines differ."
        raise _UnusableError(Problem.SHAPE_MISMATCH, detail)


def _whole_values(pair: Pair, values: NDArray[np.generic]) -> NDArray[np.uint8]:
    with np.errstate(invalid="ignore"):  # NaN and what is too large show by the comparison
        whole = np.asarray(np.rint(values)).astype(np.uint8)
    if not np.allclose(whole, values, rtol=0, atol=INEXACT):
        detail = f"{pair.mask} has values that are no whole numbers from 0 to {MAX_MASK_VALUE}."
        raise _UnusableError(Problem.MASK_VALUE, detail)
    return whole


def _pixels(pair: Pair, values: NDArray[np.uint8]) -> dict[int, int]:
    """How many pixels have each value but 0; raises where a value has no meaning."""
    counts = Counter({value: int(count) for value, count in enumerate(np.bincount(values.ravel())) if value and count})
    unnamed = sorted(set(counts) - set(pair.values))
    if unnamed:
        detail = f"{pair.mask} has the value {unnamed[0]} ({counts[unnamed[0]]} pixels), which --values does not name."
        raise _UnusableError(Problem.MASK_VALUE, detail)
    return dict(counts)
