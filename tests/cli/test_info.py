from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[..., Any]


def test_info_says_geometry_and_checks(run: Run, examples: Path) -> None:
    ended = run("info", examples / "ge_tilted_head_series")
    assert ended.code == 0
    for fact in ("Slices 28", "512 x 512", "0.4883 x 0.4883 mm", "Gantry tilt 18.5 degrees", "STD+", "true HU"):
        assert fact in ended.text
    assert "Note GANTRY_TILT" in ended.text
    assert "Can be analysed yes" in ended.text


def test_info_does_not_name_the_patient(run: Run, examples: Path) -> None:
    assert "REMOVED" not in run("info", examples / "ge_tilted_head_series").text


def test_info_says_what_is_missing(run: Run, examples: Path, tmp_path: Path) -> None:
    one = examples / "ge_tilted_head_series" / "16.dcm"
    ended = run("info", one, tmp_path / "nothing.dcm")
    assert ended.code == 1
    assert "Can be analysed no" in ended.text
    assert "No answer TOO_FEW_SLICES" in ended.text
    assert "Not analysed: nothing.dcm cannot be read" in ended.text
    assert run("info", one, "--independent").code == 0


def test_a_folder_without_scans_is_not_analysed(run: Run, tmp_path: Path) -> None:
    ended = run("info", tmp_path)
    assert ended.code == 1
    assert "No scan was found in the input." in ended.text


def test_what_lies_beside_a_scan_is_said_too(run: Run, examples: Path) -> None:
    ended = run("info", examples)
    assert ended.code == 0
    assert "Set aside: examples/README.md is not DICOM" in ended.text
