"""`hemoscope readers`: how far readers agree with each other, with the truth and with a model."""

from __future__ import annotations

from pathlib import Path

import click

from hemoscope.cli.evaluate import FILE, need_evaluation_packages
from hemoscope.cli.options import debug_option

SHOWN = 2  # tables, those of agreement; the others are too wide for a terminal


@click.command(short_help="Measure how far readers agree: kappas, and readers against a model.")
@click.argument("reads", metavar="READS", type=FILE)
@click.option("--truth", metavar="FILE", type=FILE, help="What is true of the scans: a CSV, or a Manifest (.parquet).")
@click.option("--model", metavar="FILE", type=FILE, help="scans.csv of a model.")
@click.option("--out", metavar="DIR", required=True, type=FILE, help="The folder for the tables.")
@debug_option
def readers(reads: Path, truth: Path | None, model: Path | None, out: Path) -> None:
    """Measure how far the readers in READS agree, with each other, with the truth and with a model.

    READS is a CSV: a row a scan and reader (scan, reader, epidural, ... any), or a row a scan (name, R1:ICH, R1:IPH,
    ..., R2:ICH ...). 0, 1, or empty where unknown. Without --truth, a model is measured against the readers' majority.
    """
    need_evaluation_packages()
    from hemoscope.cli.screen import console, plain_table, say
    from hemoscope.evaluation.output_folder import OutputFolder
    from hemoscope.evaluation.readers.reader_study import ReaderStudy
    from hemoscope.evaluation.readers.reader_tables import lines_of_any, reader_tables
    from hemoscope.evaluation.table_files import files_of, text_of

    study = ReaderStudy.read(reads, truth, model)
    folder = OutputFolder(out)
    tables = reader_tables(study)
    for table in tables:
        for name, content in files_of(table).items():
            folder.write(f"tables/{name}", content)
    folder.finish()
    screen = console()
    for table in tables[:SHOWN]:
        printed = plain_table(*table.columns)
        for row in table.rows:
            printed.add_row(*map(text_of, row))
        say(screen, table.title)
        screen.print(printed)
    for line in lines_of_any(tables[SHOWN:]):
        say(screen, line)
    say(screen, f"{len(tables)} tables are in {out / 'tables'}: {', '.join(table.name for table in tables)}.")
