"""Measure the held-out predictions in results/, compare the systems, and write docs/results.md.

    make dataset                                                # first
    python scripts/results.py data/manifest.parquet runs/results

Every command is printed before it runs. Measured is on whole scans of which every slice has all labels (CT-ICH and the
RSNA series); PHE-SICH has no negative patient, and a loose slice is no scan. Each folder of results/ holds what one
system said of patients that it was not trained on: results/README.md says which.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from commands import run_command

from hemoscope.datasets.manifest import Manifest
from hemoscope.evaluation.statistics.estimate import Estimate
from hemoscope.evaluation.table import Table
from hemoscope.evaluation.table_files import markdown_of

ROOT = Path(__file__).parent.parent
PREDICTIONS, PAGE = ROOT / "results", ROOT / "docs/results.md"
DEFAULT = "default"  # the shipped bundle
BEFORE = ("default_0.2.0", "default_0.1.0")  # those before it, on the same folds
WHOLE_SCANS = ("ct-ich", "rsna_hu")
LOOSE_SLICES = ("rsna_loose",)
COMPARED = ("ROC AUC", "log loss")  # with the bundles before
TABLES = (
    "challenge",
    "slices_areas",
    "scans_areas",
    "scans_at_points",
    "calibration_slices",
    "calibration_scans",
    "scan_rules",
)
FIRST_LINES = """# Results
Written by `scripts/results.py` from the predictions in [results](../results/README.md); do not edit it by hand. All
figures are of patients that the system was not trained on, on whole scans of which every slice has all labels, unless a
table says otherwise. (Loose slices of RSNA 2019 whose patient is not known are trained on; one may be of a patient who
is held out.) Patients are few: read the intervals. The example scans of `make demo` are in no fold of the shipped
bundle. How each figure is made: [evaluation](evaluation.md). Make them again: `make dataset`, then
`python scripts/results.py data/manifest.parquet runs/results`.
"""


def labelled(manifest: Path, datasets: tuple[str, ...], path: Path) -> Path:
    """Write the slices of some datasets that have all labels as a Manifest."""
    everything = Manifest.read(manifest)
    chosen = np.isin(everything.table["dataset"].to_numpy(), datasets)
    everything.take(chosen & (everything.labels >= 0).all(axis=1)).write(path)
    return path


def evaluate(name: str, manifest: Path, out: Path) -> None:
    """Measure one system."""
    of = PREDICTIONS / name
    given = ["--predictions", of / "slices.csv", "--scans", of / "scans.csv", "--manifest", manifest]
    run_command("evaluate", *given, "--out", out)


def tables_of(folder: Path, names: tuple[str, ...]) -> str:
    """Tables that `evaluate` wrote, one level lower in the page."""
    parts = [(folder / "tables" / f"{name}.md").read_text().replace("## ", "### ", 1) for name in names]
    return "\n".join(parts)


def estimate(row: pd.Series, column: str) -> Estimate:
    """A value with its interval, from the columns that a table in CSV has for it."""
    numbers = (None if pd.isna(row[name]) else float(row[name]) for name in (column, f"{column} low", f"{column} high"))
    why = row[f"{column} blank because"]
    return Estimate(*numbers, blank="" if pd.isna(why) else why)


def areas(systems: list[str], out: Path) -> Table:
    """ROC AUC of slices and scans of every system, for `any` or, of a system without it, what it does score."""
    rows = []
    for name in systems:
        slices, scans = (pd.read_csv(out / name / f"tables/{unit}_areas.csv") for unit in ("slices", "scans"))
        for (_, of_slices), (_, of_scans) in zip(slices.iterrows(), scans.iterrows(), strict=True):
            scores_any = slices["patients"].iloc[-1] > 0
            if of_slices["finding"] == "any" if scores_any else of_slices["patients"] > 0:
                rows.append(
                    (name, of_slices["finding"], of_slices["patients"], of_slices["patients with it"],
                     estimate(of_slices, "ROC AUC"), estimate(of_scans, "ROC AUC"))
                )  # fmt: skip
    columns = ("system", "finding", "patients", "patients with it", "ROC AUC of slices", "ROC AUC of scans")
    return Table("systems", "Areas of every system", columns, tuple(rows))


def differences(out: Path) -> Table:
    """How far each system is from the shipped bundle in `any`, on the cases that both have scored."""
    rows = []
    for unit in ("slices", "scans"):
        table = pd.read_csv(out / f"compared/tables/{unit}_differences.csv")
        with_default = (table[["first", "second"]] == DEFAULT).any(axis=1)
        chosen = (table["finding"] == "any") & (table["measure"] == "ROC AUC") & with_default
        for _, row in table[chosen & table["test"].str.contains("bootstrap")].iterrows():
            rows.append((row["first"], row["second"], unit, int(row[unit]), estimate(row, "first - second")))
    columns = ("first", "second", "of", "cases", "first - second")
    note = (
        "On the cases that all systems have scored. Intervals are 95%: patients are drawn. The trials had half of the "
        "patients, small pictures and minutes to learn: this is no comparison of the papers' methods. Tests of every "
        "pair: `hemoscope compare`."
    )
    return Table("differences", "Differences in ROC AUC of any hemorrhage", columns, tuple(rows), (note,))


def against_before(manifest: Path, out: Path) -> Table:
    """How far the shipped bundle is from those before it, finding by finding, on the same slices and scans."""
    rows = []
    slices = labelled(manifest, (*WHOLE_SCANS, *LOOSE_SLICES), out / "with_loose_slices.parquet")
    for name in (DEFAULT, *BEFORE):
        evaluate(name, slices, out / f"{name}_with_loose_slices")
    for before, (what, end, units) in itertools.product(
        BEFORE,
        (
            ("whole scans", "", ("slices", "scans")),
            ("whole scans and loose slices of RSNA 2019", "_with_loose_slices", ("slices",)),
        ),
    ):
        compared = out / f"against_{before}{end}"
        run_command("compare", *(out / f"{name}{end}" for name in (DEFAULT, before)), "--out", compared)
        for unit in units:
            table = pd.read_csv(compared / f"tables/{unit}_differences.csv")
            drawn = table[table["test"].str.contains("bootstrap")]
            for finding, of in drawn[drawn["measure"].isin(COMPARED)].groupby("finding", sort=False):
                values = (estimate(of.set_index("measure").loc[measure], "first - second") for measure in COMPARED)
                rows.append((before, what, unit, finding, int(of[unit].iloc[0]), *values))
    columns = ("before", "measured on", "of", "finding", "cases", *COMPARED)
    note = (
        f"Differences are {DEFAULT} - before; a lower log loss is better. The same patients, folds and cases for both; "
        "both calibrated fold by fold on the others. Patients are drawn. Slices without a number in a scan of several "
        "are left out: the bundles before took them for neighbours."
    )
    return Table("before", "Differences from the bundles before", columns, tuple(rows), (note,))


def main(manifest: Path, out: Path) -> None:
    """Evaluate every system, compare them all, and write the page."""
    out.mkdir(parents=True, exist_ok=True)
    whole = labelled(manifest, WHOLE_SCANS, out / "whole_scans.parquet")
    systems = sorted(path.parent.name for path in PREDICTIONS.glob("*/slices.csv"))
    for name in systems:
        evaluate(name, whole, out / name)
    run_command("compare", *(out / name for name in systems if name not in BEFORE), "--out", out / "compared")
    compared = (areas(systems, out), differences(out), against_before(manifest, out))
    parts = [markdown_of(table).replace("## ", "### ", 1) for table in compared]
    shipped = tables_of(out / DEFAULT, TABLES)
    PAGE.write_text("\n".join([FIRST_LINES, "## Systems", *parts, f"## The shipped bundle, {DEFAULT}", shipped]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
