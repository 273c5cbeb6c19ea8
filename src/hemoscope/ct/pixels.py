"""Pixels of a DICOM file in Hounsfield units, decoded where a broken file can do no harm."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.pixels import pixel_array

from hemoscope.ct.inputs import InputFile
from hemoscope.reasons import HemoscopeError, Reason

AIR_HU = -1024
HIGHEST_HU = 3071


@dataclass(frozen=True, eq=False)
class DecodedFrames:
    """The frames of one file.

    hu: int16 [frame, row, column] in HU, in the stored orientation; notes: what is to be said about the pixels (LOSSY,
    RSNA_WRAP_REPAIRED); sha256: of the file, hashed while it was read.
    """

    hu: NDArray[np.int16]
    notes: tuple[Reason, ...]
    sha256: str


def decode_frames(file: InputFile, header: Dataset) -> DecodedFrames:
    """Read, decode and rescale one file; raises HemoscopeError."""
    content = file.path.read_bytes()
    try:
        stored = pixel_array(dcmread(io.BytesIO(content), force=True))
    except (ValueError, AttributeError, NotImplementedError, TypeError, RuntimeError) as error:
        raise HemoscopeError(Reason.PIXELS_UNREADABLE, f"The pixels of {file.name} cannot be decoded.") from error
    stored = stored.reshape(-1, *stored.shape[-2:])
    hu = stored.astype(np.float32) * float(header.get("RescaleSlope", 1)) + float(header.get("RescaleIntercept", 0))
    notes = (Reason.LOSSY,) if header.get("LossyImageCompression") == "01" else ()
    clipped = np.clip(np.rint(hu), AIR_HU, HIGHEST_HU).astype(np.int16)
    return DecodedFrames(clipped, notes, hashlib.sha256(content).hexdigest())


def hu_frames(file: InputFile, header: Dataset) -> NDArray[np.int16]:
    """The frames of one file in HU: int16 [frame, row, column], in the stored orientation; raises HemoscopeError."""
    return decode_frames(file, header).hu


class Decoder:
    """Decodes files ahead of their consumer, in order; a file that fails gives a HemoscopeError value in its place."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs

    def __enter__(self) -> Decoder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is held yet."""

    def decode(self, requests: Iterable[tuple[InputFile, Dataset]]) -> Iterator[DecodedFrames | HemoscopeError]:
        """Decode each request; results come in the order of the requests."""
        for file, header in requests:
            try:
                yield decode_frames(file, header)
            except HemoscopeError as error:
                yield error
