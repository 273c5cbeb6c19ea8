"""Building a store: the same bytes however often it was killed, and nothing lost without a word."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest
from store_examples import build, contents, ge_manifest, mixed_manifest, nifti_manifest, picture_manifest, refusal

from hemoscope.datasets.manifest import Manifest
from hemoscope.datasets.problems import Problem
from hemoscope.datasets.slice_store.build import INDEX_SCHEMA
from hemoscope.datasets.slice_store.shard import Shard, ShardTask
from hemoscope.datasets.slice_store.store import SliceStore
from hemoscope.reasons import UsageError

# Builds with shards of 8 slices, and prints a line for each that is done.
SCRIPT = """
import sys
from pathlib import Path
from hemoscope.datasets.slice_store import build
from hemoscope.datasets.manifest import Manifest
if __name__ == "__main__":
    build.SHARD_BYTES = 8 * 2 * 128 * 128
    manifest, folder, jobs = Manifest.read(Path(sys.argv[1])), Path(sys.argv[2]), int(sys.argv[3])
    build.build_store(manifest, folder, 128, jobs, lambda done, total: print(done, total, flush=True))
"""


@pytest.fixture
def loose_slices(examples: Path, tmp_path: Path) -> Path:
    """A Manifest of 140 loose slices, the GE series five times, in a file."""
    root = tmp_path / "root"
    root.mkdir()
    names = [path.name for path in sorted((examples / "ge_tilted_head_series").glob("*.dcm"))]
    for name in names:
        for copy in range(5):
            (root / f"{copy}-{name}").symlink_to(examples / "ge_tilted_head_series" / name)
    paths = [f"{copy}-{name}" for copy in range(5) for name in names]
    Manifest.from_columns("ge", root, {"path": paths}).write(tmp_path / "manifest.parquet")
    return tmp_path / "manifest.parquet"


def start(tmp_path: Path, manifest: Path, folder: Path, jobs: int) -> subprocess.Popen[str]:
    (tmp_path / "build.py").write_text(SCRIPT, encoding="utf-8")
    command = [sys.executable, str(tmp_path / "build.py"), str(manifest), str(folder), str(jobs)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def kill_after(process: subprocess.Popen[str], lines: int, seconds: float) -> str:
    """Kill a build so many lines and seconds after its start, and wait until its processes are gone."""
    assert process.stdout is not None
    said = [process.stdout.readline() for _ in range(lines)]
    time.sleep(seconds)
    family = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []  # else they would wait for work for ever
    return said[-1] if said else ""


@pytest.mark.parametrize(("jobs", "kills"), [(1, (0, 1, 2, 3)), (2, (1, 3))])
def test_a_build_that_is_killed_again_and_again_ends_in_the_same_bytes(
    loose_slices: Path, tmp_path: Path, jobs: int, kills: tuple[int, ...]
) -> None:
    """Killed after so many shards, and a moment."""
    whole = start(tmp_path, loose_slices, tmp_path / "whole", jobs)
    assert whole.communicate()[0].splitlines()[-1] == "140 140" and whole.returncode == 0

    folder, moments = tmp_path / "killed", random.Random(jobs)
    done = [0]
    for shards in kills:
        said = kill_after(start(tmp_path, loose_slices, folder, jobs), shards, moments.uniform(0, 0.05))
        done += [int(said.split()[0])] if said else []
        assert not (folder / "store.json").exists()
    assert done == sorted(done) and 0 < done[-1] < 140  # each run goes on where the one before was stopped
    last = start(tmp_path, loose_slices, folder, jobs)
    lines = last.communicate()[0].splitlines()
    assert int(lines[0].split()[0]) >= done[-1] and lines[-1] == "140 140"
    assert contents(folder) == contents(tmp_path / "whole")


def test_a_build_that_is_killed_while_it_writes_leaves_no_half_shard(
    loose_slices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a crash between two steps of writing can leave behind, made by hand."""
    manifest = Manifest.read(loose_slices)
    monkeypatch.setattr("hemoscope.datasets.slice_store.build.SHARD_BYTES", 8 * 2 * 128 * 128)
    build(manifest, tmp_path / "store", 128)
    whole = contents(tmp_path / "store")
    shards = tmp_path / "store" / "shards"
    (tmp_path / "store" / "store.json").unlink()
    (shards / "00003.json").unlink()  # its .npy is there, but nothing vouches for it
    (shards / "00003.hu.npy").write_bytes(b"half")
    (shards / "00004.hu.npy").unlink()
    (shards / "00005.json").write_bytes(whole["shards/00005.json"][:100])
    (shards / ".00006.hu.npy.123").write_bytes(b"half")
    (tmp_path / "store" / ".store.json.123").write_bytes(b"half")
    build(manifest, tmp_path / "store", 128)
    assert contents(tmp_path / "store") == whole


