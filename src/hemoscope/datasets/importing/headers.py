"""The headers of many DICOM files: read once, in several processes, and kept, so that a stopped scan goes on."""

from __future__ import annotations

import hashlib
import os
import uuid
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hemoscope.ct.describe import acquisition_of, identifiers_of
from hemoscope.ct.dicom_file import MAX_FRAMES, read_header
from hemoscope.ct.eligibility import check_eligible
from hemoscope.ct.frames import Frame, frames_of, numbers, pixel_spacing_mm
from hemoscope.ct.inputs import InputFile
from hemoscope.datasets.collection import OnProgress
from hemoscope.datasets.parallel import in_processes
from hemoscope.datasets.problems import Found, Problem
from hemoscope.reasons import HemoscopeError, UsageError

FORMAT = 1  # of what is kept: change it with SCHEMA
CHUNK_FILES = 500  # what is lost at most, for each job, when the scan is killed

POSITION = ("x", "y", "z")  # ImagePositionPatient, mm
NORMAL = ("normal_x", "normal_y", "normal_z")  # unit slice normal, to the head

# One row a slice. null = unknown, or not stated.
SCHEMA = pa.schema([
    ("path", pa.string()),  # relative to the root, posix
    ("size", pa.int64()),  # of the file, bytes
    ("mtime_ns", pa.int64()),  # of the file
    ("frame", pa.int32()),  # number in a multi-frame file; 0 in any other
    ("frames", pa.int32()),  # of the file
    ("sop_instance_uid", pa.string()),
    ("patient", pa.string()),
    ("study", pa.string()),
    ("series", pa.string()),
    *((name, pa.float64()) for name in (*POSITION, *NORMAL)),
    ("row_spacing_mm", pa.float32()),
    ("column_spacing_mm", pa.float32()),
    ("thickness_mm", pa.float32()),
    ("age", pa.float32()),  # years
    ("sex", pa.string()),  # F or M
    ("scanner", pa.string()),
])  # fmt: skip


@dataclass(frozen=True)
class _File:
    path: str
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class _Chunk:
    root: Path
    cache: Path
    files: tuple[_File, ...]


def scan_headers(
    root: Path, paths: Sequence[str], jobs: int, on_progress: OnProgress, cache: Path | None = None
) -> tuple[pa.Table, tuple[Found, ...]]:
    """Read what the headers of DICOM files say: (the columns of SCHEMA; the files that cannot be read as CT slices).

    paths: relative to root; the rows come in their order, the frames of a file in theirs. cache: a folder that keeps
    what was read, by default one of the user's; a file is read again when its size or time has changed. Raises
    UsageError when the cache cannot be written.
    """
    cache = cache or default_cache(root)
    files, found = _state(root, paths)
    kept = _read_cache(cache, files)
    known = set(kept["path"].unique().to_pylist())
    unread = [file for file in files if file.path not in known]
    done = len(known)
    on_progress(done, len(files))
    tables = [kept]
    if unread:
        _make_folder(cache)
    chunks = list(_chunks(root, cache, unread))
    for table, problems in in_processes(_scan_chunk, chunks, max(1, min(jobs, len(chunks)))):
        tables.append(table)
        found += problems
        done += len(table["path"].unique()) + len(problems)
        on_progress(done, len(files))
    return _in_order(pa.concat_tables(tables), files), tuple(found)


