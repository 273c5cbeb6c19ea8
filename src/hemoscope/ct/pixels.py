"""Pixels of DICOM files in Hounsfield units, decoded where a broken file can do no harm."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from types import TracebackType

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from hemoscope.ct.decode_process import DecodeProcess
from hemoscope.ct.dicom_file import pixel_bytes, read_content
from hemoscope.ct.hounsfield import hounsfield_frames, pixel_notes
from hemoscope.ct.inputs import InputFile
from hemoscope.ct.stored_values import CODECS, UNCOMPRESSED, transfer_syntax, uncompressed_frames, unsupported
from hemoscope.reasons import HemoscopeError, Reason

# How far decoding runs ahead of the consumer.
AHEAD_FILES = 4  # a decode process
AHEAD_BYTES = 128 << 20  # of all of them, for multi-frame files


@dataclass(frozen=True, eq=False)
class DecodedFrames:
    """The frames of one file.

    hu: int16 [frame, row, column] in HU, in the stored orientation; notes: what is to be said about the pixels (LOSSY,
    RSNA_WRAP_REPAIRED); sha256: of the file as it was read, hashed when it is asked for.
    """

    hu: NDArray[np.int16]
    notes: tuple[Reason, ...]
    sha256: Callable[[], str]


Decoded = DecodedFrames | HemoscopeError


class Decoder:
    """Decodes files in order; a file that cannot be decoded gives a HemoscopeError value, and the others go on.

    Uncompressed files are read in this process. Compressed ones are decoded ahead of the consumer in `jobs` processes,
    which start when the first such file comes, and are replaced when a file kills them.
    """

    def __init__(self, jobs: int) -> None:
        self._threads = ThreadPoolExecutor(jobs, thread_name_prefix="decode")
        self._ahead = AHEAD_FILES * jobs
        self._idle: deque[DecodeProcess] = deque()
        self._started: list[DecodeProcess] = []

    def __enter__(self) -> Decoder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._started:
            process.kill()  # a thread that waits for it sees the end of its pipe
        self._threads.shutdown(cancel_futures=True)
        for process in self._started:
            process.kill()  # one that started meanwhile

    def decode(self, requests: Iterable[tuple[InputFile, Dataset]]) -> Iterator[Decoded]:
        """Decode files, each with its header by `read_header`; results come in the order of the requests."""
        pending: deque[tuple[int, Callable[[], Decoded]]] = deque()
        size = 0
        for file, header in requests:
            if transfer_syntax(header) in CODECS:
                result, needed = self._threads.submit(self._decode_apart, file, header).result, pixel_bytes(header)
            else:
                result, needed = partial(_decode_here, file, header), 0  # not read before its turn
            pending.append((needed, result))
            size += needed
            while len(pending) > self._ahead or (size > AHEAD_BYTES and len(pending) > 1):
                size -= pending[0][0]
                yield pending.popleft()[1]()
        while pending:
            yield pending.popleft()[1]()

    def _decode_apart(self, file: InputFile, header: Dataset) -> Decoded:
        try:
            process = self._idle.pop()
        except IndexError:
            process = DecodeProcess()
            self._started.append(process)
        try:
            frames, notes, sha256 = process.decode(file, header)
            return DecodedFrames(frames, notes, lambda: sha256)
        except HemoscopeError as error:
            return error
        except MemoryError:
            return _too_large(file)
        finally:
            self._idle.append(process)


def _decode_here(file: InputFile, header: Dataset) -> Decoded:
    try:
        return _uncompressed(file, header)
    except HemoscopeError as error:
        return error
    except MemoryError:
        return _too_large(file)


def _too_large(file: InputFile) -> HemoscopeError:
    return HemoscopeError(Reason.TOO_LARGE, f"There is not enough memory for the pixels of {file.name}.")


def hu_frames(file: InputFile, header: Dataset) -> NDArray[np.int16]:
    """The frames of one file in HU: int16 [frame, row, column], in the stored orientation; raises HemoscopeError."""
    with Decoder(jobs=1) as decoder:
        (decoded,) = decoder.decode([(file, header)])
    if isinstance(decoded, HemoscopeError):
        raise decoded
    return decoded.hu


def _uncompressed(file: InputFile, header: Dataset) -> DecodedFrames:
    if transfer_syntax(header) not in UNCOMPRESSED:
        raise unsupported(file, transfer_syntax(header))
    content = read_content(file, header)
    stored = uncompressed_frames(file, header, content.plain)
    frames = hounsfield_frames(file, header, stored)
    if len(stored) == 1:
        ((frame, repaired),) = frames
        hu = frame[np.newaxis]
    else:
        hu, repaired = np.empty(stored.shape, np.int16), False
        for index, (frame, wrapped) in enumerate(frames):
            hu[index] = frame
            repaired |= wrapped
    return DecodedFrames(hu, pixel_notes(header, wrap_repaired=repaired), content.sha256)