def test_a_build_that_is_killed_before_its_plan_is_written_goes_on(examples: Path, tmp_path: Path) -> None:
    """The native size is that of the first slice, which must be read first; a crash may also cut the plan off."""
    (tmp_path / "store").mkdir()
    for left in (".lock", ".plan.json.123"):
        (tmp_path / "store" / left).write_bytes(b"")
    build(nifti_manifest(examples), tmp_path / "store", size=None)
    build(nifti_manifest(examples), tmp_path / "whole", size=None)
    assert contents(tmp_path / "store") == contents(tmp_path / "whole")


def test_a_store_is_no_finished_one_while_a_shard_is_written_again(
    examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = nifti_manifest(examples)
    build(manifest, tmp_path / "store")
    (tmp_path / "store" / "shards" / "00000.hu.npy").unlink()

    def interrupted(task: ShardTask) -> Shard:
        raise KeyboardInterrupt

    monkeypatch.setattr("hemoscope.datasets.slice_store.build.write_shard", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build(manifest, tmp_path / "store")
    with pytest.raises(UsageError, match="is not finished"):
        SliceStore.open(tmp_path / "store")


def test_several_processes_write_the_bytes_of_one(examples: Path, tmp_path: Path) -> None:
    manifest = mixed_manifest(examples, tmp_path / "pictures")
    _, found = build(manifest, tmp_path / "one", jobs=1)
    _, same = build(manifest, tmp_path / "two", jobs=2)
    assert found == same == [] and contents(tmp_path / "one") == contents(tmp_path / "two")


def test_what_cannot_be_read_is_found_and_left_out_also_when_built_again(examples: Path, tmp_path: Path) -> None:
    manifest = picture_manifest(examples, tmp_path / "pictures")
    (tmp_path / "pictures" / "14.png").unlink()
    (tmp_path / "pictures" / "16.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    doubled = manifest.take([0, 1, 2, 3, 3])
    for _ in range(2):
        store, found = build(doubled, tmp_path / "store")
        assert [(one.problem, one.item) for one in found] == [
            (Problem.DUPLICATE_ROW, "pictures/18.png#0"),
            (Problem.MISSING_FILE, "pictures/14.png#0"),
            (Problem.UNREADABLE_FILE, "pictures/16.png#0"),
        ]
        assert store.keys.to_pylist() == ["pictures/12.png#0", "pictures/18.png#0"]
        assert store.rows_of(manifest).tolist() == [0, -1, -1, 1] and len(store) == 2


def test_a_scan_with_a_slice_that_cannot_be_read_keeps_its_order(examples: Path, tmp_path: Path) -> None:
    manifest = ge_manifest(examples)
    whole, _ = build(manifest, tmp_path / "whole")
    gone = manifest.with_columns({"path": ["gone.dcm", *manifest.table["path"].to_pylist()[1:]]})
    store, found = build(gone, tmp_path / "gone")
    assert [one.item for one in found] == ["ge/gone.dcm#0"]
    assert (store.scan("ge/head") == whole.scan("ge/head")[1:]).all()


@pytest.mark.parametrize("jobs", [1, 2])
def test_native_slices_of_several_sizes_are_refused_and_block_no_other_size(
    examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int
) -> None:
    """At the first difference, and also where an earlier build was killed before it came to it."""
    monkeypatch.setattr("hemoscope.datasets.slice_store.build.SHARD_BYTES", 8 * 2 * 512 * 512)
    manifest = mixed_manifest(examples, tmp_path / "pictures")
    sentence = refusal(manifest, tmp_path / "store", size=None, jobs=jobs)
    assert "ich/physionet_ct_ich/patient_077.nii.gz has 384 x 384 pixels" in sentence
    assert "ge/ge_tilted_head_series/" in sentence and "512 x 512" in sentence and "--size 256" in sentence
    assert list(contents(tmp_path / "store")) == [".lock"]

    def killed(task: ShardTask) -> Shard:
        raise KeyboardInterrupt

    with monkeypatch.context() as kill:
        kill.setattr("hemoscope.datasets.slice_store.build.write_shard", killed)
        with pytest.raises(KeyboardInterrupt):
            build(manifest, tmp_path / "store", size=None)
    assert refusal(manifest, tmp_path / "store", size=None, jobs=jobs) == sentence
    store, found = build(manifest, tmp_path / "store", size=256)
    assert found == [] and len(store) == 50


def test_a_finished_store_is_not_discarded_when_a_file_comes_with_another_size(examples: Path, tmp_path: Path) -> None:
    manifest = picture_manifest(examples, tmp_path / "pictures")
    (tmp_path / "pictures" / "16.png").rename(tmp_path / "16.png")
    build(manifest, tmp_path / "store", size=None)
    before = contents(tmp_path / "store")
    cv2.imwrite(str(tmp_path / "pictures" / "16.png"), np.zeros((64, 32), np.uint8))
    assert "16.png has 64 x 32 pixels" in refusal(manifest, tmp_path / "store", size=None)
    (tmp_path / "pictures" / "16.png").unlink()
    build(manifest, tmp_path / "store", size=None)
    assert contents(tmp_path / "store") == before


def test_a_folder_with_something_else_is_refused_untouched(examples: Path, tmp_path: Path) -> None:
    manifest = nifti_manifest(examples)
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    assert "holds no slice store" in refusal(manifest, tmp_path)
    build(manifest, tmp_path / "store")
    before = contents(tmp_path / "store")
    assert "size or framing (256, whole)" in refusal(manifest, tmp_path / "store", size=128)
    assert "another Manifest" in refusal(ge_manifest(examples), tmp_path / "store")
    assert contents(tmp_path / "store") == before and (tmp_path / "mine.txt").exists()


@pytest.mark.parametrize("size", [-1, 0, 15, 4097, 99_999])
def test_a_size_that_holds_no_head_or_would_fill_the_memory_is_refused(
    examples: Path, tmp_path: Path, size: int
) -> None:
    sentence = refusal(nifti_manifest(examples), tmp_path / "store", size=size)
    assert f"not {size}" in sentence and "16 to 4096" in sentence
    assert not (tmp_path / "store").exists()


def test_the_smallest_size_is_stored(examples: Path, tmp_path: Path) -> None:
    assert build(nifti_manifest(examples), tmp_path / "store", size=16)[0].shape == (16, 16)


def test_a_file_is_no_folder(examples: Path, tmp_path: Path) -> None:
    (tmp_path / "store").write_text("mine", encoding="utf-8")
    assert refusal(nifti_manifest(examples), tmp_path / "store") == f"{tmp_path / 'store'} is a file; give a folder."
    assert (tmp_path / "store").read_text(encoding="utf-8") == "mine"


def test_two_builds_do_not_share_a_folder(loose_slices: Path, tmp_path: Path) -> None:
    first = start(tmp_path, loose_slices, tmp_path / "store", 1)
    assert first.stdout is not None and first.stdout.readline() == "0 140\n"
    assert "Another process" in refusal(Manifest.read(loose_slices), tmp_path / "store")
    first.communicate()
    assert first.returncode == 0


def test_a_folder_that_cannot_be_written_is_told_in_a_sentence(examples: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file", encoding="utf-8")
    assert "cannot be written: Not a directory" in refusal(nifti_manifest(examples), tmp_path / "file" / "store")


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_full_disk_is_told_and_what_is_finished_is_kept(loose_slices: Path, tmp_path: Path, jobs: int) -> None:
    """A limit on the size of files stands for the disk: 2 kB hold plan.json, but no shard."""
    script = "import resource, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n" + SCRIPT.replace(
        'if __name__ == "__main__":',
        'if __name__ == "__main__":\n    resource.setrlimit(resource.RLIMIT_FSIZE, (2048, -1))',
    )
    (tmp_path / "full.py").write_text(script, encoding="utf-8")
    command = [sys.executable, str(tmp_path / "full.py"), str(loose_slices), str(tmp_path / "store"), str(jobs)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1 and "UsageError" in ended.stderr.splitlines()[-1]
    assert "cannot be written: File too large. What is finished is kept" in ended.stderr.splitlines()[-1]
    assert sorted(contents(tmp_path / "store")) == [".lock", "plan.json"]


def test_the_document_lists_the_columns_of_the_index() -> None:
    page = Path(__file__).parents[3] / "docs" / "slice_store.md"
    rows = page.read_text(encoding="utf-8").split("| column of the index |")[1].splitlines()[2:]
    listed = [name.strip(" `") for row in rows if row.startswith("| `") for name in row.split("|")[1].split(",")]
    assert listed == INDEX_SCHEMA.names
