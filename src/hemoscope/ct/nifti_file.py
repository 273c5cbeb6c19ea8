"""A NIfTI file opened: its header checked, its axes told, its values still on disk."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np

from hemoscope.ct.geometry import Plane, gantry_tilt_degrees, positions_along_normal, vector
from hemoscope.ct.inputs import InputFile
from hemoscope.ct.series import MAX_VOXELS
from hemoscope.reasons import HemoscopeError, Reason

if TYPE_CHECKING:
    from nibabel.nifti1 import Nifti1Image

MAX_HEADER_BYTES = 1 << 24  # header extensions are text; more is an attack
MAX_SIDE = 1 << 12  # pixels; keeps the memory of one plane bounded
MIN_SIDE = 16
MAX_PIXEL_ASPECT = 2.0  # in-plane; a volume cut in another plane has thick "pixels" when seen from above
SIDE_LIMITS_MM = (0.02, 50.0)  # of a voxel; outside, the header is wrong
MM_PER_UNIT = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}  # xyzt_units: unknown (taken as mm), metre, mm, micrometre
DAMAGED = (EOFError, OSError, ValueError, KeyError, TypeError, OverflowError, zlib.error, struct.error)


@dataclass(frozen=True)
class Layout:
    """How the stored axes become slice, row and column.

    axes: stored axis of (slice, row, column); flips: whether each runs against the display order.
    """

    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]
    spacing_mm: tuple[float, float]
    positions_mm: tuple[float, ...]  # along the slice normal, foot to head
    tilt_degrees: float | None

    @property
    def frames(self) -> tuple[int, ...]:
        """The stored number of each slice, foot to head."""
        count = len(self.positions_mm)
        return tuple(range(count - 1, -1, -1) if self.flips[0] else range(count))


@contextmanager
def open_volume(file: InputFile) -> Iterator[tuple[Nifti1Image, Layout]]:
    """Open a .nii or .nii.gz file of one volume that was cut axially.

    Whatever goes wrong in its values while it is open is raised as HemoscopeError, too. Raises HemoscopeError for
    damaged, time-resolved, colour and too large volumes, and for volumes that were not cut axially.
    """
    from nibabel.filebasedimages import ImageFileError
    from nibabel.imageglobals import LoggingOutputSuppressor
    from nibabel.spatialimages import HeaderDataError, HeaderTypeError
    from nibabel.wrapstruct import WrapStructError

    try:
        with LoggingOutputSuppressor(), _open(file) as stream:
            image = _image(file, stream)
            yield image, _layout(file, image)
    except (*DAMAGED, ImageFileError, HeaderDataError, HeaderTypeError, WrapStructError) as error:
        raise volume_error(Reason.NOT_READABLE, file, f"is damaged or not NIfTI ({error})") from error


def volume_error(reason: Reason, file: InputFile, sentence: str) -> HemoscopeError:
    """An error whose sentence begins with the name of the file."""
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
        raise volume_error(Reason.NOT_READABLE, file, "is the header of a pair; give the volume as one .nii file")
    if not 0 <= int(header["vox_offset"]) <= MAX_HEADER_BYTES:
        raise volume_error(Reason.NOT_READABLE, file, "has a header without end")
    shape = header.get_data_shape()
    if any(side > 1 for side in shape[3:]):
        raise volume_error(
            Reason.NOT_CT, file, f"has {shape[3]} volumes (time or components); give one volume of a plain CT"
        )
    if len(shape) < 2 or min(shape) < 1:
        raise volume_error(Reason.NOT_READABLE, file, f"has no volume (dimensions {shape})")
    if max(shape) > MAX_SIDE or np.prod(shape, dtype=np.float64) > MAX_VOXELS:
        raise volume_error(
            Reason.TOO_LARGE, file, f"has {' x '.join(map(str, shape))} voxels, too many to keep in memory"
        )
    if header.get_data_dtype().kind not in "iuf":
        raise volume_error(Reason.NO_HOUNSFIELD_UNITS, file, "holds colours or complex numbers")
    stream.seek(0)
    return cast("Nifti1Image", kind.from_stream(stream))


def _layout(file: InputFile, image: Nifti1Image) -> Layout:
    """Read the affine: which stored axis is which, and which way it runs.

    The slices are the planes nearest to axial; the way from slice to slice may be oblique to them, as in the sheared
    affines of tilted scans.
    """
    unit = MM_PER_UNIT.get(int(image.header["xyzt_units"]) & 7)
    if unit is None:
        raise volume_error(Reason.NOT_READABLE, file, "has an unknown unit of length")
    affine = np.diag([-unit, -unit, unit, 1]) @ np.asarray(image.affine, np.float64)  # RAS to the axes of DICOM
    steps, sides = affine[:3, :3].T, (*image.shape, 1)[:3]
    lengths = np.linalg.norm(steps, axis=1)
    if not np.isfinite(affine).all() or not all(SIDE_LIMITS_MM[0] <= side <= SIDE_LIMITS_MM[1] for side in lengths):
        sides_mm = " x ".join(f"{side:.3g}" for side in lengths)
        raise volume_error(
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
    return Layout(
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
        raise volume_error(Reason.NOT_AXIAL, file, f"was not cut axially: its axial planes have {sides}")
