"""Claim: a slice store is built on one core in at most twice the time that the decoder and the disk need.

Of JPEG 2000 it is 1.4 times, the start of the process that decodes it included. That time is what pydicom needs to
read and decode the files, and what the disk needs to take the bytes of the store. The files are in memory already.

Measured on the GE series in examples/, as it is and in JPEG 2000. `python benchmarks/dataset_build.py [FOLDER ...]`
measures the DICOM slices of these folders as well, such as originals of RSNA 2019.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

from made_series import write_series
from measure import in_turn, report
from pydicom import dcmread
from pydicom.uid import JPEG2000Lossless

from hemoscope.datasets.manifest import Manifest
from hemoscope.datasets.slice_store.build import SHARD_BYTES, build_store
from hemoscope.datasets.slice_store.shard import write_whole

SLICES, SIZE = 560, 256
REPEATS = 7
AT_MOST = {"raw": 2.0, "jpeg2000": 1.4, "given": 2.0}  # times the decoder and the disk
BUILD, DECODE, READ, WRITE = (
    "DICOM to slice store",
    "pydicom, pixel_array only",
    "the bytes of the files only, read",
    "the bytes of the store only, written",
)
RSNA_SLICES = 874_035  # of both stages, training and test
SLICE_BYTES = 2 * SIZE * SIZE


def on_one_core() -> None:
    """Start this script again on one core, before any library has asked how many there are."""
    cores = os.sched_getaffinity(0)
    if len(cores) > 1:
        os.sched_setaffinity(0, {min(cores)})
        os.execv(sys.executable, [sys.executable, *sys.argv])


def build(paths: list[Path], folders: Callable[[], Path]) -> None:
    """Write the files to a new store in this process."""
    names = [str(path.absolute().relative_to("/")) for path in paths]
    manifest = Manifest.from_columns("measured", Path("/"), {"path": names})
    found = build_store(manifest, folders(), SIZE, 1, lambda done, total: None)
    if found:
        raise SystemExit(f"not all slices could be read: {found[0].detail}")


def decode(paths: list[Path]) -> int:
    """Decode with pydicom and do nothing else: the limit that the decoder sets."""
    return sum(dcmread(path).pixel_array.size for path in paths)


def read_bytes(paths: list[Path]) -> int:
    """Read the files: part of what the decoder does."""
    return sum(len(path.read_bytes()) for path in paths)


def write_bytes(slices: int, folders: Callable[[], Path]) -> None:
    """Write as many bytes as the shards have, as safely: the limit that the disk sets."""
    folder = folders()
    folder.mkdir()
    block, in_shard = bytes(SLICE_BYTES), SHARD_BYTES // SLICE_BYTES
    for start in range(0, slices, in_shard):
        write_whole(folder / str(start), *[block] * min(in_shard, slices - start))


def measure(name: str, paths: list[Path], work: Path) -> None:
    """Report one kind of files."""
    numbers = count()

    def new_folder() -> Path:
        return work / f"{name}_{next(numbers)}"

    sides: dict[str, Callable[[], object]] = {
        BUILD: partial(build, paths, new_folder),
        DECODE: partial(decode, paths),
        READ: partial(read_bytes, paths),
        WRITE: partial(write_bytes, len(paths), new_folder),
    }
    seconds = in_turn(sides, REPEATS)
    rate, decoder = (len(paths) / statistics.median(seconds[side]) for side in (BUILD, DECODE))
    rounds = list(zip(seconds[BUILD], seconds[DECODE], seconds[WRITE], strict=True))
    times_both = "times the decoder and the disk, median of the rounds"
    figures = {
        times_both: statistics.median(built / (decoded + written) for built, decoded, written in rounds),
        "times the decoder alone, median of the rounds": statistics.median(built / one for built, one, _ in rounds),
        "slices a second and core": rate,
        "slices a second and core of the decoder": decoder,
        "bytes a slice": SLICE_BYTES,
        "computed, not measured: core hours for all of RSNA": RSNA_SLICES / rate / 3600,
        "computed, not measured: GB of a store of all of RSNA": RSNA_SLICES * SLICE_BYTES / 1e9,
    }
    limit = AT_MOST[name] * statistics.median(decoded + written for _, decoded, written in rounds)
    claim = f"dataset build {name}: {len(paths)} slices of 512 x 512 to 256 x 256"
    report(claim, seconds, limit, {times_both: AT_MOST[name]}, **figures)


def main() -> None:
    """Measure and report."""
    on_one_core()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        given = [path for name in sys.argv[1:] for path in sorted(Path(name).rglob("*.dcm"))]
        if given:
            measure("given", given, work)
        measure("raw", write_series(work / "raw", SLICES, 5.0), work)
        measure("jpeg2000", write_series(work / "jpeg2000", SLICES // 5, 5.0, JPEG2000Lossless), work)


if __name__ == "__main__":
    main()
