"""Files of folders, archives and DICOMDIRs: what is found, in which order, and what is refused unopened."""

from __future__ import annotations

import os
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from hemoscope.ct.inputs import InputFile, Inputs, Refusal, printable
from hemoscope.reasons import Reason


@pytest.fixture
def inputs() -> Iterator[Inputs]:
    with Inputs() as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path, examples: Path) -> Path:
    """Two patients in nested folders."""
    for name, number in (("b/2", "02"), ("b/10", "10"), ("a/1", "01")):
        target = tmp_path / "study" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(examples / "ge_tilted_head_series" / f"{number}.dcm", target)
    return tmp_path / "study"


def names(found: list[InputFile]) -> list[str]:
    return [file.name for file in found]


def only(refusals: list[Refusal]) -> Refusal:
    assert len(refusals) == 1, refusals
    assert "\n" not in refusals[0].detail and refusals[0].detail.endswith(".")
    return refusals[0]


def test_nested_folder_is_listed_in_a_stable_order_under_the_name_of_the_input(inputs: Inputs, folder: Path) -> None:
    files, refusals = inputs.find([folder])
    assert names(files) == ["study/a/1", "study/b/10", "study/b/2"] and refusals == []
    assert all(file.size == file.path.stat().st_size for file in files)


def test_current_folder_and_parent_have_names(inputs: Inputs, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder / "a")
    assert names(inputs.find([Path(".")])[0]) == ["a/1"]
    assert names(inputs.find([Path("..")])[0]) == ["study/a/1", "study/b/10", "study/b/2"]


def test_order_of_inputs_is_kept_and_a_file_given_twice_is_listed_once(inputs: Inputs, folder: Path) -> None:
    files, _ = inputs.find([folder / "b" / "2", folder])
    assert names(files) == ["2", "study/a/1", "study/b/10"]


def test_missing_input_is_one_refusal_and_the_others_go_on(inputs: Inputs, folder: Path) -> None:
    files, refusals = inputs.find([folder / "nothing", folder / "a"])
    assert names(files) == ["a/1"] and only(refusals).reason is Reason.NOT_READABLE


def test_sha256_is_that_of_the_file(inputs: Inputs, folder: Path) -> None:
    files, _ = inputs.find([folder / "a" / "1"])
    assert files[0].sha256().startswith("7c911")


def test_what_systems_leave_behind_is_passed_over(inputs: Inputs, folder: Path) -> None:
    for name in (".DS_Store", "Thumbs.db", "DICOMDIR"):
        (folder / name).write_bytes(b"?")
    files, refusals = inputs.find([folder])
    assert len(files) == 3 and refusals == []


def test_folder_that_is_called_like_an_index_is_walked(inputs: Inputs, folder: Path) -> None:
    folder.rename(folder.parent / "DICOMDIR")
    files, refusals = inputs.find([folder.parent, folder.parent / "DICOMDIR"])
    assert len(files) == 3 and refusals == []