def default_cache(root: Path) -> Path:
    """The folder of the user that keeps the headers of a collection; it may be deleted at any time."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return caches / "hemoscope" / "headers" / hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16]


def _state(root: Path, paths: Sequence[str]) -> tuple[list[_File], list[Found]]:
    files, found = [], []
    for path in paths:
        try:
            status = os.stat(root / path)
        except OSError as error:
            found.append(Found(Problem.UNREADABLE_FILE, path, f"{path} cannot be read: {error.strerror}."))
        else:
            files.append(_File(path, status.st_size, status.st_mtime_ns))
    return files, found


def _make_folder(cache: Path) -> None:
    try:
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)  # headers name patients
    except OSError as error:
        sentence = f"{cache} cannot be made to keep headers in: {error.strerror}; set XDG_CACHE_HOME to another folder."
        raise UsageError(sentence) from error


def _chunks(root: Path, cache: Path, files: Sequence[_File]) -> Iterator[_Chunk]:
    for start in range(0, len(files), CHUNK_FILES):
        yield _Chunk(root, cache, tuple(files[start : start + CHUNK_FILES]))


def _scan_chunk(chunk: _Chunk) -> tuple[pa.Table, list[Found]]:
    """Read the headers of some files and keep those that can be read; the others are tried again in the next scan."""
    rows: list[dict[str, Any]] = []
    found = []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="pydicom")  # of values that break the standard: very common
        for file in chunk.files:
            try:
                rows += _slices(chunk.root, file)
            except HemoscopeError as error:
                found.append(Found(Problem.UNREADABLE_FILE, file.path, error.sentence))
    table = pa.Table.from_pylist(rows, SCHEMA)
    if rows:
        unfinished = chunk.cache / f".{uuid.uuid4().hex}"
        pq.write_table(table, unfinished, compression="zstd")
        unfinished.replace(chunk.cache / f"{unfinished.name[1:]}{_suffix()}")
    return table, found


def _slices(root: Path, file: _File) -> list[dict[str, Any]]:
    """The rows of one file; raises HemoscopeError where it holds no CT slices."""
    source = InputFile(root / file.path, file.path, file.size)
    header = read_header(source)
    obstacle = check_eligible(header, source.name)
    if obstacle is not None:
        raise HemoscopeError(obstacle.reason, obstacle.detail)
    frames = frames_of(source, header)
    return [{**vars(file), "frame": frame.number, "frames": len(frames), **_facts(frame)} for frame in frames]


def _facts(frame: Frame) -> dict[str, Any]:
    """What the header of one slice says; what is not stated is None or absent."""
    names, acquisition = identifiers_of(frame), acquisition_of([frame], ())
    position = numbers(frame.header, "ImagePositionPatient")
    normal = frame.plane.normal.tolist() if frame.plane else ()
    row_mm, column_mm = pixel_spacing_mm(frame.header) or (None, None)
    return {
        "sop_instance_uid": frame.sop_instance_uid,
        "patient": names.patient_id or None,
        "study": names.study_instance_uid or None,
        "series": names.series_instance_uid or None,
        **(dict(zip(POSITION, position, strict=True)) if len(position) == 3 else {}),
        **dict(zip(NORMAL, normal, strict=False)),
        "row_spacing_mm": row_mm,
        "column_spacing_mm": column_mm,
        "thickness_mm": acquisition.slice_thickness_mm,
        "age": acquisition.age_years,
        "sex": acquisition.sex if acquisition.sex in ("F", "M") else None,
        "scanner": acquisition.scanner or None,
    }  # fmt: skip


def _suffix() -> str:
    return f".format{FORMAT}.parquet"


def _read_cache(cache: Path, files: Sequence[_File]) -> pa.Table:
    """What was kept of files that have not changed since."""
    tables = [SCHEMA.empty_table()]
    for part in sorted(cache.glob(f"*{_suffix()}")):
        try:
            tables.append(pq.read_table(part, schema=SCHEMA))
        except (pa.ArrowException, OSError):  # cut off when the power failed: read again
            part.unlink(missing_ok=True)
    kept = pa.concat_tables(tables)
    now = pa.Table.from_pydict({
        name: pa.array([getattr(file, name) for file in files], SCHEMA.field(name).type)
        for name in ("path", "size", "mtime_ns")
    })  # fmt: skip
    place = pc.index_in(kept["path"], now["path"].combine_chunks())
    kept, there = kept.filter(pc.is_valid(place)), now.take(place.drop_null())
    same = pc.and_(pc.equal(kept["size"], there["size"]), pc.equal(kept["mtime_ns"], there["mtime_ns"]))
    return kept.filter(same)


def _in_order(table: pa.Table, files: Sequence[_File]) -> pa.Table:
    """The rows in the order of the files and their frames, each once."""
    place = pc.index_in(table["path"], pa.array([file.path for file in files], pa.string())).to_numpy()
    _, rows = np.unique(place.astype(np.int64) * MAX_FRAMES + table["frame"].to_numpy(), return_index=True)
    return table.take(rows).combine_chunks()
