"""The header scan: what it reads, and that it goes on after a kill."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import EnhancedCTImageStorage

import hemoscope
from hemoscope.datasets.importing import headers
from hemoscope.datasets.importing.headers import default_cache, scan_headers
from hemoscope.datasets.importing.slice_order import order_slices
from hemoscope.datasets.problems import Problem
from hemoscope.reasons import UsageError

COPIES = 10  # of a series of 28 slices
SCAN = """
import sys, time
from pathlib import Path
from hemoscope.datasets.importing import headers

headers.CHUNK_FILES = 20

def progress(done, total):
    print(done, flush=True)
    if done >= int(sys.argv[3]):
        time.sleep(600)

if __name__ == "__main__":
    root = Path(sys.argv[1])
    paths = sorted(str(path.relative_to(root)) for path in root.rglob("*.dcm"))
    headers.scan_headers(root, paths, int(sys.argv[2]), progress, Path(sys.argv[4]))
"""


def quiet(done: int, total: int) -> None:
    """Say nothing."""


def scan(root: Path, cache: Path, jobs: int = 1) -> pa.Table:
    table, found = scan_headers(root, paths_of(root), jobs, quiet, cache)
    assert found == ()
    return table


def paths_of(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*.dcm"))


@pytest.fixture
def series(examples: Path) -> Path:
    return examples / "ge_tilted_head_series"


@pytest.fixture
def many(series: Path, tmp_path: Path) -> Path:
    """280 files: links to the slices of one series."""
    root = tmp_path / "many"
    for copy in range(COPIES):
        folder = root / f"{copy:02d}"
        folder.mkdir(parents=True)
        for path in sorted(series.glob("*.dcm")):
            (folder / path.name).symlink_to(path)
    return root


@pytest.fixture
def read_files(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The files whose headers are read, in order."""
    names: list[str] = []
    read = headers.read_header

    def counted(file: headers.InputFile) -> object:
        names.append(file.name)
        return read(file)

    monkeypatch.setattr(headers, "read_header", counted)
    yield names


def test_the_facts_are_those_of_the_scan_as_it_is_read(series: Path, tmp_path: Path) -> None:
    table = scan(series, tmp_path / "cache")
    read = hemoscope.read_scan(series)
    order = order_slices(
        table["series"].combine_chunks(), vectors(table, ("x", "y", "z")), vectors(table, headers.NORMAL)
    )
    rank = order.slice.argsort()
    assert order.slice[rank].tolist() == list(range(28))
    assert [table["path"][int(row)].as_py() for row in rank] == [Path(one.source).name for one in read.slices]
    assert order.position_mm[rank] == pytest.approx([one.position_mm for one in read.slices], abs=1e-3)
    row = table.slice(13, 1).to_pylist()[0]
    header = dcmread(series / row["path"])
    assert row["patient"] == header.PatientID
    assert row["study"] == header.StudyInstanceUID
    assert row["series"] == header.SeriesInstanceUID
    assert row["sop_instance_uid"] == header.SOPInstanceUID
    assert [row["row_spacing_mm"], row["column_spacing_mm"]] == pytest.approx(list(header.PixelSpacing))
    assert row["thickness_mm"] == header.SliceThickness
    assert row["scanner"] == f"{header.Manufacturer} {header.ManufacturerModelName}"
    assert (row["frame"], row["frames"]) == (0, 1)


def vectors(table: pa.Table, names: Sequence[str]) -> np.ndarray:
    return np.stack([table[name].to_numpy() for name in names], axis=1)


def test_a_second_scan_reads_nothing(many: Path, tmp_path: Path, read_files: list[str]) -> None:
    first = scan(many, tmp_path / "cache")
    assert len(read_files) == len(paths_of(many))
    assert scan(many, tmp_path / "cache") == first
    assert len(read_files) == len(paths_of(many))


def test_several_processes_give_the_same(many: Path, tmp_path: Path) -> None:
    assert scan(many, tmp_path / "two", jobs=2) == scan(many, tmp_path / "one")


def test_a_changed_file_is_read_again(many: Path, tmp_path: Path, read_files: list[str]) -> None:
    scan(many, tmp_path / "cache")
    changed = many / "07" / "03.dcm"
    header = dcmread(changed)
    header.PatientID = "somebody"
    changed.unlink()
    header.save_as(changed)
    read_files.clear()
    table = scan(many, tmp_path / "cache")
    assert read_files == ["07/03.dcm"]
    assert dict(zip(table["path"].to_pylist(), table["patient"].to_pylist(), strict=True))["07/03.dcm"] == "somebody"
    assert table["path"].to_pylist() == paths_of(many)


def test_a_new_file_and_one_that_is_gone(many: Path, tmp_path: Path, read_files: list[str]) -> None:
    scan(many, tmp_path / "cache")
    (many / "00" / "00.dcm").symlink_to((many / "00" / "01.dcm").resolve())
    (many / "01" / "01.dcm").unlink()
    read_files.clear()
    assert scan(many, tmp_path / "cache")["path"].to_pylist() == paths_of(many)
    assert read_files == ["00/00.dcm"]


