"""Decoding real files of every transfer syntax: stored values to the bit, HU, notes and refusals."""

from __future__ import annotations

import csv
import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from hemoscope.ct.decode_process import DecodeProcess
from hemoscope.ct.dicom_file import read_content, read_header
from hemoscope.ct.eligibility import check_eligible
from hemoscope.ct.inputs import InputFile
from hemoscope.ct.pixels import DecodedFrames, Decoder, hu_frames
from hemoscope.ct.stored_values import UNCOMPRESSED, compressed_frames, transfer_syntax, uncompressed_frames
from hemoscope.reasons import HemoscopeError, Reason


@pytest.fixture(scope="module")
def syntaxes(shared_data: Path) -> dict[str, dict[str, str]]:
    """The rows of the table of files, by file; "path" is added."""
    folder = shared_data / "dicom_transfer_syntaxes"
    with (folder / "files.csv").open() as table:
        return {row["file"]: {**row, "path": str(folder / row["file"])} for row in csv.DictReader(table)}


def stored_values(file: InputFile) -> np.ndarray:
    header = read_header(file)
    content = read_content(file, header).plain
    if transfer_syntax(header) in UNCOMPRESSED:
        return uncompressed_frames(file, header, content)
    return np.stack(list(compressed_frames(file, header, content)))


def decode(*paths: Path, jobs: int = 2) -> list[DecodedFrames | HemoscopeError]:
    files = [InputFile.from_path(path) for path in paths]
    with Decoder(jobs) as decoder:
        return list(decoder.decode([(file, read_header(file)) for file in files]))


def test_every_lossless_file_decodes_to_the_pixels_of_its_group(syntaxes: dict[str, dict[str, str]]) -> None:
    lossless = [row for row in syntaxes.values() if row["coding"] == "lossless"]
    assert len(lossless) == 31
    for row in lossless:
        values = stored_values(InputFile.from_path(Path(row["path"])))
        little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
        assert hashlib.sha256(little).hexdigest() == row["pixel_sha256"], row["file"]
        shape = tuple(int(side) for side in row["shape"].split("x"))
        assert values.shape == (shape if len(shape) == 3 else (1, *shape)), row["file"]


def test_every_ct_of_a_group_gives_the_same_hu(syntaxes: dict[str, dict[str, str]]) -> None:
    """Lossy copies within what their loss allows; 12-bit JPEG has another rescale, and is compared in HU."""
    largest = {"jpegls_near_lossless": 4, "jpeg2000_lossy": 2081, "jpeg_extended_12bit": 40}
    rows = [row for row in syntaxes.values() if row["modality"] == "CT" and "ct_chest_ge" in row["file"]]
    rows += [row for row in syntaxes.values() if row["file"].startswith("ct_head")]
    rows = [row for row in rows if "retired" not in row["file"] and "8bit" not in row["file"]]
    results = dict(zip([row["file"] for row in rows], decode(*[Path(row["path"]) for row in rows]), strict=True))
    for row in rows:
        result = results[row["file"]]
        assert isinstance(result, DecodedFrames), (row["file"], result)
        reference = results[row["file"].split("/")[0] + "/explicit_le.dcm"]
        assert isinstance(reference, DecodedFrames)
        difference = np.abs(result.hu.astype(int) - reference.hu).max()
        assert difference <= largest.get(Path(row["file"]).stem, 0), (row["file"], difference)
        lossy = row["coding"] == "lossy"
        assert result.notes == ((Reason.LOSSY,) if lossy else ()), row["file"]
        assert (difference > 0) == lossy, row["file"]
        assert result.sha256() == row["file_sha256"]


def test_padding_of_real_files_is_air(syntaxes: dict[str, dict[str, str]]) -> None:
    """Stored -2000 in signed files, PixelPaddingValue 63536 for signed data."""
    for name in ("ct_chest_ge/explicit_le.dcm", "ct_head_cq500_sdh/jpeg2000_lossless.dcm"):
        file = InputFile.from_path(Path(syntaxes[name]["path"]))
        padded = stored_values(file) == -2000
        assert padded.mean() > 0.1
        assert (hu_frames(file, read_header(file))[padded] == -1024).all()


