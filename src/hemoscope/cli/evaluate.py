"""`hemoscope evaluate`: predictions against the labels of a Manifest, as the tables of a paper."""

from __future__ import annotations

from pathlib import Path

import click

from hemoscope.cli.options import debug_option
from hemoscope.reasons import UsageError

FILE = click.Path(path_type=Path)
PACKAGES = ("pyarrow", "pandas", "matplotlib", "scipy", "sklearn", "statsmodels")


def need_evaluation_packages() -> None:
    """Raise UsageError where the packages of the extra `evaluate` are not installed."""
    from importlib.util import find_spec

    if not all(find_spec(package) for package in PACKAGES):
        sentence = "Evaluation needs packages that detection does not: pip install 'hemoscope[evaluate]'"
        raise UsageError(f"{sentence} (in a clone of the repository: .venv/bin/pip install -e '.[evaluate]').")


@click.command(short_help="Measure predictions against labels: tables, curves and tests.")
@click.option("--predictions", metavar="FILE", type=FILE, help="slices.csv of `predict` or `detect`, or another CSV.")
@click.option("--scans", metavar="FILE", type=FILE, help="scans.csv of the same system: its own scores of scans.")
@click.option("--manifest", metavar="FILE", required=True, type=FILE, help="The Manifest with the labels.")
@click.option("--out", metavar="DIR", required=True, type=FILE, help="The folder for tables and cases.")
@click.option("--split", "splits", metavar="NAME", multiple=True, help="Evaluate this split alone; may be repeated.")
@click.option("--validation", metavar="NAME", multiple=True, help="Choose operating points on this split; may be "
              "repeated. It is not evaluated.")  # fmt: skip
@debug_option
def evaluate(
    predictions: Path | None,
    scans: Path | None,
    manifest: Path,
    out: Path,
    splits: tuple[str, ...],
    validation: tuple[str, ...],
) -> None:
    """Measure the predictions of any system against the labels of a Manifest."""
    need_evaluation_packages()
    from hemoscope.evaluation.evaluate import Question, write
    from hemoscope.evaluation.evaluate import evaluate as evaluate_predictions
    from hemoscope.evaluation.output_folder import OutputFolder

    question = Question(manifest, predictions, scans, splits, validation)
    folder = OutputFolder(out)
    evaluation = evaluate_predictions(question)
    write(evaluation, folder)
    folder.finish()
