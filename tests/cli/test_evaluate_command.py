"""`hemoscope evaluate` as a user types it, on what `hemoscope detect` says of the example scans."""

from __future__ import annotations

import csv
import json
import shutil

import pytest

pytest.importorskip("pyarrow")

from hemoscope.evaluation.matching.case_files import read_cases
from hemoscope.findings import FINDING_NAMES


@pytest.fixture
def manifest(run, examples, tmp_path):
    """The labels of the three example volumes as a Manifest."""
    table = tmp_path / "labels.csv"
    with (examples / "physionet_ct_ich/labels.csv").open(newline="") as given, table.open("w", newline="") as made:
        writer = csv.writer(made)
        writer.writerow(["path", "frame", "patient", *FINDING_NAMES])
        for row in csv.DictReader(given):
            writer.writerow([row["file"], row["slice"], row["file"][8:11], *(row[name] for name in FINDING_NAMES)])
    out = tmp_path / "manifest.parquet"
    done = run("dataset", "import", "csv", "--root", examples / "physionet_ct_ich", "--table", table,
               "--name", "ct-ich", "--out", out)  # fmt: skip
    assert done.code == 0, done.err
    return out


def test_what_detect_wrote_is_evaluated(run, examples, manifest, tmp_path):
    volumes = sorted((examples / "physionet_ct_ich").glob("*.nii.gz"))
    detected = tmp_path / "detected"
    assert run("detect", *volumes, "--out", detected, "--format", "csv", "--jobs", 1).code == 0
    done = run("evaluate", "--predictions", detected / "slices.csv", "--scans", detected / "scans.csv",
               "--manifest", manifest, "--out", tmp_path / "out", "--protocol", "patel2019")  # fmt: skip
    assert done.code == 0, done.err
    assert "slices, evaluated: 61 slices of 3 patients" in done.out
    assert "scans, found: 3 by its slices" in done.out
    assert "nan" not in done.text.lower()
    cases = read_cases(tmp_path / "out/cases_slices.parquet")
    with (examples / "physionet_ct_ich/labels.csv").open(newline="") as stream:
        truth = {(row["file"], int(row["slice"])): int(row["any"]) for row in csv.DictReader(stream)}
    keys = zip(cases.about["path"], cases.about["frame"], strict=True)
    assert [truth[path, int(frame)] for path, frame in keys] == cases.labels[:, -1].tolist()
    with (detected / "slices.csv").open(newline="") as stream:
        said = {(row["source"], int(row["slice"])): float(row["any"]) for row in csv.DictReader(stream)}
    numbers = zip(cases.about["path"], cases.about["slice"], strict=True)
    assert [said[path, int(number)] for path, number in numbers] == cases.probabilities[:, -1].tolist()
    facts = json.loads((tmp_path / "out/evaluation.json").read_text())
    assert facts["scans_scored_by"] == "own output"
    assert {"report.html", "failures.html"} < {path.name for path in (tmp_path / "out").iterdir()}
    assert list((tmp_path / "out/tables").glob("patel2019*.csv"))


def test_errors_are_one_sentence(run, manifest, tmp_path):
    def evaluate(text, *options):
        (tmp_path / "slices.csv").write_text(text)
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        done = run("evaluate", "--predictions", tmp_path / "slices.csv", "--manifest", manifest, "--out",
                   tmp_path / "out", *options)  # fmt: skip
        assert done.code == 2
        assert len(done.err.strip().splitlines()) == 1
        return done.err

    row = "scan,slice,any\npatient_052,0,0.5\n"
    assert "Row 3 of" in evaluate(row + "patient_052,1,50\n")
    assert "Rows 2 and 3 of slices.csv are of the same slice" in evaluate(row + "patient_052,0,0.5\n")
    assert "has no split 'test': it is not split" in evaluate(row, "--split", "test")
    assert "There is no protocol 'nobody2020'; there are default, burduja2020" in evaluate(
        row, "--protocol", "nobody2020"
    )
    assert "None of the 1 rows of slices.csv is a slice of the Manifest" in evaluate("scan,slice,any\n999,0,0.5\n")


def test_without_any_predictions_the_sentence_names_what_is_missing(run, manifest, tmp_path):
    done = run("evaluate", "--manifest", manifest, "--out", tmp_path / "out")
    assert done.code == 2
    assert "Give predictions: those of slices, of scans, or both." in done.err
    assert not (tmp_path / "out").exists()
