"""A sheet of slices to look at: a few of each finding of each dataset, in the brain window, with boxes and labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from hemoscope.ct.windows import BRAIN, to_grey
from hemoscope.datasets.description.plots import save
from hemoscope.datasets.labels import in_words
from hemoscope.datasets.manifest import UNKNOWN, Manifest
from hemoscope.datasets.patients import patients_of
from hemoscope.datasets.slice_store.store import SliceStore
from hemoscope.findings import ANY, FINDINGS

EXAMPLES = 2  # of each finding of each dataset
TILE_INCHES = 1.75
CAPTION_INCHES = 0.42
MARGIN_INCHES = 0.4  # for the names of datasets on the left and findings on top
COLUMNS = [*(finding.name for finding in FINDINGS[:ANY]), "any, subtype unknown", "no hemorrhage", "unknown"]


def write_contact_sheet(manifest: Manifest, store: SliceStore, path: Path, seed: int = 0) -> Path:
    """Draw the sheet (PNG): two lines for each dataset, a column for each finding and for none; blank where none is.

    Slices are drawn at random, of different patients where there are enough.
    """
    number = store.rows_of(manifest)
    labels = manifest.labels
    patients = patients_of(manifest).to_pandas().fillna("").tolist()
    of = manifest.table["dataset"].to_pandas().to_numpy(object)
    names = sorted(set(of[number >= 0]))
    columns = [place for place in range(len(COLUMNS)) if (_in_column(labels, place) & (number >= 0)).any()]
    figure, grid = _grid(len(names) * EXAMPLES, len(columns))
    random = np.random.default_rng(seed)
    shown: Counter[str] = Counter()
    for column, place in enumerate(columns):
        grid[0, column].set_title(COLUMNS[place], fontsize=8.5, pad=4)
        for line, name in enumerate(names):
            fitting = np.flatnonzero((number >= 0) & (of == name) & _in_column(labels, place))
            for example, row in enumerate(_of_different_patients(random.permutation(fitting), patients, shown)):
                axes = grid[line * EXAMPLES + example, column]
                _draw(axes, manifest.take(np.array([row])), store, int(number[row]))
    for line, name in enumerate(names):
        first, last = (grid[line * EXAMPLES + place, 0].get_position() for place in (0, EXAMPLES - 1))
        figure.text(0.01, (first.y1 + last.y0) / 2, name, rotation=90, va="center", ha="left", fontsize=10)
    return save(figure, path)


def _grid(lines: int, columns: int) -> tuple[Figure, NDArray[Any]]:
    """A figure with places for pictures [line, column], each with room for a caption below."""
    width, height = columns * TILE_INCHES + MARGIN_INCHES, lines * (TILE_INCHES + CAPTION_INCHES) + MARGIN_INCHES
    figure = Figure(figsize=(width, height))
    room = {"left": MARGIN_INCHES / width, "right": 1, "bottom": CAPTION_INCHES / height,
            "top": 1 - MARGIN_INCHES / height, "wspace": 0.03, "hspace": CAPTION_INCHES / TILE_INCHES}  # fmt: skip
    grid = figure.subplots(lines, columns, squeeze=False, gridspec_kw=room)
    for axes in grid.flat:
        axes.axis("off")
        axes.set_box_aspect(1)  # also where no picture comes, so that titles lie on one line
    return figure, grid


def _in_column(labels: NDArray[np.int8], column: int) -> NDArray[np.bool_]:
    """Which slices belong in a column of the sheet: bool [row]."""
    if column < ANY:
        return np.asarray(labels[:, column] == 1)
    if column == ANY:
        return np.asarray((labels[:, ANY] == 1) & ~(labels[:, :ANY] == 1).any(axis=1))
    if column == ANY + 1:
        return np.asarray(labels[:, ANY] == 0)
    return np.asarray((labels[:, ANY] == UNKNOWN) & ~(labels[:, :ANY] == 1).any(axis=1))


def _of_different_patients(rows: NDArray[np.intp], patients: Sequence[str], shown: Counter[str]) -> list[int]:
    """The first EXAMPLES rows, preferring patients that are shown least so far; `shown` is brought up to date."""
    left: list[int] = rows.tolist()
    chosen: list[int] = []
    while left and len(chosen) < EXAMPLES:
        row = min(left, key=lambda row: shown[patients[row]])
        shown[patients[row]] += 1
        left.remove(row)
        chosen.append(row)
    return chosen


def _draw(axes: Any, row: Manifest, store: SliceStore, number: int) -> None:
    """One slice with its boxes and its caption: scan, slice and the findings of the slice."""
    axes.imshow(to_grey(store.hu(number), BRAIN), cmap="gray", vmin=0, vmax=255, interpolation="antialiased")
    native = store.index.slice(number, 1).to_pylist()[0]
    facts = row.table.to_pylist()[0]
    colours = {finding.name: finding.colour for finding in FINDINGS}
    for box in facts["boxes"] or []:
        left, top, width, height = _in_store(box, native["native_rows"], native["native_columns"], store.shape)
        axes.add_patch(
            Rectangle((left, top), width, height, fill=False, edgecolor=colours[box["finding"]], linewidth=1)
        )
    scan = facts["series"] or facts["sop_instance_uid"] or Path(facts["path"]).stem
    where = f"{scan[-22:]}" + (f", slice {facts['slice']}" if facts["slice"] is not None else "")
    axes.text(
        0.5, -0.03, f"{where}\n{in_words(row.labels[0])}", transform=axes.transAxes, ha="center", va="top", fontsize=6
    )


def _in_store(
    box: dict[str, Any], rows: int, columns: int, shape: tuple[int, int]
) -> tuple[float, float, float, float]:
    """(left, top, width, height) of a box in pixels of the store, whose slices are fitted whole into a square.

    Pixels are taken as square, as boxes are drawn on pictures without spacing or on axial CT.
    """
    scale = max(shape) / max(rows, columns)
    left, top = (shape[1] - columns * scale) / 2, (shape[0] - rows * scale) / 2
    return (left + box["xmin"] * scale - 0.5, top + box["ymin"] * scale - 0.5,
            (box["xmax"] - box["xmin"]) * scale, (box["ymax"] - box["ymin"]) * scale)  # fmt: skip
