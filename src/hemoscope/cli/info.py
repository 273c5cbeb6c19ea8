"""`hemoscope info`: what the input holds, its geometry and its checks, without a detector."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hemoscope.cli.options import read_options, reading_options

if TYPE_CHECKING:
    from hemoscope.ct.scan import Scan


@click.command(short_help="Say what the input holds, without a detector.")
@reading_options
@click.pass_context
def info(
    context: click.Context,
    inputs: tuple[Path, ...],
    window: str | None,
    series: str | None,
    independent: bool,
    jobs: int,
) -> None:
    """Say what INPUT holds: its scans, how they were made, their geometry and the checks they did not pass.

    No detector is run and nothing is written. Patients are not named.

    Exit codes: 0 every scan can be analysed, 1 some cannot, 2 the command could not be followed.
    """
    from rich.text import Text

    from hemoscope.cli.analyse import input_of, needs_attention
    from hemoscope.cli.progress import Progress
    from hemoscope.cli.screen import console, plain_table, print_refusals, say
    from hemoscope.ct.checks import check_scan
    from hemoscope.ct.inputs import Refusal
    from hemoscope.ct.read import read_scans
    from hemoscope.report.wording import SEVERITY_WORDS

    screen = console()
    refusals: list[Refusal] = []
    analysable: list[bool] = []
    with Progress(inputs) as progress:
        for found in read_scans(inputs, read_options(window, series, independent), jobs):
            if isinstance(found, Refusal):
                refusals.append(found)
                progress.file_refused()
                continue
            scan = found.with_checks(*check_scan(found))
            analysable.append(scan.analysable)
            progress.scan_done(len({record.source for record in scan.slices}))
            table = plain_table("", scan.name)
            for name, value in _facts(scan, input_of(scan)):
                table.add_row(name, Text(value))
            for check in scan.checks:
                word, _ = SEVERITY_WORDS[check.reason.severity]
                table.add_row(word, Text(f"{check.reason.name}: {check.detail or check.reason.sentence}"))
            screen.print(table)
    for refusal in refusals:
        if refusal not in needs_attention([refusal]):
            say(screen, f"Set aside: {refusal.detail}")
    print_refusals(needs_attention(refusals), screen)
    if not analysable:
        say(screen, "No scan was found in the input.")
    context.exit(0 if analysable and all(analysable) and not needs_attention(refusals) else 1)


def _facts(scan: Scan, place: str) -> list[tuple[str, str]]:
    """What is known of a scan; what is not stated is left out."""
    made = scan.acquisition
    rows, columns = scan.hu.shape[1:]
    spacing = scan.pixel_spacing_mm
    unread = sum(not record.readable for record in scan.slices)
    positions = [record.position_mm for record in scan.slices if record.position_mm is not None]
    facts = [
        ("Input", place),
        ("Slices", f"{len(scan.slices)}, of which {unread} could not be read" if unread else str(len(scan.slices))),
        ("Matrix", f"{rows} x {columns}"),
        ("Pixel spacing", f"{spacing[0]:.4g} x {spacing[1]:.4g} mm" if spacing else "unknown"),
        ("Slice positions", f"{positions[0]:.1f} to {positions[-1]:.1f} mm" if positions else "unknown"),
        ("Slice spacing", _unit(made.spacing_mm, "mm")),
        ("Slice thickness", _unit(made.slice_thickness_mm, "mm")),
        ("Gantry tilt", _unit(made.gantry_tilt_degrees, "degrees")),
        ("Values", f"approximate HU from window {scan.window}" if scan.window else "true HU"),
        ("Scanner", made.scanner),
        ("Kernel", made.kernel),
        ("Tube voltage", _unit(made.kvp, "kV")),
        ("Series", made.series_description),
        ("Can be analysed", "yes" if scan.analysable else "no"),
    ]
    return [(name, value) for name, value in facts if value]


def _unit(value: float | None, unit: str) -> str:
    return "" if value is None else f"{value:.4g} {unit}"
