"""`hemoscope evaluate`: predictions against the labels of a Manifest, as the tables of a paper."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hemoscope.cli.options import debug_option
from hemoscope.reasons import UsageError

if TYPE_CHECKING:
    from hemoscope.evaluation.evaluate import Evaluation
    from hemoscope.evaluation.table import Table

FILE = click.Path(path_type=Path)
PACKAGES = ("pyarrow", "pandas", "matplotlib", "scipy", "sklearn", "statsmodels")
NOT_SHOWN = ("patients with it", "prevalence", "label unknown", "not scored")  # on the terminal
SHARE, PREVALENCE = click.FloatRange(0, 1, min_open=True), click.FloatRange(0, 1, min_open=True, max_open=True)


def need_evaluation_packages() -> None:
    """Raise UsageError where the packages of the extra `evaluate` are not installed."""
    from importlib.util import find_spec

    if not all(find_spec(package) for package in PACKAGES):
        sentence = "Evaluation needs packages that detection does not: pip install 'hemoscope[evaluate]'"
        raise UsageError(f"{sentence} (in a clone of the repository: .venv/bin/pip install -e '.[evaluate]').")


@click.command(short_help="Measure predictions against labels, as the tables of a paper.")
@click.option("--predictions", metavar="FILE", type=FILE, help="slices.csv of `predict` or `detect`, or another CSV: a "
              "row a slice, a column a finding; or ID,Label as in RSNA 2019.")  # fmt: skip
@click.option("--scans", metavar="FILE", type=FILE, help="scans.csv of the same system, if it scores scans itself. "
              "Without it a scan has the maximum over its slices.")  # fmt: skip
@click.option("--manifest", metavar="FILE", required=True, type=FILE, help="The Manifest with the labels.")
@click.option("--out", metavar="DIR", required=True, type=FILE, help="The folder for the tables.")
@click.option("--split", "splits", metavar="NAME", multiple=True, help="Evaluate this split; may be repeated. Without "
              "it everything is evaluated but --validation.")  # fmt: skip
@click.option("--validation", metavar="NAME", multiple=True, help="Choose operating points on this split; may be "
              "repeated. Without it only fixed ones are used.")  # fmt: skip
@click.option("--sensitivity", metavar="X", type=SHARE, default=0.95, show_default=True,
              help="Choose an operating point of at least this sensitivity.")  # fmt: skip
@click.option("--specificity", metavar="X", type=SHARE, default=0.90, show_default=True,
              help="Choose an operating point of at least this specificity.")  # fmt: skip
@click.option("--prevalence", "prevalences", metavar="X", type=PREVALENCE, multiple=True, default=(0.03, 0.10),
              show_default=True, help="Give PPV and NPV at this prevalence; may be repeated.")  # fmt: skip
@click.option(
    "--interval",
    type=click.Choice(("clopper-pearson", "wilson")),
    default="clopper-pearson",
    show_default=True,
    help="Of proportions of scans, where no patient has two; else patients are resampled.",
)
@click.option("--protocol", metavar="NAME", default="default", show_default=True, help="Print the tables of a paper "
              "too, in its own layout: burduja2020, efficientclass2021, wong2019, ye2019 or patel2019.")  # fmt: skip
@click.option("--store", metavar="DIR", type=FILE, help="The slice store to show the worst mistakes from; without it "
              "they are read from the files of the Manifest, where these are there.")  # fmt: skip
@click.option("--bundle", metavar="NAME|DIR", help="Lay the heat maps of this bundle over the worst mistakes.")
@debug_option
def evaluate(
    predictions: Path | None,
    scans: Path | None,
    manifest: Path,
    out: Path,
    splits: tuple[str, ...],
    validation: tuple[str, ...],
    sensitivity: float,
    specificity: float,
    prevalences: tuple[float, ...],
    interval: str,
    protocol: str,
    store: Path | None,
    bundle: str | None,
) -> None:
    """Measure what any system predicts of slices and scans against the labels of a Manifest.

    DIR/report.html is the evaluation as a reviewer reads it, DIR/tables has each table as CSV, Markdown and LaTeX. All
    intervals are 95%. Slices that are not in the Manifest, or have no prediction, are counted in the flow of cases.
    """
    need_evaluation_packages()
    from hemoscope.evaluation.evaluate import evaluate as find_cases
    from hemoscope.evaluation.evaluate import tables_of
    from hemoscope.evaluation.output_folder import OutputFolder
    from hemoscope.evaluation.outputs import write
    from hemoscope.evaluation.pages.html_report import pictures_of, write_report
    from hemoscope.evaluation.question import Question

    question = Question(
        manifest, predictions, scans, splits, validation, sensitivity, specificity, prevalences, interval, protocol
    )
    folder = OutputFolder(out)
    evaluation = find_cases(question)
    pictures = pictures_of(evaluation.manifest, store, bundle)
    tables = tables_of(evaluation)
    write(evaluation, tables, folder)
    write_report(evaluation, tables, folder, pictures)
    folder.finish()
    _print(evaluation, tables, out)


def _print(evaluation: Evaluation, tables: Sequence[Table], out: Path) -> None:
    """The flow of cases as sentences, the areas of each level, and where the rest is."""
    from hemoscope.cli.screen import console, plain_table, say
    from hemoscope.evaluation.pages.html_report import FAILURES, REPORT
    from hemoscope.evaluation.table_files import text_of

    screen = console()
    for step in evaluation.steps:
        say(screen, step.sentence)
    for table in tables:
        if table.name.endswith("_areas"):
            places = [place for place, name in enumerate(table.columns) if name not in NOT_SHOWN]
            shown = plain_table(*(table.columns[place] for place in places), right=table.columns[1:4])
            for row in table.rows:
                shown.add_row(*(text_of(row[place]) for place in places))
            screen.print(shown)
    split = evaluation.manifest.split
    if split is not None and split.caveat and evaluation.question.splits:
        say(screen, f"The split {split.scheme} has a caveat: {split.caveat}")
    if not evaluation.question.validation:
        say(screen, "Operating points are fixed; --validation names a split to choose others on.")
    files = f"{out / REPORT} has everything, {out / FAILURES} the worst mistakes"
    say(screen, f"{files}, {out / 'tables'} the tables as CSV, Markdown and LaTeX.")
