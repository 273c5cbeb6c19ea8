"""Zip archives, unpacked under limits and under names of our own."""

from __future__ import annotations

import errno
import io
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from hemoscope.ct.inputs import JUNK_NAMES, SYSTEM_FOLDER, Found, InputFile, Refusal, printable
from hemoscope.reasons import Reason

MAX_MEMBERS = 20_000
MAX_DIRECTORY_BYTES = 8 << 20
MAX_UNPACKED_BYTES = 4 << 30  # of an archive
MAX_RATIO = 100  # CT deflates to a half or a third, pictures that are all air to a fiftieth
MIN_RATIO_BYTES = 64 << 20  # below, the ratio does not matter
_PIECE = 1 << 20
_ENCRYPTED = 0x1  # general purpose bit 0


def is_zip(path: Path) -> bool:
    """Tell by content whether a file is a zip archive."""
    try:
        with path.open("rb") as stream:
            return stream.read(4) in (b"PK\x03\x04", b"PK\x05\x06")
    except OSError:
        return False


class _BoundedReads(io.FileIO):
    """A file that gives no long pieces, so that zipfile cannot be made to load a directory of gigabytes."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            size = os.fstat(self.fileno()).st_size - self.tell()
        if size > MAX_DIRECTORY_BYTES:
            raise OSError(errno.EFBIG, "its directory is too long")
        return super().read(size) or b""


def unpack(archive: InputFile, folder: Path) -> Iterator[Found]:
    """Unpack the members of an archive into an empty folder, sorted by name; what is refused has a reason.

    Members are written under numbers, so that no name can lead anywhere. One that is larger than the archive declares
    is cut off and refused: what is declared bounds what is written.
    """
    try:
        with _BoundedReads(archive.path) as stream, zipfile.ZipFile(stream) as opened:
            members = sorted(
                (m for m in opened.infolist() if not m.filename.endswith("/")), key=lambda member: member.filename
            )
            refused = _check_whole(archive, members)
            if refused is not None:
                yield refused
                return
            for number, member in enumerate(members):
                path = PurePosixPath(member.filename)
                if path.name not in JUNK_NAMES and SYSTEM_FOLDER not in path.parts:
                    yield _unpack_member(archive, opened, member, folder / str(number))
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError) as error:
        sentence = f"{archive.name} is a damaged zip archive; pack it again."
        if isinstance(error, OSError) and error.strerror:
            sentence = f"{archive.name} cannot be unpacked: {error.strerror}."
        yield Refusal(archive.name, Reason.NOT_READABLE, sentence)


def _check_whole(archive: InputFile, members: list[zipfile.ZipInfo]) -> Refusal | None:
    """Refuse an archive that expands without bound, before anything of it is written."""
    total = sum(member.file_size for member in members)
    if len(members) > MAX_MEMBERS:
        sentence = f"{archive.name} holds {len(members)} files, more than the {MAX_MEMBERS} that an archive may hold."
        return Refusal(archive.name, Reason.TOO_LARGE, sentence)
    if total > MAX_UNPACKED_BYTES or (total > MIN_RATIO_BYTES and total > MAX_RATIO * archive.size):
        sentence = (
            f"{archive.name} would expand from {archive.size >> 10} KiB to {total >> 20} MiB; unpack it yourself."
        )
        return Refusal(archive.name, Reason.UNSAFE_ARCHIVE, sentence)
    return None


def _unpack_member(archive: InputFile, opened: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> Found:
    name = printable(f"{archive.name}!{member.filename}")
    path = PurePosixPath(member.filename.replace("\\", "/"))
    if not path.name or path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        return Refusal(name, Reason.UNSAFE_ARCHIVE, f"{name} has no name, or a path that leads out of the archive.")
    if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):
        return Refusal(name, Reason.UNSAFE_ARCHIVE, f"{name} is a link or a device, not a file.")
    if member.flag_bits & _ENCRYPTED:
        return Refusal(name, Reason.NOT_READABLE, f"{name} is encrypted; unpack the archive yourself.")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return Refusal(name, Reason.NOT_READABLE, f"{name} is packed in an unusual way; unpack the archive yourself.")
    try:
        with opened.open(member) as source, target.open("wb") as sink:
            written = 0
            while piece := source.read(_PIECE):
                written += len(piece)
                if written > member.file_size:
                    return Refusal(name, Reason.UNSAFE_ARCHIVE, f"{name} is larger than the archive declares.")
                sink.write(piece)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        return Refusal(name, Reason.NOT_READABLE, f"{name} is damaged in the archive ({type(error).__name__}).")
    if is_zip(target):
        return Refusal(name, Reason.UNSAFE_ARCHIVE, f"{name} is an archive within an archive; unpack it first.")
    return InputFile(target, name, written)
