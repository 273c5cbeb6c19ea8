"""CQ500: 491 scans read by three radiologists each, as DICOM; with the boxes of BHX.

Source: S. Chilamkurthy et al., Lancet 2018;392:2388-2396.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hemoscope.datasets.collection import Collection, Imported, OnProgress, Option
from hemoscope.datasets.columns import SCAN_FINDING_NAMES, SCHEMA
from hemoscope.datasets.importing.bhx_boxes import read_bhx
from hemoscope.datasets.importing.cq500_reads import Votes, read_votes
from hemoscope.datasets.importing.cq500_slices import find_slices, missing_drawn, place_boxes
from hemoscope.datasets.manifest import UNKNOWN, Manifest
from hemoscope.datasets.problems import Found, Problem
from hemoscope.findings import ANY, FINDING_NAMES
from hemoscope.reasons import UsageError


def read(root: Path, name: str, jobs: int, on_progress: OnProgress, boxes: Path | None = None) -> Imported:
    """Read `reads.csv` and the headers of every DICOM file under root.

    A scan without files is one row with its labels. boxes: a CSV file of BHX. Raises UsageError.
    """
    votes = read_votes(root / "reads.csv")
    slices, found = find_slices(root, jobs, on_progress)
    if boxes and not len(slices):
        raise UsageError(f"--boxes needs the DICOM files of CQ500, whose headers name the slices; {root} holds none.")
    slices, of_scan, not_read = _with_votes(slices, votes)
    remarks = []
    labels = np.where(votes.labels[of_scan] == 0, 0, UNKNOWN).astype(np.int8)  # what a scan has not, no slice has
    found += (*votes.found, *not_read)
    if boxes:
        drawn = read_bhx(boxes)
        placed, not_placed = place_boxes(root, slices, drawn)
        slices = slices.append_column("boxes", pa.array(placed, SCHEMA.field("boxes").type))
        disputed = _add_drawn(labels, of_scan, votes, drawn.labels(slices["sop_instance_uid"].to_pylist()))
        missing, covered = missing_drawn(slices, drawn)
        remarks.append(covered)
        found += (*drawn.found, *not_placed, *disputed, *missing)
    without = np.setdiff1d(np.arange(len(votes.names)), of_scan)
    if len(without):
        sentence = (
            f"{len(without)} of {len(votes.names)} scans have no DICOM files here: they are rows with labels only."
        )
        remarks.append(sentence)
    labels = np.concatenate([labels, np.full((len(without), len(FINDING_NAMES)), UNKNOWN, np.int8)])
    columns = _columns(slices, votes, np.concatenate([of_scan, without]), labels)
    return Imported(Manifest.from_columns(name, root, columns), found, tuple(remarks))


def _with_votes(slices: pa.Table, votes: Votes) -> tuple[pa.Table, NDArray[np.intp], list[Found]]:
    """The slices of scans that were read, the number of the scan of each in the votes, and the other scans."""
    place = pc.index_in(slices["scan"], pa.array(votes.names)).combine_chunks()
    others = slices["scan"].filter(place.is_null()).unique().to_pylist()
    sentence = "reads.csv has no readings of it that can be used."
    of_scan = place.drop_null().to_numpy().astype(np.intp)
    return slices.filter(place.is_valid()), of_scan, [Found(Problem.NO_LABEL, one, sentence) for one in others]


def _add_drawn(
    labels: NDArray[np.int8], of_scan: NDArray[np.intp], votes: Votes, drawn: NDArray[np.int8]
) -> list[Found]:
    """Put what BHX draws into the labels of the slices.

    Where it draws what the majority of the readers says the scan has not, neither is taken: the finding is unknown in
    every slice of that scan, the label of the scan stays that of the majority, and the scan is reported. Where it draws
    blood of no type, which may be of any, all types are unknown.
    """
    disputed = np.zeros_like(votes.labels, bool)
    np.logical_or.at(disputed, of_scan, (drawn == 1) & (votes.labels[of_scan] == 0))
    unknown = disputed.copy()
    unknown[:, :ANY] |= (disputed[:, ANY] & ~disputed[:, :ANY].any(axis=1))[:, None]
    labels[:] = np.where(unknown[of_scan], UNKNOWN, np.where(drawn == 1, 1, labels))
    return [
        Found(
            Problem.DOUBTFUL_LABEL,
            votes.names[scan],
            f"BHX draws {FINDING_NAMES[finding]} hemorrhage, the majority sees none.",
        )
        for scan, finding in np.argwhere(disputed)
    ]


def _columns(slices: pa.Table, votes: Votes, of_scan: NDArray[np.intp], labels: NDArray[np.int8]) -> dict[str, Any]:
    """The columns of the Manifest: the slices, then a row for each further scan of `of_scan`, which has no slices."""
    names = pa.array(votes.names).take(of_scan)
    unsliced = pa.table({"series": names[len(slices) :]})
    rows = pa.concat_tables([slices.drop_columns("scan"), unsliced], promote_options="default")
    return {
        **{column: rows[column] for column in rows.column_names},
        "patient": pc.binary_join_element_wise("cq500", names, ":"),
        "study": names,
        "scan_readings": pa.array(votes.readings, SCHEMA.field("scan_readings").type).take(of_scan),
        **dict(zip(FINDING_NAMES, labels.T, strict=True)),
        **dict(zip(SCAN_FINDING_NAMES, votes.labels[of_scan].T, strict=True)),
    }


COLLECTION = Collection(
    name="cq500",
    title="CQ500: 491 scans with three readings each, DICOM; with the boxes of BHX.",
    read=read,
    options=(Option("--boxes", "A CSV file of BHX: its boxes, and labels of the slices that it lists.", Path),),
)
