"""`hemoscope dataset import NAME`: one subcommand a collection, made from the collection's own description."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hemoscope.cli.options import debug_option, jobs_option
from hemoscope.reasons import UsageError

if TYPE_CHECKING:
    from hemoscope.datasets.collection import Collection
    from hemoscope.datasets.problems import Found


strict_option = click.option(
    "--strict", is_flag=True, help="Fail where a row or file cannot be used, instead of leaving it out."
)


class _Collections(click.Group):
    """A group whose commands are the collections; they are looked up only when this group is used."""

    def list_commands(self, context: click.Context) -> list[str]:
        """The names of the collections."""
        from hemoscope.datasets.collection import collections

        return list(collections())

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The command that imports one collection."""
        from hemoscope.datasets.collection import collections

        found = collections().get(name)
        return _command(found) if found else None


@click.group(name="import", cls=_Collections, short_help="Turn one collection into a Manifest.")
@debug_option
def import_() -> None:
    """Turn one labelled collection into a Manifest.

    docs/datasets has a page for each: where to get it, its licence, its layout, and what goes wrong.
    """


def _command(collection: Collection) -> click.Command:
    own = [
        click.Option(
            [option.flag],
            metavar=(option.metavar or {Path: "PATH", int: "N", float: "X"}.get(option.kind, "TEXT")),
            type=click.Path(path_type=Path, exists=True) if option.kind is Path else option.kind,
            required=option.required,
            multiple=option.repeat,
            help=option.help,
        )
        for option in collection.options
    ]
    common = [
        click.Option(["--root"], metavar="DIR", required=True, type=click.Path(path_type=Path, exists=True),
                     help="The folder of the collection. The Manifest's paths begin there."),
        click.Option(["--out"], metavar="FILE", required=True, type=click.Path(path_type=Path),
                     help="The Manifest (Parquet). What was wrong goes to a file .problems.csv beside it."),
        click.Option(["--name"], metavar="NAME", default=collection.name, show_default=True,
                     help="What the dataset is called in the Manifest."),
    ]  # fmt: skip

    def run(root: Path, out: Path, name: str, jobs: int, strict: bool, **options: Any) -> None:
        _import(collection, root, out, name, jobs, strict, options)

    command = click.Command(collection.name, callback=run, params=[*common, *own], help=collection.title,
                            short_help=collection.title.split(".")[0] + ".")  # fmt: skip
    for option in (jobs_option, strict_option, debug_option):
        command = option(command)
    return command


def _import(
    collection: Collection, root: Path, out: Path, name: str, jobs: int, strict: bool, options: dict[str, Any]
) -> None:
    from hemoscope.cli.progress import counting
    from hemoscope.cli.screen import console, say
    from hemoscope.datasets.collection import EmptyImportError

    try:  # before the hours of reading, not after
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"The Manifest {out} cannot be written: {error.strerror}.") from error
    problems = out.with_suffix(".problems.csv")
    try:
        with counting("Importing") as progress:
            imported = collection.read(root.resolve(), name, jobs, progress, **options)
    except EmptyImportError as error:
        report_problems(error.found, problems, strict=False)  # the error itself ends the command
        raise
    report_problems(imported.found, problems, strict)
    imported.manifest.write(out)
    screen = console()
    for remark in imported.remarks:
        say(screen, remark)
    say(screen, f"{imported.manifest} are in {out}.")


def report_problems(found: Sequence[Found], path: Path, strict: bool) -> None:
    """Write the table of problems and print how often each kind was found; under --strict, those kept out end it."""
    from hemoscope.cli.screen import console, plain_table, say
    from hemoscope.datasets.problems import Problem, count_problems, write_problems

    screen = console()
    path.unlink(missing_ok=True)
    if not found:
        say(screen, "Nothing was wrong with it.")
        return
    write_problems(found, path)
    table = plain_table("Problem", "Count", "", right=("Count",))
    counts = count_problems(found)
    for problem, count in counts.items():
        kept = "Kept out. " if problem.kept_out else ""
        table.add_row(problem.name, f"{count:,}", kept + problem.sentence)
    screen.print(table)
    say(screen, f"Each of them is listed in {path}.")
    # What a collection is known to hold damaged is no surprise, and would make --strict fail for ever.
    if strict and any(problem.kept_out and problem is not Problem.KNOWN_CORRUPT for problem in counts):
        say(screen, "That is an error under --strict: mend what was kept out, or leave --strict away.")
        click.get_current_context().exit(1)
