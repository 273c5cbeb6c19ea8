"""One shard of a slice store: read, written whole or not at all, with its checksums beside it."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemoscope.ct.pixels import Decoder
from hemoscope.ct.prepare import Crop, Framing, frame_slice
from hemoscope.datasets.duplicates import dhash
from hemoscope.datasets.problems import Problem
from hemoscope.datasets.slice_store.read_slices import SlicePixels, SliceSource, read_slices
from hemoscope.reasons import HemoscopeError, UsageError

SHARDS = "shards"  # the folder
KINDS: dict[str, np.dtype[Any]] = {"hu": np.dtype("<i2"), "grey": np.dtype("u1")}


class UselessStoreError(UsageError):
    """The Manifest cannot be stored as was asked: what is written of the store is of no use."""


@dataclass(frozen=True)
class SliceForm:
    """How the slices are stored: made squares of `size`, or as they are (None), which must then all have `shape`.

    shape: (rows, columns). framing: of squares, the whole slice or cut to the head. first: name of the file that the
    shape of slices as they are was taken from.
    """

    size: int | None
    shape: tuple[int, int]
    framing: Framing = "whole"
    first: str | None = None


@dataclass(frozen=True)
class ShardTask:
    """What a process needs to write a shard."""

    folder: Path  # of the store
    number: int
    plan: str
    sources: Sequence[SliceSource]
    form: SliceForm


@dataclass(frozen=True, slots=True)
class ShardSlice:
    """One slice of a shard. place: in the shard as planned; row: in the file of its kind; lengths in mm.

    crop: the part of the slice in its file that is stored, in its pixels; it may reach beyond it.
    """

    place: int
    kind: str
    row: int
    window: str | None
    row_spacing_mm: float | None
    column_spacing_mm: float | None
    native_rows: int
    native_columns: int
    crop_top: int
    crop_left: int
    crop_height: int
    crop_width: int
    hash: str | None  # `duplicates.dhash` in hexadecimal digits; None: too little brain


@dataclass(frozen=True)
class ShardFile:
    """The .npy file of one kind: its slices, bytes and SHA-256."""

    name: str
    slices: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A slice that could not be read. problem: name of the `Problem`; may_pass: not the file but its reading failed."""

    place: int
    problem: str
    sentence: str
    may_pass: bool


@dataclass
class Shard:
    """What is in a finished shard, kept as JSON beside its files."""

    number: int
    plan: str
    slices: list[ShardSlice] = field(default_factory=list)
    files: dict[str, ShardFile] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)


def write_shard(task: ShardTask) -> Shard:
    """Read the slices of a shard and write its files, then its JSON.

    Raises OSError where that cannot be written, and UselessStoreError where slices as they are have several sizes.
    """
    shard = Shard(task.number, task.plan)
    pixels: dict[str, list[NDArray[Any]]] = {kind: [] for kind in KINDS}
    with Decoder(jobs=1) as decoder:
        for place, read in read_slices(task.sources, decoder):
            if isinstance(read, HemoscopeError):
                shard.failures.append(_failure(place, task.sources[place], read))
                continue
            if task.form.size is None and read.pixels.shape != task.form.shape:
                raise _other_shape(task.sources[place], read, task.form)
            _take(shard, pixels, place, read, task.form)
    shard.slices.sort(key=lambda one: one.place)
    for kind, slices in pixels.items():
        if slices:
            path = task.folder / SHARDS / f"{task.number:05d}.{kind}.npy"
            shard.files[kind] = _write_npy(path, slices, KINDS[kind], task.form.shape)
    write_whole(shard_json(task.folder, task.number), json.dumps(asdict(shard), separators=(",", ":")).encode())
    return shard


