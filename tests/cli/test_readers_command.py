"""`hemoscope readers` from files to tables."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("statsmodels", reason="needs pip install hemoscope[evaluate]")

from hemoscope.cli.readers import readers


def test_the_readings_of_cq500(shared_data: Path, tmp_path: Path) -> None:
    reads = shared_data / "cq500_reads/reads.csv"
    result = CliRunner().invoke(readers, [str(reads), "--out", str(tmp_path / "out")], catch_exceptions=False)
    assert result.exit_code == 0
    assert "0.783 (0." in result.output and "reader_pairs" in result.output
    with (tmp_path / "out/tables/reader_agreement.csv").open() as file:
        kappas = {row["finding"]: float(row["Fleiss' kappa"]) for row in csv.DictReader(file)}
    assert kappas["ICH"] == pytest.approx(0.7827, abs=5e-5)
    assert {path.suffix for path in (tmp_path / "out/tables").iterdir()} == {".csv", ".md", ".tex"}
