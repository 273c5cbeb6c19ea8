"""A NIfTI volume as a scan, through its affine and with its values shown to be Hounsfield units."""

from __future__ import annotations

import gzip
import struct
import zlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from hemoscope.ct.describe import tilt_notes
from hemoscope.ct.geometry import Plane, gantry_tilt_degrees, positions_along_normal, slice_spacing_mm, vector
from hemoscope.ct.hounsfield import AIR_HU, HIGHEST_HU
from hemoscope.ct.inputs import InputFile
from hemoscope.ct.names import safe_name
from hemoscope.ct.scan import Acquisition, Scan, Slice
from hemoscope.ct.series import MAX_VOXELS
from hemoscope.ct.windows import Window, from_grey
from hemoscope.reasons import Check, HemoscopeError, Reason

if TYPE_CHECKING:
    from nibabel.nifti1 import Nifti1Image

MAX_HEADER_BYTES = 1 << 24  # header extensions are text; more is an attack
MAX_SIDE = 1 << 12  # pixels; keeps the memory of one plane bounded
MIN_SIDE = 16
MAX_PIXEL_ASPECT = 2.0  # in-plane; a volume cut in another plane has thick "pixels" when seen from above
SIDE_LIMITS_MM = (0.02, 50.0)  # of a voxel; outside, the header is wrong
MM_PER_UNIT = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}  # xyzt_units: unknown (taken as mm), metre, mm, micrometre
HIGHEST_FLOOR_HU = -300  # a CT in HU holds air; a floor above this is that of a display window
CLIPPED_SHARE = 0.001  # of the voxels at both ends of the range: the values were cut there
DAMAGED = (EOFError, OSError, ValueError, KeyError, TypeError, OverflowError, zlib.error, struct.error)


@dataclass(frozen=True)
class _Layout:
    """How the stored axes become slice, row and column.

    axes: stored axis of (slice, row, column); flips: whether each runs against the display order.
    """

    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]
    spacing_mm: tuple[float, float]
    positions_mm: tuple[float, ...]  # along the slice normal, foot to head
    tilt_degrees: float | None


def read_nifti(file: InputFile, window: Window | None) -> Scan:
    """Read a .nii or .nii.gz file.

    window: the display window of a volume of grey levels 0...255; without effect on Hounsfield units. Raises
    HemoscopeError for damaged, time-resolved, colour and too large volumes, for volumes that were not cut axially, and
    for values that are not Hounsfield units.
    """
    from nibabel.filebasedimages import ImageFileError
    from nibabel.imageglobals import LoggingOutputSuppressor
    from nibabel.spatialimages import HeaderDataError, HeaderTypeError

    try:
        with LoggingOutputSuppressor(), _open(file) as stream:
            image = _image(file, stream)
            layout = _layout(file, image)
            hu, low, high = _read_planes(image, layout)
    except (*DAMAGED, ImageFileError, HeaderDataError, HeaderTypeError) as error:
        raise _error(Reason.NOT_READABLE, file, f"is damaged or not NIfTI ({error})") from error
    hu, window, checks = _hounsfield(file, hu, low, high, window)
    acquisition = Acquisition(spacing_mm=slice_spacing_mm(layout.positions_mm), gantry_tilt_degrees=layout.tilt_degrees)
    checksum = file.sha256()
    count = len(hu)
    return Scan(
        name=safe_name(file.name),
        hu=hu,
        slices=tuple(
            Slice(file.name, checksum, None, count - 1 - k if layout.flips[0] else k, round(position, 4))
            for k, position in enumerate(layout.positions_mm)
        ),
        pixel_spacing_mm=layout.spacing_mm,
        window=window,
        checks=(*_orientation_checks(file, image), *checks, *tilt_notes(acquisition)),
        acquisition=acquisition,
    )


def _error(reason: Reason, file: InputFile, sentence: str) -> HemoscopeError:
    return HemoscopeError(reason, f"{file.name} {sentence}.")


def _open(file: InputFile) -> IO[bytes]:
    with file.path.open("rb") as stream:
        zipped = stream.read(2) == b"\x1f\x8b"
    return cast("IO[bytes]", gzip.open(file.path)) if zipped else file.path.open("rb")


