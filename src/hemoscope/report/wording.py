"""What reports say in plain words: states, severities, and what to do when there is no answer."""

from __future__ import annotations

import math

from hemoscope.detector.detection import Detection, OperatingPoint, State
from hemoscope.findings import ANY
from hemoscope.reasons import Check, Reason, Severity

RESEARCH_USE = "Research use only. Not a medical device."

NOT_SCORED = "\N{EN DASH}"

STATE_WORDS: dict[State, str] = {
    State.POSITIVE: "Positive",
    State.NEGATIVE: "Negative",
    State.INDETERMINATE: "Indeterminate",
    State.NOT_ANALYSED: "Not analysed",
}

SEVERITY_WORDS: dict[Severity, tuple[str, str]] = {
    Severity.HARD: ("No answer", "No probabilities are given for this scan."),
    Severity.SOFT: ("Doubtful", "The scan is therefore indeterminate."),
    Severity.INCOMPLETE: ("Incomplete", "The scan can therefore not be negative."),
    Severity.NOTE: ("Note", "The answer is not changed by this."),
}

# What to do about each reason that leaves a scan or a file without an answer.
ADVICE: dict[Reason, str] = {
    Reason.NOT_READABLE: "Export the file again from where it came from, and check that it is complete.",
    Reason.NOT_CT: "Point Hemoscope at the CT series of the study.",
    Reason.NOT_AN_IMAGE: "Point Hemoscope at the series that holds the CT slices.",
    Reason.SECONDARY_CAPTURE: "Use the original CT slices. For pictures of slices in a known window, export them as "
    "PNG and give their window with --window.",
    Reason.LOCALIZER: "Use the axial series of the same study.",
    Reason.NOT_HEAD: "Check that this is a head CT. If it is, please report the scan as one that Hemoscope gets wrong.",
    Reason.NOT_AXIAL: "Use the axial series of the same study, or make an axial reconstruction.",
    Reason.NO_HOUNSFIELD_UNITS: "Use the original CT slices; for pictures, give the window they show, as in "
    "--window 40/80.",
    Reason.HU_IMPLAUSIBLE: "Check the rescale slope and intercept of the files; for pictures, check --window.",
    Reason.TOO_LARGE: "Split the input, or check that the header states the true size of the images.",
    Reason.UNSAFE_ARCHIVE: "Unpack the archive yourself with a tool you trust, and give the folder.",
    Reason.TRANSFER_SYNTAX_UNSUPPORTED: "Convert the files to an uncompressed or a current lossless form, for example "
    "with dcmdjpeg or gdcmconv.",
    Reason.PIXELS_UNREADABLE: "Export the series again, uncompressed or with lossless compression.",
    Reason.SEVERAL_SCANS: "Put each scan into a folder of its own. If every file is a scan of its own, add "
    "--independent.",
    Reason.DEFECT: "Run it again with --debug and report what it prints as a defect of Hemoscope.",
    Reason.TOO_FEW_SLICES: "Give the whole series. If every file is a scan of its own, add --independent.",
}


def meaning(detection: Detection) -> str:
    """One or two sentences: what the state of this scan says, and why."""
    if detection.scan_probabilities is None:
        return " ".join(f"{check.reason.sentence}" for check in hard_checks(detection))
    probability = percent(float(detection.scan_probabilities[ANY]))
    low, high = detection.sensitive.threshold, detection.specific.threshold
    match detection.state:
        case State.POSITIVE:
            unseen = _unseen(detection)
            return (
                f"The detector sees signs of intracranial hemorrhage: the probability for the scan is {probability}, "
                f"at or above the threshold of {percent(high)}." + (f" Besides, {unseen}" if unseen else "")
            )
        case State.NEGATIVE:
            return (
                f"The detector sees no sign of intracranial hemorrhage: the probability for the scan is {probability}, "
                f"below the threshold of {percent(low)}. This does not rule out a hemorrhage."
            )
        case _:
            return f"The detector cannot decide (probability {probability}): {_doubt(detection)}"


def _doubt(detection: Detection) -> str:
    """Why a scan with probabilities is indeterminate."""
    doubtful = [check for check in detection.checks if check.reason.severity is Severity.SOFT]
    if doubtful:
        return " ".join(dict.fromkeys(_lower_first(check.reason.sentence) for check in doubtful))
    low, high = detection.sensitive.threshold, detection.specific.threshold
    assert detection.scan_probabilities is not None
    if low <= detection.scan_probabilities[ANY] < high:
        return f"it lies between the two operating points, {percent(low)} and {percent(high)}."
    unseen = _unseen(detection)
    return f"it is low where the head was seen, but not all of it was: {unseen}" if unseen else "see the checks below."


def _unseen(detection: Detection) -> str:
    """Which part of the head was not seen, to follow a colon; empty where nothing is known to be missing."""
    unseen = [check for check in detection.checks if check.reason.severity is Severity.INCOMPLETE]
    return " ".join(dict.fromkeys(_lower_first(check.reason.sentence) for check in unseen))


def hard_checks(detection: Detection) -> list[Check]:
    """The checks that left the scan without an answer."""
    return [check for check in detection.checks if check.reason.severity is Severity.HARD]


def what_to_do(detection: Detection) -> list[str]:
    """Advice for a scan that was not analysed."""
    return list(dict.fromkeys(ADVICE[check.reason] for check in hard_checks(detection)))


def operating_points(detection: Detection) -> list[OperatingPoint]:
    """The operating points in use: the two of the bundle, or the one that the user chose."""
    if detection.sensitive.threshold == detection.specific.threshold:
        return [detection.sensitive]
    return [detection.sensitive, detection.specific]


def performance(point: OperatingPoint) -> str:
    """What an operating point gave in cross-validation, and on how many."""
    if point.sensitivity is None or point.specificity is None:
        setter = "set by the user; " if point.name == "custom" else ""
        return f"{setter}sensitivity and specificity were not measured for it"
    return (
        f"in cross-validation sensitivity {point.sensitivity:.0%} ({point.positives} with hemorrhage), "
        f"specificity {point.specificity:.0%} ({point.negatives} without)"
    )


def prevalence(detection: Detection) -> list[str]:
    """How common hemorrhage was where the probabilities were calibrated; nothing for a threshold of the user."""
    positives, negatives = detection.sensitive.positives, detection.sensitive.negatives
    if positives is None or negatives is None:
        return []
    unit = "slices" if detection.scan.independent else "scans"
    return [
        f"Calibrated on collections in which {positives} of {positives + negatives} {unit} show hemorrhage: "
        "where it is rarer, as in most hospitals, the probabilities are too high."
    ]


def percent(probability: float | None) -> str:
    """A probability as reports print it, a dash for none. Never 0% or 100%: the detector is never certain."""
    if probability is None or math.isnan(probability):
        return NOT_SCORED
    if probability < 0.001:
        return "<0.1%"
    if probability > 0.999:
        return ">99.9%"
    return f"{probability:.1%}" if probability < 0.1 or probability > 0.9 else f"{probability:.0%}"


def _lower_first(sentence: str) -> str:
    """A sentence to follow a colon, unless it begins with an abbreviation."""
    return sentence if sentence[1:2].isupper() else sentence[:1].lower() + sentence[1:]
