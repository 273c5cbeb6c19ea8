"""`hemoscope bundles`: the detectors that are installed, with their figures."""

from __future__ import annotations

import click

from hemoscope.cli.options import debug_option


@click.command(short_help="List the installed detectors and their figures.")
@debug_option
def bundles() -> None:
    """List the installed detectors: what they are, their operating points and how well they did.

    Sensitivity and specificity are those on validation patients. The model card of a bundle says which patients these
    are, how the figures were made, and their intervals.
    """
    from rich.text import Text

    from hemoscope.cli.screen import console, plain_table, say
    from hemoscope.detector.bundle import CARD, installed_bundles
    from hemoscope.report.wording import percent

    screen = console()
    installed = installed_bundles()
    for bundle in installed:
        say(screen, f"{bundle.name} {bundle.version}", style="bold")
        say(screen, f"SHA-256 {bundle.sha256}, {bundle.size_bytes / 1e6:.1f} MB")
        say(screen, str(bundle.facts.get("licence", "")))
        points = plain_table("Operating point", "Threshold", "Sensitivity", "Specificity",
                             right=("Threshold", "Sensitivity", "Specificity"))  # fmt: skip
        for kind, table in (("scan", bundle.scan_points), ("slice by itself", bundle.slice_points)):
            for point in table.values():
                shares = ("-" if share is None else f"{share:.1%}" for share in (point.sensitivity, point.specificity))
                points.add_row(f"{point.name}, {kind}", percent(point.threshold), *shares)
        screen.print(points)
        figures = plain_table("Figure", "Value")
        for name, value in bundle.facts.get("metrics", {}).items():
            figures.add_row(Text(str(name)), Text(str(value)))
        if figures.row_count:
            screen.print(figures)
        say(screen, f"Model card: {bundle.place / CARD}")
    if not installed:
        say(screen, "No bundle is installed; give --bundle the folder or zip of one.")