def read_shard(folder: Path, number: int, plan: str) -> Shard | None:
    """A shard that an earlier run finished; None where it did not, or where a file is gone or cut."""
    try:
        facts = json.loads(shard_json(folder, number).read_bytes())
        shard = Shard(
            facts["number"],
            facts["plan"],
            [ShardSlice(**one) for one in facts["slices"]],
            {kind: ShardFile(**one) for kind, one in facts["files"].items()},
            [Failure(**one) for one in facts["failures"]],
        )
        complete = all((folder / SHARDS / one.name).stat().st_size == one.bytes for one in shard.files.values())
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return shard if complete and (shard.number, shard.plan) == (number, plan) else None


def shard_json(folder: Path, number: int) -> Path:
    """Where what is known of a shard is kept."""
    return folder / SHARDS / f"{number:05d}.json"


def write_whole(path: Path, *parts: bytes | memoryview) -> None:
    """Write a file that is complete as soon as it is there, also after a crash of the machine."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with unfinished.open("wb") as stream:
            stream.writelines(parts)
            stream.flush()
            os.fsync(stream.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _failure(place: int, source: SliceSource, error: HemoscopeError) -> Failure:
    """Say whether a file is missing, was not given by the operating system, or holds no slice."""
    system = _system_error(source, error)
    if system is None:
        return Failure(place, Problem.UNREADABLE_FILE.name, error.sentence, may_pass=False)
    missing = isinstance(system, (FileNotFoundError, NotADirectoryError))
    problem = Problem.MISSING_FILE if missing else Problem.UNREADABLE_FILE
    return Failure(place, problem.name, f"{source.name} cannot be read: {system.strerror}.", may_pass=True)


def _system_error(source: SliceSource, error: HemoscopeError) -> OSError | None:
    """What the operating system said; None where the file was read and is itself at fault."""
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.errno is not None:  # a damaged gzip file has none
        return cause
    try:
        with source.path.open("rb") as stream:
            stream.read(1)
    except OSError as failed:
        return failed
    return None


def _take(shard: Shard, pixels: dict[str, list[NDArray[Any]]], place: int, read: SlicePixels, form: SliceForm) -> None:
    square: NDArray[Any] = read.pixels
    spacing = read.spacing_mm
    rows, columns = square.shape
    crop = Crop(0, 0, rows, columns)
    if form.size is not None:
        # Pictures too as HU, as detection sees them: grey levels would be resized and padded to other numbers.
        square, spacing, crop = frame_slice(read.hu, spacing, form.size, form.framing)
    kind = "hu" if square.dtype == np.int16 else "grey"
    own = dhash(read.hu if square is read.pixels else square)
    slice_ = ShardSlice(
        place=place,
        kind=kind,
        row=len(pixels[kind]),
        window=str(read.window) if read.window else None,
        row_spacing_mm=spacing[0] if spacing else None,
        column_spacing_mm=spacing[1] if spacing else None,
        native_rows=rows,
        native_columns=columns,
        crop_top=crop.top,
        crop_left=crop.left,
        crop_height=crop.height,
        crop_width=crop.width,
        hash=own.hex() if own else None,
    )
    shard.slices.append(slice_)
    pixels[kind].append(np.ascontiguousarray(square, KINDS[kind]))


def _write_npy(path: Path, slices: Sequence[NDArray[Any]], dtype: np.dtype[Any], shape: tuple[int, int]) -> ShardFile:
    header = io.BytesIO()
    facts = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (len(slices), *shape)}
    np.lib.format.write_array_header_1_0(header, facts)
    parts = [memoryview(header.getvalue()), *(one.data.cast("B") for one in slices)]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    write_whole(path, *parts)
    return ShardFile(path.name, len(slices), sum(map(len, parts)), digest.hexdigest())


def _other_shape(source: SliceSource, read: SlicePixels, form: SliceForm) -> UselessStoreError:
    rows, columns = read.pixels.shape
    sizes = f"{source.name} has {rows} x {columns} pixels, but {form.first} {form.shape[0]} x {form.shape[1]}"
    return UselessStoreError(f"{sizes}: slices of native size must all have the same; give --size 256 or another.")
