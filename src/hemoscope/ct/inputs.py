"""Which files an input holds: folders, zip archives and DICOMDIRs become a sorted list of regular files.

Nothing outside an input is ever opened: links that lead out of it, devices and pipes are refused unopened.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from hemoscope.reasons import HemoscopeError, Reason

MAX_FILE_BYTES = 4 << 30  # of any kind, archives too
# What systems leave in folders and archives; not worth a word to the user.
JUNK_NAMES = frozenset({".DS_Store", "Thumbs.db", "desktop.ini", "DICOMDIR"})  # of files; a folder may be called so
SYSTEM_FOLDER = "__MACOSX"


@dataclass(frozen=True)
class InputFile:
    """A regular file on disk. name: as the user named it, a zip member as "study.zip!a/b.dcm"; size in bytes."""

    path: Path
    name: str
    size: int

    @classmethod
    def from_path(cls, path: Path) -> InputFile:
        """Take a file under its own name; raises OSError."""
        return cls(path, printable(path.name), path.stat().st_size)

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


Found = InputFile | Refusal


class Inputs:
    """Finds the files of inputs; owns the temporary folder that archives are unpacked into."""

    def __init__(self) -> None:
        self._work = tempfile.TemporaryDirectory(prefix="hemoscope-")
        self._archives = 0

    def __enter__(self) -> Inputs:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._work.cleanup()

    def find(self, inputs: Sequence[Path]) -> tuple[list[InputFile], list[Refusal]]:
        """List the regular files of all inputs, in the order of the inputs and by name within each; what was refused.

        A file that several inputs hold is listed once. Nothing is raised: an input that is not there is a refusal.
        """
        files: dict[Path, InputFile] = {}
        refusals: list[Refusal] = []
        for given in inputs:
            for found in self._find(given):
                if isinstance(found, InputFile):
                    files.setdefault(found.path, found)
                else:
                    refusals.append(found)
        return list(files.values()), refusals

    def _find(self, given: Path) -> Iterator[Found]:
        root = Path(os.path.abspath(given))  # ".." and "." gone, so that it has a name
        name = printable(root.name)
        try:
            status = root.stat()  # a link that the user names is followed
        except OSError as error:
            yield Refusal(name, Reason.NOT_READABLE, f"{name} cannot be read: {error.strerror}.")
            return
        if stat.S_ISDIR(status.st_mode):
            empty = True
            for found in walk(root):
                empty = False
                yield from self._open(found)
            if empty:
                yield Refusal(name, Reason.NOT_READABLE, f"{name} is an empty folder.")
        elif root.name == "DICOMDIR":
            yield from self._dicomdir(_regular(root.resolve(), name, status))
        else:
            yield from self._open(_regular(root.resolve(), name, status))

    def _open(self, found: Found) -> Iterator[Found]:
        """Put the members of an archive in its place."""
        from hemoscope.ct.archive import is_zip, unpack

        if isinstance(found, InputFile) and is_zip(found.path):
            self._archives += 1
            folder = Path(self._work.name) / str(self._archives)
            folder.mkdir()
            yield from unpack(found, folder)
        else:
            yield found

    def _dicomdir(self, found: Found) -> Iterator[Found]:
        from hemoscope.ct.dicomdir import referenced_files

        if isinstance(found, Refusal):
            yield found
            return
        try:
            paths = referenced_files(found)
        except HemoscopeError as error:
            yield Refusal(found.name, error.reason, error.sentence)
            return
        wanted = {path.resolve() for path in paths}
        walked = [entry for entry in walk(found.path.parent) if isinstance(entry, InputFile)]
        yield from (entry for entry in walked if entry.path in wanted)
        for path in sorted(wanted - {entry.path for entry in walked}):
            name = printable(path.name)
            yield Refusal(name, Reason.NOT_READABLE, f"{found.name} lists {name}, which is not a file of its folder.")


def walk(root: Path) -> Iterator[Found]:
    """Go through a folder, sorted by name, into subfolders but along no link out of it; loops of links are safe."""
    real_root = root.resolve()
    todo = [real_root]
    while todo:
        entry = todo.pop()
        name = printable(str(Path(root.name) / entry.relative_to(real_root)))
        try:
            status = entry.lstat()
            if entry.name == SYSTEM_FOLDER or (entry.name in JUNK_NAMES and not stat.S_ISDIR(status.st_mode)):
                continue
            if stat.S_ISLNK(status.st_mode):
                target = entry.resolve(strict=True)
                if not target.is_relative_to(real_root):
                    yield Refusal(name, Reason.NOT_READABLE, f"{name} is a link that leads out of its input.")
                # a link that stays inside leads to what is met by itself
            elif stat.S_ISDIR(status.st_mode):
                todo += sorted(entry.iterdir(), reverse=True)
            else:
                yield _regular(entry, name, status)
        except RuntimeError:  # pathlib says so of links that lead to themselves
            yield Refusal(name, Reason.NOT_READABLE, f"{name} is a link that leads to itself.")
        except OSError as error:
            yield Refusal(name, Reason.NOT_READABLE, f"{name} cannot be read: {error.strerror}.")


def _regular(path: Path, name: str, status: os.stat_result) -> Found:
    if not stat.S_ISREG(status.st_mode):
        return Refusal(name, Reason.NOT_READABLE, f"{name} is a device or a pipe, not a file.")
    if status.st_size > MAX_FILE_BYTES:
        sentence = f"{name} has {status.st_size >> 30} GiB, more than the {MAX_FILE_BYTES >> 30} that a file may have."
        return Refusal(name, Reason.TOO_LARGE, sentence)
    return InputFile(path, name, status.st_size)


def printable(name: str) -> str:
    """A file name that can be shown and written: bytes that are no UTF-8, and control characters, become "?"."""
    text = name.encode("utf-8", "replace").decode("utf-8")
    return "".join(character if character.isprintable() else "?" for character in text)
