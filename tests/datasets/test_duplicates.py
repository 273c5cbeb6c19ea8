"""Pictures that two patients share are found, and no others."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pydicom
import pytest
from numpy.typing import NDArray

from hemoscope.ct.windows import Window, from_grey
from hemoscope.datasets.duplicates import BANDS, _near_pairs, dhash, find_duplicates, mirrored, shared_by_datasets
from hemoscope.datasets.manifest import Manifest
from hemoscope.datasets.merge import merge

Slices = dict[str, list[NDArray[np.int16]]]


@pytest.fixture(scope="module")
def patients(shared_data: Path) -> Slices:
    """HU of 30 slices of each of 12 patients of CT-ICH."""
    folder = shared_data / "physionet_ct_ich"
    rows = pd.read_csv(folder / "slices.csv").groupby("patient").head(30)
    return {
        f"ct-ich:{patient}": [read_picture(folder / file) for file in files["file"]]
        for patient, files in list(rows.groupby("patient"))[:12]
    }


def read_picture(path: Path, window: Window = Window(40, 120)) -> NDArray[np.int16]:  # noqa: B008
    return from_grey(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), window)


def saved_again(hu: NDArray[np.int16], size: int = 384, quality: int = 75) -> NDArray[np.int16]:
    """The picture in another size, as JPEG with another window."""
    window = Window(35, 100)
    grey = np.clip(np.rint((hu - window.low) * 255 / window.width), 0, 255).astype(np.uint8)
    grey = cv2.resize(grey, (size, size), interpolation=cv2.INTER_AREA)
    return from_grey(cv2.imdecode(cv2.imencode(".jpg", grey, [1, quality])[1], cv2.IMREAD_GRAYSCALE), window)


def found_in(slices: Slices, unknown: tuple[str, ...] = ()) -> list[tuple[str, str, bool]]:
    """Pairs of `patient/slice` that are found, and whether mirrored; some patients can be unknown."""
    named = [(patient, place) for patient, its in slices.items() for place in range(len(its))]
    columns = {
        "patient": [None if patient in unknown else patient for patient, _ in named],
        "series": [patient for patient, _ in named],
        "path": [f"{patient}/{place}" for patient, place in named],
    }
    manifest = Manifest.from_columns("all", Path("/data"), columns)
    paths = manifest.table["path"].to_pylist()
    pixels = [slices[path.split("/")[0]][int(path.split("/")[1])] for path in paths]
    found = find_duplicates(manifest, [dhash(hu) for hu in pixels], pixels.__getitem__)
    return sorted((*sorted((paths[one.first], paths[one.second])), one.mirrored) for one in found)


def test_no_picture_of_different_patients_is_called_the_same(patients: Slices) -> None:
    assert sum(dhash(hu) is not None for its in patients.values() for hu in its) > 300
    assert found_in(patients) == []


@pytest.mark.parametrize("size", [384, 256, 512])
def test_pictures_saved_again_under_another_patient_are_found(patients: Slices, size: int) -> None:
    first = next(iter(patients))
    planted = {place: saved_again(patients[first][place], size) for place in (12, 16, 20)}
    with_planted = {**patients, "other:1": list(planted.values())}
    expected = [(f"{first}/{place}", f"other:1/{number}", False) for number, place in enumerate(planted)]
    assert found_in(with_planted) == expected
    assert found_in(with_planted, unknown=("other:1",)) == expected
    assert found_in(with_planted, unknown=(first, "other:1")) == expected


def test_mirrored_pictures_are_found(patients: Slices) -> None:
    first = next(iter(patients))
    turned = np.ascontiguousarray(saved_again(patients[first][16])[:, ::-1])
    assert found_in({**patients, "other:1": [turned]}) == [(f"{first}/16", "other:1/0", True)]


def test_the_same_patient_is_not_reported(patients: Slices) -> None:
    first = next(iter(patients))
    again = {first: [*patients[first], saved_again(patients[first][16])]}
    assert found_in(again) == []


def test_the_hash_of_the_mirror_image_follows_from_the_hash(patients: Slices) -> None:
    hu = patients[next(iter(patients))][16]
    given = dhash(hu)
    assert given is not None
    turned = mirrored(np.frombuffer(given, np.uint8)[None])[0]
    direct = np.frombuffer(dhash(np.ascontiguousarray(hu[:, ::-1])) or b"", np.uint8)
    assert np.unpackbits(turned ^ direct).sum() <= 2
    assert np.unpackbits(turned ^ np.frombuffer(given, np.uint8)).sum() > 30


def test_air_and_bone_have_no_hash(patients: Slices) -> None:
    assert dhash(np.full((64, 64), -1000, np.int16)) is None
    assert dhash(np.full((64, 64), 1000, np.int16)) is None


def test_dicom_and_its_picture_are_the_same(shared_data: Path) -> None:
    """Whole series in two of the folders: 512 pixels in 12 or 16 bits, and 256 pixels in 8 bits."""
    series = "72952d87fa"
    rows = pd.read_csv(shared_data / "rsna_hu_pictures" / "slices.csv").query("series == @series")
    window = Window(77.5, 255)
    pictures = {row.id: read_picture(shared_data / "rsna_hu_pictures" / row.file, window) for row in rows.itertuples()}
    originals = {}
    with tarfile.open(shared_data / "rsna_dicom" / "series" / f"ID_{series}.tar.xz") as archive:
        for member in archive:
            if member.isfile():
                content = archive.extractfile(member)
                assert content is not None
                file = pydicom.dcmread(io.BytesIO(content.read()))
                hu = file.pixel_array * int(file.RescaleSlope) + int(file.RescaleIntercept)
                originals[Path(member.name).stem.removeprefix("ID_")] = hu.astype(np.int16)
    assert set(originals) == set(pictures)
    ids = [name for name in sorted(originals) if dhash(originals[name]) and dhash(pictures[name])]
    assert len(ids) > 25
    found = found_in({"a": [originals[name] for name in ids], "b": [pictures[name] for name in ids]})
    same = [pair for pair in found if pair[0].split("/")[1] == pair[1].split("/")[1]]
    assert len(same) == len(ids)
    assert all(not turned for *_, turned in same)


def test_every_pair_of_near_hashes_is_compared() -> None:
    random = np.random.default_rng(0)
    hashes = random.integers(256, size=(2000, 32)).astype(np.uint8)
    for slice_ in range(0, 2000, 2):  # the next one differs in BANDS - 1 bits
        bits = np.unpackbits(hashes[slice_])
        bits[random.choice(256, BANDS - 1, replace=False)] ^= 1
        hashes[slice_ + 1] = np.packbits(bits)
    number = np.arange(2000)
    expected = [(slice_, slice_ + 1, BANDS - 1, False) for slice_ in range(0, 2000, 2)]
    assert _near_pairs(hashes, number, number) == expected
    assert _near_pairs(hashes, number // 2, number) == []


def test_slices_of_two_datasets_are_counted_by_their_identifier() -> None:
    one = Manifest.from_columns("one", Path("/one"), {"sop_instance_uid": ["ID_1", "ID_2", None]})
    two = Manifest.from_columns("two", Path("/two"), {"sop_instance_uid": ["ID_2", "ID_3", None]})
    assert shared_by_datasets(merge([one, two])) == 1
