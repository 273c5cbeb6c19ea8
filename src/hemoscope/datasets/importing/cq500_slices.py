"""The DICOM files of CQ500: which scan each is of, and where it lies."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hemoscope.ct.dicom_file import read_header
from hemoscope.ct.frames import frames_of
from hemoscope.ct.geometry import AS_STORED
from hemoscope.ct.inputs import InputFile
from hemoscope.datasets.collection import OnProgress
from hemoscope.datasets.importing.bhx_boxes import Drawn
from hemoscope.datasets.importing.boxes import Box
from hemoscope.datasets.importing.headers import scan_headers
from hemoscope.datasets.importing.sieve import Sieve
from hemoscope.datasets.importing.slice_order import order_slices
from hemoscope.datasets.problems import Found, Problem

SCAN = re.compile(r"CQ500[-_ ]?CT[-_ ]?(\d+)(?!\d)")  # CQ500-CT-12 in headers and reads.csv, CQ500CT12 in folders
FROM_HEADERS = ("path", "sop_instance_uid", "series", "row_spacing_mm", "column_spacing_mm", "thickness_mm", "age",
                "sex", "scanner")  # fmt: skip


def find_slices(root: Path, jobs: int, on_progress: OnProgress) -> tuple[pa.Table, tuple[Found, ...]]:
    """Read the headers of every .dcm file under root: (columns of a Manifest, and `scan`; what cannot be used).

    `scan` is `CQ500-CT-12`: what the header names as the patient, or else the folder. All series of a scan are there:
    thin, thick, and with contrast.
    """
    paths = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.dcm"))
    headers, found = scan_headers(root, paths, jobs, on_progress)
    named = zip(headers["patient"].to_pylist(), headers["path"].to_pylist(), strict=True)
    scans = pa.array([scan_name(patient or "") or scan_name(path) for patient, path in named], pa.string())
    sieve, uids = Sieve(headers["path"].to_pylist()), headers["sop_instance_uid"].to_pandas()
    strange, copied = np.asarray(scans.is_null()), (uids.duplicated() & uids.notna()).to_numpy(bool)
    sieve.report(strange, Problem.NO_LABEL, "Neither its header nor its folder names a scan of CQ500.")
    sieve.report(copied, Problem.DUPLICATE_ROW, "The same slice lies in another file, too.")
    used = pa.array(sieve.kept & ~copied)
    headers, scans = headers.filter(used), scans.filter(used)
    order = order_slices(
        headers["series"].combine_chunks(), _vectors(headers, ("x", "y", "z")),
        _vectors(headers, ("normal_x", "normal_y", "normal_z")),
    )  # fmt: skip
    table = headers.select(list(FROM_HEADERS)).append_column("scan", scans)
    table = table.append_column("slice", pa.array(order.slice.data, mask=np.ma.getmaskarray(order.slice)))
    table = table.append_column("position_mm", pa.array(order.position_mm, from_pandas=True))
    return table, (*found, *sieve.found, *order.found)


def place_boxes(root: Path, slices: pa.Table, drawn: Drawn) -> tuple[list[list[Box] | None], list[Found]]:
    """The boxes of each slice, None where none are drawn; those that cannot be placed are problems."""
    column, found = [], []
    for path, uid in zip(slices["path"].to_pylist(), slices["sop_instance_uid"].to_pylist(), strict=True):
        boxes = drawn.boxes.get(uid)
        if boxes and not _stored_as_displayed(root, path):
            sentence = "Its boxes are left out: it is stored in another orientation than it is displayed in."
            found.append(Found(Problem.DOUBTFUL_LABEL, path, sentence))
            boxes = None
        column.append(boxes)
    return column, found


def missing_drawn(slices: pa.Table, drawn: Drawn) -> tuple[list[Found], str]:
    """The series of which some files are there and some slices with boxes are not; and how much of BHX is there."""
    there, series_there = set(slices["sop_instance_uid"].to_pylist()), set(slices["series"].to_pylist())
    absent = Counter(drawn.series[uid] for uid in drawn.boxes if uid not in there)
    found = [Found(Problem.NO_SLICE, series, f"{count:,} of its slices have boxes, but are not among the files.")
             for series, count in sorted(absent.items()) if series in series_there]  # fmt: skip
    count = len(drawn.boxes) - absent.total()
    all_series = set(drawn.series.values())
    remark = (f"BHX covers all of CQ500: {count:,} of the {len(drawn.boxes):,} slices with boxes are here, in"
              f" {len(series_there & all_series):,} of {len(all_series):,} series.")  # fmt: skip
    return found, remark


def scan_name(text: str) -> str | None:
    """The name of the scan that a header or path holds, as reads.csv writes it."""
    match = SCAN.search(text)
    return f"CQ500-CT-{int(match[1])}" if match else None


def _vectors(headers: pa.Table, axes: Sequence[str]) -> NDArray[np.float64]:
    return np.stack([headers[axis].to_numpy() for axis in axes], axis=1).astype(np.float64)


def _stored_as_displayed(root: Path, path: str) -> bool:
    """Whether a box on the stored pixels is one on the display."""
    source = InputFile.from_path(root / path)
    planes = [frame.plane for frame in frames_of(source, read_header(source))]
    return all(plane is not None and plane.display_change == AS_STORED for plane in planes)
