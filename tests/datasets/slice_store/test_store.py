"""A slice store gives back the slices that detection would see, in any order, to any process."""

from __future__ import annotations

import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from store_examples import (
    PICTURE_WINDOW,
    build,
    contents,
    ge_manifest,
    mixed_manifest,
    nifti_manifest,
    picture_manifest,
)

from hemoscope import read_scan
from hemoscope.ct.prepare import NETWORK_WINDOW, NetworkInput, fit_square
from hemoscope.ct.windows import BRAIN, SOFT_TISSUE, SUBDURAL, Window, from_grey, to_grey
from hemoscope.datasets.duplicates import dhash
from hemoscope.datasets.manifest import Manifest
from hemoscope.datasets.slice_store.store import SliceStore
from hemoscope.reasons import UsageError

WINDOWS = (BRAIN, SUBDURAL, SOFT_TISSUE)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def manifest(examples: Path, work: Path) -> Manifest:
    return mixed_manifest(examples, work / "pictures")


@pytest.fixture(scope="module")
def store(manifest: Manifest, work: Path) -> SliceStore:
    store, found = build(manifest, work / "mixed")
    assert found == []
    return store


def test_a_scan_of_the_store_is_the_scan_that_detection_reads_made_square(examples: Path, store: SliceStore) -> None:
    scan = read_scan(examples / "ge_tilted_head_series")
    stored = store.scan("ge/head")
    assert stored.dtype == np.int16 and stored.shape == (28, 256, 256)
    for number, hu in enumerate(scan.hu):
        square, spacing = fit_square(hu, scan.pixel_spacing_mm, 256)
        row = store.index.slice(store.scans["ge/head"][number], 1).to_pylist()[0]
        assert (stored[number] == square).all()
        assert (row["row_spacing_mm"], row["column_spacing_mm"]) == pytest.approx(spacing)
        assert row["key"] == f"ge/{scan.slices[number].source}#0"
        assert (row["native_rows"], row["native_columns"]) == (512, 512)


def test_training_and_detection_prepare_the_same_picture(examples: Path, work: Path) -> None:
    """From a store of native size, to the last bit."""
    scan = read_scan(examples / "ge_tilted_head_series")
    native, _ = build(ge_manifest(examples), work / "native", size=None)
    assert native.shape == (512, 512)
    head = NetworkInput(224, (NETWORK_WINDOW,), framing="head")
    for number, hu in enumerate(scan.hu):
        detection, crop = head.frame(hu, scan.pixel_spacing_mm)
        training, same_crop = head.frame(native.hu(number), scan.pixel_spacing_mm)
        assert crop == same_crop and (training == detection).all()


def test_a_nifti_volume_is_stored_foot_to_head(examples: Path, store: SliceStore) -> None:
    scan = read_scan(examples / "physionet_ct_ich" / "patient_077.nii.gz")
    expected = np.stack([fit_square(hu, scan.pixel_spacing_mm, 256)[0] for hu in scan.hu])
    assert (store.scan("ich/077") == expected).all()


def test_pictures_are_resized_as_hu(manifest: Manifest, store: SliceStore, examples: Path) -> None:
    hu = read_scan(examples / "ge_tilted_head_series").hu
    rows = store.rows_of(manifest)[-4:]
    for row, number in zip(rows.tolist(), (12, 14, 16, 18), strict=True):
        facts = store.index.slice(row, 1).to_pylist()[0]
        assert facts["kind"] == "hu" and facts["window"] == PICTURE_WINDOW
        assert (facts["hu_low"], facts["hu_high"]) == (0, 80)
        assert facts["row_spacing_mm"] is None
        # of the clipped slice, halved; a grey level is 80/255 HU, and rounding adds a half each time
        expected = np.clip(hu[number], 0, 80).reshape(256, 2, 256, 2).mean(axis=(1, 3))
        assert np.abs(store.hu(row) - expected).max() <= 1


def test_pictures_of_native_size_keep_their_grey_levels_and_give_hu(examples: Path, work: Path) -> None:
    pictures = picture_manifest(examples, work / "native pictures")
    native, _ = build(pictures, work / "native store of pictures", size=None)
    stored = np.load(native.folder / "shards" / "00000.grey.npy")
    assert stored.dtype == np.uint8 and native.index["kind"].to_pylist() == ["grey"] * 4
    for number, name in enumerate(pictures.table["path"].to_pylist()):
        grey = cv2.imread(str(work / "native pictures" / name), cv2.IMREAD_GRAYSCALE)
        upright = grey[::-1] if name in ("16.png", "18.png") else grey
        assert (stored[number] == upright).all()
        assert (native.hu(number) == from_grey(upright, Window.from_text(PICTURE_WINDOW))).all()


def test_a_batch_holds_the_slices_in_the_order_asked_for(store: SliceStore) -> None:
    order = np.random.default_rng(7).integers(0, len(store), 64)
    batch = store.batch(order)
    assert batch.shape == (64, 256, 256)
    for hu, index in zip(batch, order.tolist(), strict=True):
        assert (hu == store.hu(index)).all()
    assert store.batch([]).shape == (0, 256, 256)
    assert (store.batch(range(len(store))) == np.stack([store.hu(index) for index in range(len(store))])).all()


@pytest.mark.parametrize("indices", [[-1], [0, 50], [3, 1000]])
def test_a_slice_that_is_not_there_is_an_error(store: SliceStore, indices: list[int]) -> None:
    assert len(store) == 50
    with pytest.raises(IndexError, match="0 to 49"):
        store.batch(indices)


