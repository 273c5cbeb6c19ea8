"""`hemoscope submit`: predictions of slices as the RSNA 2019 challenge takes them."""

from __future__ import annotations

from pathlib import Path

import click

from hemoscope.cli.options import debug_option
from hemoscope.reasons import UsageError

FILE = click.Path(path_type=Path)


@click.command(short_help="Write predictions as a submission to the RSNA 2019 challenge.")
@click.option("--predictions", metavar="FILE", required=True, type=FILE,
              help="slices.csv of `predict` or `detect`, or another CSV with a column of slices.")  # fmt: skip
@click.option("--sample", metavar="FILE", required=True, type=FILE,
              help="The sample of Kaggle, stage_2_sample_submission.csv: its rows are filled in order.")  # fmt: skip
@click.option("--out", metavar="FILE", required=True, type=FILE, help="The submission, a CSV.")
@debug_option
def submit(predictions: Path, sample: Path, out: Path) -> None:
    """Write a row for each slice and finding of the sample, ID_xxxxxxxxx_subtype,Label, in its order."""
    from hemoscope.cli.evaluate import need_evaluation_packages

    need_evaluation_packages()
    from hemoscope.cli.screen import console, say
    from hemoscope.evaluation.matching.predictions import Predictions
    from hemoscope.evaluation.submission import Sample, submission
    from hemoscope.report.write import OutputError, write_whole

    if out.resolve() in (predictions.resolve(), sample.resolve()):
        raise UsageError(f"--out {out} would replace what it is made of: give another name.")
    asked = Sample.read(sample)
    content = submission(Predictions.read(predictions), asked)
    try:
        write_whole(out, content)
    except OSError as error:
        raise OutputError(f"{out} could not be written: {error.strerror}.") from error
    say(console(), f"{len(asked.ids):,} rows of {len(asked.names):,} slices are in {out}.")
