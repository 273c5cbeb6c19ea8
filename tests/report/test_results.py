from __future__ import annotations

import json
from dataclasses import replace

import jsonschema
import pytest

from hemoscope.ct.inputs import Refusal
from hemoscope.detector.detection import Detection
from hemoscope.reasons import Reason
from hemoscope.report.names import Names
from hemoscope.report.results import (
    SCHEMA_VERSION,
    Run,
    acquisition_record,
    manifest,
    refusal_record,
    results,
    scan_record,
    schema,
)

RUN = Run("default 1", "ab" * 32, {"jobs": 2, "independent": False})


def document(*detections: Detection, keep: bool = False, refusals: tuple[Refusal, ...] = ()) -> dict:
    names = Names(keep)
    scans = [scan_record(detection, names, ["a/report.html"]) for detection in detections]
    refused = [refusal_record(refusal, names) for refusal in refusals]
    return json.loads(results(manifest(RUN, scans, {"total": 1.23456}, complete=True), scans, refused))


def validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema(), format_checker=jsonschema.FormatChecker())


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    assert schema()["properties"]["schema_version"]["const"] == SCHEMA_VERSION


@pytest.mark.parametrize("keep", [False, True])
def test_results_follow_the_schema(
    negative: Detection, incomplete: Detection, not_analysed: Detection, picture: Detection, keep: bool
) -> None:
    refusal = Refusal("DOE^JANE/report.pdf", Reason.NOT_READABLE, "DOE^JANE/report.pdf is not an image.")
    written = document(negative, incomplete, not_analysed, picture, keep=keep, refusals=(refusal,))
    validator().validate(written)
    assert written["manifest"]["counts"] == {
        "scans": 4, "positive": 0, "negative": 1, "indeterminate": 2, "not_analysed": 1,
        "slices_found": 85, "slices_read": 83, "slices_scored": 55,
    }  # fmt: skip
    assert ("DOE" in json.dumps(written)) is keep
    assert ("1.2.840.1.2.3.4" in json.dumps(written)) is keep


def test_the_schema_refuses_probabilities_of_a_scan_not_analysed(not_analysed: Detection) -> None:
    written = document(not_analysed)
    written["scans"][0]["probabilities"] = dict.fromkeys(written["findings"], 0.1)
    assert not validator().is_valid(written)


def test_the_schema_refuses_an_analysed_scan_without_probabilities(negative: Detection) -> None:
    written = document(negative)
    written["scans"][0]["probabilities"] = None
    assert not validator().is_valid(written)


def test_the_manifest_says_what_made_the_answer(negative: Detection) -> None:
    made = document(negative)["manifest"]
    assert made["bundle"] == {"name": "default", "version": "1", "sha256": "ab" * 32}
    assert made["settings"] == {"jobs": 2, "independent": False}
    assert made["seconds"] == {"total": 1.235}
    assert made["libraries"]["numpy"].count(".") >= 1
    assert made["libraries"]["onnxruntime"] != "unknown"


def test_refusals_carry_code_and_sentence() -> None:
    refusal = Refusal("DOE/a.dcm", Reason.LOCALIZER, "DOE/a.dcm is a localizer.")
    assert refusal_record(refusal, Names(keep_identifiers=True)) == {
        "input": "DOE/a.dcm",
        "code": "LOCALIZER",
        "severity": "hard",
        "sentence": Reason.LOCALIZER.sentence,
        "detail": "DOE/a.dcm is a localizer.",
    }


def test_old_ages_are_grouped(negative: Detection) -> None:
    acquisition = replace(negative.scan.acquisition, age_years=93.0)
    assert acquisition_record(acquisition, keep_identifiers=False)["age_years"] == 90
    assert acquisition_record(acquisition, keep_identifiers=True)["age_years"] == 93


def test_unread_slices_have_no_probabilities(incomplete: Detection) -> None:
    slices = document(incomplete)["scans"][0]["slices"]
    assert [s["slice"] for s in slices if s["probabilities"] is None] == [9, 20]
    assert [s["slice"] for s in slices if not s["readable"]] == [9, 20]
