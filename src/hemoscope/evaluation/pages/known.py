"""What an evaluation itself knows of the items of the checklist; what it does not know is left out, never guessed."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from hemoscope.datasets.patients import patients_of
from hemoscope.datasets.splitting.split import leaks
from hemoscope.detector.bundle import Bundle
from hemoscope.evaluation.evaluate import Evaluation
from hemoscope.evaluation.matching.case_files import FILES
from hemoscope.evaluation.matching.cases import UNKNOWN, Cases
from hemoscope.evaluation.statistics.bootstrap import DRAWS
from hemoscope.evaluation.table import Table
from hemoscope.findings import FINDINGS
from hemoscope.report.results import library_version

MOST_NAMES = 6  # of scanners
PACKAGES = ("hemoscope", "numpy", "scipy", "scikit-learn", "statsmodels")


def known_of(
    evaluation: Evaluation, tables: Sequence[Table], failures: str, bundle: Bundle | None
) -> Mapping[str, str]:
    """Answers by the names of `checklist.toml`. failures: where the mistakes are shown; bundle: of the heat maps."""
    cases = evaluation.parts[-1].cases  # scans where there are any
    titles = {table.name: f"“{table.title}”" for table in tables if table.rows}
    answers = {
        "selection": f"{titles['flow']} counts what was set aside",
        "flow": titles["flow"],
        "sources": _sources(evaluation),
        "partitions": _partitions(evaluation),
        "disjoint": _disjoint(evaluation),
        "scanners": _scanners(cases),
        "acquisition": _thickness(cases),
        "patients": _patients(cases),
        "findings": _findings(cases),
        "missing": _missing(evaluation),
        "truth": "The labels of the Manifest, of slices and of scans",
        "labels": "A label is 1 where the finding is present and 0 where it is not; others are unknown",
        "system": _bundle(bundle),
        "thresholds": _thresholds(evaluation),
        "software": ", ".join(f"{name} {library_version(name)}" for name in PACKAGES)
        + f", Python {platform.python_version()} for the evaluation",
        "explanation": ""
        if bundle is None
        else f"Class activation maps in {failures}; whether they show the right place was not checked here",
        "statistics": f"Areas under the curves by DeLong's method or by {DRAWS:,} draws of patients, proportions with "
        f"{evaluation.question.interval} intervals where cases are independent, 95% throughout",
        "indeterminate": "Every probability at or above the threshold counts as positive and every other as negative; "
        "there is no answer in between",
        "subgroups": _named(titles, "subgroups"),
        "fairness": " and ".join(filter(None, [_named(titles, "subgroups"), failures])),
        "counts": _named(titles, "at_points"),
        "accuracy": " and ".join(filter(None, [_named(titles, "areas"), _named(titles, "at_points")])),
        "failures": failures,
        "availability": "The software is Hemoscope, Apache-2.0",
        "audit": "The probabilities and labels of every case are in "
        + " and ".join(FILES[part.cases.level] for part in evaluation.parts),
    }
    return {name: answer for name, answer in answers.items() if answer}


def _named(titles: Mapping[str, str], ending: str) -> str:
    return " and ".join(title for name, title in titles.items() if name.endswith(ending))


def _bundle(bundle: Bundle | None) -> str:
    """Which bundle drew the heat maps: that the probabilities are its own is not known."""
    if bundle is None:
        return ""
    described = f"described in its MODEL_CARD.md (SHA-256 of bundle.json: {bundle.sha256})"
    return f"The heat maps are of the bundle {bundle.name} {bundle.version}, {described}"


def _sources(evaluation: Evaluation) -> str:
    """The datasets, with their cases and patients."""
    cases = evaluation.parts[0].cases
    table = pd.DataFrame({"dataset": cases.about["dataset"], "patient": cases.patients})
    groups = table.groupby("dataset")["patient"]
    return ", ".join(f"{name} ({len(of):,} {cases.level}s of {of.nunique():,} patients)" for name, of in groups)


def _partitions(evaluation: Evaluation) -> str:
    question, split = evaluation.question, evaluation.manifest.split
    evaluated = f"Evaluated: {', '.join(question.splits) or 'all of the Manifest'}"
    chosen = f"; thresholds chosen on: {', '.join(question.validation)}" if question.validation else ""
    made = f"; split by the scheme {split.scheme}, seed {split.seed}" if split else "; the Manifest is not split"
    return evaluated + chosen + made + (f" ({split.caveat})" if split and split.caveat else "")


def _disjoint(evaluation: Evaluation) -> str:
    """Whether patients are in one split each; nothing where the Manifest is not split."""
    manifest = evaluation.manifest
    if manifest.split is None:
        return ""
    patients = patients_of(manifest)
    count = len(leaks(manifest, patients))
    unknown = f"; the patient of {patients.null_count:,} rows is unknown" if patients.null_count else ""
    return (f"{count:,} patients are in more than one split" if count else "No patient is in two splits") + unknown


def _scanners(cases: Cases) -> str:
    scanners = cases.about["scanner"].dropna()
    if scanners.empty:
        return ""
    names = scanners.value_counts()
    more = f" and {len(names) - MOST_NAMES} others" if len(names) > MOST_NAMES else ""
    return f"{', '.join(names.index[:MOST_NAMES])}{more}; {_of(len(scanners), cases)}"


def _thickness(cases: Cases) -> str:
    values = cases.about["thickness_mm"].dropna()
    if values.empty:
        return ""
    low, middle, high = values.quantile([0, 0.5, 1])
    return f"Slice thickness {low:g} to {high:g} mm, median {middle:g} mm; {_of(len(values), cases)}"


def _patients(cases: Cases) -> str:
    """Age and sex, each patient counted once."""
    people = cases.about[["age", "sex"]].groupby(cases.patients).first()
    ages, sexes = people["age"].dropna().astype(float), people["sex"].dropna()
    said = []
    if len(ages):
        quarter, middle, three_quarters = ages.quantile([0.25, 0.5, 0.75])
        said.append(
            f"age known of {len(ages):,}: median {middle:g} years, quartiles {quarter:g} and {three_quarters:g}"
        )
    if len(sexes):
        said.append(f"sex known of {len(sexes):,}: {(sexes == 'F').sum():,} female, {(sexes == 'M').sum():,} male")
    return "; ".join([f"{len(people):,} patients", *said]) if said else ""


def _findings(cases: Cases) -> str:
    said = []
    for place, finding in enumerate(FINDINGS):
        known = cases.labels[:, place] != UNKNOWN
        if known.any():
            said.append(f"{finding.name} {(cases.labels[:, place] == 1).sum():,} of {known.sum():,}")
    return f"Positive {cases.level}s: {', '.join(said)}" if said else ""


def _missing(evaluation: Evaluation) -> str:
    """Labels and probabilities that are not there; such cases do not count for the finding."""
    said = []
    for part in evaluation.parts:
        labels = int((part.cases.labels == UNKNOWN).sum())
        blank = int(np.isnan(part.cases.probabilities).sum())
        said.append(f"of {len(part.cases):,} {part.cases.level}s x 6 findings, {labels:,} labels are unknown and "
                    f"{blank:,} probabilities missing")  # fmt: skip
    return f"{'; '.join(said).capitalize()}; these do not count. Nothing was imputed"


def _thresholds(evaluation: Evaluation) -> str:
    names = ", ".join(dict.fromkeys(point.name for part in evaluation.parts for point in part.points))
    chosen = ", ".join(evaluation.question.validation)
    return f"Positive from a threshold on: {names}" + (f"; those with a rule were chosen on {chosen}" if chosen else "")


def _of(count: int, cases: Cases) -> str:
    return f"known of {count:,} of {len(cases):,} {cases.level}s"
