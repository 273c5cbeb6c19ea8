"""PNG and JPEG pictures to scans of approximate Hounsfield units."""

from __future__ import annotations

import csv
import struct
import zlib

import cv2
import numpy as np
import pytest

from hemoscope.ct.inputs import Refusal
from hemoscope.ct.options import ReadOptions
from hemoscope.ct.read import read_scan, read_scans
from hemoscope.ct.scan import Scan
from hemoscope.ct.windows import BRAIN, Window, to_grey
from hemoscope.reasons import HemoscopeError, Reason, Severity


@pytest.fixture(scope="module")
def head(examples):
    """Twelve real slices of 128 x 128, HU."""
    return read_scan(examples / "ge_tilted_head_series").hu[8:20, ::4, ::4]


def reasons(scan):
    return {check.reason for check in scan.checks}


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)
    return path


def write_folder(folder, hu, name="slice{}.png", window=BRAIN):
    return [write(folder / name.format(number), to_grey(one, window)) for number, one in enumerate(hu)]


def refusal(path, window=BRAIN):
    with pytest.raises(HemoscopeError) as error:
        read_scan(path, window=window)
    return error.value


@pytest.mark.parametrize("window", [BRAIN, Window(80, 200), Window(77.5, 255)])
def test_a_folder_is_one_scan_in_natural_order(tmp_path, head, window):
    write_folder(tmp_path / "head 7", head, window=window)  # slice10 comes after slice9
    scan = read_scan(tmp_path / "head 7", window=window)
    half_a_level = window.width / 255 / 2 + 0.5
    assert np.abs(scan.hu - head.clip(window.low, window.high)).max() <= half_a_level
    assert (scan.name, scan.window, scan.pixel_spacing_mm) == ("head_7", window, None)
    assert [one.source for one in scan.slices] == [f"head 7/slice{k}.png" for k in range(12)]
    assert reasons(scan) == {Reason.APPROXIMATE_HU}


def test_rsna_pictures_are_the_published_hounsfield_units(shared_data):
    folder = shared_data / "rsna_hu_pictures"
    rows = [row for row in csv.DictReader((folder / "slices.csv").open()) if row["series"] == "44cfc8e964"]
    scan = read_scan(folder / "images" / "44cfc8e964", window=Window(77.5, 255))
    expected = [cv2.imread(str(folder / row["file"]), cv2.IMREAD_UNCHANGED).astype(int) - 50 for row in rows]
    np.testing.assert_array_equal(scan.hu, expected)


def test_jpeg_is_lossy(shared_data):
    path = shared_data / "physionet_ct_ich" / "images" / "077_20.jpg"
    scan = read_scan(path, window=Window(40, 120))
    assert scan.hu.shape == (1, 384, 384)
    assert reasons(scan) == {Reason.APPROXIMATE_HU, Reason.LOSSY}
    assert (scan.hu.min(), scan.hu.max()) == (-20, 100)


def test_each_folder_is_a_scan(tmp_path, head):
    write_folder(tmp_path / "in" / "b", head[:3])
    write_folder(tmp_path / "in" / "a", head[3:5])
    scans = list(read_scans([tmp_path / "in"], ReadOptions(window=BRAIN)))
    assert [(scan.name, len(scan.hu)) for scan in scans] == [("a", 2), ("b", 3)]


def test_independent_pictures_are_scans_of_their_own(tmp_path, head):
    write_folder(tmp_path / "a", head[:3])
    write_folder(tmp_path / "b", head[:1])
    scans = list(read_scans([tmp_path], ReadOptions(window=BRAIN, independent=True)))
    assert [scan.name for scan in scans] == ["slice0", "slice1", "slice2", "slice0-2"]
    assert all(scan.independent and len(scan.hu) == 1 for scan in scans)


def test_pictures_need_a_window(tmp_path, head):
    write_folder(tmp_path, head)
    error = refusal(tmp_path, window=None)
    assert error.reason is Reason.NO_HOUNSFIELD_UNITS
    assert "--window" in error.sentence


def test_a_folder_of_several_scans_is_refused(tmp_path, head):
    write_folder(tmp_path, head[:3], "049_{}.png")
    write_folder(tmp_path, head[:3], "050_{}.png")
    error = refusal(tmp_path)
    assert error.reason is Reason.SEVERAL_SCANS
    assert "--independent" in error.sentence


