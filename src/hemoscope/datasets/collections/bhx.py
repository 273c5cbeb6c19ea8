"""BHX alone: boxes on slices of CQ500, with or without the slices.

Source: E. P. Reis et al., Brain Hemorrhage Extended, PhysioNet 2020, doi 10.13026/9cft-hg92.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from hemoscope.datasets.collection import Collection, Imported, OnProgress, Option
from hemoscope.datasets.columns import SCAN_FINDING_NAMES
from hemoscope.datasets.importing.bhx_boxes import Drawn, read_bhx
from hemoscope.datasets.importing.cq500_slices import find_slices, missing_drawn, place_boxes
from hemoscope.datasets.importing.scan_labels import labels_of_scans
from hemoscope.datasets.manifest import Manifest
from hemoscope.findings import FINDING_NAMES

TABLE = "1_Initial_Manual_Labeling.csv"  # the other two files of BHX hold boxes that no one drew


def read(root: Path, name: str, jobs: int, on_progress: OnProgress, images: Path | None = None) -> Imported:
    """Read the boxes that were drawn by hand: a row for each slice that has some.

    images: the folder of CQ500; then only slices of which the file is there are rows, and paths begin there. Raises
    UsageError where the root does not hold the boxes.
    """
    drawn = read_bhx(root / TABLE)
    if images:
        slices, found = find_slices(images.resolve(), jobs, on_progress)
        missing, covered = missing_drawn(slices, drawn)
        slices = slices.filter(pc.is_in(slices["sop_instance_uid"], pa.array(list(drawn.boxes))))
        boxes, not_placed = place_boxes(images, slices, drawn)
        columns = {column: slices[column] for column in slices.column_names if column != "scan"}
        columns |= {"study": slices["scan"], "patient": pc.binary_join_element_wise("cq500", slices["scan"], ":")}
        manifest = _manifest(name, images.resolve(), drawn, {**columns, "boxes": boxes})
        return Imported(manifest, (*drawn.found, *found, *not_placed, *missing), (covered,))
    columns = {
        "sop_instance_uid": list(drawn.boxes),
        "series": [drawn.series[uid] for uid in drawn.boxes],
        "study": [drawn.study[uid] for uid in drawn.boxes],
        "boxes": list(drawn.boxes.values()),
    }
    remark = "BHX does not name the patients, so these rows are for counting only; give the slices with --images."
    return Imported(_manifest(name, root, drawn, columns), drawn.found, (remark,))


def _manifest(name: str, root: Path, drawn: Drawn, columns: dict[str, Any]) -> Manifest:
    """Add the labels; what is not drawn on a slice, and the slices that are not listed, are unknown."""
    labels = drawn.labels(pa.array(columns["sop_instance_uid"]).to_pylist())
    series = pa.array(columns["series"]) if isinstance(columns["series"], list) else columns["series"].combine_chunks()
    of_scan = labels_of_scans(series, labels)
    findings = zip((*FINDING_NAMES, *SCAN_FINDING_NAMES), (*labels.T, *of_scan.T), strict=True)
    return Manifest.from_columns(name, root, {**columns, **dict(findings)})


COLLECTION = Collection(
    name="bhx",
    title="BHX: 6,283 boxes drawn on slices of CQ500.",
    read=read,
    options=(
        Option("--images", "The folder of CQ500 with its DICOM files; without it only the boxes are known.", Path),
    ),
)
