"""What a NIfTI volume says of its slices: the stored frame of each, where it lies, and the scale of its values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hemoscope.ct.inputs import InputFile
from hemoscope.ct.nifti import read_nifti
from hemoscope.ct.windows import Window
from hemoscope.reasons import HemoscopeError


@dataclass(frozen=True)
class VolumeFile:
    """A volume, relative to the root; window: that of grey levels 0 to 255, without effect on HU."""

    root: Path
    path: str
    window: Window | None


@dataclass(frozen=True)
class VolumeFacts:
    """frames and positions_mm: of the slices, foot to head; error: why the volume cannot be read.

    window: that of grey levels; hu_low, hu_high: where a volume of HU was clipped; None otherwise, as in a Manifest.
    """

    path: str
    frames: tuple[int, ...] = ()
    positions_mm: tuple[float | None, ...] = ()
    window: str | None = None
    hu_low: float | None = None
    hu_high: float | None = None
    error: str | None = None


def read_volume_facts(volume: VolumeFile) -> VolumeFacts:
    """Read a volume as detection does, so that what can be imported can be used."""
    try:
        size = (volume.root / volume.path).stat().st_size
        scan = read_nifti(InputFile(volume.root / volume.path, volume.path, size), volume.window)
    except HemoscopeError as error:
        return VolumeFacts(volume.path, error=error.sentence)
    except OSError as error:
        return VolumeFacts(volume.path, error=f"{volume.path} cannot be read: {error.strerror}.")
    frames = tuple(one.frame for one in scan.slices)
    positions = tuple(one.position_mm for one in scan.slices)
    if scan.window is None:
        return VolumeFacts(volume.path, frames, positions)
    if scan.window == volume.window:
        return VolumeFacts(volume.path, frames, positions, str(scan.window))
    return VolumeFacts(volume.path, frames, positions, None, scan.window.low, scan.window.high)
