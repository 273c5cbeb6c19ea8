"""Plots show what is known, say what is not, and leave no half-written file."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from hemoscope.datasets.description.counting import Rows
from hemoscope.datasets.description.plots import people, positives, scans, write_plots
from hemoscope.datasets.manifest import UNKNOWN, Manifest
from hemoscope.datasets.merge import merge
from hemoscope.findings import FINDING_NAMES


@pytest.fixture
def manifest() -> Manifest:
    labels = np.zeros((8, 6), np.int8)
    labels[:3, [4, 5]] = 1
    labels[0, 1] = 1
    one = Manifest.from_columns("one", Path("/one"), {
        "patient": ["p:1"] * 4 + ["p:2"] * 4, "series": ["A"] * 4 + ["B"] * 4, "slice": [*range(4)] * 2,
        "path": list("abcdefgh"), "age": [40.0] * 4 + [60.0] * 4, **dict(zip(FINDING_NAMES, labels.T, strict=True)),
    })  # fmt: skip
    two = Manifest.from_columns("two", Path("/two"), {"patient": ["q:1"], "series": ["A"], "scan_subdural": [1]})
    return merge([one, two])


def texts(axes: object) -> list[str]:
    return [text.get_text() for text in axes.texts]  # type: ignore[attr-defined]


def test_counts_are_written_and_unknown_is_not_zero(manifest: Manifest) -> None:
    slices, patients = positives(Rows.of(manifest)).axes
    assert texts(slices) == ["0", "1", "0", "0", "3", "3"] + ["unknown"] * 6
    assert texts(patients) == ["0", "1", "0", "0", "1", "1"] + ["unknown"] * 4 + ["1", "unknown"]


def test_slices_are_shared_out_by_their_number_of_findings(manifest: Manifest) -> None:
    lengths, shares = scans(Rows.of(manifest)).axes
    assert [label.get_text() for label in lengths.get_yticklabels()] == ["one\n2 scans", "two\nno scan with slices"]
    assert [bar.get_width() for bar in shares.patches] == [62.5, 25, 12.5, 0, 0, 0]
    assert texts(shares) == ["subtypes unknown"]


def test_people_are_drawn_only_where_known(manifest: Manifest) -> None:
    figure = people(manifest)
    assert figure is not None
    assert [axes.get_title() for axes in figure.axes] == ["Age of patients"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["one\n2 patients"]
    assert people(manifest.with_columns({"age": [None] * len(manifest)})) is None


def test_a_few_values_are_points_not_boxes(manifest: Manifest) -> None:
    lengths = scans(Rows.of(manifest)).axes[0]
    assert lengths.lines[0].get_xdata().tolist() == [4, 4]
    assert lengths.lines[0].get_ydata().tolist() == [0, 0]


def test_plots_are_pictures(manifest: Manifest, tmp_path: Path) -> None:
    paths = write_plots(manifest, tmp_path / "plots")
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == ["people.png", "positives.png", "scans.png"]
    assert all(cv2.imread(str(path)).std() > 10 for path in paths)


def test_a_manifest_without_labels_can_be_drawn(tmp_path: Path) -> None:
    bare = Manifest.from_columns("one", Path("/one"), {"path": ["a", "b"], "any": np.array([UNKNOWN] * 2, np.int8)})
    assert [path.name for path in write_plots(bare, tmp_path)] == ["positives.png", "scans.png"]
