from __future__ import annotations

import errno
import json
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from hemoscope.ct.inputs import Refusal
from hemoscope.detector.detection import Detection
from hemoscope.reasons import Reason, UsageError
from hemoscope.report import write
from hemoscope.report.names import Names
from hemoscope.report.results import Run
from hemoscope.report.write import FORMATS, RECORD, OutputError, ReportWriter, safe_name, write_whole

RUN = Run("default 1", "ab" * 32, {})


def written(folder: Path, *detections: Detection, formats: tuple[str, ...] = FORMATS) -> set[str]:
    writer = ReportWriter(folder, formats, RUN, Names(keep_identifiers=False))
    for detection in detections:
        writer.add(detection)
    writer.finish([Refusal("a.txt", Reason.NOT_READABLE, "a.txt is text.")], {"total": 1.0})
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_all_formats(tmp_path: Path, incomplete: Detection, not_analysed: Detection) -> None:
    files = written(tmp_path / "out", incomplete, not_analysed)
    name = incomplete.scan.name
    assert {"scans.csv", "slices.csv", "results.json", "index.html", f"{name}/report.html"} < files
    assert f"{name}_2/report.html" in files  # the second scan of that name does not replace the first
    assert f"{name}/heat_map_slice_013_any.png" in files
    assert not [file for file in files if file.endswith(".part")]
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert {file for scan in results["scans"] for file in scan["files"]} == {f for f in files if "/" in f}
    assert (tmp_path / "out" / "scans.csv").read_text().count("\n") == 3


@pytest.mark.parametrize(
    ("formats", "expected"),
    [
        (("csv",), {"scans.csv", "slices.csv"}),
        (("json",), {"results.json"}),
        (("html",), {"index.html", "b_i_b/report.html"}),
        (("png",), {"b_i_b/heat_map_slice_000_any.png"}),
    ],
)
def test_only_the_formats_asked_for(
    tmp_path: Path, picture: Detection, formats: tuple[str, ...], expected: set[str]
) -> None:
    assert written(tmp_path, picture, formats=formats) == expected | {RECORD}


def test_a_new_run_replaces_an_earlier_one_whole(tmp_path: Path, incomplete: Detection, picture: Detection) -> None:
    earlier = written(tmp_path, incomplete)
    (tmp_path / "notes.txt").write_text("mine")
    later = written(tmp_path, picture, formats=("csv", "html"))
    assert f"{incomplete.scan.name}/report.html" in earlier
    assert later == {"scans.csv", "slices.csv", "index.html", "b_i_b/report.html", "notes.txt", RECORD}
    assert not (tmp_path / incomplete.scan.name).exists()


def test_files_of_others_are_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "scans.csv").write_text("mine")
    with pytest.raises(UsageError, match="already holds files that Hemoscope did not write"):
        ReportWriter(tmp_path, FORMATS, RUN, Names(keep_identifiers=False))
    assert [path.name for path in tmp_path.iterdir()] == ["scans.csv"]


def test_a_record_that_was_edited_removes_nothing_elsewhere(tmp_path: Path, picture: Detection) -> None:
    outside, out = tmp_path / "outside.csv", tmp_path / "out"
    outside.write_text("mine")
    out.mkdir()
    (out / RECORD).write_text(json.dumps({"files": ["../outside.csv", str(outside)]}))
    written(out, picture)
    assert outside.read_text() == "mine"


@pytest.mark.parametrize("record", ["", "{}", '{"files": 3}', "\x00"])
def test_a_damaged_record_is_a_usage_error(tmp_path: Path, record: str) -> None:
    (tmp_path / RECORD).write_text(record)
    with pytest.raises(UsageError, match="damaged"):
        ReportWriter(tmp_path, FORMATS, RUN, Names(keep_identifiers=False))


def test_a_file_is_no_output_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        ReportWriter(tmp_path / "out", FORMATS, RUN, Names(keep_identifiers=False))


def test_a_full_disk_is_one_sentence_and_no_half_file(
    tmp_path: Path, picture: Detection, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = ReportWriter(tmp_path, FORMATS, RUN, Names(keep_identifiers=False))

    replace = Path.replace

    def full(path: Path, target: Path) -> None:
        if target.suffix == ".png":
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(path, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(
        OutputError, match=r"heat_map_slice_000_any\.png could not be written: No space left on device\."
    ):
        writer.add(picture)
    assert [path.name for path in tmp_path.rglob("*")] == [RECORD]  # the report that was written is gone again


def test_a_stopped_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_: Path, target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "a.csv", b"1")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "", ".", "..", "Müller", "x" * 300, "con:", "a\nb"])
def test_folder_names_are_safe_and_differ(name: str) -> None:
    safe = safe_name(name)
    assert set(safe) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")
    assert safe[0] != "."
    assert 0 < len(safe) <= write.LONGEST_NAME + 9
    assert safe != safe_name(name + "!")


def test_heat_maps_are_pictures_of_whole_slices(tmp_path: Path, incomplete: Detection) -> None:
    written(tmp_path, incomplete, formats=("png",))
    picture = cv2.imread(str(tmp_path / incomplete.scan.name / "heat_map_slice_013_any.png"))
    assert picture.shape == (512, 512, 3)
    assert np.ptp(picture.astype(int), axis=2).max() > 60


def test_a_scan_is_written_quickly(tmp_path: Path, incomplete: Detection) -> None:
    """The report of a scan costs a fraction of a second: 250 ms are allowed, some 60 ms measured."""
    written(tmp_path / "first", incomplete)  # loads templates
    start = time.thread_time()
    written(tmp_path / "second", incomplete)
    assert time.thread_time() - start < 0.25
