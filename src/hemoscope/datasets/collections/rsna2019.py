"""RSNA 2019 Intracranial Hemorrhage Detection, as Kaggle has it: Flanders et al. 2020, doi:10.1148/ryai.2020190211."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hemoscope.datasets.collection import Collection, Imported, OnProgress, Option
from hemoscope.datasets.columns import SCAN_FINDING_NAMES
from hemoscope.datasets.importing.headers import NORMAL, POSITION, scan_headers
from hemoscope.datasets.importing.long_labels import read_long_ids, read_long_labels
from hemoscope.datasets.importing.membership import read_membership, without_prefix
from hemoscope.datasets.importing.scan_labels import labels_of_scans
from hemoscope.datasets.importing.sieve import Sieve
from hemoscope.datasets.importing.slice_order import order_slices
from hemoscope.datasets.labels import complete_any, contradictions
from hemoscope.datasets.manifest import UNKNOWN, Manifest
from hemoscope.datasets.problems import Problem
from hemoscope.findings import FINDING_NAMES
from hemoscope.reasons import UsageError

NAMESPACE = "rsna2019"  # of patients, whatever the dataset is called
STAGES = ("1", "2")
CORRUPT = "ID_6431af929"  # its pixels are cut off, as participants of the challenge found
FEWEST_SLICES = 20  # of the 5,732 scans of both test parts, known whole; a smaller scan is there in part
IDENTITY = ("patient", "study", "series")
ONLY_HEADERS = ("row_spacing_mm", "column_spacing_mm", "thickness_mm", "age", "sex", "scanner")


@dataclass(frozen=True)
class Layout:
    """Where a stage lies: two CSV files and two folders of images; None for what is not there."""

    root: Path
    labels: Path
    submission: Path | None
    train: str | None
    test: str | None


@dataclass(eq=False)
class Slices:
    """Every slice that a table or a folder names, sorted by id.

    ids: `ID_...`. test: bool [slice], of the unlabelled part. paths: relative to the root, null where there is no file.
    labels: int8 [slice, finding]. sieve: which of them can be used.
    """

    ids: pa.Array
    test: NDArray[np.bool_]
    paths: pa.Array
    labels: NDArray[np.int8]
    sieve: Sieve


def read_rsna2019(
    root: Path, name: str, jobs: int, on_progress: OnProgress, stage: str | None = None, metadata: Path | None = None
) -> Imported:
    """Import one stage of the challenge.

    stage: "1" or "2", needed where root holds both. metadata: a table that says which patient, study and scan a slice
    is of and where it lies; headers are read for what it leaves unknown. Raises UsageError.
    """
    layout = find_layout(root, stage)
    slices = _slices(layout)
    places = _places(slices, layout.root, metadata, jobs, on_progress)
    order = order_slices(places["series"], _vectors(places, POSITION), _vectors(places, NORMAL))
    slices.sieve.found += order.found
    of_scans = labels_of_scans(places["series"], slices.labels, FEWEST_SLICES)
    columns: dict[str, Any] = {
        "patient": pc.binary_join_element_wise(NAMESPACE, places["patient"], ":"),
        "study": places["study"],
        "series": places["series"],
        "slice": order.slice,
        "sop_instance_uid": slices.ids,
        "position_mm": order.position_mm,
        "path": slices.paths,
        "split": pc.if_else(pa.array(slices.test), "test", None),
        **{column: places[column] for column in ONLY_HEADERS},
        **{finding: slices.labels[:, place] for place, finding in enumerate(FINDING_NAMES)},
        **{finding: of_scans[:, place] for place, finding in enumerate(SCAN_FINDING_NAMES)},
    }
    kept = {column: _chosen(columns[column], slices.sieve.kept) for column in columns}
    manifest = Manifest.from_columns(name, layout.root, kept)
    return Imported(manifest, tuple(slices.sieve.found), tuple(_remarks(layout, manifest)))


def find_layout(root: Path, stage: str | None = None) -> Layout:
    """Find the files of a stage under root; raises UsageError where they are not there or the stage is not clear."""
    there = [number for number in STAGES if (root / f"stage_{number}_train.csv").is_file()]
    if not there:
        sentence = f"{root} is not RSNA 2019 as Kaggle has it: give the folder that holds stage_2_train.csv."
        raise UsageError(sentence)
    if stage is None and len(there) > 1:
        raise UsageError(f"{root} holds both stages of RSNA 2019; choose one with --stage 1 or --stage 2.")
    number = stage or there[0]
    if number not in there:
        raise UsageError(f"{root} does not hold stage {number} of RSNA 2019; it holds stage {', '.join(there)}.")
    submission = root / f"stage_{number}_sample_submission.csv"
    return Layout(
        root,
        root / f"stage_{number}_train.csv",
        submission if submission.is_file() else None,
        _folder(root, f"stage_{number}_train"),
        _folder(root, f"stage_{number}_test"),
    )


def _folder(root: Path, name: str) -> str | None:
    """The folder of images, which Kaggle calls `..._images` in the first stage."""
    return next((given for given in (name, f"{name}_images") if (root / given).is_dir()), None)


def _slices(layout: Layout) -> Slices:
    """All slices with their labels and files, and what is wrong with them so far."""
    long = read_long_labels(layout.labels)
    asked, bad_rows = read_long_ids(layout.submission) if layout.submission else (pa.array([], pa.string()), ())
    train_files, test_files = _files(layout, layout.train), _files(layout, layout.test)
    unlabelled = _without(train_files, long.ids)
    labelled = pa.concat_arrays([long.ids, unlabelled])
    test_ids = _without(pa.concat_arrays([asked, test_files]).unique(), labelled)

    ids = pa.concat_arrays([labelled, test_ids])
    labels = np.full((len(ids), len(FINDING_NAMES)), UNKNOWN, np.int8)
    labels[: len(long.ids)] = np.where(long.conflicting[:, None], UNKNOWN, long.labels)
    contradictory = contradictions(labels)
    labels[contradictory] = UNKNOWN
    order = pc.sort_indices(ids).to_numpy()
    ids, test = ids.take(order), order >= len(labelled)
    paths = pc.if_else(pa.array(test), _paths(ids, layout.test, test_files), _paths(ids, layout.train, train_files))

    sieve = Sieve(ids)
    sieve.found += [*long.found, *bad_rows]
    sieve.kept &= ~_is_in(ids, long.ids.filter(pa.array(long.conflicting)))
    sieve.report(contradictory[order], Problem.CONTRADICTION, f"{layout.labels.name} says so.")
    detail = f"It lies in {layout.train}, but {layout.labels.name} has no row of it."
    sieve.report(_is_in(ids, unlabelled), Problem.NO_LABEL, detail)
    sieve.report(_is_in(ids, pa.array([CORRUPT])), Problem.KNOWN_CORRUPT, "Its pixels are cut off.")
    for folder, part in ((layout.train, ~test), (layout.test, test)):
        if folder is not None:
            missing = part & paths.is_null().to_numpy(zero_copy_only=False)
            sieve.report(missing, Problem.MISSING_FILE, f"{folder} does not hold it.")
    return Slices(ids, test, paths, complete_any(labels[order]), sieve)


def _files(layout: Layout, folder: str | None) -> pa.Array:
    """The ids of the DICOM files in a folder."""
    names = os.listdir(layout.root / folder) if folder else []
    return pa.array([name.removesuffix(".dcm") for name in names if name.endswith(".dcm")], pa.string())


def _paths(ids: pa.Array, folder: str | None, files: pa.Array) -> pa.Array:
    names = pc.binary_join_element_wise(f"{folder}/", ids, ".dcm", "")
    return pc.if_else(pc.is_in(ids, files), names, None)


def _without(some: pa.Array, others: pa.Array) -> pa.Array:
    return some.filter(pc.invert(pc.is_in(some, others)))


def _is_in(ids: pa.Array, chosen: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(pc.is_in(ids, chosen))


def _places(
    slices: Slices, root: Path, metadata: Path | None, jobs: int, on_progress: OnProgress
) -> dict[str, pa.Array]:
    """Patient, study, scan, position, normal and what only headers say of each slice; null where unknown."""
    known: dict[str, pa.Array] = {name: pa.nulls(len(slices.ids), pa.string()) for name in IDENTITY}
    known |= {name: pa.nulls(len(slices.ids), pa.float64()) for name in (*POSITION, *NORMAL)}
    if metadata is not None:
        table, found = read_membership(metadata)
        slices.sieve.found += found
        rows = pc.index_in(without_prefix(slices.ids), table["id"].combine_chunks())
        known = {name: table[name].combine_chunks().take(rows) for name in known}
    lacking = pc.or_(pc.is_null(known["patient"]), pc.or_(pc.is_null(known["series"]), pc.is_null(known["z"])))
    to_read = slices.paths.filter(pc.and_(lacking, pc.not_equal(slices.ids, CORRUPT))).drop_null()
    table, found = scan_headers(root, to_read.to_pylist(), jobs, on_progress)
    slices.sieve.found += found
    slices.sieve.kept &= ~_is_in(slices.paths, pa.array([one.item for one in found], pa.string()))
    rows = pc.index_in(slices.paths, table["path"].combine_chunks(), skip_nulls=True)
    misnamed = pc.not_equal(table["sop_instance_uid"].combine_chunks().take(rows), slices.ids).fill_null(False)
    slices.sieve.report(np.asarray(misnamed), Problem.UNREADABLE_FILE, "Its header names another slice.")
    rows = pc.if_else(misnamed, None, rows)
    read = {name: table[name].combine_chunks().take(rows) for name in table.column_names}
    read |= {name: without_prefix(read[name]) for name in IDENTITY}
    merged = {name: pc.if_else(pc.is_valid(rows), read[name], known[name]) for name in known}
    return merged | {name: read[name] for name in ONLY_HEADERS}


def _vectors(places: dict[str, pa.Array], names: Sequence[str]) -> NDArray[np.float64]:
    return np.stack([places[name].to_numpy(zero_copy_only=False) for name in names], axis=1)


def _chosen(column: Any, rows: NDArray[np.bool_]) -> Any:
    return column.filter(pa.array(rows)) if isinstance(column, pa.Array) else column[rows]


def _remarks(layout: Layout, manifest: Manifest) -> list[str]:
    remarks = []
    for folder, what in ((layout.train, "training"), (layout.test, "test")):
        if folder is None:
            remarks.append(f"There is no folder of {what} images: their slices have no path.")
    unknown = manifest.table["patient"].null_count
    if unknown:
        remarks.append(f"The patient of {unknown:,} of {len(manifest):,} slices is unknown: train with them only.")
    labelled = manifest.table["series"].filter(pc.is_null(manifest.table["split"])).drop_null()
    in_part = pc.sum(pc.less(labelled.value_counts().field("counts"), FEWEST_SLICES)).as_py()
    if in_part:
        sentence = (
            f"Scans with fewer than {FEWEST_SLICES} known slices: {in_part:,}. What these do not show is unknown."
        )
        remarks.append(sentence)
    by_z = pc.and_(pc.is_valid(manifest.table["slice"]), pc.is_null(manifest.table["position_mm"]))
    if pc.any(by_z).as_py():
        count = pc.sum(by_z).as_py()
        remarks.append(f"The orientation of {count:,} slices is unknown: they are numbered along z.")
    return remarks


COLLECTION = Collection(
    name="rsna2019",
    title="RSNA 2019 Intracranial Hemorrhage Detection",
    read=read_rsna2019,
    options=(
        Option("--stage", "1 or 2, where the folder holds both stages."),
        Option("--metadata", "Parquet or CSV with the patient, study, series and position of each slice.", kind=Path),
    ),
)
