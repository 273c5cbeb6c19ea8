"""CQ500: 491 scans read by three radiologists each, as DICOM; with the boxes of BHX.

Source: S. Chilamkurthy et al., Lancet 2018;392:2388-2396.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hemoscope.datasets.bhx_boxes import read_bhx
from hemoscope.datasets.collection import Collection, Imported, OnProgress, Option
from hemoscope.datasets.columns import SCAN_FINDING_NAMES, SCHEMA
from hemoscope.datasets.cq500_reads import Votes, read_votes
from hemoscope.datasets.cq500_slices import find_slices, place_boxes
from hemoscope.datasets.manifest import UNKNOWN, Manifest
from hemoscope.datasets.problems import Found, Problem
from hemoscope.findings import FINDING_NAMES
from hemoscope.reasons import UsageError


def read(root: Path, name: str, jobs: int, on_progress: OnProgress, boxes: Path | None = None) -> Imported:
    """Read `reads.csv` and the headers of every DICOM file under root.

    A scan without files is one row with its labels. boxes: a CSV file of BHX. Raises UsageError.
    """
    votes = read_votes(root / "reads.csv")
    slices, found = find_slices(root, jobs, on_progress)
    if boxes and not len(slices):
        raise UsageError(f"--boxes needs the DICOM files of CQ500, whose headers name the slices; {root} holds none.")
    read = np.isin(slices["scan"].to_pylist(), votes.names)
    unread = sorted(set(slices["scan"].filter(pa.array(~read)).to_pylist()))
    found += tuple(
        Found(Problem.NO_LABEL, scan, "reads.csv has no readings of it that can be used.") for scan in unread
    )
    slices = slices.filter(pa.array(read))
    of_scan = np.array([votes.names.index(scan) for scan in slices["scan"].to_pylist()], int)
    labels = np.where(votes.labels[of_scan] == 0, 0, UNKNOWN).astype(np.int8)  # what a scan has not, no slice has
    if boxes:
        drawn = read_bhx(boxes)
        placed, not_placed = place_boxes(root, slices, drawn)
        slices = slices.append_column("boxes", pa.array(placed, SCHEMA.field("boxes").type))
        disputed = _add_drawn(labels, of_scan, votes, drawn.labels(slices["sop_instance_uid"].to_pylist()))
        found += (*drawn.found, *not_placed, *disputed)
    without = [scan for scan in range(len(votes.names)) if scan not in set(of_scan.tolist())]
    remarks = _remarks(len(without), len(votes.names))
    return Imported(_manifest(name, root, votes, slices, of_scan, labels, without), (*votes.found, *found), remarks)


def _add_drawn(
    labels: NDArray[np.int8], of_scan: NDArray[np.intp], votes: Votes, drawn: NDArray[np.int8]
) -> list[Found]:
    """Put what BHX draws into the labels of the slices.

    Where it draws what the majority of the readers says the scan has not, neither is taken: the finding is unknown in
    every slice of that scan, the label of the scan stays that of the majority, and the scan is reported.
    """
    disputed = np.zeros_like(votes.labels, bool)
    np.logical_or.at(disputed, of_scan, (drawn == 1) & (votes.labels[of_scan] == 0))
    labels[:] = np.where(disputed[of_scan], UNKNOWN, np.where(drawn == 1, 1, labels))
    return [
        Found(
            Problem.DOUBTFUL_LABEL,
            votes.names[scan],
            f"BHX draws {FINDING_NAMES[finding]} blood, the majority sees none.",
        )
        for scan, finding in np.argwhere(disputed)
    ]


def _manifest(
    name: str,
    root: Path,
    votes: Votes,
    slices: pa.Table,
    of_scan: NDArray[np.intp],
    labels: NDArray[np.int8],
    without: list[int],
) -> Manifest:
    """The slices, and a row for each scan without any."""
    all_scans = np.concatenate([of_scan, np.array(without, int)])
    names = [votes.names[scan] for scan in all_scans]
    unsliced = pa.table({"series": [votes.names[scan] for scan in without]})
    rows = pa.concat_tables([slices.drop_columns("scan"), unsliced], promote_options="default")
    of_slices = np.concatenate([labels, np.full((len(without), len(FINDING_NAMES)), UNKNOWN, np.int8)])
    columns = {
        **{column: rows[column] for column in rows.column_names},
        "patient": [f"cq500:{scan}" for scan in names],
        "study": names,
        "scan_readings": [votes.readings[scan] for scan in all_scans],
        **dict(zip(FINDING_NAMES, of_slices.T, strict=True)),
        **dict(zip(SCAN_FINDING_NAMES, votes.labels[all_scans].T, strict=True)),
    }
    return Manifest.from_columns(name, root, columns)


def _remarks(without: int, count: int) -> tuple[str, ...]:
    return (f"{without} of {count} scans have no DICOM files here: they are rows with labels only.",) if without else ()


COLLECTION = Collection(
    name="cq500",
    title="CQ500: 491 scans with three readings each, DICOM; with the boxes of BHX.",
    read=read,
    options=(Option("--boxes", "A CSV file of BHX: its boxes, and labels of the slices that it lists.", Path),),
)