def test_links_never_lead_out_and_loops_end(inputs: Inputs, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_bytes(b"secret")
    (folder / "a" / "loop").symlink_to(folder)
    (folder / "inside").symlink_to(folder / "a" / "1")
    (folder / "out").symlink_to(tmp_path / "outside")
    (folder / "self").symlink_to(folder / "self")
    (folder / "zero").symlink_to("/dev/zero")
    files, refusals = inputs.find([folder])
    assert names(files) == ["study/a/1", "study/b/10", "study/b/2"]
    assert [refusal.name for refusal in refusals] == ["study/out", "study/self", "study/zero"]


def test_link_that_the_user_names_is_followed(inputs: Inputs, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    assert names(inputs.find([tmp_path / "link"])[0]) == ["link/a/1", "link/b/10", "link/b/2"]


def test_pipe_and_device_are_refused_unopened(inputs: Inputs, folder: Path) -> None:
    os.mkfifo(folder / "pipe")  # opening it would wait for ever
    assert only(inputs.find([folder])[1]).name == "study/pipe"
    assert only(inputs.find([folder / "pipe"])[1]).reason is Reason.NOT_READABLE
    assert only(inputs.find([Path("/dev/zero")])[1]).reason is Reason.NOT_READABLE


def test_sparse_file_of_a_terabyte_is_refused(inputs: Inputs, tmp_path: Path) -> None:
    with (tmp_path / "big.dcm").open("wb") as stream:
        stream.truncate(1 << 40)
    assert only(inputs.find([tmp_path])[1]).reason is Reason.TOO_LARGE


def test_names_that_are_no_text_become_printable(inputs: Inputs, tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/\xff\x1b[2J\n.dcm", "wb") as stream:
        stream.write(b"x")
    (name,) = names(inputs.find([tmp_path])[0])
    assert name.isprintable() and name.encode("utf-8")
    assert printable("Schädel 1.dcm") == "Schädel 1.dcm"


# --- zip archives ---


def pack(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_members_of_an_archive_are_files_with_the_name_of_both(inputs: Inputs, folder: Path) -> None:
    content = (folder / "a" / "1").read_bytes()
    pack(folder / "more.zip", {"x/2.dcm": content, "x/1.dcm": b"one", "__MACOSX/._1": b"", "DICOMDIR": b"?"})
    files, refusals = inputs.find([folder])
    assert names(files)[-2:] == ["study/more.zip!x/1.dcm", "study/more.zip!x/2.dcm"] and refusals == []
    assert files[-1].path.read_bytes() == content


def test_archive_is_known_by_content_not_by_name(inputs: Inputs, tmp_path: Path) -> None:
    assert names(inputs.find([pack(tmp_path / "study", {"1": b"one"})])[0]) == ["study!1"]


def test_unpacked_files_are_gone_afterwards(tmp_path: Path) -> None:
    with Inputs() as inputs:
        (file,) = inputs.find([pack(tmp_path / "a.zip", {"1": b"one"})])[0]
        assert file.path.exists()
    assert not file.path.exists()


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/etc/evil", "..\\evil", "C:\\evil", "C:/evil", "."])
def test_member_whose_path_leads_out_is_refused_and_the_others_go_on(inputs: Inputs, tmp_path: Path, name: str) -> None:
    files, refusals = inputs.find([pack(tmp_path / "a.zip", {name: b"evil", "good": b"good"})])
    assert names(files) == ["a.zip!good"] and only(refusals).reason is Reason.UNSAFE_ARCHIVE
    assert not list(tmp_path.rglob("evil"))


def test_member_without_a_name_is_refused_and_the_others_go_on(inputs: Inputs, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        nameless = zipfile.ZipInfo("x")
        nameless.filename = ""
        archive.writestr(nameless, b"evil")
        archive.writestr("good", b"good")
    files, refusals = inputs.find([tmp_path / "a.zip"])
    assert names(files) == ["a.zip!good"] and only(refusals).reason is Reason.UNSAFE_ARCHIVE


def test_link_in_an_archive_is_refused(inputs: Inputs, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        member = zipfile.ZipInfo("link")
        member.create_system, member.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(member, "/etc/passwd")
    files, refusals = inputs.find([tmp_path / "a.zip"])
    assert files == [] and only(refusals).reason is Reason.UNSAFE_ARCHIVE


def test_archive_within_an_archive_is_refused(inputs: Inputs, tmp_path: Path) -> None:
    inner = pack(tmp_path / "inner.zip", {"1": b"one"}).read_bytes()
    assert only(inputs.find([pack(tmp_path / "outer.zip", {"inner": inner})])[1]).reason is Reason.UNSAFE_ARCHIVE


def test_zip_bomb_is_refused_before_anything_is_written(inputs: Inputs, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("0", "w") as member:
        for _ in range(200):
            member.write(bytes(1 << 20))
    assert (tmp_path / "bomb.zip").stat().st_size < 300_000
    files, refusals = inputs.find([tmp_path / "bomb.zip"])
    assert files == [] and only(refusals).reason is Reason.UNSAFE_ARCHIVE


def test_bomb_that_declares_a_small_size_is_cut_off(inputs: Inputs, tmp_path: Path) -> None:
    path = pack(tmp_path / "liar.zip", {"0": bytes(100 << 20)})
    true, false = (100 << 20).to_bytes(4, "little"), (1000).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(true, false))
    files, refusals = inputs.find([path])
    assert files == [] and only(refusals).reason in (Reason.UNSAFE_ARCHIVE, Reason.NOT_READABLE)


def test_encrypted_archive_is_refused(inputs: Inputs, tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {"1": b"one"})
    content = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + flags] |= 1
    path.write_bytes(content)
    refusal = only(inputs.find([path])[1])
    assert refusal.reason is Reason.NOT_READABLE and "encrypted" in refusal.detail


@pytest.mark.parametrize("cut", [5, 40, -30, -4])
def test_truncated_archive_is_one_refusal(inputs: Inputs, tmp_path: Path, cut: int) -> None:
    path = pack(tmp_path / "a.zip", {"1": os.urandom(1000)})
    path.write_bytes(path.read_bytes()[:cut])
    assert inputs.find([path])[0] == [] and only(inputs.find([path])[1]).reason is Reason.NOT_READABLE


def test_damaged_member_is_refused_and_the_others_go_on(inputs: Inputs, tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {"1": os.urandom(1000), "2": b"good"})
    content = bytearray(path.read_bytes())
    content[500] ^= 0xFF
    path.write_bytes(content)
    files, refusals = inputs.find([path])
    assert names(files) == ["a.zip!2"] and only(refusals).reason is Reason.NOT_READABLE


def test_archive_of_too_many_files_is_refused(inputs: Inputs, tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {str(number): b"" for number in range(20_001)})
    assert only(inputs.find([path])[1]).reason is Reason.TOO_LARGE


# --- DICOMDIR ---


def write_dicomdir(path: Path, identifiers: list[list[str]]) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    directory = FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    records = []
    for identifier in identifiers:
        record = Dataset()
        record.ReferencedFileID = identifier
        record.DirectoryRecordType = "IMAGE"
        records.append(record)
    directory.DirectoryRecordSequence = records
    directory.save_as(path, enforce_file_format=True)


def test_dicomdir_gives_the_files_that_it_names(inputs: Inputs, folder: Path) -> None:
    (folder / "a").rename(folder / "A")
    (folder / "b").rename(folder / "B")
    write_dicomdir(folder / "DICOMDIR", [["A", "1"], ["B", "2"], ["B", "9"]])
    files, refusals = inputs.find([folder / "DICOMDIR"])
    assert names(files) == ["study/A/1", "study/B/2"] and only(refusals).name == "9"


@pytest.mark.parametrize("identifier", [["..", "outside"], ["/etc", "passwd"]])
@pytest.mark.filterwarnings("ignore:Invalid value for VR CS")
def test_dicomdir_that_names_files_outside_is_refused(inputs: Inputs, folder: Path, identifier: list[str]) -> None:
    (folder.parent / "outside").write_bytes(b"secret")
    write_dicomdir(folder / "DICOMDIR", [["a", "1"], identifier])
    files, refusals = inputs.find([folder / "DICOMDIR"])
    assert files == [] and only(refusals).reason is Reason.UNSAFE_ARCHIVE


def test_dicomdir_that_is_none_is_refused(inputs: Inputs, tmp_path: Path) -> None:
    (tmp_path / "DICOMDIR").write_bytes(zlib.compress(b"no DICOM"))
    assert only(inputs.find([tmp_path / "DICOMDIR"])[1]).reason is Reason.NOT_READABLE
