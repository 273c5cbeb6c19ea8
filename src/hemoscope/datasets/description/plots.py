"""Plots of a Manifest: positives by dataset and finding, scans and slices, people and slice thickness."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hemoscope.datasets.description.counting import Rows
from hemoscope.datasets.manifest import UNKNOWN, Manifest
from hemoscope.datasets.patients import patients_of
from hemoscope.findings import ANY, FINDINGS

INK, BAR, UNKNOWN_COLOUR = "#222222", "#4878a8", "#e4e4e4"
NUMBER_COLOURS = ("#d9d9d9", "#fdd49e", "#fdbb84", "#fc8d59", "#e34a33", "#b30000")  # of 0 to 5 findings
FEWEST_IN_BOX = 5  # values; quartiles of fewer say nothing
LINE_INCHES = 0.42  # height of one dataset


def write_plots(manifest: Manifest, folder: Path) -> list[Path]:
    """Write positives.png, scans.png and, where ages or thicknesses are known, people.png; returns their paths."""
    rows = Rows.of(manifest)
    figures = {"positives.png": positives(rows), "scans.png": scans(rows), "people.png": people(manifest)}
    folder.mkdir(parents=True, exist_ok=True)
    return [save(figure, folder / name) for name, figure in figures.items() if figure]


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG or SVG, as its name ends; it appears when it is complete."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(image_of(figure, path.suffix.removeprefix(".")))
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def image_of(figure: Figure, kind: str) -> bytes:
    """A figure as the content of a "png" or "svg" file, which the same figure always gives."""
    stream = io.BytesIO()
    dateless = {"Date": None} if kind == "svg" else None
    with rc_context({"svg.hashsalt": "hemoscope"}):
        figure.savefig(stream, format=kind, dpi=130, facecolor="white", bbox_inches="tight", metadata=dateless)
    return stream.getvalue()


def positives(rows: Rows) -> Figure:
    """Positive slices and patients of each finding in each dataset; grey where nothing is known of the finding."""
    names = _datasets(rows)
    figure = Figure(figsize=(11, 1.3 + LINE_INCHES * len(names)), layout="constrained")
    of_slices = rows.labels != UNKNOWN
    panels: list[tuple[str, Callable[[NDArray[np.bool_]], int], NDArray[np.bool_], NDArray[np.bool_]]] = [
        ("Positive slices", rows.slices, rows.labels == 1, of_slices),
        ("Positive patients", rows.patients, rows.positive, of_slices | (rows.scan_labels != UNKNOWN)),
    ]
    for axes, (title, count, positive, stated) in zip(figure.subplots(1, 2, sharey=True), panels, strict=True):
        grid = np.array(
            [[count(positive[:, f] & (rows.dataset == name)) for f in range(len(FINDINGS))] for name in names]
        )
        known = np.array([stated[rows.dataset == name].any(axis=0) for name in names])
        depth = np.log10(grid + 1) / max(1.0, float(np.log10(grid.max() + 1)))
        axes.imshow(np.where(known, depth, np.nan), cmap="Blues", aspect="auto", vmin=0, vmax=1.3)
        axes.set_facecolor(UNKNOWN_COLOUR)
        for (line, finding), number in np.ndenumerate(grid):
            text, size = (f"{number:,}", 9) if known[line, finding] else ("unknown", 7)
            colour = "white" if known[line, finding] and depth[line, finding] > 0.75 else INK
            axes.text(finding, line, text, ha="center", va="center", color=colour, fontsize=size)
        axes.set_xticks(range(len(FINDINGS)), [finding.abbreviation for finding in FINDINGS])
        axes.set_yticks(range(len(names)), names)
        axes.set_title(title, fontsize=11)
        axes.tick_params(length=0)
    return figure


def scans(rows: Rows) -> Figure:
    """Slices per scan, and the share of slices by their number of findings, in each dataset."""
    names = _datasets(rows)
    figure = Figure(figsize=(11, 1.7 + LINE_INCHES * len(names)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    lengths = [_slices_per_scan(rows, rows.dataset == name) for name in names]
    _boxes(left, lengths, [f"{name}\n{_count(len(of), 'scans')}" for name, of in zip(names, lengths, strict=True)])
    left.set_title("Slices per scan", fontsize=11)
    left.set_xlabel("slices")
    subtypes = rows.labels[:, :ANY]
    known = (subtypes != UNKNOWN).all(axis=1)
    number = (subtypes == 1).sum(axis=1)
    for line, name in enumerate(names):
        counts = np.bincount(number[known & (rows.dataset == name)], minlength=ANY + 1)
        if not counts.sum():
            right.text(50, line, "subtypes unknown", ha="center", va="center", fontsize=8, color=INK)
            continue
        share = 100 * counts / counts.sum()
        for place, colour in enumerate(NUMBER_COLOURS):
            label = f"{place}" if line == _first_known(rows, names, known) else None
            right.barh(line, share[place], left=share[:place].sum(), color=colour, height=0.62, label=label)
    right.set_title("Slices by number of findings (%)", fontsize=11)
    right.set_xlim(0, 100)
    right.set_xlabel("% of the slices whose subtypes are all known")
    handles, labels = right.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, title="findings", loc="outside right center", frameon=False, fontsize=9)
    return figure


def people(manifest: Manifest) -> Figure | None:
    """Age of the patients and thickness of the slices by dataset; None where neither is known anywhere."""
    table = manifest.table.select(["dataset", "age", "thickness_mm"]).to_pandas()
    table["patient"] = patients_of(manifest).to_pandas()
    table["scan"] = manifest.scans.to_pandas()
    ages = table.dropna(subset=["age"]).groupby(["dataset", "patient"])["age"].median()
    scans = table.dropna(subset=["thickness_mm"]).groupby(["dataset", "scan"])
    thicknesses = scans["thickness_mm"].quantile(interpolation="lower")  # one that a slice has
    panels = [("Age of patients", "years", "patients", ages),
              ("Slice thickness of scans", "mm", "scans", thicknesses)]  # fmt: skip
    panels = [panel for panel in panels if len(panel[3])]
    if not panels:
        return None
    most = max(panel[3].index.get_level_values("dataset").nunique() for panel in panels)
    figure = Figure(figsize=(5.5 * len(panels), 1.5 + LINE_INCHES * most), layout="constrained")
    for axes, (title, unit, counted, values) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True
    ):
        groups: list[tuple[Any, pd.Series]] = list(values.groupby("dataset"))
        labels = [f"{name}\n{_count(len(group), counted)}" for name, group in groups]
        _boxes(axes, [group.to_numpy() for _, group in groups], labels)
        axes.set_title(title, fontsize=11)
        axes.set_xlabel(unit)
    return figure


def _boxes(axes: Any, values: Sequence[NDArray[Any]], labels: Sequence[str]) -> None:
    """Horizontal box plots from top to bottom: median, quartiles, whiskers at 5 and 95%, the rest as points.

    Of fewer than FEWEST_IN_BOX values each is a point.
    """
    boxed: list[Any] = [of if len(of) >= FEWEST_IN_BOX else [] for of in values]
    for line, of in enumerate(values):
        if 0 < len(of) < FEWEST_IN_BOX:
            axes.plot(of, [line] * len(of), "o", color=BAR, markersize=5, alpha=0.7)
    axes.boxplot(boxed, positions=range(len(values)), orientation="horizontal", whis=(5, 95), widths=0.55,
                 patch_artist=True, boxprops={"facecolor": "#cfe0ef", "edgecolor": BAR}, medianprops={"color": INK},
                 whiskerprops={"color": BAR}, capprops={"color": BAR},
                 flierprops={"marker": ".", "markersize": 3, "markeredgecolor": BAR})  # fmt: skip
    axes.set_yticks(range(len(labels)), labels, fontsize=8.5)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_xlim(left=0)
    axes.grid(axis="x", color="#eeeeee")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _datasets(rows: Rows) -> list[str]:
    return sorted(pd.unique(rows.dataset))


def _count(number: int, counted: str) -> str:
    return {0: "no scan with slices", 1: f"1 {counted.removesuffix('s')}"}.get(number, f"{number:,} {counted}")


def _first_known(rows: Rows, datasets: Sequence[str], known: NDArray[np.bool_]) -> int:
    return next(line for line, name in enumerate(datasets) if (known & (rows.dataset == name)).any())


def _slices_per_scan(rows: Rows, chosen: NDArray[np.bool_]) -> NDArray[np.intp]:
    counts = np.bincount(rows.scan[chosen & rows.is_slice & (rows.scan >= 0)])
    return counts[counts > 0]
