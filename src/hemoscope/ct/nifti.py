"""A NIfTI volume as a scan, through its affine and with its values shown to be Hounsfield units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hemoscope.ct.describe import tilt_notes
from hemoscope.ct.geometry import slice_spacing_mm
from hemoscope.ct.hounsfield import AIR_HU, HIGHEST_HU
from hemoscope.ct.inputs import InputFile
from hemoscope.ct.names import safe_name
from hemoscope.ct.nifti_file import Layout, open_volume, volume_error
from hemoscope.ct.scan import Acquisition, Scan, Slice
from hemoscope.ct.windows import Window, from_grey
from hemoscope.reasons import Check, Reason

if TYPE_CHECKING:
    from nibabel.nifti1 import Nifti1Image

HIGHEST_FLOOR_HU = -300  # a CT in HU holds air; a floor above this is that of a display window
CLIPPED_SHARE = 0.001  # of the voxels at both ends of the range: the values were cut there


def read_nifti(file: InputFile, window: Window | None) -> Scan:
    """Read a .nii or .nii.gz file.

    window: the display window of a volume of grey levels 0...255; without effect on Hounsfield units. Raises
    HemoscopeError for damaged, time-resolved, colour and too large volumes, for volumes that were not cut axially, and
    for values that are not Hounsfield units.
    """
    with open_volume(file) as (image, layout):
        hu, low, high = _read_planes(image, layout)
    hu, window, checks = _hounsfield(file, hu, low, high, window)
    acquisition = Acquisition(spacing_mm=slice_spacing_mm(layout.positions_mm), gantry_tilt_degrees=layout.tilt_degrees)
    checksum = file.sha256()
    return Scan(
        name=safe_name(file.name),
        hu=hu,
        slices=tuple(
            Slice(file.name, checksum, None, frame, round(position, 4))
            for frame, position in zip(layout.frames, layout.positions_mm, strict=True)
        ),
        pixel_spacing_mm=layout.spacing_mm,
        window=window,
        checks=(*_orientation_checks(file, image), *checks, *tilt_notes(acquisition)),
        acquisition=acquisition,
    )


def _read_planes(image: Nifti1Image, layout: Layout) -> tuple[NDArray[np.int16], float, float]:
    """(HU [slice, row, column] in display order, lowest, highest value), read plane by plane to bound memory."""
    sides = (*image.shape, 1)[:3]
    hu = np.empty([sides[axis] for axis in layout.axes], np.int16)
    shown = hu[tuple(slice(None, None, -1 if flip else 1) for flip in layout.flips)]
    stored = shown.transpose(np.argsort(layout.axes))  # a view in the order of the file
    low, high = np.inf, -np.inf
    rest = (0,) * max(len(image.shape) - 3, 0)
    for number in range(sides[2]):
        index = (slice(None), slice(None), number, *rest)[: len(image.shape)]
        plane = np.nan_to_num(np.asarray(image.dataobj[index]), nan=AIR_HU)
        low, high = min(low, float(plane.min())), max(high, float(plane.max()))
        stored[:, :, number] = np.clip(np.rint(plane), AIR_HU, HIGHEST_HU).astype(np.int16)
    return hu, low, high


def _hounsfield(
    file: InputFile, hu: NDArray[np.int16], low: float, high: float, window: Window | None
) -> tuple[NDArray[np.int16], Window | None, tuple[Check, ...]]:
    """(HU, the window that they were restored from or None, notes); raises HemoscopeError for other values."""
    if low >= 0:
        if window is None or not 1 < high <= 255:
            advice = (
                "grey levels 0 to 255 need --window LEVEL/WIDTH; other values need the intercept that makes them HU"
            )
            raise volume_error(
                Reason.NO_HOUNSFIELD_UNITS, file, f"has values from {low:g} to {high:g}, without air: {advice}"
            )
        for index in range(len(hu)):
            hu[index] = from_grey(hu[index].astype(np.uint8), window)
        return hu, window, (_approximate(window),)
    at_both_ends = min(np.mean(hu == round(low)), np.mean(hu == round(high))) > CLIPPED_SHARE
    if low >= HIGHEST_FLOOR_HU and at_both_ends:
        window = Window((low + high) / 2, high - low)
        return hu, window, (_approximate(window),)
    return hu, None, ()


def _approximate(window: Window) -> Check:
    sentence = (
        f"The values are those of the display window {window}: approximate HU from {window.low:g} to {window.high:g}."
    )
    return Check(Reason.APPROXIMATE_HU, sentence)


def _orientation_checks(file: InputFile, image: Nifti1Image) -> tuple[Check, ...]:
    """Say so where the file does not state its orientation, or states two."""
    stated: Any = image  # nibabel does not type these methods
    sform, qform = stated.get_sform(coded=True)[0], stated.get_qform(coded=True)[0]
    if sform is None and qform is None:
        sentence = f"{file.name} states no orientation (sform and qform codes are 0): sides may be swapped."
        return (Check(Reason.ORIENTATION_UNKNOWN, sentence),)
    if sform is not None and qform is not None and _axis_codes(sform) != _axis_codes(qform):
        sentence = f"{file.name} states two orientations (sform and qform): the sform was used; sides may be swapped."
        return (Check(Reason.ORIENTATION_UNKNOWN, sentence),)
    return ()


def _axis_codes(affine: NDArray[np.float64]) -> object:
    from nibabel import orientations

    axis_codes: Any = orientations.aff2axcodes
    return axis_codes(affine)
