from __future__ import annotations

import pytest

from hemoscope.ct.inputs import Refusal
from hemoscope.ct.scan import Scan, Slice
from hemoscope.reasons import Reason
from hemoscope.report.names import Names, cell, hashed

DICOM = Slice("study.zip!DOE^JANE/20260101/IM0001", "0123456789abcdef" * 4, "1.2.840.113619.2.55")
PICTURE = Slice("Doe Jane/CT_01.png", "00" * 32)


def test_dicom_files_and_uids_are_known_by_hashes() -> None:
    names = Names(keep_identifiers=False)
    assert names.source(DICOM) == "sha256:0123456789abcdef"
    assert names.uid("1.2.840.113619.2.55") == hashed("1.2.840.113619.2.55")
    assert hashed("1.2.3") == "sha256:c47f5b18b8a430e6"
    assert names.uid(None) is None


def test_pictures_keep_their_file_name_without_folders() -> None:
    assert Names(keep_identifiers=False).source(PICTURE) == "CT_01.png"


def test_everything_is_kept_when_asked() -> None:
    names = Names(keep_identifiers=True)
    assert names.source(DICOM) == DICOM.source
    assert names.uid("1.2.840.113619.2.55") == "1.2.840.113619.2.55"
    assert names.refused("DOE/x.dcm") == "DOE/x.dcm"
    assert names.sentence("DOE/x.dcm is empty.", ["DOE/x.dcm"]) == "DOE/x.dcm is empty."


@pytest.mark.parametrize(
    "sentence",
    [
        "study.zip!DOE^JANE/20260101/IM0001 is damaged.",
        "IM0001 ends too early.",
        "The folder DOE^JANE holds two series.",
        "DOE^JANE/20260101 holds two series.",
        "Slice 1.2.840.113619.2.55 is there twice.",
        "study.zip cannot be read.",
        "2 files, such as study.zip!DOE^JANE/20260101/DOE JANE 2.dcm, cannot be read.",
        "One copy, study.zip!DOE^JANE/IM0002.",
        "The first is study.zip!DOE^JANE/20260102/letter to DOE.txt: it is no image.",
    ],
)
def test_sentences_lose_file_names_folders_and_uids(sentence: str) -> None:
    said = Names(keep_identifiers=False).sentence(sentence, [DICOM.source])
    assert "[file]" in said or "sha256:" in said
    for part in ("DOE", "JANE", "20260101", "IM0001", "1.2.840", "study.zip"):
        assert part not in said


def test_series_keep_their_number_and_description() -> None:
    why = "series 3 'Bone' (-50 points: sharp kernel -50) was not analysed: series 2 'Head' (15 points) suits better."
    names = Names(keep_identifiers=False)
    refusal = Refusal("series 3 'Bone'", Reason.OTHER_SERIES_CHOSEN, why)
    assert (names.refused(refusal.name), names.refusal_sentence(refusal)) == (refusal.name, why)
    folder = Refusal("DOE/CT", Reason.OTHER_SERIES_CHOSEN, "DOE/CT was not analysed: it is a series of bone.")
    assert "DOE" not in names.refused(folder.name) + names.refusal_sentence(folder)


def test_numbers_in_sentences_stay() -> None:
    sentence = "1 of 28 slices, 1.5 mm apart, could not be read (version 1.2.3)."
    assert Names(keep_identifiers=False).sentence(sentence, ["CT/1", "CT/28"]) == sentence


def test_identifiers_in_sentences_about_a_scan_are_hashed(tilted_scan: Scan) -> None:
    said = Names(keep_identifiers=False).scan_sentence("Of DOE^JANE, 4711, on 20260101.", tilted_scan)
    assert not any(value in said for value in ("DOE", "4711", "20260101"))


@pytest.mark.parametrize("text", ["=HYPERLINK(1)", "+1", "-1", "@x", "\tx"])
def test_cells_are_no_formulas(text: str) -> None:
    assert cell(text) == "'" + text
    assert cell("a" + text) == "a" + text
