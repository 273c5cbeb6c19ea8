"""Which files an input holds: folders, archives and DICOMDIRs become a sorted list of regular files."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from hemoscope.reasons import Reason

MAX_FILE_BYTES = 1 << 30  # an enhanced CT of 480 slices has 256 MB


@dataclass(frozen=True)
class InputFile:
    """A regular file on disk. name: as the user named it, a zip member as "study.zip!a/b.dcm"; size in bytes."""

    path: Path
    name: str
    size: int

    def sha256(self) -> str:
        """SHA-256 of the file, read in bounded pieces."""
        with self.path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()


@dataclass(frozen=True)
class Refusal:
    """An input that was set aside: its name as the user knows it, the reason, and one sentence."""

    name: str
    reason: Reason
    detail: str


class Inputs:
    """Finds the files of an input; owns the temporary folder that archives are unpacked into."""

    def __init__(self) -> None:
        self._work = tempfile.TemporaryDirectory(prefix="hemoscope-")

    def __enter__(self) -> Inputs:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._work.cleanup()

    def find(self, inputs: Sequence[Path]) -> tuple[list[InputFile], list[Refusal]]:
        """List the regular files of all inputs in a stable order, and what was refused."""
        files: list[InputFile] = []
        refusals: list[Refusal] = []
        for given in inputs:
            paths = [given]
            if given.is_dir():
                paths = sorted(Path(folder) / name for folder, _, names in os.walk(given) for name in names)
            for path in paths:
                name = str(path.relative_to(given.parent))
                try:
                    status = path.stat()
                except OSError as error:
                    refusals.append(Refusal(name, Reason.NOT_READABLE, f"{name} cannot be read: {error.strerror}."))
                    continue
                if not stat.S_ISREG(status.st_mode):
                    refusals.append(Refusal(name, Reason.NOT_READABLE, f"{name} is not a regular file."))
                elif status.st_size > MAX_FILE_BYTES:
                    refusals.append(Refusal(name, Reason.TOO_LARGE, f"{name} is larger than {MAX_FILE_BYTES} bytes."))
                else:
                    files.append(InputFile(path, name, status.st_size))
        return files, refusals
