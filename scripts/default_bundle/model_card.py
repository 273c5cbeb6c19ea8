"""The model card of the `default` bundle, every figure computed from crossvalidation.csv.

python scripts/default_bundle/model_card.py        # prints the card
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from calibrate import SETTINGS

from hemoscope.findings import FINDING_NAMES
from hemoscope.training.calibrate import LABELS, SCAN_TARGETS, SLICE_TARGETS, apply, cross_fitted, fit
from hemoscope.training.measure import auc, clustered_proportion, patients, proportion

SOURCES = {
    "physionet": "PhysioNet CT-ICH",
    "rsna_series": "RSNA 2019, whole series",
    "rsna_dicom": "RSNA 2019, three of these series as DICOM",
    "rsna_loose": "RSNA 2019, loose slices",
    "phe_sich": "PHE-SICH",
    "bhsd": "BHSD and MBH-Seg slices",
}
TEXT = Path(__file__).with_name("model_card.md")


def table_of(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def auc_tables(slices: pd.DataFrame, scans: pd.DataFrame) -> tuple[str, str, dict[str, Any]]:
    """AUC per source and finding, of slices and of scans, with the numbers behind them."""
    slice_rows, scan_rows, metrics = [], [], {}
    for source, title in SOURCES.items():
        of_slices = slices[slices["source"] == source]
        of_scans = scans[scans["source"] == source]
        for finding in FINDING_NAMES:
            label = f"label_{finding}"
            if not (of_slices[label] == 1).any():
                continue
            value = auc(of_slices, finding)
            known = of_slices[of_slices[label] >= 0]
            counts = f"{(known[label] == 1).sum()} of {len(known)}"
            slice_rows.append([title, finding, value, counts, patients(of_slices, finding)])
            metrics[f"slice AUC, {finding}, {source}"] = f"{value}, patients {patients(of_slices, finding)}"
            if source in ("physionet", "rsna_series"):
                value = auc(of_scans, finding)
                scan_rows.append([title, finding, value, patients(of_scans, finding)])
                metrics[f"scan AUC, {finding}, {source}"] = f"{value}, patients {patients(of_scans, finding)}"
    return (
        table_of(["source", "finding", "slice AUC (95%)", "positive slices", "patients with it"], slice_rows),
        table_of(["source", "finding", "scan AUC (95%)", "patients with it"], scan_rows),
        metrics,
    )


def scan_calls(scans: pd.DataFrame) -> str:
    """Sensitivity and specificity of scans at both operating points, per source."""
    rows = []
    for source in ("physionet", "rsna_series", "phe_sich"):
        part = scans[(scans["source"] == source) & (scans["label_any"] >= 0)]
        positive, negative = part[part["label_any"] == 1], part[part["label_any"] == 0]
        for point in ("sensitive", "specific"):
            call = f"{point}_call"
            rows.append(
                [
                    SOURCES[source],
                    point,
                    proportion(int(positive[call].sum()), len(positive)),
                    proportion(int((~negative[call]).sum()), len(negative)),
                ]
            )
    return table_of(["source", "operating point", "sensitivity, scans (95%)", "specificity, scans (95%)"], rows)


def slice_calls(slices: pd.DataFrame) -> str:
    """Sensitivity and specificity of slices by themselves at both operating points, per source."""
    rows = []
    for source, title in SOURCES.items():
        part = slices[(slices["source"] == source) & (slices["label_any"] >= 0)]
        positive, negative = part[part["label_any"] == 1], part[part["label_any"] == 0]
        for point in ("sensitive", "specific"):
            call = f"{point}_call"
            rows.append(
                [
                    title,
                    point,
                    clustered_proportion(positive[call], positive["patient"]),
                    clustered_proportion(~negative[call], negative["patient"]),
                ]
            )
    return table_of(["source", "operating point", "sensitivity, slices (95%)", "specificity, slices (95%)"], rows)


def subtype_calls(scans: pd.DataFrame) -> str:
    """How often scans with a subtype are called at both operating points (of `any`)."""
    rows = []
    for source in ("physionet", "rsna_series"):
        for finding in FINDING_NAMES[:-1]:
            part = scans[(scans["source"] == source) & (scans[f"label_{finding}"] == 1)]
            if len(part):
                calls = [proportion(int(part[f"{point}_call"].sum()), len(part)) for point in ("sensitive", "specific")]
                rows.append([SOURCES[source], finding, *calls])
    return table_of(["source", "patients with", "called at sensitive", "called at specific"], rows)


def left_out(table: pd.DataFrame, slices: pd.DataFrame) -> tuple[str, dict[str, Any]]:
    """Slice AUC on a source that neither network nor calibration saw, beside the cross-validated one of its slices.

    table: crossvalidation.csv; slices: the cross-fitted ones.
    """
    folds = table[table["run"].str.startswith("fold")]
    rows, metrics = [], {}
    for run in sorted(run for run in table["run"].unique() if run.startswith("without")):
        rows_of_run = table[table["run"] == run]
        unseen, _ = apply(rows_of_run, fit(folds[~folds["source"].isin(rows_of_run["source"])], SETTINGS))
        for source, part in unseen.groupby("source"):
            seen = slices[slices["source"] == source]
            part = part[part["scan"].isin(seen["scan"])]  # without the patients of examples/
            if part["label_any"].min() == 1:
                continue  # no slice without hemorrhage: there is no AUC
            row = [SOURCES[source], auc(part, "any"), auc(seen, "any"), patients(part, "any")]
            rows.append(row)
            metrics[f"slice AUC, any, {source}, source left out"] = row[1]
    header = ["source", "slice AUC, never saw this collection", "slice AUC, cross-validated", "patients with blood"]
    return table_of(header, rows), metrics


def inside_groups(slices: pd.DataFrame) -> str:
    """Slice AUC of `any` inside groups in which neither the collection nor the patient can stand in for the label."""
    rows = []
    for source in ("physionet", "rsna_series", "phe_sich"):
        part = slices[(slices["source"] == source) & (slices["label_any"] >= 0)]
        bleeding = part[part["patient"].isin(part[part["label_any"] == 1]["patient"])]
        rows.append(
            [f"{SOURCES[source]}, patients with hemorrhage only", auc(bleeding, "any"), patients(bleeding, "any")]
        )
    as_dicom = slices[slices["source"] == "rsna_dicom"]
    series = as_dicom["scan"].str.partition(":")[2].unique()
    as_pictures = slices[(slices["source"] == "rsna_series") & slices["scan"].str.partition(":")[2].isin(series)]
    for title, part in (("as DICOM", as_dicom), ("the same as pictures", as_pictures)):
        rows.append([f"three RSNA series, {title}", auc(part, "any"), patients(part, "any")])
    of_ages = slices[slices["source"] == "physionet"]
    for title, rows_of_age in (("under 18", of_ages["age_years"] < 18), ("18 and older", of_ages["age_years"] >= 18)):
        part = of_ages[rows_of_age]
        rows.append([f"{SOURCES['physionet']}, {title}", auc(part, "any"), patients(part, "any")])
    return table_of(["group", "slice AUC of any (95%)", "patients with it"], rows)


def normal_series(scans: pd.DataFrame) -> str:
    """Each labelled RSNA series without hemorrhage: its probability and how it would be called."""
    part = scans[(scans["source"] == "rsna_series") & (scans["label_any"] == 0)].sort_values("any")
    rows = []
    for row in part.itertuples():
        called = "positive" if row.specific_call else "indeterminate" if row.sensitive_call else "negative"
        rows.append([row.scan.split(":")[1], str(row.slices), f"{row.any:.2f}", called])
    return table_of(["series", "slices", "probability of any", "state"], rows)


def errors(scans: pd.DataFrame) -> str:
    """Every scan that was called wrong: missed below the sensitive point, or called above the specific one."""
    rows = []
    for row in scans[scans["source"].isin(("physionet", "rsna_series", "phe_sich"))].sort_values("any").itertuples():
        present = [name for name in FINDING_NAMES[:-1] if getattr(row, f"label_{name}") == 1]
        if row.label_any == 1 and not row.sensitive_call:
            rows.append(["missed", SOURCES[row.source], row.scan.split(":")[1], f"{row.any:.2f}", ", ".join(present)])
        if row.label_any == 0 and row.specific_call:
            rows.append(["false alarm", SOURCES[row.source], row.scan.split(":")[1], f"{row.any:.2f}", "none"])
    return table_of(["error", "source", "scan", "probability of any", "labelled"], rows)


def model_card(table: pd.DataFrame) -> tuple[str, dict[str, Any]]:
    """The card, and its main figures for bundle.json. table: crossvalidation.csv."""
    folds = table[table["run"].str.startswith("fold")]
    slices, scans = cross_fitted(folds, SETTINGS)
    slice_aucs, scan_aucs, metrics = auc_tables(slices, scans)
    unseen, unseen_metrics = left_out(table, slices)
    fitted = fit(folds, SETTINGS)
    text = TEXT.read_text().format(
        slice_aucs=slice_aucs,
        scan_aucs=scan_aucs,
        scan_calls=scan_calls(scans),
        slice_calls=slice_calls(slices),
        subtype_calls=subtype_calls(scans),
        inside_groups=inside_groups(slices),
        left_out=unseen,
        errors=errors(scans),
        normal_series=normal_series(scans),
        sigma=fitted.calibration.context.sigma_mm,
        scan_targets=SCAN_TARGETS,
        slice_targets=SLICE_TARGETS,
    )
    return text, metrics | unseen_metrics


if __name__ == "__main__":
    crossvalidation = pd.read_csv(Path(__file__).with_name("crossvalidation.csv"), dtype={"patient": str})
    crossvalidation[LABELS] = crossvalidation[LABELS].astype(int)
    print(model_card(crossvalidation)[0])
