"""What several commands share: their options, and groups that list commands in the order of the work."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from hemoscope.ct.options import ReadOptions

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass
class Debugging:
    """Whether errors show where in the program they arose."""

    on: bool = False


def _switch_on(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(Debugging).on = True


class InOrder(click.Group):
    """A group that lists its commands as they were added, not by name."""

    def list_commands(self, context: click.Context) -> list[str]:
        """The names of the commands."""
        return list(self.commands)


debug_option = click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    callback=_switch_on,
    help="On an error, show where in the program it arose.",
)


def available_cores() -> int:
    """The cores that this process may use; a container or batch system may give fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


jobs_option = click.option(
    "--jobs",
    metavar="N",
    type=click.IntRange(min=1),
    default=available_cores,
    show_default="all of them",
    help="How many processor cores to use.",
)


def reading_options(command: Command) -> Command:
    """Add INPUT and the options that say how it is read."""
    for decorate in reversed(
        (
            click.argument("inputs", metavar="INPUT...", nargs=-1, required=True, type=click.Path(path_type=Path)),
            click.option(
                "--window",
                metavar="L/W",
                help="Display window (level/width in HU) that PNG, JPEG or 8-bit NIfTI input was rendered with, for "
                "example 40/80. Hounsfield units are restored from it and are approximate.",
            ),
            click.option(
                "--series",
                metavar="UID",
                help="Analyse this DICOM series (its SeriesInstanceUID) instead of the one that Hemoscope chooses.",
            ),
            click.option(
                "--independent",
                is_flag=True,
                help="Take every file as a scan of one slice. Checks on the number of slices and on gaps do not apply.",
            ),
            jobs_option,
            debug_option,
        )
    ):
        command = decorate(command)
    return command


def read_options(window: str | None, series: str | None, independent: bool) -> ReadOptions:
    """The options that say how inputs are read. Raises UsageError for a window that is none."""
    from hemoscope.ct.options import ReadOptions
    from hemoscope.ct.windows import Window

    return ReadOptions(None if window is None else Window.from_text(window), series, independent)


def forbid_output_in_input(out: Path, inputs: Sequence[Path]) -> None:
    """Raise UsageError where the pictures that are written would be read as input by the next run."""
    from hemoscope.reasons import UsageError

    place = out.resolve()
    for given in inputs:
        if given.is_dir() and place.is_relative_to(given.resolve()):
            raise UsageError(
                f"--out {out} lies inside the input {given}: a later run would read its own pictures. "
                "Give --out a folder outside of it."
            )
