"""`hemoscope dataset`: labelled collections into one Manifest, its splits, its slice store and its description."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hemoscope.cli.dataset_import import import_, report_problems, strict_option
from hemoscope.cli.options import InOrder, debug_option, jobs_option
from hemoscope.reasons import UsageError

if TYPE_CHECKING:
    from hemoscope.ct.prepare import Framing
    from hemoscope.datasets.description.table import Table
    from hemoscope.datasets.slice_store.store import SliceStore

MANIFEST = click.Path(path_type=Path)
LONGEST_NAME = 18  # letters of a cell that is not broken on a narrow terminal, if its column has none longer


@click.group(cls=InOrder, short_help="Turn labelled collections into a Manifest and a slice store.")
@debug_option
def dataset() -> None:
    """Turn labelled head CT collections into one Manifest and a slice store, for training and evaluation.

    The order of the work: import each collection, merge, split by patient, build the store, describe.
    """
    from importlib.util import find_spec

    if not all(find_spec(package) for package in ("pyarrow", "pandas", "matplotlib")):
        sentence = "`hemoscope dataset` needs packages that detection does not: pip install 'hemoscope[datasets]'"
        raise UsageError(f"{sentence} (in a clone of the repository: .venv/bin/pip install -e '.[datasets]').")


dataset.add_command(import_)


@dataset.command(short_help="Put several Manifests into one.")
@click.argument("manifests", metavar="MANIFEST...", nargs=-1, required=True, type=MANIFEST)
@click.option("--out", metavar="FILE", required=True, type=MANIFEST, help="The merged Manifest (Parquet).")
@debug_option
def merge(manifests: tuple[Path, ...], out: Path) -> None:
    """Put the rows of several Manifests into one. Splits made before are dropped: split the merged one."""
    from hemoscope.cli.screen import console, say
    from hemoscope.datasets.manifest import Manifest
    from hemoscope.datasets.merge import merge as merge_manifests

    merged = merge_manifests([Manifest.read(path) for path in manifests])
    merged.write(out)
    say(console(), f"{merged} of {len(merged.roots)} datasets are in {out}.")


@dataset.command(short_help="Split by patient, or as one of the five papers did.")
@click.argument("manifest", metavar="MANIFEST", type=MANIFEST)
@click.option(
    "--scheme",
    metavar="NAME",
    required=True,
    help="kfold:N (folds by patient), holdout:TRAIN/VALIDATION/TEST in percent by patient, for example "
    "holdout:80/10/10, given:FILE (a CSV of patient,split), or the split of a paper: burduja2020, efficientclass2021, "
    "wong2019, ye2019, patel2019.",
)
@click.option(
    "--seed", metavar="N", type=click.IntRange(min=0), default=7, show_default=True, help="Of the random order."
)
@click.option("--out", metavar="FILE", type=MANIFEST, help="Where to write it. Without it MANIFEST is rewritten.")
@debug_option
def split(manifest: Path, scheme: str, seed: int, out: Path | None) -> None:
    """Give every slice its split: by patient over all datasets at once, stratified over the findings.

    Slices whose patient is unknown are for training only. A paper's own scheme is followed even where it lets one
    patient into two splits; then a sentence says so.
    """
    from hemoscope.cli.screen import console, say
    from hemoscope.datasets.description.describe import describe_split
    from hemoscope.datasets.manifest import Manifest
    from hemoscope.datasets.splitting.schemes import split as split_manifest

    if scheme == "patel2019" and out is None:
        raise UsageError("patel2019 makes slice labels unknown, as in the paper: give another Manifest with --out.")
    done = split_manifest(Manifest.read(manifest), scheme, seed)
    done.write(out or manifest)
    screen = console()
    _print_tables(describe_split(done))
    if done.split and done.split.caveat:
        say(screen, done.split.caveat, style="bold yellow")
    say(screen, f"The split {scheme} (seed {seed}) is in {out or manifest}.")


@dataset.command(short_help="Write the slices into a store that training reads fast.")
@click.argument("manifest", metavar="MANIFEST", type=MANIFEST)
@click.option("--store", metavar="DIR", required=True, type=click.Path(path_type=Path), help="The folder of the store.")
@click.option(
    "--size",
    metavar="N|native",
    default="256",
    show_default=True,
    help="Rows and columns of the stored slices; native keeps those of the files, which must then be all the same.",
)
@click.option(
    "--framing",
    type=click.Choice(("whole", "head")),
    default="whole",
    show_default=True,
    help="What a stored slice shows: all of it, or the head alone, as large as it fits.",
)
@jobs_option
@strict_option
@click.option("--verify", is_flag=True, help="Compare every shard with its checksum, and do nothing else.")
@debug_option
def build(manifest: Path, store: Path, size: str, framing: Framing, jobs: int, strict: bool, verify: bool) -> None:
    """Read every slice of the Manifest and write it to a store of HU, from which any window can be cut.

    A build that was stopped, even killed, goes on where it was when it is started again.
    """
    from hemoscope.cli.progress import counting
    from hemoscope.cli.screen import console, say
    from hemoscope.datasets.manifest import Manifest
    from hemoscope.datasets.slice_store.build import build_store
    from hemoscope.datasets.slice_store.store import SliceStore

    screen = console()
    if verify:
        with counting("Verifying") as progress:
            SliceStore.open(store).verify(progress)
        say(screen, f"Every shard of {store} agrees with its checksum.")
        return
    if size != "native" and not (size.isdecimal() and int(size) > 0):
        raise UsageError(f"--size is a number of pixels or native, not '{size}'.")
    if size == "native" and framing == "head":
        raise UsageError("Slices cut to the head have many sizes: give --size a number of pixels.")
    of = Manifest.read(manifest)
    try:
        with counting("Building") as progress:
            found = build_store(of, store, None if size == "native" else int(size), jobs, progress, framing)
    except KeyboardInterrupt:
        say(screen, f"What is done stays in {store}: the same command goes on from there.")
        raise
    report_problems(found, store / "problems.csv", strict)
    built = SliceStore.open(store)
    say(screen, f"{len(built):,} slices ({built.bytes / 1e6:,.0f} MB) are in {store}.")


@dataset.command(short_help="Count patients, scans and slices; the papers' dataset tables and plots.")
@click.argument("manifest", metavar="MANIFEST", type=MANIFEST)
@click.option("--store", metavar="DIR", type=click.Path(path_type=Path, exists=True), help="Its slice store: adds a "
              "contact sheet, and a search for pictures that two patients share.")  # fmt: skip
@click.option("--out", metavar="DIR", type=click.Path(path_type=Path), help="Write the tables (CSV, Markdown) and "
              "plots (PNG) to this folder.")  # fmt: skip
@debug_option
def describe(manifest: Path, store: Path | None, out: Path | None) -> None:
    """Say what the Manifest holds: by dataset and split, as the five papers describe their data, with every doubt."""
    from hemoscope.cli.screen import console, say
    from hemoscope.datasets.description.describe import describe as describe_manifest
    from hemoscope.datasets.description.table import write_description
    from hemoscope.datasets.manifest import Manifest
    from hemoscope.datasets.slice_store.store import SliceStore

    of = Manifest.read(manifest)
    opened: SliceStore | None = SliceStore.open(store) if store else None
    tables = describe_manifest(of, opened)
    _print_tables(tables)
    if out:
        write_description(of, tables, opened, out)
        say(console(), f"The tables and plots are in {out}.")


def _print_tables(tables: Sequence[Table]) -> None:
    """The tables, each with what it follows and counts."""
    from rich.text import Text

    from hemoscope.cli.screen import console, plain_table, say
    from hemoscope.datasets.description.table import is_numeric, text

    screen = console()
    for table in tables:
        say(screen, f"\n{table.title}" + (f" (after {table.source})" if table.source else ""), style="bold")
        headers = [_narrow(table, place) for place in range(len(table.columns))]
        numbers = [header for place, header in enumerate(headers) if is_numeric(table, place)]
        shown = plain_table(*headers, right=numbers, gap=1)
        for column, cells in zip(shown.columns, zip(*table.rows, strict=True), strict=False):
            column.no_wrap = max(len(text(cell)) for cell in cells) <= LONGEST_NAME  # longer ones give way
        for row in table.rows:
            shown.add_row(*(Text(text(cell)) for cell in row))
        screen.print(shown)
        if table.note:
            say(screen, table.note)


def _narrow(table: Table, place: int) -> str:
    """The header of a column on as many lines as make it no wider than its cells, and break no word."""
    from hemoscope.datasets.description.table import text

    header = table.columns[place]
    widest = max((len(part) for part in [*header.split(), *(text(row[place]) for row in table.rows)]), default=1)
    return textwrap.fill(header, widest, break_long_words=False)
