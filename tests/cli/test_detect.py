from __future__ import annotations

import csv
import errno
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest

from hemoscope.ct.scan import Scan
from hemoscope.detector import inference
from hemoscope.detector.detection import Detection
from hemoscope.report import write

Run = Callable[..., Any]
Read = Callable[[Path], dict[str, Any]]


@pytest.fixture
def head(examples: Path) -> Path:
    return examples / "ge_tilted_head_series"


@pytest.fixture
def few_slices(tmp_path: Path, head: Path) -> Path:
    """Three slices of the head: too few for an answer."""
    folder = tmp_path / "few"
    folder.mkdir()
    for path in sorted(head.glob("*.dcm"))[15:18]:
        shutil.copy(path, folder)
    return folder


def test_a_head_is_analysed_whole(run: Run, head: Path, bundle: Path, tmp_path: Path, results_of: Read) -> None:
    out = tmp_path / "out"
    ended = run("detect", head, "--out", out, "--bundle", bundle)
    assert (ended.code, ended.err) == (0, "")
    assert "ge_tilted_head_series" in ended.out
    assert "28" in ended.out
    assert f"The outputs are in {out}. Research use only. Not a medical device." in ended.text
    results = results_of(out)
    (scan,) = results["scans"]
    assert (scan["slices_found"], scan["slices_read"], scan["slices_scored"]) == (28, 28, 28)
    assert {"GANTRY_TILT", "UNEVEN_SPACING"} <= {check["code"] for check in scan["checks"]}
    assert set(scan["seconds"]) == {"read", "checks", "network", "total"}
    assert results["manifest"]["complete"] is True
    assert set(results["manifest"]["seconds"]) == {"load detector", "read", "checks", "network", "write", "total"}
    with (out / "slices.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    positions = [float(row["position_mm"]) for row in rows]
    assert positions == sorted(positions)
    assert all(0 <= float(row["any"]) <= 1 for row in rows)
    assert (out / scan["files"][0]).is_file()
    assert sorted(path.suffix for path in (out / scan["scan"]).iterdir()) == [".html", *[".png"] * 4]


def test_no_identifier_leaves_unless_asked(run: Run, head: Path, bundle: Path, tmp_path: Path) -> None:
    header = pydicom.dcmread(head / "16.dcm", stop_before_pixels=True)
    folder = tmp_path / "Doe_Jane"
    shutil.copytree(head, folder)
    for path in folder.glob("*.dcm"):
        dataset = pydicom.dcmread(path)
        dataset.PatientName, dataset.PatientID, dataset.AccessionNumber = "Doe^Jane", "P-4711", "ACC-99"
        dataset.StudyDate, dataset.SeriesDescription = "20260102", "Head of Doe"
        dataset.save_as(path)
    (folder / "Doe_letter.txt").write_text("Dear Jane")
    secrets = ("Doe", "Jane", "P-4711", "ACC-99", "20260102", header.SOPInstanceUID, header.SeriesInstanceUID)
    for keep in (False, True):
        out = tmp_path / f"out-{keep}"
        flags = ["--keep-identifiers"] if keep else []
        assert run("detect", folder, "--out", out, "--bundle", bundle, *flags).code == 0
        outputs = [path for path in out.rglob("*") if path.is_file()]
        written = b"".join(path.read_bytes() for path in outputs if path.suffix != ".png").decode()
        names = " ".join(str(path.relative_to(out)) for path in outputs)
        written = re.sub(r'base64,[^"]+', "", written)  # of pictures
        found = [secret for secret in secrets if secret in written + names]
        assert found == (list(secrets) if keep else [])


def test_a_bad_input_does_not_stop_the_others(
    run: Run, head: Path, few_slices: Path, bundle: Path, tmp_path: Path, results_of: Read
) -> None:
    bad, out = tmp_path / "bad.dcm", tmp_path / "out"
    bad.write_bytes(b"DICM" * 100)
    ended = run("detect", bad, few_slices, head, tmp_path / "missing", "--out", out, "--bundle", bundle)
    assert ended.code == 1
    assert "Not analysed: bad.dcm" in ended.text
    assert "Not analysed: missing cannot be read" in ended.text
    states = {scan["slices_found"]: scan["state"] for scan in results_of(out)["scans"]}
    assert 28 in states
    assert states[28] != "not_analysed"
    assert len(results_of(out)["refusals"]) >= 2


def test_too_few_slices_get_no_probabilities(
    run: Run, few_slices: Path, bundle: Path, tmp_path: Path, results_of: Read
) -> None:
    out = tmp_path / "out"
    ended = run("detect", few_slices, "--out", out, "--bundle", bundle)
    assert ended.code == 1
    (scan,) = results_of(out)["scans"]
    assert (scan["state"], scan["probabilities"]) == ("not_analysed", None)
    assert "was not analysed." in ended.text
    page = (out / scan["scan"] / "report.html").read_text()
    assert "What to do:" in page


def test_the_terminal_says_why_a_scan_is_to_be_read_with_care(
    run: Run, examples: Path, bundle: Path, tmp_path: Path
) -> None:
    given = examples / "physionet_ct_ich"  # patient_077 begins inside the brain
    ended = run("detect", given, "--out", tmp_path, "--bundle", bundle, "--format", "csv")
    assert ended.text.count("is to be read with care.") == 1
    assert "patient_077 is to be read with care. The scan does not cover the whole brain" in ended.text


def test_the_terminal_names_the_folder_of_each_scan(run: Run, head: Path, bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(head, tmp_path / "patients" / "first" / "series")
    shutil.make_archive(str(tmp_path / "patients" / "second"), "zip", head)
    for given, place in (("patients/first", "first/series"), ("patients/second.zip", "second.zip")):
        out = tmp_path / "out"
        ended = run("detect", tmp_path / given, "--out", out, "--bundle", bundle, "--format", "csv")
        assert f" {place} " in ended.out


def test_independent_files_are_scans_of_their_own(
    run: Run, few_slices: Path, bundle: Path, tmp_path: Path, results_of: Read
) -> None:
    out = tmp_path / "out"
    ended = run("detect", few_slices, "--independent", "--out", out, "--bundle", bundle, "--format", "csv,json")
    assert ended.code == 0
    scans = results_of(out)["scans"]
    assert [scan["slices_found"] for scan in scans] == [1, 1, 1]
    assert len({scan["scan"] for scan in scans}) == 3
    assert not list(out.rglob("*.html"))


@pytest.mark.parametrize(
    ("threshold", "name"), [("sensitive", "sensitive"), ("specific", "specific"), ("0.3", "custom")]
)
def test_one_threshold_leaves_no_band(
    run: Run, examples: Path, bundle: Path, tmp_path: Path, threshold: str, name: str, results_of: Read
) -> None:
    given = examples / "physionet_ct_ich" / "patient_052.nii.gz"
    assert run("detect", given, "--out", tmp_path, "--bundle", bundle, "--threshold", threshold).code == 0
    (scan,) = results_of(tmp_path)["scans"]
    low, high = scan["operating_points"]
    assert low == high
    assert low["name"] == name
    doubtful = {"soft", "incomplete"} & {check["severity"] for check in scan["checks"]}
    assert (scan["state"] in ("positive", "negative")) is not bool(doubtful)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--bundle", "nothing"], "There is no bundle 'nothing'"),
        (["--window", "wide"], "A window is written level/width in HU, for example 40/80, not 'wide'."),
        (["--format", "csv,xls"], "--format takes a list of csv, json, html, png, not 'csv,xls'."),
        (["--format", ""], "--format takes a list"),
        (["--threshold", "2"], "A threshold is 'sensitive', 'specific' or a probability between 0 and 1, not '2'."),
        (["--series", "1.2.3"], "1.2.3 is in the input"),
    ],
)
def test_settings_that_cannot_be_followed(
    run: Run, head: Path, bundle: Path, tmp_path: Path, options: list[str], sentence: str
) -> None:
    out = tmp_path / "out"
    ended = run("detect", head, "--out", out, "--bundle", bundle, *options)
    assert ended.code == 2
    assert sentence in ended.err
    assert "Traceback" not in ended.text
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".csv", ".html", ".part")]


