"""The `hemoscope` command: one file a subcommand beside this one, and the one place where errors become sentences.

Importing it loads neither NumPy nor a decoder nor ONNX Runtime: each subcommand does when it runs.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

import click

from hemoscope.cli.bundles import bundles
from hemoscope.cli.compare import compare
from hemoscope.cli.dataset import dataset
from hemoscope.cli.detect import detect
from hemoscope.cli.evaluate import evaluate
from hemoscope.cli.info import info
from hemoscope.cli.options import Debugging, InOrder, debug_option
from hemoscope.cli.readers import readers
from hemoscope.cli.submit import submit
from hemoscope.cli.train import export, networks, predict, runs, train
from hemoscope.reasons import HemoscopeError, UsageError

ALL_ANALYSED, SOME_NOT, USAGE = 0, 1, 2
STOPPED = 130  # as shells report a program that was ended by Ctrl-C


def _print_version(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        from importlib.metadata import PackageNotFoundError, version

        try:
            click.echo(f"hemoscope {version('hemoscope')}")
        except PackageNotFoundError:
            click.echo("hemoscope (not installed)")
        context.exit()


@click.group(cls=InOrder, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_print_version, help="Show the version."
)
@debug_option
def cli() -> None:
    """Find intracranial hemorrhage in head CT, with heat maps that show where the detector looked.

    Research use only. Not a medical device.

    Exit codes: 0 every input was analysed, 1 some were not, 2 the command could not be followed.
    """


cli.add_command(detect)
cli.add_command(info)
cli.add_command(bundles)
cli.add_command(dataset)
cli.add_command(train)
cli.add_command(predict)
cli.add_command(export)
cli.add_command(runs)
cli.add_command(networks)
cli.add_command(evaluate)
cli.add_command(compare)
cli.add_command(readers)
cli.add_command(submit)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and end the process with its exit code. Every error is one sentence, unless --debug is given."""
    debugging = Debugging()
    try:
        code = cli.main(
            list(arguments) if arguments is not None else None,
            prog_name="hemoscope",
            standalone_mode=False,
            obj=debugging,
        )
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("Stopped.", err=True)
        code = STOPPED
    except BrokenPipeError:
        # The reader of our output (head, less) has gone; a second failure while Python flushes is kept quiet.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = SOME_NOT
    except HemoscopeError as error:
        code = _say(error, error.sentence, debugging, USAGE if isinstance(error, UsageError) else SOME_NOT)
    except Exception as error:  # noqa: BLE001 - the boundary of the process: users get a sentence, not a traceback
        sentence = (
            f"Hemoscope failed ({type(error).__name__}: {error}). This is a defect; --debug shows where it arose."
        )
        code = _say(error, sentence, debugging, SOME_NOT)
    sys.exit(code or ALL_ANALYSED)


def _say(error: Exception, sentence: str, debugging: Debugging, code: int) -> int:
    if debugging.on:
        traceback.print_exception(error)
    click.echo(f"Error: {sentence}", err=True)
    return code


if __name__ == "__main__":
    main()
