"""A process that decodes compressed pixels, from the side of its parent: started late, watched, replaced after a crash.

Not multiprocessing: that would run the user's script again in each process, and unpickle what a process sends that a
hostile file may have taken over. Here frames of known size and a line of JSON come back.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from hemoscope.ct.inputs import InputFile
from hemoscope.ct.stored_values import unreadable
from hemoscope.reasons import HemoscopeError, Reason

DEADLINE_SECONDS = 30.0
FRAME_SECONDS = 0.25  # on top for each frame; JPEG 2000 takes 0.04 s
_HEAD_BYTES = 9  # the messages are described in `decode_worker`
_LONGEST_TEXT = 4096
_NOTES = {reason.name: reason for reason in (Reason.LOSSY, Reason.RSNA_WRAP_REPAIRED)}


class DecodeProcess:
    """One decode process; it starts at the first request, and again at the first after a crash."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def decode(self, file: InputFile, header: Dataset) -> tuple[NDArray[np.int16], tuple[Reason, ...], str]:
        """Decode a file: (HU [frame, row, column], notes, SHA-256 of the file); raises HemoscopeError."""
        frames = header.get("NumberOfFrames", 1)
        hu = np.empty((frames, header.get("Rows", 0), header.get("Columns", 0)), "<i2")
        if hu.size == 0:
            raise unreadable(file, "are missing")
        deadline = time.monotonic() + DEADLINE_SECONDS + FRAME_SECONDS * frames
        request = {"path": str(file.path.absolute()), "name": file.name, "size": file.size}
        try:
            process = self._running()
            assert process.stdin is not None
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            notes, sha256 = self._receive(process, hu, deadline)
        except TimeoutError:
            self.kill()
            raise unreadable(file, f"took more than {DEADLINE_SECONDS:g} seconds to decode") from None
        except (OSError, EOFError, ValueError, KeyError, TypeError):
            self.kill()
            raise unreadable(file, "made the decoder crash") from None
        return hu.astype(np.int16, copy=False), notes, sha256

    def kill(self) -> None:
        """End the process, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            root = str(Path(__file__).parents[2])  # where the package hemoscope lies
            path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
            threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
            self._process = subprocess.Popen(
                # -P: modules are not looked for in the current folder, which may hold anything
                [sys.executable, "-P", "-m", "hemoscope.ct.decode_worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **threads, "PYTHONPATH": path},
            )
        return self._process

    def _receive(
        self, process: subprocess.Popen[bytes], hu: NDArray[np.int16], deadline: float
    ) -> tuple[tuple[Reason, ...], str]:
        assert process.stdout is not None
        pipe = process.stdout.fileno()
        for frame in [*hu, None]:
            head = bytearray(_HEAD_BYTES)
            _fill(pipe, memoryview(head), deadline)
            kind, length = head[:1], int.from_bytes(head[1:], "little")
            if kind == b"F" and frame is not None and length == frame.nbytes:
                _fill(pipe, memoryview(frame).cast("B"), deadline)
                continue
            if length > _LONGEST_TEXT or (kind == b"D" and frame is not None):
                break
            text = bytearray(length)
            _fill(pipe, memoryview(text), deadline)
            body = json.loads(text)
            if kind == b"D":
                return tuple(_NOTES[note] for note in body["notes"]), str(body["sha256"])
            raise HemoscopeError(Reason[body["reason"]], str(body["sentence"]))
        raise ValueError("not an answer")


def _fill(pipe: int, view: memoryview, deadline: float) -> None:
    """Read from a pipe until the view is full; raises TimeoutError, EOFError."""
    poller = select.poll()
    poller.register(pipe, select.POLLIN)
    while view:
        if not poller.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise TimeoutError
        count = os.readv(pipe, [view])
        if count == 0:
            raise EOFError
        view = view[count:]
