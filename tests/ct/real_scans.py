"""The collections of pictures as scans, and parts of scans."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from hemoscope.ct.options import ReadOptions
from hemoscope.ct.read import read_scans
from hemoscope.ct.scan import Acquisition, Scan, Slice
from hemoscope.ct.windows import Window, from_grey

RSNA_WINDOW = Window(77.5, 255)


def physionet_scans(shared_data: Path) -> Iterator[Scan]:
    """82 patients, JPEG pictures of the window 40/120."""
    yield from _picture_scans(shared_data / "physionet_ct_ich", "patient", "slice", lambda row: Window(40, 120))


def phe_scans(shared_data: Path) -> Iterator[Scan]:
    """120 patients with a bleeding, JPEG pictures of the window 40/120 or 40/80."""
    yield from _picture_scans(
        shared_data / "phe_sich",
        "patient",
        "slice_order",
        lambda row: Window(float(row["window_level_est"]), float(row["window_width_est"])),
    )


def rsna_scans(shared_data: Path) -> Iterator[Scan]:
    """50 series with positions and spacing, -50...205 HU."""
    yield from _picture_scans(shared_data / "rsna_hu_pictures", "series", "slice", lambda row: RSNA_WINDOW)


def rsna_loose_slices(shared_data: Path) -> Iterator[Scan]:
    """1,229 single slices, each in its own window."""
    folder = shared_data / "rsna_loose_pictures"
    for row in csv.DictReader((folder / "slices.csv").open()):
        low, high = float(row["hu_low"]), float(row["hu_high"])
        hu = from_grey(_grey(folder / row["file"]), RSNA_WINDOW)[None]
        window = Window((low + high) / 2, high - low)
        yield Scan(row["id"], hu, (Slice(row["file"], ""),), window=window, independent=True)


def single(path: Path) -> Scan:
    """A file as a scan of its own."""
    (scan,) = (found for found in read_scans([path], ReadOptions(independent=True)) if isinstance(found, Scan))
    return scan


def part(scan: Scan, index: Sequence[int], *, independent: bool = False) -> Scan:
    """Some slices of a scan."""
    chosen = list(index)
    slices = tuple(scan.slices[i] for i in chosen)
    return replace(scan, hu=scan.hu[chosen], slices=slices, independent=independent)


def _picture_scans(folder: Path, group: str, order: str, window_of) -> Iterator[Scan]:
    groups = defaultdict(list)
    for row in csv.DictReader((folder / "slices.csv").open()):
        groups[row[group]].append(row)
    for name, rows in groups.items():
        rows.sort(key=lambda row: int(row[order]))
        window = window_of(rows[0])
        positions = [float(row["position_mm"]) if "position_mm" in row else None for row in rows]
        # The RSNA table gives the spacing of the 512 pictures, which were halved.
        side = 2 * float(rows[0]["pixel_spacing_mm"]) if "pixel_spacing_mm" in rows[0] else None
        yield Scan(
            name,
            np.stack([from_grey(_grey(folder / row["file"]), window) for row in rows]),
            tuple(Slice(row["file"], "", position_mm=place) for row, place in zip(rows, positions, strict=True)),
            pixel_spacing_mm=(side, side) if side else None,
            window=window,
            acquisition=Acquisition(spacing_mm=float(np.median(np.diff(positions))) if side else None),
        )


def _grey(path: Path):
    picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    assert picture is not None, path
    return picture
