"""Headers of DICOM files: what is tolerated, and what ends in one sentence within bounded memory and time."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from hemoscope.ct.dicom_file import read_content, read_header, sniff
from hemoscope.ct.frames import SLICE_TAGS, frames_of
from hemoscope.ct.inputs import InputFile
from hemoscope.reasons import HemoscopeError, Reason

IMPLICIT, EXPLICIT, DEFLATED = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99"


@pytest.fixture
def slice_path(examples: Path) -> Path:
    return examples / "ge_tilted_head_series" / "14.dcm"


def file_meta(syntax: str) -> bytes:
    value = syntax.encode() + b"\0" * (len(syntax) % 2)
    element = b"\x02\x00\x10\x00UI" + struct.pack("<H", len(value)) + value
    return bytes(128) + b"DICM\x02\x00\x00\x00UL\x04\x00" + struct.pack("<I", len(element)) + element


def write(path: Path, content: bytes) -> InputFile:
    path.write_bytes(content)
    return InputFile.from_path(path)


def refusal(file: InputFile) -> HemoscopeError:
    with pytest.raises(HemoscopeError) as caught:
        read_header(file)
    assert file.name in caught.value.sentence and "\n" not in caught.value.sentence
    return caught.value


def test_header_has_everything_but_the_pixels(slice_path: Path) -> None:
    header = read_header(InputFile.from_path(slice_path))
    expected = dcmread(slice_path)
    assert header.pixels_at == slice_path.read_bytes().index(b"\xe0\x7f\x10\x00")
    del expected.PixelData
    assert [tag for tag in expected.keys() if tag < 0x7FE00010] == list(header.keys())  # noqa: SIM118
    assert all(header[tag] == expected[tag] for tag in header.keys())  # noqa: SIM118


def test_wanted_attributes_are_those_of_the_whole_header(slice_path: Path) -> None:
    file = InputFile.from_path(slice_path)
    whole, part = read_header(file), read_header(file, SLICE_TAGS)
    assert part.pixels_at == whole.pixels_at and len(part) < len(whole) / 3
    there = [tag for tag in SLICE_TAGS if tag in whole]
    assert len(there) > 15 and all(part[tag] == whole[tag] for tag in there)


@pytest.mark.parametrize(
    "unwanted", [b"\x29\x00\x01\x10UN\0\0\xff\xff\xff\x7f", b"\x29\x00\x01\x10SQ\0\0\xff\xff\xff\xff"]
)
def test_damage_in_what_is_not_wanted_is_not_passed_over(slice_path: Path, tmp_path: Path, unwanted: bytes) -> None:
    """A private element before the pixels that claims 2 GB, and a sequence without an end."""
    content = slice_path.read_bytes()
    at = content.index(b"\xe0\x7f\x10\x00")
    file = write(tmp_path / "a", content[:at] + unwanted + content[at:])
    for wanted in (None, SLICE_TAGS):
        try:
            assert read_header(file, wanted).pixels_at is None
        except HemoscopeError as error:
            assert error.reason is Reason.NOT_READABLE


def test_data_set_without_its_first_groups_is_refused(tmp_path: Path) -> None:
    content = file_meta(EXPLICIT) + image(8, 8, 1)[10:] + bytes(1 << 17)
    file = write(tmp_path / "a", content)
    for wanted in (None, SLICE_TAGS):
        with pytest.raises(HemoscopeError) as caught:
            read_header(file, wanted)
        assert caught.value.reason is Reason.NOT_READABLE


def test_content_is_the_file_and_its_hash(slice_path: Path) -> None:
    file = InputFile.from_path(slice_path)
    content = read_content(file, read_header(file))
    assert content.plain == content.on_disk == slice_path.read_bytes() and content.sha256() == file.sha256()


@pytest.mark.parametrize("implicit", [True, False])
def test_preamble_and_file_meta_may_be_missing(slice_path: Path, tmp_path: Path, implicit: bool) -> None:
    whole = dcmread(slice_path)
    bare = Dataset()
    bare.update(whole)
    bare.save_as(tmp_path / "bare", implicit_vr=implicit, little_endian=True)
    file = InputFile.from_path(tmp_path / "bare")
    header = read_header(file)
    assert sniff(file) == "dicom"
    assert header.file_meta.TransferSyntaxUID == (IMPLICIT if implicit else EXPLICIT)
    assert header.ImagePositionPatient == whole.ImagePositionPatient


def test_malformed_values_are_left_out_and_the_others_stay(slice_path: Path, tmp_path: Path) -> None:
    content = slice_path.read_bytes()
    at = content.index(b"\x20\x00\x13\x00IS") + 8
    file = write(tmp_path / "a", content[:at] + b"x" + content[at + 1 :])
    header = read_header(file)
    assert "InstanceNumber" not in header and header.Rows == 512


def test_files_are_known_by_content(slice_path: Path, examples: Path, tmp_path: Path) -> None:
    assert sniff(InputFile.from_path(slice_path)) == "dicom"
    for path in examples.glob("physionet*/**/*.nii.gz"):
        assert sniff(InputFile.from_path(path)) == "nifti"
    for content, kind in (
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "picture"),
        (b"\xff\xd8\xff\xe0" + bytes(100), "picture"),
        (bytes(344) + b"n+1\0", "nifti"),
        (b"study,series\n1,2\n" * 20, None),
        (b"PK\x03\x04" + bytes(400), None),
        (b"%PDF-1.7" + bytes(400), None),
        (b"", None),
    ):
        assert sniff(write(tmp_path / "x.dcm", content)) == kind


def test_broken_files_of_the_collection_are_refused_or_have_no_pixels(shared_data: Path) -> None:
    file = InputFile.from_path(shared_data / "dicom_transfer_syntaxes" / "broken" / "no_file_meta.dcm")
    assert sniff(file) is None and refusal(file).reason is Reason.NOT_READABLE


@pytest.mark.parametrize("content", [b"", b"\0", b"DICM", b"text\n" * 1000, bytes(132) + b"DICM", bytes(5000)])
def test_what_is_no_dicom_is_refused(tmp_path: Path, content: bytes) -> None:
    assert refusal(write(tmp_path / "a.dcm", content)).reason is Reason.NOT_READABLE


@pytest.mark.parametrize("length", [100, 140, 200, 350, 1000, 1900])
def test_header_that_ends_early_is_refused_or_has_no_pixels(slice_path: Path, tmp_path: Path, length: int) -> None:
    file = write(tmp_path / "a", slice_path.read_bytes()[:length])
    try:
        assert read_header(file).pixels_at is None
    except HemoscopeError as error:
        assert error.reason is Reason.NOT_READABLE


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr
    long = vr in (b"OB", b"OW", b"SQ", b"UN", b"UT")
    return head + (struct.pack("<HI", 0, len(value)) if long else struct.pack("<H", len(value))) + value


def image(rows: int, columns: int, frames: int) -> bytes:
    return (
        element(0x00080060, b"CS", b"CT")
        + element(0x00280008, b"IS", f"{frames:<6}".encode())
        + element(0x00280010, b"US", struct.pack("<H", rows))
        + element(0x00280011, b"US", struct.pack("<H", columns))
        + element(0x7FE00010, b"OW", bytes(64))
    )


@pytest.mark.parametrize(("rows", "columns", "frames"), [(31623, 31623, 1), (512, 512, 20_000), (64, 64, 5000),
                                                         (65535, 65535, 1), (4096, 4096, 9)])  # fmt: skip
def test_claims_of_too_many_pixels_are_refused(tmp_path: Path, rows: int, columns: int, frames: int) -> None:
    file = write(tmp_path / "a", file_meta(EXPLICIT) + image(rows, columns, frames))
    assert refusal(file).reason is Reason.TOO_LARGE


@pytest.mark.parametrize("frames", [0, -5])
def test_number_of_frames_that_is_none_counts_as_one(tmp_path: Path, frames: int) -> None:
    header = read_header(write(tmp_path / "a", file_meta(EXPLICIT) + image(8, 8, frames)))
    assert "NumberOfFrames" not in header and header.Rows == 8


def test_element_that_claims_more_than_the_file_holds_is_refused(tmp_path: Path) -> None:
    content = file_meta(EXPLICIT) + b"\x09\x00\x01\x10UN\0\0" + struct.pack("<I", 4_000_000_000) + bytes(100)
    assert refusal(write(tmp_path / "a", content)).reason is Reason.NOT_READABLE


def test_header_without_end_is_refused(tmp_path: Path) -> None:
    content = file_meta(EXPLICIT) + element(0x00091001, b"UN", bytes(20 << 20)) + image(8, 8, 1)
    assert refusal(write(tmp_path / "a", content)).reason is Reason.TOO_LARGE


def test_header_of_a_million_elements_is_refused(tmp_path: Path) -> None:
    elements = b"".join(struct.pack("<HHI", group, number, 0) for group in range(9, 29, 2) for number in range(65536))
    assert refusal(write(tmp_path / "a", file_meta(IMPLICIT) + elements)).reason is Reason.TOO_LARGE


def nested(depth: int, undefined: bool) -> bytes:
    value = b""
    for _ in range(depth):
        if undefined:
            value = b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" + value
        else:
            item = b"\xfe\xff\x00\xe0" + struct.pack("<I", len(value)) + value
            value = element(0x00081115, b"SQ", item)
    end = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
    return value + end * depth if undefined else value


@pytest.mark.parametrize("undefined", [True, False])
def test_sequences_nested_5000_deep_do_no_harm(tmp_path: Path, undefined: bool) -> None:
    file = write(tmp_path / "a", file_meta(EXPLICIT) + nested(5000, undefined) + image(8, 8, 1))
    if undefined:
        assert refusal(file).reason is Reason.NOT_READABLE
    else:
        assert read_header(file).Rows == 8  # an explicit length is skipped over, however deep it goes


@pytest.mark.parametrize("undefined", [True, False])
def test_frames_nested_5000_deep_are_refused(tmp_path: Path, undefined: bool) -> None:
    item = b"\xfe\xff\x00\xe0" + struct.pack("<I", len(nested(5000, undefined))) + nested(5000, undefined)
    content = file_meta(EXPLICIT) + image(8, 8, 2)[:-76] + element(0x52009230, b"SQ", item) + image(8, 8, 2)[-76:]
    assert refusal(write(tmp_path / "a", content)).reason is Reason.NOT_READABLE


def deflate(content: bytes, megabytes_of_zeros: int = 0) -> bytes:
    """Deflate a data set, with zeros at its end. After a full flush, a piece can be repeated as it is."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = deflater.compress(content) + deflater.flush(zlib.Z_FULL_FLUSH)
    megabyte = deflater.compress(bytes(1 << 20)) + deflater.flush(zlib.Z_FULL_FLUSH)
    return first + megabyte * megabytes_of_zeros + deflater.flush()


