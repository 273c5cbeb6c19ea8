"""The NIfTI volumes of CT-ICH: which stored frame is which slice, and in which the mask marks blood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hemoscope.ct.inputs import InputFile
from hemoscope.ct.nifti import read_nifti
from hemoscope.ct.nifti_file import open_volume, volume_error
from hemoscope.datasets.problems import Found, Problem
from hemoscope.reasons import HemoscopeError, Reason


@dataclass(frozen=True)
class Volume:
    """One patient's volume, or why it cannot be used.

    slices: {stored frame: (number from 0, foot to head; position in mm)}. window: "level/width" of a volume that was
    clipped to one, None for true HU. bleeding: the frames that the mask marks, None where there is no mask.
    """

    path: str
    slices: Mapping[int, tuple[int, float | None]]
    window: str | None = None
    bleeding: frozenset[int] | None = None
    found: Found | None = None


@dataclass(frozen=True)
class VolumeFiles:
    """Where to read it: root, and the files relative to it."""

    root: Path
    path: str
    mask: str


def read_volume(files: VolumeFiles) -> Volume:
    """Read the geometry and window of a volume, and what its mask marks."""
    try:
        scan = read_nifti(InputFile.from_path(files.root / files.path), None)
    except HemoscopeError as error:
        return Volume(files.path, {}, found=Found(Problem.UNREADABLE_FILE, files.path, error.sentence))
    except OSError as error:
        return Volume(files.path, {}, found=Found(Problem.MISSING_FILE, files.path, str(error.strerror)))
    slices = {one.frame: (number, one.position_mm) for number, one in enumerate(scan.slices)}
    window = str(scan.window) if scan.window else None
    if not (files.root / files.mask).is_file():
        return Volume(files.path, slices, window)
    try:
        bleeding = _bleeding(InputFile.from_path(files.root / files.mask), scan.hu.shape)
    except HemoscopeError as error:
        return Volume(files.path, slices, window, found=Found(Problem.SHAPE_MISMATCH, files.mask, error.sentence))
    return Volume(files.path, slices, window, bleeding)


def _bleeding(mask: InputFile, shape: tuple[int, ...]) -> frozenset[int]:
    """The stored frames in which a mask is not empty; raises HemoscopeError when it does not fit the volume.

    shape: of the volume, (slices, rows, columns) in display order.
    """
    with open_volume(mask) as (image, layout):
        marked = np.rint(image.dataobj).transpose(layout.axes) > 0  # 0 and 1 are scaled, so they are not exact
    if marked.shape != shape:
        raise volume_error(Reason.MIXED_GEOMETRY, mask, f"has the shape {marked.shape}, its volume {shape}")
    return frozenset(np.flatnonzero(marked.any(axis=(1, 2))).tolist())
