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


def test_with_a_truth_and_a_model_any_hemorrhage_is_printed(tmp_path: Path) -> None:
    reads, truth, model = (tmp_path / name for name in ("reads.csv", "truth.csv", "scans.csv"))
    reads.write_text("name,R1:ICH,R2:ICH\na,1,1\nb,0,0\nc,1,0\nd,1,1\n")
    truth.write_text("scan,any\na,1\nb,0\nc,0\nd,0\n")
    model.write_text("scan,any\na,0.9\nb,0.2\nc,0.7\nd,0.6\n")
    options = ["--truth", str(truth), "--model", str(model), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(readers, [str(reads), *options], catch_exceptions=False)
    assert result.exit_code == 0
    lines = result.output.splitlines()
    (r1,) = (line for line in lines if line.startswith("R1, ICH: "))
    assert r1.startswith("R1, ICH: scans 4, accuracy 0.500 (0.068 to 0.932), sensitivity 1.000")
    assert [line.split(",")[0] for line in lines if ", ICH: scans 4" in line] == ["Model", "R1", "R2"]
    assert "Labels that all readers contradict, ICH: 1 (d)." in lines
