"""Which image goes with which mask, by their names; and what a table says of each image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from hemoscope.datasets.importing.label_table import read_column_option, read_label_table
from hemoscope.datasets.importing.picture_rows import PICTURE_SUFFIXES
from hemoscope.datasets.problems import Found, Problem
from hemoscope.reasons import UsageError

SUFFIXES = (".nii.gz", ".nii", *sorted(PICTURE_SUFFIXES))
# What of a table is not said by the image and its mask themselves.
OF_THE_IMAGE = (
    "patient", "study", "series", "slice", "position_mm", "sop_instance_uid", "patient_orientation", "hu_low",
    "hu_high", "row_spacing_mm", "column_spacing_mm", "split", "age", "sex", "scanner", "thickness_mm",
)  # fmt: skip


@dataclass(frozen=True)
class Pairing:
    """masks: {image: mask}, relative to the root, sorted; found: images and masks that stand alone."""

    masks: dict[str, str]
    found: tuple[Found, ...]


def pair_files(root: Path, images: str, masks: str, mask_suffix: str) -> Pairing:
    """Pair the files of two folders (which may be one) by their names without suffix; raises UsageError."""
    image_of, mask_of = _named(root, images), _named(root, masks)
    if mask_suffix:
        mask_of = {key.removesuffix(mask_suffix): path for key, path in mask_of.items() if key.endswith(mask_suffix)}
        image_of = {key: path for key, path in image_of.items() if path not in set(mask_of.values())}
    elif images == masks:
        raise UsageError("Where images and masks share a folder, --mask-suffix tells which files are masks.")
    pairs = {image_of[key]: mask_of[key] for key in sorted(image_of.keys() & mask_of.keys())}
    if not pairs:
        sentence = f"No file of {root / images} has the name of one in {root / masks}"
        raise UsageError(f"{sentence}; --images, --masks and --mask-suffix say where they are and how they are named.")
    alone = [Found(Problem.NO_LABEL, image_of[key], "It has no mask.") for key in sorted(image_of.keys() - mask_of)]
    alone += [Found(Problem.NO_SLICE, mask_of[key], "It has no image.") for key in sorted(mask_of.keys() - image_of)]
    return Pairing(pairs, tuple(alone))


def read_image_table(
    path: Path, column: Sequence[str], folder: str, images: Sequence[str]
) -> tuple[pd.DataFrame, list[Found], list[str]]:
    """(what a table says of each image, a row an image; its bad rows; the columns that are not used).

    folder: of the images; the table may name them from the root or from there on, with or without suffix. An image of
    which the table says nothing has unknown values; one with a bad row or several rows is left out.
    """
    table = read_label_table(path, read_column_option(column), {"path": "file"})
    if "path" not in table.rows:
        raise UsageError(f"{path} has no column path or file; --column path=COLUMN says which one names the images.")
    keys = table.rows["path"].fillna("").map(lambda name: scan_name(name, folder))
    image_of = {scan_name(image, folder): image for image in images}
    repeated = keys.duplicated(keep=False)
    details = {
        **{row: f"No image with a mask is named {key}." for row, key in keys.items() if key not in image_of},
        **{row: f"{keys[row]} has several rows." for row in keys.index[repeated]},
        **table.wrong,
    }
    found = [*table.malformed, *(Found(Problem.BAD_ROW, f"{path.name} row {row}", details[row]) for row in details)]
    bad = keys.index.isin(list(details))
    used = [name for name in OF_THE_IMAGE if name in table.rows]
    said = table.rows.loc[~bad, used].set_index(keys[~bad])
    left = [key for key in image_of if key not in set(keys[bad])]
    unused = [*table.unused, *(name for name in table.rows if name not in (*used, "path"))]
    return said.reindex(left).set_axis([image_of[key] for key in left]), found, unused


def scan_name(image: str, folder: str) -> str:
    """What an image is called: its path below the folder of the images, without suffix."""
    return _without_suffix(image.removeprefix(f"{PurePosixPath(folder)}/"))


def _named(root: Path, folder: str) -> dict[str, str]:
    """{path below the folder without suffix: path from the root on}."""
    if not (root / folder).is_dir():
        raise UsageError(f"{root} has no folder {folder}; --images and --masks say where images and masks are.")
    named: dict[str, str] = {}
    for path in sorted((root / folder).rglob("*")):
        if path.name.lower().endswith(SUFFIXES) and path.is_file():
            key = _without_suffix(path.relative_to(root / folder).as_posix())
            if key in named:
                raise UsageError(f"{named[key]} and {path.name} have one name: it is not clear which of them is meant.")
            named[key] = path.relative_to(root).as_posix()
    return named


def _without_suffix(path: str) -> str:
    suffix = next((suffix for suffix in SUFFIXES if path.lower().endswith(suffix)), "")
    return path[: len(path) - len(suffix)]
