"""Data that are away, or that the operating system does not give, are never remembered as lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from store_examples import build, contents, ge_manifest, nifti_manifest, picture_manifest, refusal

from hemoscope.datasets.manifest import Manifest
from hemoscope.datasets.merge import merge
from hemoscope.datasets.problems import Problem
from hemoscope.datasets.slice_store.store import SliceStore
from hemoscope.reasons import UsageError


def test_a_root_that_is_away_stops_before_anything_is_written(examples: Path, tmp_path: Path) -> None:
    pictures = picture_manifest(examples, tmp_path / "pictures")
    manifest = merge([nifti_manifest(examples), pictures])
    (tmp_path / "pictures").rename(tmp_path / "away")
    sentence = refusal(manifest, tmp_path / "store")
    assert str(tmp_path / "pictures") in sentence and "dataset pictures" in sentence and "--root" in sentence
    assert not (tmp_path / "store").exists()
    # What the sentence says: a store that was begun goes on when the Manifest names the new root.
    (tmp_path / "away").rename(tmp_path / "pictures")
    build(manifest, tmp_path / "store")
    (tmp_path / "pictures").rename(tmp_path / "moved")
    before = contents(tmp_path / "store")
    refusal(manifest, tmp_path / "store")
    assert contents(tmp_path / "store") == before
    moved = merge([nifti_manifest(examples), Manifest(pictures.table, {"pictures": tmp_path / "moved"})])
    store, found = build(moved, tmp_path / "store")
    assert found == [] and len(store) == 22 and contents(tmp_path / "store") == before


def test_a_build_without_any_slice_is_an_error_and_blocks_nothing(examples: Path, tmp_path: Path) -> None:
    """As where the folder is there, but nothing is mounted on it."""
    manifest = picture_manifest(examples, tmp_path / "pictures")
    (tmp_path / "pictures").rename(tmp_path / "away")
    (tmp_path / "pictures").mkdir()
    sentence = refusal(manifest, tmp_path / "store")
    assert "None of the 4 slices" in sentence and "pictures/12.png cannot be read: No such file" in sentence
    with pytest.raises(UsageError, match="holds no slice store"):
        SliceStore.open(tmp_path / "store")
    (tmp_path / "pictures").rmdir()
    (tmp_path / "away").rename(tmp_path / "pictures")
    store, found = build(manifest, tmp_path / "store", 128)  # another size, even
    assert found == [] and len(store) == 4


def test_a_manifest_without_files_is_refused(tmp_path: Path) -> None:
    labels_only = Manifest.from_columns("set", tmp_path, {"series": ["a"], "scan_any": [1]})
    assert "names no file" in refusal(labels_only, tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_a_file_that_was_missing_is_stored_once_it_is_there(
    examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its shard is written again; the others, and those with a file that is still missing, are not."""
    manifest = picture_manifest(examples, tmp_path / "pictures")
    monkeypatch.setattr("hemoscope.datasets.slice_store.build.SHARD_BYTES", 1 * 2 * 256 * 256)  # a slice a shard
    build(manifest, tmp_path / "whole")
    for name in ("14.png", "16.png"):
        (tmp_path / "pictures" / name).rename(tmp_path / name)
    store, found = build(manifest, tmp_path / "store")
    assert [one.problem for one in found] == [Problem.MISSING_FILE] * 2 and len(store) == 2

    (tmp_path / "14.png").rename(tmp_path / "pictures" / "14.png")
    shards = tmp_path / "store" / "shards"
    before = {path.name: path.stat().st_ino for path in shards.glob("*.json")}
    store, found = build(manifest, tmp_path / "store")
    after = {path.name: path.stat().st_ino for path in shards.glob("*.json")}
    assert [one.item for one in found] == ["pictures/16.png#0"] and len(store) == 3
    assert [name for name in sorted(before) if before[name] != after[name]] == ["00001.json"]

    (tmp_path / "16.png").rename(tmp_path / "pictures" / "16.png")
    assert build(manifest, tmp_path / "store")[1] == []
    assert contents(tmp_path / "store") == contents(tmp_path / "whole")


def test_what_the_operating_system_refused_is_tried_again(
    examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk or a server that fails once: EIO on opening two of the files."""
    manifest = ge_manifest(examples)
    build(manifest, tmp_path / "whole")
    opened = Path.open

    def failing(path: Path, mode: str = "r", *rest: object, **named: object) -> object:
        if path.name in ("05.dcm", "07.dcm") and path.parent.name == "ge_tilted_head_series":
            raise OSError(5, os.strerror(5))
        return opened(path, mode, *rest, **named)  # type: ignore[arg-type]

    with monkeypatch.context() as broken:
        broken.setattr(Path, "open", failing)
        store, found = build(manifest, tmp_path / "store")
    assert len(store) == 26 and {one.problem for one in found} == {Problem.UNREADABLE_FILE}
    assert all("cannot be read: Input/output error" in one.detail for one in found)
    store, found = build(manifest, tmp_path / "store")
    assert found == [] and contents(tmp_path / "store") == contents(tmp_path / "whole")


def test_what_is_damaged_is_not_tried_again(examples: Path, tmp_path: Path) -> None:
    manifest = picture_manifest(examples, tmp_path / "pictures")
    (tmp_path / "pictures" / "16.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    build(manifest, tmp_path / "store")
    written = (tmp_path / "store" / "shards" / "00000.json").stat().st_ino
    assert len(build(manifest, tmp_path / "store")[1]) == 1
    assert (tmp_path / "store" / "shards" / "00000.json").stat().st_ino == written
