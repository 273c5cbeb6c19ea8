"""`hemoscope compare`: systems side by side on the cases that all of them have scored."""

from __future__ import annotations

from pathlib import Path

import click

from hemoscope.cli.evaluate import need_evaluation_packages
from hemoscope.cli.options import debug_option

FOLDER = click.Path(path_type=Path)


@click.command(short_help="Compare systems that were evaluated, with tests.")
@click.argument("folders", metavar="DIR DIR...", nargs=-1, required=True, type=FOLDER)
@click.option("--out", metavar="DIR", required=True, type=FOLDER, help="The folder for tables, plots and the page.")
@click.option("--threshold", metavar="P", type=float, default=0.5, show_default=True,
              help="The probability from which a slice or scan is called positive.")  # fmt: skip
@debug_option
def compare(folders: tuple[Path, ...], out: Path, threshold: float) -> None:
    """Compare what `hemoscope evaluate` wrote into two or more folders, every system with every other.

    Only cases that all systems have scored count; systems of other patients are compared on scans, unpaired. Tests:
    DeLong's and McNemar's where each patient has one scan, the bootstrap of patients for areas and log loss, and for
    calls where a patient has several; corrected by Holm's method for the number of pairs and findings.
    """
    need_evaluation_packages()
    from hemoscope.cli.screen import console, say
    from hemoscope.evaluation.compare import PAGE, write_comparison
    from hemoscope.evaluation.compare import compare as compare_folders
    from hemoscope.evaluation.output_folder import OutputFolder

    folder = OutputFolder(out)
    names, comparisons = compare_folders(folders, threshold)
    write_comparison(names, comparisons, folder)
    folder.finish()
    say(console(), f"{len(names)} systems are compared in {out / PAGE}; the tables are in {out / 'tables'}.")