@pytest.mark.parametrize(("missing", "expected"), [(5, {Reason.GAP}), (0, set()), (None, set())])
def test_a_picture_that_is_missing_by_its_number_is_a_gap(tmp_path, head, missing, expected):
    write_folder(tmp_path / "head", head)
    if missing is not None:
        (tmp_path / "head" / f"slice{missing}.png").unlink()
    scan = read_scan(tmp_path / "head", window=BRAIN)
    assert reasons(scan) == {Reason.APPROXIMATE_HU} | expected
    assert all(check.slices == (4, 5) for check in scan.checks if check.reason is Reason.GAP)


@pytest.mark.parametrize("channels", [3, 4])
def test_grey_stored_as_colour(tmp_path, head, channels):
    grey = to_grey(head[0], BRAIN)
    pixels = np.repeat(grey[..., None], channels, axis=2)
    pixels[..., 3:] = 255
    write(tmp_path / "a.png", pixels)
    write(tmp_path / "b.png", grey)
    scan = read_scan(tmp_path, window=BRAIN)
    np.testing.assert_array_equal(scan.hu[0], scan.hu[1])


def test_grey_stored_as_colour_jpeg(tmp_path, head):
    pixels = cv2.cvtColor(to_grey(head[0], BRAIN), cv2.COLOR_GRAY2BGR)
    pixels[:, :, 0] = pixels[:, :, 0].clip(0, 250)  # nearly grey
    assert read_scan(write(tmp_path / "a.jpg", pixels), window=BRAIN).hu.shape == (1, 128, 128)


def test_colour_is_refused(tmp_path, head):
    pixels = cv2.applyColorMap(to_grey(head[0], BRAIN), cv2.COLORMAP_JET)
    error = refusal(write(tmp_path / "a.png", pixels))
    assert error.reason is Reason.NO_HOUNSFIELD_UNITS
    assert "colour" in error.sentence


def test_transparency_is_refused(tmp_path):
    assert "transparent" in refusal(write(tmp_path / "a.png", np.full((32, 32, 4), 100, np.uint8))).sentence


@pytest.mark.parametrize("window", [None, BRAIN])
def test_sixteen_bits_are_refused(tmp_path, head, window):
    path = write(tmp_path / "a.png", (head[0].astype(int) + 1024).astype(np.uint16))
    assert refusal(path, window).reason is Reason.NO_HOUNSFIELD_UNITS


@pytest.mark.parametrize("suffix", ["png", "jpg"])
@pytest.mark.parametrize("keep", [0.2, 0.5, 0.9, 0.995])
def test_cut_pictures_are_refused(tmp_path, head, suffix, keep):
    path = write(tmp_path / f"a.{suffix}", to_grey(head[0], BRAIN))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    assert refusal(path).reason is Reason.NOT_READABLE


def test_a_changed_byte_in_a_png_is_noticed(tmp_path, head):
    path = write(tmp_path / "a.png", to_grey(head[0], BRAIN))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    assert refusal(path).reason is Reason.NOT_READABLE


def test_one_damaged_picture_of_many(tmp_path, head):
    paths = write_folder(tmp_path, head)
    paths[2].write_bytes(paths[2].read_bytes()[:-50])
    write(paths[5], to_grey(head[5, :100], BRAIN))
    scan = read_scan(tmp_path, window=BRAIN)
    assert [index for index, one in enumerate(scan.slices) if not one.readable] == [2, 5]
    check = next(check for check in scan.checks if check.reason is Reason.SLICE_UNREADABLE)
    assert (check.slices, check.reason.severity) == ((2, 5), Severity.INCOMPLETE)
    assert (scan.hu[2] == -1024).all()


def png_header(rows, columns):
    chunk = b"IHDR" + struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


@pytest.mark.parametrize(
    "content",
    [png_header(60000, 60000), b"\xff\xd8\xff\xc0\x00\x11\x08" + struct.pack(">HH", 60000, 60000) + bytes(20)],
    ids=["png", "jpeg"],
)
def test_claims_of_many_pixels_are_refused(tmp_path, content):
    (tmp_path / "a.bin").write_bytes(content)
    assert refusal(tmp_path / "a.bin").reason is Reason.TOO_LARGE


def test_too_many_pictures_for_one_scan(tmp_path, head, monkeypatch):
    monkeypatch.setattr("hemoscope.ct.pictures.MAX_VOXELS", head.size - 1)
    write_folder(tmp_path, head)
    assert refusal(tmp_path).reason is Reason.TOO_LARGE


def test_a_bad_picture_does_not_stop_the_others(tmp_path, head):
    write_folder(tmp_path / "a", head[:2])
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    found = list(read_scans([tmp_path], ReadOptions(window=BRAIN)))
    assert [type(one) for one in found] == [Scan, Refusal]
