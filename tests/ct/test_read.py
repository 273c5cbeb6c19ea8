"""From inputs to scans: every kind at once, one slice at a time, nothing lost."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from scan_writers import places_of, write_enhanced, write_nifti, write_series

import hemoscope
from hemoscope.ct.inputs import Refusal
from hemoscope.ct.options import ReadOptions
from hemoscope.ct.read import read_scan, read_scans
from hemoscope.ct.scan import Scan
from hemoscope.ct.windows import Window
from hemoscope.reasons import HemoscopeError, Reason, Severity

SHAPE = (14, 40, 32)


def test_the_examples(examples):
    found = list(read_scans([examples]))
    scans = [one for one in found if isinstance(one, Scan)]
    assert [scan.hu.shape for scan in scans] == [(28, 512, 512), (22, 384, 384), (18, 384, 384), (21, 384, 384)]
    assert all(refusal.reason is Reason.SET_ASIDE for refusal in found if isinstance(refusal, Refusal))


def test_one_scan_from_python(examples):
    assert hemoscope.read_scan(examples / "ge_tilted_head_series").hu.shape == (28, 512, 512)
    assert hemoscope.read_scan(str(examples / "physionet_ct_ich" / "patient_101.nii.gz")).name == "patient_101"


def test_several_scans_are_too_many_for_one(examples):
    with pytest.raises(HemoscopeError, match="several scans"):
        read_scan(examples)


@pytest.mark.parametrize("make", ["nothing", "an empty folder", "a text file", "an empty file"])
def test_what_holds_no_scan(tmp_path, make):
    path = tmp_path / "x"
    if make == "an empty folder":
        path.mkdir()
    elif make != "nothing":
        path.write_text("not a scan" if make == "a text file" else "")
    with pytest.raises(HemoscopeError) as error:
        read_scan(path)
    assert error.value.reason is Reason.NOT_READABLE
    assert "x" in error.value.sentence


def test_slices_come_while_the_scan_is_read(tmp_path, head):
    places = places_of(SHAPE)
    write_series(tmp_path / "a", head[:, ::-1, ::-1], places[:, ::-1, ::-1])  # stored turned by 180 degrees
    write_nifti(tmp_path / "b.nii", head, places)
    seen: list[list] = []

    def begin():
        seen.append([])
        return lambda index, hu, spacing: seen[-1].append((index, hu.copy(), spacing))

    for number, scan in enumerate(read_scans([tmp_path], on_slice_factory=begin)):
        assert len(seen) == number + 1
        assert [index for index, _, _ in seen[-1]] == list(range(len(head)))
        np.testing.assert_array_equal(np.stack([hu for _, hu, _ in seen[-1]]), scan.hu)
        assert {spacing for _, _, spacing in seen[-1]} == {scan.pixel_spacing_mm}
    assert len(seen) == 2


def test_unreadable_slices_are_not_handed_over(tmp_path, head):
    paths = write_series(tmp_path, head, places_of(SHAPE))
    paths[3].write_bytes(paths[3].read_bytes()[:-10])
    seen = []
    list(read_scans([tmp_path], on_slice_factory=lambda: lambda index, hu, spacing: seen.append(index)))
    assert seen == [index for index in range(14) if index != 3]


def test_one_bad_input_does_not_stop_the_others(tmp_path, head):
    write_series(tmp_path / "a", head, places_of(SHAPE))
    (tmp_path / "b.dcm").write_bytes(bytes(128) + b"DICM" + bytes(40))
    (tmp_path / "c.nii.gz").write_bytes(b"\x1f\x8b" + bytes(40))
    (tmp_path / "d.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    write_nifti(tmp_path / "e.nii", head, places_of(SHAPE))
    found = list(read_scans([tmp_path], ReadOptions(window=Window(40, 80))))
    assert sum(isinstance(one, Scan) for one in found) == 2
    refused = [one for one in found if isinstance(one, Refusal)]
    assert sorted(Path(one.name).name for one in refused) == ["b.dcm", "c.nii.gz", "d.png"]
    assert all(one.reason.severity is Severity.HARD for one in refused)


def test_a_zip_is_read_like_its_folder(tmp_path, head):
    paths = write_series(tmp_path / "a", head, places_of(SHAPE))
    with zipfile.ZipFile(tmp_path / "study.zip", "w") as archive:
        for path in paths:
            archive.write(path, f"x/{path.name}")
    scan = read_scan(tmp_path / "study.zip")
    np.testing.assert_array_equal(scan.hu, head)
    assert scan.slices[0].source == "study.zip!x/0.dcm"


# Independent slices


def test_independent_files(tmp_path, head):
    write_series(tmp_path, head, places_of(SHAPE))
    scans = list(read_scans([tmp_path], ReadOptions(independent=True)))
    assert len({scan.name for scan in scans}) == 14
    assert all(scan.independent and scan.hu.shape == (1, 40, 32) and scan.checks == () for scan in scans)
    for scan in scans:
        number = int(Path(scan.slices[0].source).stem)
        np.testing.assert_array_equal(scan.hu[0], head[number])


def test_independent_frames(tmp_path, head):
    write_enhanced(tmp_path / "all.dcm", head, places_of(SHAPE))
    scans = list(read_scans([tmp_path], ReadOptions(independent=True)))
    assert [scan.slices[0].frame for scan in scans] == list(range(14))
    np.testing.assert_array_equal(np.concatenate([scan.hu for scan in scans]), head)


def test_independent_slices_of_a_volume(tmp_path, head):
    write_nifti(tmp_path / "a.nii", head, places_of(SHAPE))
    scans = list(read_scans([tmp_path], ReadOptions(independent=True)))
    assert [scan.name for scan in scans] == [f"a-{number}" for number in range(14)]
    np.testing.assert_array_equal(np.concatenate([scan.hu for scan in scans]), head)


def test_independent_goes_on_after_a_bad_file(tmp_path, head):
    paths = write_series(tmp_path, head, places_of(SHAPE))
    paths[3].write_bytes(paths[3].read_bytes()[:-10])
    paths[5].write_bytes(b"")
    found = list(read_scans([tmp_path], ReadOptions(independent=True)))
    assert sum(isinstance(one, Scan) for one in found) == 12
    assert {Path(one.slices[0].source).stem for one in found if isinstance(one, Scan)} & {"3", "5"} == set()


def test_an_independent_slice_without_orientation_says_so(tmp_path, head):
    write_series(tmp_path, head[:1], None)
    (scan,) = read_scans([tmp_path], ReadOptions(independent=True))
    assert [check.reason for check in scan.checks] == [Reason.ORIENTATION_UNKNOWN]


@pytest.mark.parametrize("jobs", [1, 2])
def test_loose_rsna_slices(shared_data, jobs):
    paths = sorted((shared_data / "rsna_dicom").glob("*.dcm"))
    scans = list(read_scans(paths, ReadOptions(independent=True), jobs=jobs))
    assert {f"{scan.slices[0].sop_instance_uid}.dcm" for scan in scans} == {path.name for path in paths}


# Real files


def test_transfer_syntaxes_give_one_image(shared_data):
    folder = shared_data / "dicom_transfer_syntaxes"
    rows = [row for row in csv.DictReader((folder / "files.csv").open()) if row["file"].startswith("ct_head")]
    assert len(rows) == 10
    images: dict[str, list] = {}
    for row in rows:
        found = next(iter(read_scans([folder / row["file"]])))
        assert isinstance(found, Scan)
        if "lossy" not in row["file"] and "near" not in row["file"]:
            images.setdefault(Path(row["file"]).parent.name, []).append(found.hu)
        else:
            assert Reason.LOSSY in {check.reason for check in found.checks}
    assert {name: len(copies) for name, copies in images.items()} == {
        "ct_head_contrast_toshiba": 5,
        "ct_head_cq500_sdh": 2,
    }
    for copies in images.values():
        assert all(np.array_equal(copies[0], copy) for copy in copies)


def test_objects_that_are_no_head_ct_are_told(shared_data):
    folder = shared_data / "dicom_not_head_ct"
    rows = list(csv.DictReader((folder / "files.csv").open()))
    told = {row["file"]: next(iter(read_scans([folder / row["file"]]))) for row in rows}
    by_category: dict[str, set] = {}
    for row in rows:
        found = told[row["file"]]
        by_category.setdefault(row["category"], set()).add(found.reason if isinstance(found, Refusal) else "a scan")
    assert by_category["ct_localizer"] == {Reason.LOCALIZER}
    assert by_category["other_sr"] == by_category["derived_objects"] == {Reason.NOT_AN_IMAGE}
    assert by_category["radiograph"] == {Reason.NOT_CT}
    assert "a scan" not in by_category["mr_head"] | by_category["secondary_capture"] | by_category["dose_report_sr"]


# VmHWM is the peak of this very program; ru_maxrss would begin at that of the test process that started it.
MEMORY = """
import re, sys
from pathlib import Path
from hemoscope.ct.read import read_scan
scan = read_scan(sys.argv[1])
print(len(scan.hu), int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) >> 10)
"""


def test_a_thousand_slices_stay_below_a_gigabyte(examples, tmp_path):
    source = sorted((examples / "ge_tilted_head_series").glob("*.dcm"))[14]
    dataset = dcmread(source)
    for number in range(1000):
        dataset.ImagePositionPatient[2] = 0.2 * number
        dataset.save_as(tmp_path / f"{number}.dcm")
    run = subprocess.run([sys.executable, "-c", MEMORY, str(tmp_path)], capture_output=True, text=True, check=True)
    shutil.rmtree(tmp_path)  # 526 MB
    count, megabytes = map(int, run.stdout.split())
    assert count == 1000
    assert megabytes < 850
