"""Which series of a study is analysed, and why."""

from __future__ import annotations

import numpy as np
import pytest
from scan_writers import header, places_of, write_series

from hemoscope.ct.choose import choose, kernel_sharpness, names_contrast
from hemoscope.ct.frames import frames_of
from hemoscope.ct.inputs import InputFile, Refusal
from hemoscope.ct.options import ReadOptions
from hemoscope.ct.read import read_scan, read_scans
from hemoscope.ct.scan import Scan
from hemoscope.ct.series import build_series
from hemoscope.reasons import HemoscopeError, Reason, UsageError

PLAIN = {"SeriesDescription": "HEAD 5.0", "ConvolutionKernel": "H31s", "SliceThickness": "5"}


def series_of(tmp_path, count=30, step=5.0, **attributes):
    """A series of which only the headers are there."""
    frames = []
    for k in range(count):
        position = {"ImagePositionPatient": [-120, -120, k * step], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
        size = {"Rows": 512, "Columns": 512, "PixelSpacing": [0.45, 0.45]}
        file = InputFile(tmp_path / f"{k}.dcm", f"study/{k}.dcm", 1)
        frames += frames_of(file, header(**{**position, **size, **PLAIN, **attributes}))
    return build_series(frames, "study")


@pytest.mark.parametrize(
    ("kernel", "sharpness"),
    [
        # GE
        ("SOFT", "soft"), ("STANDARD", "soft"), ("STD+", "soft"), ("BONE", "sharp"), ("BONEPLUS", "sharp"),
        ("EDGE", "sharp"), ("LUNG", "sharp"), ("DETAIL", None),
        # Siemens
        ("H31s", "soft"), ("J40s\\3", "soft"), ("Hr38f\\3", "soft"), ("H70h", "sharp"), ("Hr64h\\3", "sharp"),
        ("B30f", "soft"), ("B60s", "sharp"),
        # Philips
        ("UB", "soft"), ("B", "soft"), ("YC", "sharp"), ("D", "sharp"),
        # Toshiba, Canon
        ("FC26", "soft"), ("FC68", "soft"), ("FC30", "sharp"), ("FC81", "sharp"), ("FC52", "sharp"),
        ("", None), ("unheard of", None),
    ],
)  # fmt: skip
def test_kernels(kernel, sharpness):
    assert kernel_sharpness(kernel) == sharpness


@pytest.mark.parametrize(
    ("description", "named"),
    [
        ("CTA HEAD", True), ("Head C+", True), ("HEAD WITH CONTRAST", True), ("ANGIO 0.75", True), ("PERFUSION", True),
        ("VENOUS PHASE", True), ("POST CONTRAST 5MM", True), ("4cc sec 150cc D3D on", True), ("CTV", True),
        ("HEAD W/O CONTRAST", False), ("NON-CONTRAST HEAD", False), ("NON CON 5MM", False), ("NCCT", False),
        ("PLAIN THIN", False), ("5/5mm Plain", False), ("HEAD W/O", False), ("POSTERIOR FOSSA", False),
        ("HEAD POST OP", False), ("CEREBRUM", False), ("", False), ("Head C- 5.0", False), ("Schadel nativ", False),
    ],
)  # fmt: skip
def test_descriptions_that_name_contrast(tmp_path, description, named):
    assert names_contrast(series_of(tmp_path, count=2, SeriesDescription=description)) == named


@pytest.mark.parametrize(
    ("agent", "named"), [("ISOVUE300/100", True), ("APPLIED", True), ("", False), ("C-", False), ("NONE", False)]
)  # all but NONE stand in real files
def test_contrast_agents(tmp_path, agent, named):
    assert names_contrast(series_of(tmp_path, count=2, ContrastBolusAgent=agent)) == named


@pytest.mark.parametrize(
    ("change", "because"),
    [
        ({"SeriesDescription": "CTA 0.6", "SliceThickness": "0.6", "count": 300, "step": 0.6}, "contrast"),
        ({"ContrastBolusAgent": "Omnipaque"}, "contrast"),
        ({"SeriesDescription": "HEAD BONE", "ConvolutionKernel": "H70h"}, "sharp kernel"),
        ({"ConvolutionKernel": "BONEPLUS"}, "sharp kernel"),
        ({"SeriesDescription": "HEAD 0.75", "SliceThickness": "0.75", "count": 200, "step": 0.75}, "HEAD 0.75"),
        ({"SeriesDescription": "HEAD AX MPR"}, "reformat"),
        ({"SeriesDescription": "HEAD MIP 5"}, "reformat"),
        ({"SeriesDescription": "CERVICAL SPINE", "BodyPartExamined": "CSPINE"}, "another body part"),
        ({"BodyPartExamined": "CHEST", "PixelSpacing": [0.9, 0.9]}, "field of view"),
        ({"count": 5}, "fewer than 10"),
        ({"count": 12}, "covers less"),
        ({"SeriesDescription": "HEAD 70 KEV"}, "Hounsfield"),
        ({"ImageType": ["DERIVED", "SECONDARY", "AXIAL"]}, "derived"),
    ],
)
@pytest.mark.parametrize("place", [0, 1])
def test_the_plain_series_is_chosen(tmp_path, change, because, place):
    plain, other = series_of(tmp_path), series_of(tmp_path, **change)
    candidates = [other, other]
    candidates[place] = plain
    chosen, ((not_chosen, why),) = choose(candidates)
    assert chosen is plain
    assert not_chosen is other
    assert because in why
    assert "HEAD 5.0" in why


def test_a_series_too_large_to_read_is_not_chosen(tmp_path, monkeypatch):
    monkeypatch.setattr("hemoscope.ct.choose.MAX_VOXELS", 40 * 512 * 512)
    best_but_large = series_of(tmp_path, count=50)
    small = series_of(tmp_path, ConvolutionKernel="BONE")
    assert choose([best_but_large, small])[0] is small


@pytest.fixture
def study(tmp_path):
    """A plain series, a bone series and an angiography of one head, in one folder."""
    places = places_of((30, 16, 16), step=5)
    hu = np.random.default_rng(0).integers(-1000, 1000, places.shape[:3], np.int16)
    bone = {"SeriesDescription": "BONE", "ConvolutionKernel": "H70h"}
    write_series(tmp_path / "bone", hu + 1, places, SeriesInstanceUID="1.2.1", **{**PLAIN, **bone})
    write_series(tmp_path / "plain", hu, places, SeriesInstanceUID="1.2.2", **PLAIN)
    angio = {"SeriesDescription": "CTA"}
    write_series(tmp_path / "angio", hu + 2, places, SeriesInstanceUID="1.2.3", **{**PLAIN, **angio})
    return tmp_path, hu


def test_one_series_of_a_study_is_read_and_the_others_are_explained(study):
    folder, hu = study
    found = list(read_scans([folder]))
    (scan,) = [one for one in found if isinstance(one, Scan)]
    np.testing.assert_array_equal(scan.hu, hu)
    refusals = [one for one in found if isinstance(one, Refusal)]
    assert [refusal.reason for refusal in refusals] == [Reason.OTHER_SERIES_CHOSEN] * 2
    assert any("sharp kernel" in refusal.detail for refusal in refusals)
    assert any("contrast medium is named" in refusal.detail for refusal in refusals)


def test_a_series_can_be_asked_for(study):
    folder, hu = study
    scan = read_scan(folder, series_uid="1.2.3")
    np.testing.assert_array_equal(scan.hu, hu + 2)
    assert Reason.CONTRAST_SUSPECTED in {check.reason for check in scan.checks}


def test_an_unknown_series_is_a_usage_error(study):
    with pytest.raises(UsageError, match=r"1\.2\.2"):
        read_scan(study[0], series_uid="1.9")


def test_series_of_different_studies_are_all_read(tmp_path):
    places = places_of((12, 16, 16))
    hu = np.zeros((12, 16, 16), np.int16)
    for number in (1, 2):
        uids = {"StudyInstanceUID": f"1.{number}", "SeriesInstanceUID": f"1.{number}.1"}
        write_series(tmp_path / str(number), hu, places, **uids)
    assert sum(isinstance(found, Scan) for found in read_scans([tmp_path], ReadOptions())) == 2
    with pytest.raises(HemoscopeError, match="several scans"):
        read_scan(tmp_path)


def test_real_study_with_angiography_and_plain_slice(shared_data):
    found = list(read_scans([shared_data / "head_ct_hu"]))
    why = [one.detail for one in found if isinstance(one, Refusal) and one.reason is Reason.OTHER_SERIES_CHOSEN]
    assert len(why) == 1
    # The plain series has one slice there, too few for an answer: the angiography gets one, if a doubtful one.
    assert why[0].index("PLAIN THIN") < why[0].index("was not analysed") < why[0].index("4cc sec 150cc D3D on")
    assert "too few slices for an answer -200" in why[0]