def _image(file: InputFile, stream: IO[bytes]) -> Nifti1Image:
    """The image with its header checked and its data still on disk."""
    import nibabel as nib

    size = struct.unpack("<i", stream.read(4))[0]
    kind: Any = nib.Nifti2Image if size in (540, 469893120) else nib.Nifti1Image  # either byte order
    stream.seek(0)
    header = kind.header_class.from_fileobj(stream, check=False)
    if bytes(header["magic"])[:2] == b"ni":
        raise _error(Reason.NOT_READABLE, file, "is the header of a pair; give the volume as one .nii file")
    if not 0 <= int(header["vox_offset"]) <= MAX_HEADER_BYTES:
        raise _error(Reason.NOT_READABLE, file, "has a header without end")
    shape = header.get_data_shape()
    if any(side > 1 for side in shape[3:]):
        raise _error(Reason.NOT_CT, file, f"has {shape[3]} volumes (time or components); give one volume of a plain CT")
    if len(shape) < 2 or min(shape) < 1:
        raise _error(Reason.NOT_READABLE, file, f"has no volume (dimensions {shape})")
    if max(shape) > MAX_SIDE or np.prod(shape, dtype=np.float64) > MAX_VOXELS:
        raise _error(Reason.TOO_LARGE, file, f"has {' x '.join(map(str, shape))} voxels, too many to keep in memory")
    if header.get_data_dtype().kind not in "iuf":
        raise _error(Reason.NO_HOUNSFIELD_UNITS, file, "holds colours or complex numbers")
    stream.seek(0)
    return cast("Nifti1Image", kind.from_stream(stream))


def _layout(file: InputFile, image: Nifti1Image) -> _Layout:
    """Read the affine: which stored axis is which, and which way it runs.

    The slices are the planes nearest to axial; the way from slice to slice may be oblique to them, as in the sheared
    affines of tilted scans.
    """
    unit = MM_PER_UNIT.get(int(image.header["xyzt_units"]) & 7)
    if unit is None:
        raise _error(Reason.NOT_READABLE, file, "has an unknown unit of length")
    affine = np.diag([-unit, -unit, unit, 1]) @ np.asarray(image.affine, np.float64)  # RAS to the axes of DICOM
    steps, sides = affine[:3, :3].T, (*image.shape, 1)[:3]
    lengths = np.linalg.norm(steps, axis=1)
    if not np.isfinite(affine).all() or not all(SIDE_LIMITS_MM[0] <= side <= SIDE_LIMITS_MM[1] for side in lengths):
        sides_mm = " x ".join(f"{side:.3g}" for side in lengths)
        raise _error(
            Reason.NOT_READABLE, file, f"has voxels of {sides_mm} mm: its affine or its unit of length is wrong"
        )
    heights = [abs(np.cross(steps[i - 2], steps[i - 1])[2]) / (lengths[i - 2] * lengths[i - 1]) for i in range(3)]
    across = int(np.argmax(heights))
    down_axis, right_axis = (axis for axis in range(3) if axis != across)
    plane = Plane(
        position=vector(affine[:3, 3]),
        along_row=vector(steps[right_axis] / lengths[right_axis]),
        along_column=vector(steps[down_axis] / lengths[down_axis]),
        shape=(sides[down_axis], sides[right_axis]),
        spacing_mm=(round(float(lengths[down_axis]), 5), round(float(lengths[right_axis]), 5)),  # float32 in the file
    )
    _check_axial(file, plane)
    change = plane.display_change
    if change.transpose:
        down_axis, right_axis = right_axis, down_axis
    origins = [affine[:3, 3] + number * steps[across] for number in range(sides[across])]
    planes = [Plane(vector(o), plane.along_row, plane.along_column, plane.shape, plane.spacing_mm) for o in origins]
    positions = positions_along_normal(planes)
    downwards = bool(len(positions) > 1 and positions[1] < positions[0])
    row_mm, column_mm = change.spacing(plane.spacing_mm) or (0.0, 0.0)
    return _Layout(
        axes=(across, down_axis, right_axis),
        flips=(downwards, change.flip_rows, change.flip_columns),
        spacing_mm=(row_mm, column_mm),
        positions_mm=tuple(sorted(float(position) for position in positions)),
        tilt_degrees=gantry_tilt_degrees(planes),
    )


def _check_axial(file: InputFile, plane: Plane) -> None:
    row_mm, column_mm = plane.spacing_mm or (1.0, 1.0)
    aspect = max(row_mm, column_mm) / min(row_mm, column_mm)
    if not plane.is_axial or aspect > MAX_PIXEL_ASPECT or min(plane.shape) < MIN_SIDE:
        sides = f"{plane.shape[0]} x {plane.shape[1]} voxels of {row_mm:.3g} x {column_mm:.3g} mm"
        raise _error(Reason.NOT_AXIAL, file, f"was not cut axially: its axial planes have {sides}")


def _read_planes(image: Nifti1Image, layout: _Layout) -> tuple[NDArray[np.int16], float, float]:
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
            raise _error(
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