def test_out_is_never_a_folder_of_someone_else(run: Run, head: Path, bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").write_text("mine")
    ended = run("detect", head, "--out", tmp_path, "--bundle", bundle)
    assert ended.code == 2
    assert "already holds files that Hemoscope did not write" in ended.err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.doc"]


def test_out_lies_outside_the_input(run: Run, few_slices: Path, bundle: Path) -> None:
    ended = run("detect", few_slices, "--out", few_slices / "out", "--bundle", bundle)
    assert ended.code == 2
    assert "lies inside the input" in ended.err
    assert not (few_slices / "out").exists()


def test_out_that_cannot_be_made(run: Run, head: Path, bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = run("detect", head, "--out", tmp_path / "file" / "out", "--bundle", bundle)
    assert ended.code == 2
    assert "could not be written: Not a directory." in ended.err or "cannot be used: Not a directory." in ended.err


def test_a_full_disk_is_one_sentence(
    run: Run, few_slices: Path, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = write.write_whole

    def full(path: Path, data: bytes) -> None:
        if path.name != write.RECORD:
            raise OSError(errno.ENOSPC, "No space left on device")
        written(path, data)

    monkeypatch.setattr(write, "write_whole", full)
    ended = run("detect", few_slices, "--out", tmp_path / "out", "--bundle", bundle)
    assert ended.code == 2
    assert ended.err.count("\n") == 1
    assert "could not be written: No space left on device." in ended.err


def test_a_defect_on_one_scan_does_not_stop_the_others(
    run: Run,
    few_slices: Path,
    head: Path,
    bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    results_of: Read,
) -> None:
    checked = inference.check_scan

    def fail_on_few(scan: Scan) -> tuple:
        if len(scan.slices) == 3:
            raise IndexError("out of range")
        return checked(scan)

    monkeypatch.setattr(inference, "check_scan", fail_on_few)
    nifti = head.parent / "physionet_ct_ich" / "patient_052.nii.gz"
    ended = run("detect", few_slices, nifti, "--out", tmp_path / "out", "--bundle", bundle)
    assert ended.code == 1
    assert "IndexError, out of range; see --debug." in ended.text
    results = results_of(tmp_path / "out")
    assert [refusal["code"] for refusal in results["refusals"]] == ["DEFECT"]
    assert [scan["scan"] for scan in results["scans"]] == ["patient_052"]


def test_a_report_that_cannot_be_drawn_does_not_stop_the_others(
    run: Run,
    few_slices: Path,
    head: Path,
    bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    results_of: Read,
) -> None:
    drawn = write.html.scan_report

    def fail_on_few(detection: Detection, *others: Any) -> bytes:
        if len(detection.scan.slices) == 3:
            raise IndexError("out of range")
        return drawn(detection, *others)

    monkeypatch.setattr(write.html, "scan_report", fail_on_few)
    nifti = head.parent / "physionet_ct_ich" / "patient_052.nii.gz"
    ended = run("detect", few_slices, nifti, "--out", tmp_path / "out", "--bundle", bundle)
    assert ended.code == 1
    assert "IndexError, out of range; see --debug." in ended.text
    results = results_of(tmp_path / "out")
    assert [refusal["code"] for refusal in results["refusals"]] == ["DEFECT"]
    assert [scan["scan"] for scan in results["scans"]] == ["patient_052"]


def test_a_folder_without_scans_is_not_analysed(run: Run, bundle: Path, tmp_path: Path, results_of: Read) -> None:
    (tmp_path / "empty").mkdir()
    ended = run("detect", tmp_path / "empty", "--out", tmp_path / "out", "--bundle", bundle)
    assert ended.code == 1
    assert "No scan was found in the input." in ended.text
    assert results_of(tmp_path / "out")["scans"] == []


def test_all_outputs_of_an_archive(run: Run, head: Path, bundle: Path, tmp_path: Path, results_of: Read) -> None:
    archive = shutil.make_archive(str(tmp_path / "study"), "zip", head)
    ended = run("detect", archive, "--out", tmp_path / "out", "--bundle", bundle, "--keep-identifiers")
    assert ended.code == 0
    (scan,) = results_of(tmp_path / "out")["scans"]
    assert scan["slices"][0]["source"] == "study.zip!01.dcm"
    assert scan["slices_scored"] == 28


def test_what_is_no_head_is_refused(
    run: Run, shared_data: Path, bundle: Path, tmp_path: Path, results_of: Read
) -> None:
    folder = shared_data / "dicom_not_head_ct" / "ct_abdomen"
    ended = run("detect", folder, "--independent", "--out", tmp_path / "out", "--bundle", bundle)
    assert ended.code == 1
    assert all(scan["state"] == "not_analysed" for scan in results_of(tmp_path / "out")["scans"])


def test_single_slices_of_the_challenge(
    run: Run, shared_data: Path, bundle: Path, tmp_path: Path, results_of: Read
) -> None:
    files = sorted((shared_data / "rsna_dicom").glob("*.dcm"))[:3]
    ended = run("detect", *files, "--independent", "--out", tmp_path / "out", "--bundle", bundle, "--format", "json")
    assert len(results_of(tmp_path / "out")["scans"]) == 3
    assert ended.code in (0, 1)
