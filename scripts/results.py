"""Measure the held-out predictions in results/, compare the systems, and write docs/results.md.

    make dataset                                                # first
    python scripts/results.py data/manifest.parquet runs/results

Every command is printed before it runs. Measured is on whole scans of which every slice has all labels (CT-ICH and the
RSNA series); PHE-SICH has no negative patient, and a loose slice is no scan. Each folder of results/ holds what one
system said of patients that it was not trained on: results/README.md says which.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np

from hemoscope.datasets.manifest import Manifest

ROOT = Path(__file__).parent.parent
PREDICTIONS, PAGE = ROOT / "results", ROOT / "docs/results.md"
DEFAULT = "default_0.1.0"  # the shipped bundle
WHOLE_SCANS = ("ct-ich", "rsna_hu")
TABLES = ("slices_areas", "scans_areas", "scans_at_points", "scans_subgroups", "calibration_scans")
FIRST_LINES = """# Results
Written by `scripts/results.py` from the predictions in [results](../results/README.md); do not edit it by hand. All
figures are of patients that the system was not trained on, on whole scans of which every slice has all labels. Patients
are few: read the intervals. How each figure is made: [evaluation](evaluation.md).
"""


def run_command(*words: object) -> None:
    """Print a command of `hemoscope` and run it."""
    command = ["hemoscope", *map(str, words)]
    print("$", shlex.join(command), flush=True)
    subprocess.run([sys.executable, "-m", "hemoscope.cli.main", *command[1:]], check=True)


def whole_scans(manifest: Path, out: Path) -> Path:
    """Write the part of a Manifest that is measured on."""
    everything = Manifest.read(manifest)
    of_whole = np.isin(everything.table["dataset"].to_numpy(), WHOLE_SCANS)
    path = out / "whole_scans.parquet"
    everything.take(of_whole & (everything.labels >= 0).all(axis=1)).write(path)
    return path


def tables_of(folder: Path, names: tuple[str, ...]) -> str:
    """Tables that a command wrote, one level lower in the page."""
    parts = [(folder / "tables" / f"{name}.md").read_text().replace("## ", "### ", 1) for name in names]
    return "\n".join(parts)


def main(manifest: Path, out: Path) -> None:
    """Evaluate every system, compare them all, and write the page."""
    out.mkdir(parents=True, exist_ok=True)
    whole = whole_scans(manifest, out)
    systems = sorted(path.parent.name for path in PREDICTIONS.glob("*/slices.csv"))
    for name in systems:
        of = PREDICTIONS / name
        given = ["--predictions", of / "slices.csv", "--scans", of / "scans.csv", "--manifest", whole]
        run_command("evaluate", *given, "--out", out / name)
    run_command("compare", *(out / name for name in systems), "--out", out / "compared")
    page = [FIRST_LINES, f"## The shipped bundle, {DEFAULT}\n", tables_of(out / DEFAULT, TABLES)]
    for name in systems:
        if name != DEFAULT:
            page += [f"## {name}\n", tables_of(out / name, ("slices_areas", "scans_areas"))]
    page += ["## Compared\n", tables_of(out / "compared", ())]
    PAGE.write_text("\n".join(page))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
