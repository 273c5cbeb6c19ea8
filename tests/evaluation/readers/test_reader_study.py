"""Readings joined with a truth and a model by the names of scans."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="needs pip install hemoscope[evaluate]")

from hemoscope.ct.names import hashed_name
from hemoscope.datasets.manifest import Manifest
from hemoscope.evaluation.readers.reader_study import ReaderStudy
from hemoscope.evaluation.readers.readers_and_truth import AGAINST_READER, by_finding_table
from hemoscope.reasons import UsageError

READS = "scan,reader,any\na,R1,1\nb,R1,0\nc,R1,1\na,R2,1\nb,R2,1\n"


@pytest.fixture
def reads(tmp_path: Path) -> Path:
    path = tmp_path / "reads.csv"
    path.write_text(READS)
    return path


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_readings_alone(reads: Path) -> None:
    study = ReaderStudy.read(reads)
    assert study.truth is None and study.model is None
    assert study.vote[:, 5].tolist() == [1, -1, -1] == study.label(5).tolist()


def test_tables_in_another_order_with_scans_missing(reads: Path, tmp_path: Path) -> None:
    truth = write(tmp_path / "truth.csv", "scan,any\nc,0\nz,1\na,1\n")
    model = write(tmp_path / "scans.csv", "scan,any,subdural\nb,0.25,\na,0.75,0.5\n")
    study = ReaderStudy.read(reads, truth, model)
    assert study.truth is not None and study.truth[:, 5].tolist() == [1, -1, 0] == study.label(5).tolist()
    assert study.model is not None
    np.testing.assert_array_equal(study.model[:, 5], [0.75, 0.25, np.nan])
    np.testing.assert_array_equal(study.model[:, 4], [0.5, np.nan, np.nan])


def test_a_manifest_knows_other_names_of_a_scan(reads: Path, tmp_path: Path) -> None:
    """Readers name the study, and the model the hash of the series, as `detect` writes it."""
    columns = {"path": ["1", "2", "3"], "study": ["a", "b", "d"], "series": ["1.2.1", "1.2.2", "1.2.3"],
               "scan_any": [0, 1, 1]}  # fmt: skip
    manifest = tmp_path / "manifest.parquet"
    Manifest.from_columns("here", tmp_path, columns).write(manifest)
    model = write(tmp_path / "scans.csv", f"scan,any\n{hashed_name('1.2.2')},0.5\n1.2.1,0.125\n")
    study = ReaderStudy.read(reads, manifest, model)
    assert study.truth is not None and study.truth[:, 5].tolist() == [0, 1, -1]
    assert study.model is not None
    np.testing.assert_array_equal(study.model[:, 5], [0.125, 0.5, np.nan])


@pytest.mark.parametrize(
    ("truth", "model", "sentence"),
    [
        ("scan,any\nx,1\n", None, r"share no scan: their names differ \(a, x\)"),
        (None, "scan,any\nx,0.5\n", r"share no scan: their names differ \(a, x\)"),
        (None, "scan,any\na,0.5\na,0.5\n", "has the scan a twice"),
        (None, "scan,any\na,1.5\n", "probabilities lie between 0 and 1"),
        (None, "source,any\na,0.5\n", "needs a column scan"),
        ("scan,any\na,1\na,0\n", None, "has the scan a twice"),
    ],
)
def test_files_that_do_not_fit(
    reads: Path, tmp_path: Path, truth: str | None, model: str | None, sentence: str
) -> None:
    given = [None if text is None else write(tmp_path / name, text)
             for name, text in (("truth.csv", truth), ("scans.csv", model))]  # fmt: skip
    with pytest.raises(UsageError, match=sentence):
        ReaderStudy.read(reads, *given)


def test_one_reader_needs_a_truth_or_a_model(tmp_path: Path) -> None:
    reads = write(tmp_path / "reads.csv", "scan,reader,any\na,R1,1\nb,R1,0\n")
    with pytest.raises(UsageError, match=r"one reader: there is nobody to agree with; give --truth or --model\.$"):
        ReaderStudy.read(reads)
    study = ReaderStudy.read(reads, model=write(tmp_path / "scans.csv", "scan,any\na,0.9\nb,0.2\n"))
    assert study.label(5).tolist() == [1, 0]
    model = by_finding_table(study)
    assert [row[1:3] for row in model.rows if row[0] == "ICH"] == [("Model", 2)]
    assert AGAINST_READER in model.notes
