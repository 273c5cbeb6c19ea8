"""Voxel masks: pairs of an image and a mask, NIfTI volumes (BHSD, INSTANCE 2022) or pictures of slices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from hemoscope.ct.inputs import InputFile
from hemoscope.ct.sniff import sniff
from hemoscope.ct.windows import Window
from hemoscope.datasets.collection import Collection, Imported, OnProgress, Option
from hemoscope.datasets.importing.assignments import MASK_VALUES_OPTION, findings_of, read_mask_values
from hemoscope.datasets.importing.file_names import NAME_PATTERN_OPTION, read_names
from hemoscope.datasets.importing.label_table import COLUMN_OPTION
from hemoscope.datasets.importing.mask_files import pair_files, read_image_table, scan_name
from hemoscope.datasets.importing.mask_pairs import Pair, ReadPair, read_pair
from hemoscope.datasets.importing.picture_rows import WINDOW_OPTION
from hemoscope.datasets.importing.slice_rows import PATIENTS_OPTION, SliceRows, to_manifest
from hemoscope.datasets.parallel import in_processes
from hemoscope.datasets.problems import Found, Problem
from hemoscope.reasons import UsageError


def read(
    root: Path,
    name: str,
    jobs: int,
    on_progress: OnProgress,
    values: str,
    images: str | None = None,
    masks: str | None = None,
    mask_suffix: str | None = None,
    window: str | None = None,
    min_pixels: int | None = None,
    table: Path | None = None,
    column: Sequence[str] = (),
    name_pattern: str | None = None,
    patients: str | None = None,
) -> Imported:
    """Pair the files of two folders by name, and label each slice by what its mask marks.

    min_pixels: from so many pixels on a finding is there; with fewer, but some, it is unknown. Raises UsageError where
    a folder is not there, where no names agree, and where pictures come without their window.
    """
    meaning, folder = read_mask_values(values), images or "images"
    pairing = pair_files(root, folder, masks or "masks", mask_suffix or "")
    shown = Window.from_text(window) if window else None
    _check_window_is_said(root, pairing.masks, shown)
    pairs = [Pair(root, image, mask, meaning, shown) for image, mask in pairing.masks.items()]
    reads: dict[str, ReadPair] = {}
    for one in in_processes(read_pair, pairs, jobs):
        reads[one.image] = one
        on_progress(len(reads), len(pairs))
    good = [reads[image] for image in pairing.masks if reads[image].found is None]
    said = _describe(good, folder, table, column, name_pattern)
    good = [one for one in good if one.image in said.rows.index]
    rows = _join(_rows(good, pairing.masks), said.rows, folder)
    slices = SliceRows(rows, _items(rows), patients or name)
    slices.whole = slices.whole | rows["frame"].notna().to_numpy()
    slices.sieve.found += [*pairing.found, *(one.found for one in reads.values() if one.found), *said.found]
    slices.remarks += said.remarks
    _label(slices, [one.pixels or {} for pair in good for one in pair.slices], meaning, min_pixels or 1)
    return to_manifest(slices, name, root, findings_of(meaning))


@dataclass(frozen=True, eq=False)
class _Description:
    """What is known of each image besides itself: columns of a Manifest by image; those left out have a problem."""

    rows: pd.DataFrame
    found: Sequence[Found] = ()
    remarks: Sequence[str] = ()


def _describe(
    good: Sequence[ReadPair], folder: str, table: Path | None, column: Sequence[str], name_pattern: str | None
) -> _Description:
    images = [one.image for one in good]
    if table and name_pattern:
        raise UsageError("Say whose the images are with --table or with --name-pattern, not with both.")
    if table:
        rows, found, unused = read_image_table(table, column, folder, images)
        remark = f"Columns of {table.name} that were not used: {', '.join(unused)}."
        return _Description(rows, found, (remark,) if unused else ())
    if name_pattern:
        return _Description(read_names(name_pattern, images).set_axis(images))
    patients = [scan_name(one.image, folder) if one.is_volume else None for one in good]
    remark = "Each volume is taken for a patient of its own: neither --table nor --name-pattern names patients."
    rows = pd.DataFrame({"patient": patients}, index=images, dtype=object)
    return _Description(rows, remarks=(remark,) if any(patients) else ())


def _check_window_is_said(root: Path, images: Iterable[str], window: Window | None) -> None:
    first = next(iter(images))
    if window is None and sniff(InputFile(root / first, first, 0)) == "picture":
        raise UsageError(f"{first} is a picture: say with --window LEVEL/WIDTH which display window the images show.")


def _rows(good: Iterable[ReadPair], masks: Mapping[str, str]) -> pd.DataFrame:
    """One row a slice, with what the images and masks say themselves."""
    columns = ("path", "mask", "frame", "slice", "position_mm", "window", "hu_low", "hu_high")
    rows = [
        (pair.image, masks[pair.image], one.frame, one.slice, one.position_mm, pair.window, pair.hu_low, pair.hu_high)
        for pair in good
        for one in pair.slices
    ]
    return pd.DataFrame(rows, columns=list(columns), dtype=object)


def _join(rows: pd.DataFrame, said: pd.DataFrame, folder: str) -> pd.DataFrame:
    """Add what a table or the names say, but where the files say it themselves; a volume is a scan in any case."""
    of_rows = said.reindex(rows["path"]).reset_index(drop=True)
    for name in of_rows:
        rows[name] = rows[name].where(rows[name].notna(), of_rows[name]) if name in rows else of_rows[name]
    names = rows["path"].map(lambda image: scan_name(image, folder)).where(rows["frame"].notna(), None)
    rows["series"] = rows["series"].where(rows["series"].notna(), names) if "series" in rows else names
    return rows


def _items(rows: pd.DataFrame) -> list[str]:
    pairs = zip(rows["path"], rows["frame"], strict=True)
    return [path if frame is None else f"{path}#{frame}" for path, frame in pairs]


def _label(slices: SliceRows, pixels: Sequence[Mapping[int, int]], meaning: Mapping[int, str], min_pixels: int) -> None:
    """Set each finding that the values name: 1 from `min_pixels` marked pixels on, 0 without any, else unknown.

    `any` by itself, in binary masks, counts the pixels of all findings.
    """
    marks = findings_of(meaning)
    for finding in sorted(set(marks.values())):
        its_values = marks if finding == "any" else {value for value in marks if marks[value] == finding}
        counts = np.array([sum(of_slice.get(value, 0) for value in its_values) for of_slice in pixels], np.int64)
        islands = (counts > 0) & (counts < min_pixels)
        slices.rows[finding] = np.where(islands, np.nan, counts > 0)
        detail = f"Fewer than {min_pixels} pixels are marked as {finding}: it is unknown."
        slices.sieve.report(islands, Problem.DOUBTFUL_LABEL, detail)


COLLECTION = Collection(
    name="masks",
    title="Voxel masks: pairs of an image and a mask, NIfTI volumes (BHSD, INSTANCE 2022) or pictures of slices.",
    read=read,
    options=(
        Option(MASK_VALUES_OPTION.flag, MASK_VALUES_OPTION.help, metavar=MASK_VALUES_OPTION.metavar, required=True),
        Option("--images", "The folder of the images below the root (default images).", metavar="FOLDER"),
        Option("--masks", "The folder of the masks below the root (default masks).", metavar="FOLDER"),
        Option("--mask-suffix", "What the name of a mask has more than that of its image, for example _label.",
               metavar="TEXT"),
        WINDOW_OPTION,
        Option("--min-pixels", "From so many marked pixels on a slice has a finding (default 1); with fewer it is"
               " unknown.", int),
        Option("--table", "A CSV with a row an image: patient, study, series, slice, posterior_up ...", Path,
               metavar="CSV"),
        COLUMN_OPTION,
        NAME_PATTERN_OPTION,
        PATIENTS_OPTION,
    ),
)  # fmt: skip