def test_deflated_file_is_read_as_the_plain_one(slice_path: Path, tmp_path: Path) -> None:
    plain = slice_path.read_bytes()
    whole = dcmread(slice_path)
    start = 144 + whole.file_meta.FileMetaInformationGroupLength
    file = write(tmp_path / "a", file_meta(DEFLATED) + deflate(plain[start:]))
    header = read_header(file)
    content = read_content(file, header)
    assert header.ImagePositionPatient == whole.ImagePositionPatient and content.sha256() == file.sha256()
    assert content.plain[header.pixels_at :] == plain[plain.index(b"\xe0\x7f\x10\x00") :][: 12 + 512 * 512 * 2]


@pytest.mark.parametrize("tag", [0x00091001, 0x7FE00010])
def test_deflated_file_of_1_mb_that_inflates_to_1_gb_is_bounded(tmp_path: Path, tag: int) -> None:
    """The gigabyte lies in a private element of the header, or in the pixels of 8 x 8."""
    gigabyte = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + b"OB\0\0" + struct.pack("<I", 1 << 30)
    bomb = deflate(image(8, 8, 1)[:-76] + gigabyte, 1024)
    file = write(tmp_path / "a", file_meta(DEFLATED) + bomb)
    assert file.size < 1_200_000
    if tag == 0x7FE00010:
        assert len(read_content(file, read_header(file)).plain) < 1000
    else:
        assert refusal(file).reason is Reason.TOO_LARGE


