"""`report.html` of one scan and `index.html` of a run: what the templates show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from hemoscope.detector.detection import Detection, State
from hemoscope.findings import ANY, FINDINGS
from hemoscope.reasons import Check
from hemoscope.report import chart, wording
from hemoscope.report.names import Names
from hemoscope.report.panels import panels, slices_to_show
from hemoscope.report.results import Json, Run, acquisition_record, input_sha256, library_version
from hemoscope.report.tables import slice_counts

if TYPE_CHECKING:
    from jinja2 import Environment


def scan_report(detection: Detection, run: Run, names: Names) -> bytes:
    """The report of one scan: one HTML file that holds its pictures and asks for nothing from outside."""
    shown = slices_to_show(detection)
    page = _environment().get_template("report.html.j2").render(
        scan=detection.scan.name,
        research_use=wording.RESEARCH_USE,
        state=detection.state.value,
        state_word=wording.STATE_WORDS[detection.state],
        meaning=wording.meaning(detection),
        advice=wording.what_to_do(detection),
        details=[names.scan_sentence(check.detail, detection.scan) for check in wording.hard_checks(detection)],
        points=[(p.name, wording.percent(p.threshold), wording.performance(p))
                for p in wording.operating_points(detection)],
        findings=_findings(detection),
        remarks=[*detection.remarks, *wording.prevalence(detection)],
        chart=chart.chart(detection, shown),
        size=chart,
        panels=panels(detection, shown),
        checks=[_check(check, names.scan_sentence(check.detail, detection.scan)) for check in detection.checks],
        facts=_facts(detection, names),
        provenance=_provenance(detection, run),
        date=f"{run.started:%Y-%m-%d %H:%M} UTC",
        version=library_version("hemoscope"),
    )  # fmt: skip
    return page.encode()


def overview(scans: Sequence[Json], refusals: Sequence[Json], run: Run, manifest: Json) -> bytes:
    """The overview of a run: one line a scan, with a link to its report, and what was refused."""
    page = _environment().get_template("index.html.j2").render(
        research_use=wording.RESEARCH_USE,
        rows=[_overview_row(scan) for scan in scans],
        refusals=_alike(refusals),
        counts=manifest["counts"],
        words={state.value: word for state, word in wording.STATE_WORDS.items()},
        complete=manifest["complete"],
        bundle=run.bundle,
        date=f"{run.started:%Y-%m-%d %H:%M} UTC",
        version=library_version("hemoscope"),
    )  # fmt: skip
    return page.encode()


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("hemoscope.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _findings(detection: Detection) -> list[Json]:
    """The table of findings: any hemorrhage first, then the subtypes in their order."""
    scores, slices = detection.scan_probabilities, detection.slice_probabilities
    if scores is None or slices is None:
        return []
    rows = []
    for index in (ANY, *(i for i in range(len(FINDINGS)) if i != ANY)):
        # None where this finding is not scored in slices.
        strongest = int(np.nanargmax(slices[:, index])) if np.isfinite(slices[:, index]).any() else None
        row = {
            "name": "any hemorrhage" if index == ANY else FINDINGS[index].name,
            "abbreviation": FINDINGS[index].abbreviation,
            "colour": FINDINGS[index].colour,
            "probability": wording.percent(float(scores[index])),
            "bar": _bar(float(scores[index])),
            "is_any": index == ANY,
            "slice": wording.NOT_SCORED if strongest is None else strongest,
            "slice_probability": "" if strongest is None else wording.percent(float(slices[strongest, index])),
        }
        rows.append(row)
    return rows


def _check(check: Check, detail: str) -> Json:
    word, consequence = wording.SEVERITY_WORDS[check.reason.severity]
    return {
        "code": check.reason.name,
        "severity": check.reason.severity.value,
        "word": word,
        "consequence": consequence,
        "sentence": check.reason.sentence,
        "detail": detail,
        "slices": ", ".join(str(index) for index in check.slices),
    }


def _facts(detection: Detection, names: Names) -> list[tuple[str, str]]:
    """What is known of the scan; what is not stated is left out."""
    scan, counts = detection.scan, slice_counts(detection)
    made = acquisition_record(scan.acquisition, names.keep_identifiers)
    rows, columns = scan.hu.shape[1:]
    spacing = scan.pixel_spacing_mm
    pixels = f", pixels {spacing[0]:.3g} x {spacing[1]:.3g} mm" if spacing else ", pixel size unknown"
    units = "true HU" if scan.window is None else f"approximate HU, restored from window {scan.window}"
    age = "" if made["age_years"] is None else f"{made['age_years']:g} years"
    tilt = made["gantry_tilt_degrees"]
    slices = (_unit(made["spacing_mm"], "mm apart"), _unit(made["slice_thickness_mm"], "mm thick"),
              _unit(tilt if tilt and tilt >= 0.5 else None, "degrees of tilt"))  # fmt: skip
    kernel = made["kernel"] and f"kernel {made['kernel']}"
    facts = [
        ("Slices", "{slices_found} found, {slices_read} read, {slices_scored} scored".format(**counts)),
        ("Spacing", _joined(*slices)),
        ("Matrix", f"{rows} x {columns}{pixels}"),
        ("Values", units),
        ("Scanner", _joined(made["scanner"], kernel, _unit(made["kvp"], "kV"))),
        ("Series", made["series_description"]),
        ("Patient", _joined(age, made["sex"])),
    ]
    if names.keep_identifiers:
        facts += [(_label(key), value) for key, value in vars(scan.identifiers).items()]
    return [(name, value) for name, value in facts if value]


def _provenance(detection: Detection, run: Run) -> list[tuple[str, str]]:
    """How the answer was made, so that it can be made again."""
    seconds = ", ".join(f"{stage} {value:.2f}" for stage, value in detection.seconds.items())
    settings = ", ".join(f"{key} {_setting(value)}" for key, value in run.settings.items() if value not in (None, []))
    return [
        ("Analysed", f"{run.started:%Y-%m-%d %H:%M:%S} UTC"),
        ("Hemoscope", library_version("hemoscope")),
        ("Detector bundle", detection.bundle),
        ("Bundle SHA-256", detection.bundle_sha256),
        ("Input SHA-256", input_sha256(detection)),
        ("ONNX Runtime", library_version("onnxruntime")),
        ("Seconds", seconds),
        ("Settings", settings),
    ]


def _overview_row(scan: Json) -> Json:
    scores: dict[str, float | None] | None = scan["probabilities"]
    findings: list[Json] = []
    if scores is not None:
        findings = [{"name": f.abbreviation, "colour": f.colour, "probability": wording.percent(scores[f.name]),
                     "bar": _bar(scores[f.name])} for f in FINDINGS]  # fmt: skip
    return {
        "scan": scan["scan"],
        "report": next((name for name in scan["files"] if name.endswith(".html")), None),
        "state": scan["state"],
        "findings": findings,
        "suspicious_slice": scan["suspicious_slice"],
        "slices": scan["slices_found"],
        "checks": list(dict.fromkeys(check["code"] for check in scan["checks"])),
        "reason": " ".join(c["sentence"] for c in scan["checks"] if c["severity"] == "hard")
        if scan["state"] == State.NOT_ANALYSED.value
        else "",
    }


def _alike(refusals: Sequence[Json]) -> list[Json]:
    """Refusals that read the same, once each with their number, those that need attention first."""
    count = Counter((r["severity"] == "note", r["input"], r["code"], r["detail"]) for r in refusals)
    return [
        {"count": number, "input": name, "code": code, "detail": detail}
        for (_, name, code, detail), number in sorted(count.items())
    ]


def _bar(probability: float | None) -> float | None:
    """The length of a bar in percent; None for a finding that is not scored."""
    return None if probability is None or np.isnan(probability) else 100 * probability


def _unit(value: float | None, unit: str) -> str:
    return "" if value is None else f"{value:.3g} {unit}"


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def _setting(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value).lower()


def _label(key: str) -> str:
    """A key such as patient_id as a label: Patient ID."""
    first, *rest = key.split("_")
    return " ".join([first.capitalize(), *(word.upper() if word in ("id", "uid") else word for word in rest)])