def test_retired_and_broken_files_are_refused_in_one_sentence(syntaxes: dict[str, dict[str, str]]) -> None:
    expected = {
        "ct_chest_ge/jpeg_spectral_selection_retired.dcm": Reason.TRANSFER_SYNTAX_UNSUPPORTED,
        "ct_chest_ge/jpeg_full_progression_retired.dcm": Reason.TRANSFER_SYNTAX_UNSUPPORTED,
        "ct_chest_ge/jpeg_baseline_8bit.dcm": Reason.NO_HOUNSFIELD_UNITS,
        "broken/jpeg2000_truncated_10_frames.dcm": Reason.PIXELS_UNREADABLE,
        "broken/pixel_data_truncated.dcm": Reason.PIXELS_UNREADABLE,
    }
    results = decode(*[Path(syntaxes[name]["path"]) for name in expected])
    for (name, reason), result in zip(expected.items(), results, strict=True):
        assert isinstance(result, HemoscopeError) and result.reason is reason, name
        assert Path(name).name in result.sentence and "\n" not in result.sentence


def test_truncated_compressed_files_are_refused(syntaxes: dict[str, dict[str, str]], tmp_path: Path) -> None:
    """Cut in the middle of the coded pixels: never a partial picture."""
    stems = (
        "rle",
        "jpeg_lossless_sv1",
        "jpegls_lossless",
        "jpeg2000_lossless",
        "jpeg2000_lossy",
        "jpeg_extended_12bit",
    )
    paths = []
    for stem in stems:
        content = Path(syntaxes[f"ct_chest_ge/{stem}.dcm"]["path"]).read_bytes()
        paths.append(tmp_path / f"{stem}.dcm")
        paths[-1].write_bytes(content[: len(content) * 2 // 3])
    for path, result in zip(paths, decode(*paths), strict=True):
        assert isinstance(result, HemoscopeError) and result.reason is Reason.PIXELS_UNREADABLE, path.name


def test_corrupted_jpeg_ls_is_noticed(syntaxes: dict[str, dict[str, str]], tmp_path: Path) -> None:
    """Other decoders return wrong pixels for a flipped bit, without a word."""
    content = Path(syntaxes["ct_chest_ge/jpegls_lossless.dcm"]["path"]).read_bytes()
    paths = []
    for at in range(20_000, 150_000, 13_000):
        paths.append(tmp_path / f"{at}.dcm")
        paths[-1].write_bytes(content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :])
    refused = [isinstance(result, HemoscopeError) for result in decode(*paths)]
    assert np.mean(refused) >= 0.9


def test_frames_come_in_the_order_of_the_requests(examples: Path, syntaxes: dict[str, dict[str, str]]) -> None:
    """Compressed and uncompressed files mixed: results are not by who is ready first."""
    ge = sorted((examples / "ge_tilted_head_series").glob("*.dcm"))[:12]
    mixed = [path for pair in zip(ge, [Path(syntaxes["ct_chest_ge/jpeg2000_lossless.dcm"]["path"])] * 12, strict=True)
             for path in pair]  # fmt: skip
    hashes = [result.sha256() for result in decode(*mixed) if isinstance(result, DecodedFrames)]
    assert hashes == [InputFile.from_path(path).sha256() for path in mixed]


def test_uncompressed_file_gives_the_pixels_of_pydicom(examples: Path) -> None:
    for path in sorted((examples / "ge_tilted_head_series").glob("*.dcm")):
        whole = dcmread(path)
        expected = whole.pixel_array * float(whole.RescaleSlope) + float(whole.RescaleIntercept)
        file = InputFile.from_path(path)
        assert np.array_equal(hu_frames(file, read_header(file))[0], np.clip(expected, -1024, 3071))


def test_uncompressed_files_start_no_process(examples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", None)
    (result,) = decode(examples / "ge_tilted_head_series" / "01.dcm")
    assert isinstance(result, DecodedFrames)


def test_main_process_calls_no_codec(syntaxes: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pydicom.pixels.decoders.base.Decoder.iter_array", None)
    monkeypatch.setattr("gdcm.ImageReader", None)
    for name in ("jpeg2000_lossless", "jpeg_extended_12bit", "rle", "jpegls_lossless", "jpeg_lossless_sv1"):
        (result,) = decode(Path(syntaxes[f"ct_chest_ge/{name}.dcm"]["path"]), jobs=1)
        assert isinstance(result, DecodedFrames), name


# --- decoders that crash, hang and lie ---


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGABRT])
def test_decoder_that_is_killed_costs_one_file(
    syntaxes: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """The process is killed as soon as it has the second request."""
    path = Path(syntaxes["ct_chest_ge/jpeg2000_lossless.dcm"]["path"])
    running, started = DecodeProcess._running, []

    def sabotaged(self: DecodeProcess) -> subprocess.Popen[bytes]:
        process = running(self)
        started.append(process.pid)
        if len(started) == 2:
            os.kill(process.pid, number)
        return process

    monkeypatch.setattr(DecodeProcess, "_running", sabotaged)
    results = decode(path, path, path, path, jobs=1)
    failed = [result for result in results if isinstance(result, HemoscopeError)]
    assert [isinstance(result, DecodedFrames) for result in results] == [True, False, True, True]
    assert failed[0].reason is Reason.PIXELS_UNREADABLE and "crash" in failed[0].sentence
    assert started[1] != started[2]


def test_decoder_that_hangs_is_given_up(syntaxes: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(syntaxes["ct_chest_ge/jpeg2000_lossless.dcm"]["path"])
    monkeypatch.setattr("hemoscope.ct.decode_process.DEADLINE_SECONDS", 0.01)
    monkeypatch.setattr("hemoscope.ct.decode_process.FRAME_SECONDS", 0.0)
    start = time.monotonic()
    (result,) = decode(path)
    assert isinstance(result, HemoscopeError) and "seconds" in result.sentence
    assert time.monotonic() - start < 2


@pytest.mark.parametrize("answer", [b"", b"X", b"F" + (1 << 40).to_bytes(8, "little"), b"D\2\0\0\0\0\0\0\0{}",
                                    b"R\2\0\0\0\0\0\0\0{}", b"R\1\0\0\0\0\0\0\0{", b"D" + b"\xff" * 8])  # fmt: skip
def test_process_that_answers_nonsense_is_a_crash(
    syntaxes: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    def liar(self: DecodeProcess) -> subprocess.Popen[bytes]:
        program = f"import os, sys; sys.stdin.buffer.readline(); os.write(1, {answer!r})"
        self._process = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self._process

    monkeypatch.setattr(DecodeProcess, "_running", liar)
    (result,) = decode(Path(syntaxes["ct_chest_ge/jpeg2000_lossless.dcm"]["path"]))
    assert isinstance(result, HemoscopeError) and result.reason is Reason.PIXELS_UNREADABLE


def test_leaving_early_ends_the_processes(syntaxes: dict[str, dict[str, str]]) -> None:
    file = InputFile.from_path(Path(syntaxes["ct_chest_ge/jpeg2000_lossless.dcm"]["path"]))
    with Decoder(2) as decoder:
        next(decoder.decode([(file, read_header(file))] * 50))
        processes = [process._process for process in decoder._started]
    assert processes and all(process is None or process.poll() is not None for process in processes)


def test_jpeg_2000_that_claims_a_huge_picture_stays_in_the_bounds_of_its_process(
    syntaxes: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    """The code stream claims 60,000 x 60,000 pixels; the DICOM header 512 x 512."""
    content = bytearray(Path(syntaxes["ct_chest_ge/jpeg2000_lossless.dcm"]["path"]).read_bytes())
    at = content.index(b"\xff\x4f\xff\x51") + 8
    content[at : at + 8] = (60_000).to_bytes(4, "big") * 2
    (tmp_path / "huge.dcm").write_bytes(content)
    (result,) = decode(tmp_path / "huge.dcm")
    assert isinstance(result, HemoscopeError) and result.reason is Reason.PIXELS_UNREADABLE


def test_file_of_the_collection_that_is_no_head_still_decodes_to_its_hash(shared_data: Path) -> None:
    folder = shared_data / "dicom_not_head_ct"
    with (folder / "files.csv").open() as table:
        rows = [row for row in csv.DictReader(table) if row["category"].startswith(("ct_", "contrast"))]
    for row in rows:
        file = InputFile.from_path(folder / row["file"])
        assert hashlib.sha256(stored_values(file)).hexdigest() == row["pixel_sha256"], row["file"]
        assert (check_eligible(read_header(file), file.name) is None) == (row["category"] != "ct_localizer")