@pytest.mark.parametrize("damage", [b"\x02\x00\x10\x00UI\x16\x00", b"UL\x04\x00"])
def test_deflated_file_with_odd_file_meta_is_never_inflated_by_pydicom(tmp_path: Path, damage: bytes) -> None:
    content = file_meta(DEFLATED) + deflate(image(8, 8, 1), 64)
    file = write(tmp_path / "a", content.replace(damage, damage.replace(b"\x00", b"\x01", 1) + b"", 1))
    refusal(file)


def test_meta_that_hides_the_deflated_syntax_is_not_inflated(tmp_path: Path) -> None:
    filler = element(0x00020100, b"UI", b"") + element(0x00020102, b"OB", bytes(8000))
    meta = file_meta(DEFLATED)
    content = meta[:132] + element(0x00020001, b"OB", bytes(8000)) + filler + meta[144:]
    refusal(write(tmp_path / "a", content + deflate(b"", 64)))


def test_a_kept_header_holds_none_of_the_bytes_around_it(slice_path: Path) -> None:
    """Archives have tens of thousands of files, whose headers are kept until all are sorted."""
    file = InputFile.from_path(slice_path)
    frames_of(file, read_header(file))  # what is loaded once does not count
    tracemalloc.start()
    kept = [frames_of(file, read_header(file)) for _ in range(20)]
    kilobytes = tracemalloc.get_traced_memory()[0] / len(kept) / 1000
    tracemalloc.stop()
    assert kilobytes < 35
