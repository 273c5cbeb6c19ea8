"""The program of a decode process: reads requests, writes frames in HU. Run by `decode_process`, never imported by it.

Codecs that a broken file makes crash, hang or swallow memory do so here, under limits.

Request: a line of JSON with path, name and size. Answer: messages of one byte kind, eight bytes length (little endian)
and a body. FRAME: int16 little endian [row, column] in HU. DONE: JSON with notes and sha256. REFUSED: JSON with reason
and sentence.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
from pathlib import Path
from typing import BinaryIO

from hemoscope.ct.dicom_file import read_content, read_header
from hemoscope.ct.hounsfield import hounsfield_frames, pixel_notes
from hemoscope.ct.inputs import InputFile
from hemoscope.ct.stored_values import compressed_frames, unreadable
from hemoscope.reasons import HemoscopeError

FRAME, DONE, REFUSED = b"F", b"D", b"R"
HEAD_BYTES = 9
MEMORY_BYTES = 900 << 20  # of address space; the libraries alone take about 400 MB of it


def main() -> None:
    """Answer requests until the parent closes the pipe."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    silence = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):  # codecs print to them
        os.dup2(silence, stream)
    with contextlib.suppress(ValueError, OSError):  # macOS knows no such limit
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash is expected, its image is of no use
    for line in sys.stdin.buffer:
        _answer(json.loads(line), answers)


def _answer(request: dict[str, str], answers: BinaryIO) -> None:
    file = InputFile(Path(request["path"]), request["name"], int(request["size"]))
    try:
        header = read_header(file)
        content = read_content(file, header)
        repaired = False
        for hu, wrapped in hounsfield_frames(file, header, compressed_frames(file, header, content.plain)):
            _send(answers, FRAME, hu.astype("<i2", copy=False).tobytes())
            repaired |= wrapped
        notes = [note.name for note in pixel_notes(header, wrap_repaired=repaired)]
        _send(answers, DONE, json.dumps({"notes": notes, "sha256": content.sha256()}).encode())
    except BrokenPipeError:
        raise
    except HemoscopeError as error:
        _refuse(answers, error)
    except Exception:  # noqa: BLE001 - the boundary of the process: codecs raise anything, and it means the same
        _refuse(answers, unreadable(file, "cannot be decoded"))


def _refuse(answers: BinaryIO, error: HemoscopeError) -> None:
    body = {"reason": error.reason.name, "sentence": error.sentence}
    _send(answers, REFUSED, json.dumps(body).encode())


def _send(answers: BinaryIO, kind: bytes, body: bytes) -> None:
    message = memoryview(kind + len(body).to_bytes(HEAD_BYTES - 1, "little") + body)
    while message:
        message = message[answers.write(message) :]


if __name__ == "__main__":
    main()
