"""Claim: building a slice store costs a core at most 5 ms a raw slice on top of what pydicom needs to decode it.

Of JPEG 2000 it is 10 ms, the start of the process that decodes it included.

Measured on the GE series in examples/, as it is and in JPEG 2000. `python benchmarks/dataset_build.py [FOLDER ...]`
measures the DICOM slices of these folders as well, such as originals of RSNA 2019.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from made_series import write_series
from measure import in_turn, report
from pydicom import dcmread
from pydicom.uid import JPEG2000Lossless

from hemoscope.datasets.manifest import Manifest
from hemoscope.datasets.slice_store.build import build_store

SLICES, SIZE = 560, 256
REPEATS = 3
SECONDS_ON_TOP = {"raw": 0.005, "jpeg2000": 0.010, "given": 0.010}  # a slice
RSNA_SLICES = 874_035  # of both stages, training and test
SLICE_BYTES = 2 * SIZE * SIZE


def on_one_core() -> None:
    """Start this script again on one core, before any library has asked how many there are."""
    cores = os.sched_getaffinity(0)
    if len(cores) > 1:
        os.sched_setaffinity(0, {min(cores)})
        os.execv(sys.executable, [sys.executable, *sys.argv])


def build(paths: list[Path], folder: Path) -> None:
    """Write the files to a new store in this process."""
    shutil.rmtree(folder, ignore_errors=True)
    names = [str(path.absolute().relative_to("/")) for path in paths]
    manifest = Manifest.from_columns("measured", Path("/"), {"path": names})
    found = build_store(manifest, folder, SIZE, 1, lambda done, total: None)
    if found:
        raise SystemExit(f"not all slices could be read: {found[0].detail}")


def decode(paths: list[Path]) -> int:
    """Decode with pydicom and do nothing else: the limit that the decoder sets."""
    return sum(dcmread(path).pixel_array.size for path in paths)


def read_bytes(paths: list[Path]) -> int:
    """Read the files: the limit that the disk, or the memory of the system, sets."""
    return sum(len(path.read_bytes()) for path in paths)


def measure(name: str, paths: list[Path], work: Path) -> dict[str, float]:
    """Report one kind of files; returns the figures of the build."""
    sides: dict[str, Callable[[], object]] = {
        "DICOM to slice store": partial(build, paths, work / "store"),
        "pydicom, pixel_array only": partial(decode, paths),
        "the bytes of the files only": partial(read_bytes, paths),
    }
    seconds = in_turn(sides, REPEATS)
    rate = len(paths) / statistics.median(seconds["DICOM to slice store"])
    decoder = len(paths) / statistics.median(seconds["pydicom, pixel_array only"])
    figures = {
        "slices a second and core": rate,
        "slices a second and core of the decoder": decoder,
        "bytes a slice": SLICE_BYTES,
        "computed, not measured: core hours for all of RSNA": RSNA_SLICES / rate / 3600,
        "computed, not measured: GB of a store of all of RSNA": RSNA_SLICES * SLICE_BYTES / 1e9,
    }
    limit = statistics.median(seconds["pydicom, pixel_array only"]) + SECONDS_ON_TOP[name] * len(paths)
    report(f"dataset build {name}: {len(paths)} slices of 512 x 512 to 256 x 256", seconds, limit, **figures)
    return figures


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