def test_windowed_slices_are_those_of_to_grey(store: SliceStore) -> None:
    indices = [3, 30, 49, 3]  # DICOM, NIfTI, a picture
    grey = store.windowed(indices, WINDOWS)
    assert grey.dtype == np.uint8 and grey.shape == (4, 3, 256, 256)
    for channels, hu in zip(grey, store.batch(indices), strict=True):
        for channel, window in zip(channels, WINDOWS, strict=True):
            assert (channel == to_grey(hu, window)).all() and channel.std() > 1


def test_rows_of_a_manifest_are_found_and_missing_ones_told(
    examples: Path, manifest: Manifest, store: SliceStore, work: Path
) -> None:
    order = np.random.default_rng(1).permutation(len(manifest))
    shuffled = manifest.take(order)
    assert store.keys.take(store.rows_of(shuffled)).equals(shuffled.keys)
    part, _ = build(nifti_manifest(examples), work / "part")
    rows = part.rows_of(manifest)
    assert (rows >= 0).sum() == 18 and (np.sort(rows[rows >= 0]) == np.arange(18)).all()
    assert set(np.flatnonzero(rows >= 0)) == {k for k, key in enumerate(manifest.keys.to_pylist()) if key[:4] == "ich/"}


def test_the_hash_is_that_of_the_stored_slice(store: SliceStore) -> None:
    hashes = store.index["hash"].to_pylist()
    assert hashes == [dhash(hu) for hu in store.batch(range(len(store)))]
    assert sum(one is not None for one in hashes) > 25


def middle(store: SliceStore) -> int:
    """The sum of a slice, in another process."""
    return int(store.hu(20).sum(dtype=np.int64))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes_read_the_same_store(store: SliceStore, method: str) -> None:
    expected = middle(store)
    with ProcessPoolExecutor(2, multiprocessing.get_context(method)) as pool:
        assert list(pool.map(middle, [store] * 8)) == [expected] * 8
    assert (pickle.loads(pickle.dumps(store)).hu(20) == store.hu(20)).all()


def test_more_shards_than_files_that_may_be_open(store: SliceStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hemoscope.datasets.slice_store.store.FILES_OPEN", 1)
    few = SliceStore.open(store.folder)
    order = [0, 49, 1, 48] * 5  # from one file to the other and back
    assert (few.batch(order) == store.batch(order)).all()


def test_a_damaged_shard_is_named_and_written_again(examples: Path, work: Path) -> None:
    manifest, folder = nifti_manifest(examples), work / "damaged"
    store, _ = build(manifest, folder)
    store.verify(lambda done, total: None)
    sound = contents(folder)
    shard = folder / "shards" / "00000.hu.npy"
    damaged = bytearray(shard.read_bytes())
    damaged[-1000] ^= 1
    shard.write_bytes(damaged)
    with pytest.raises(UsageError, match=r"00000\.hu\.npy"):
        store.verify(lambda done, total: None)
    shard.unlink()
    with pytest.raises(UsageError, match=r"00000\.hu\.npy cannot be read: No such file"):
        SliceStore.open(folder).hu(3)
    build(manifest, folder)
    assert contents(folder) == sound


def test_a_damaged_index_is_named_and_written_again(examples: Path, work: Path) -> None:
    manifest, folder = nifti_manifest(examples), work / "damaged_index"
    store, _ = build(manifest, folder)
    sound = contents(folder)
    (folder / "index.parquet").write_bytes(sound["index.parquet"][:-1] + b"?")
    with pytest.raises(UsageError, match=r"index\.parquet"):
        store.verify(lambda done, total: None)
    build(manifest, folder)
    store.verify(lambda done, total: None)
    assert contents(folder) == sound


def test_a_shard_that_is_cut_off_is_an_error_and_no_air(examples: Path, work: Path) -> None:
    store, _ = build(nifti_manifest(examples), work / "cut")
    shard = work / "cut" / "shards" / "00000.hu.npy"
    with shard.open("rb+") as stream:
        stream.truncate(100_000)
    with pytest.raises(UsageError, match="cut off"):
        store.hu(17)


def test_shards_are_plain_numpy_files(store: SliceStore) -> None:
    mapped = np.load(store.folder / "shards" / "00000.hu.npy", mmap_mode="r")
    assert mapped.shape == (50, 256, 256) and (mapped[5] == store.hu(5)).all()


def test_a_store_is_opened_by_text_too(store: SliceStore) -> None:
    opened = SliceStore.open(str(store.folder))
    assert opened.folder == store.folder and (opened.hu(3) == store.hu(3)).all()
    assert (pickle.loads(pickle.dumps(opened)).hu(3) == store.hu(3)).all()


def test_what_cannot_be_a_folder_is_a_type_error_and_no_damage() -> None:
    with pytest.raises(TypeError):
        SliceStore.open(None)  # type: ignore[arg-type]


def test_what_is_no_store_is_told_in_a_sentence(tmp_path: Path, store: SliceStore) -> None:
    with pytest.raises(UsageError, match="holds no slice store"):
        SliceStore.open(tmp_path)
    (tmp_path / "plan.json").write_bytes((store.folder / "plan.json").read_bytes())
    with pytest.raises(UsageError, match="is not finished"):
        SliceStore.open(tmp_path)
    (tmp_path / "store.json").write_text('{"format": 1, "rows": 256', encoding="utf-8")
    with pytest.raises(UsageError, match="is damaged"):
        SliceStore.open(tmp_path)
    (tmp_path / "store.json").write_text('{"format": 99}', encoding="utf-8")
    with pytest.raises(UsageError, match="format 99"):
        SliceStore.open(tmp_path)