def test_a_scan_that_was_killed_goes_on(many: Path, tmp_path: Path, read_files: list[str]) -> None:
    """kill -9 after three of 14 chunks: these are not read again."""
    cache = tmp_path / "cache"
    process = start(many, cache, jobs=1, stop_at=60)
    wait_for(process, 60)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    table = scan(many, cache)
    assert read_files == paths_of(many)[60:]
    assert table == scan(many, tmp_path / "whole")


@pytest.mark.parametrize("moment", [1, 100])
def test_a_killed_scan_leaves_no_process_and_no_half_file(many: Path, tmp_path: Path, moment: int) -> None:
    cache = tmp_path / "cache"
    process = start(many, cache, jobs=2, stop_at=1 << 30)
    wait_for(process, moment)
    workers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert alive == []
    kept = sum(pq.read_metadata(part).num_rows for part in cache.glob("*.parquet"))
    assert moment <= kept + 20 * 2
    assert scan(many, cache) == scan(many, tmp_path / "whole")


def start(root: Path, cache: Path, jobs: int, stop_at: int) -> subprocess.Popen[str]:
    """Scan in a process of its own, which stands still when stop_at files are done."""
    script = cache.with_name("scan.py")
    script.write_text(SCAN)
    command = [sys.executable, str(script), str(root), str(jobs), str(stop_at), str(cache)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def wait_for(process: subprocess.Popen[str], done: int) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= done:
            return
    pytest.fail("the scan ended by itself")


def test_a_damaged_cache_is_read_again(many: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    whole = scan(many, cache)
    part = sorted(cache.glob("*.parquet"))[0]
    part.write_bytes(part.read_bytes()[:-100])
    assert scan(many, cache) == whole


def test_what_is_no_ct_slice_is_reported_and_tried_again(examples: Path, series: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "good.dcm").write_bytes((series / "14.dcm").read_bytes())
    (root / "cut.dcm").write_bytes((series / "14.dcm").read_bytes()[:700])
    (root / "text.dcm").write_text("no DICOM")
    for _ in range(2):
        table, found = scan_headers(root, [*paths_of(root), "gone.dcm"], 1, quiet, tmp_path / "cache")
        assert table["path"].to_pylist() == ["good.dcm"]
        assert [(one.problem, one.item) for one in found] == [
            (Problem.UNREADABLE_FILE, name) for name in ("gone.dcm", "cut.dcm", "text.dcm")
        ]
    (root / "text.dcm").write_bytes((series / "15.dcm").read_bytes())
    table, _ = scan_headers(root, paths_of(root), 1, quiet, tmp_path / "cache")
    assert table["path"].to_pylist() == ["good.dcm", "text.dcm"]


def test_progress_counts_files(many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headers, "CHUNK_FILES", 100)
    told: list[tuple[int, int]] = []
    scan_headers(many, paths_of(many), 1, lambda done, total: told.append((done, total)), tmp_path / "cache")
    assert told == [(0, 280), (100, 280), (200, 280), (280, 280)]


def test_the_cache_is_one_of_the_user_by_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache(Path("a")).parent == tmp_path / "hemoscope" / "headers"
    assert default_cache(Path("a")) != default_cache(Path("b"))
    assert default_cache(Path("a")) == default_cache(Path("a").absolute())


def test_a_cache_that_cannot_be_made_is_a_usage_error(series: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="XDG_CACHE_HOME"):
        scan_headers(series, ["14.dcm"], 1, quiet, tmp_path / "file" / "cache")


def test_frames_of_a_multi_frame_file_are_rows(series: Path, tmp_path: Path) -> None:
    """Enhanced CT (PS3.3 A.38): three frames whose positions differ."""
    image = dcmread(series / "14.dcm")
    image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    image.NumberOfFrames = 3
    shared, orientation, kind = Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient = image.ImageOrientationPatient
    kind.FrameType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    shared.PlaneOrientationSequence, shared.CTImageFrameTypeSequence = [orientation], [kind]
    image.SharedFunctionalGroupsSequence = [shared]
    image.PerFrameFunctionalGroupsSequence = [Dataset() for _ in range(3)]
    for number, frame in enumerate(image.PerFrameFunctionalGroupsSequence):
        frame.PlanePositionSequence = [Dataset()]
        frame.PlanePositionSequence[0].ImagePositionPatient = [0, 0, 5 * number]
    image.PixelData = image.PixelData * 3
    (tmp_path / "a").mkdir()
    image.save_as(tmp_path / "a" / "enhanced.dcm", enforce_file_format=True)
    table = scan(tmp_path / "a", tmp_path / "cache")
    assert table["frame"].to_pylist() == [0, 1, 2]
    assert table["frames"].to_pylist() == [3, 3, 3]
    assert table["z"].to_pylist() == [0, 5, 10]
