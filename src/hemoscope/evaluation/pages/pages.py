"""HTML pages of an evaluation, in the style of the reports on scans: one file each that loads nothing from outside."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from hemoscope.datasets.description.plots import image_of
from hemoscope.evaluation.output_folder import OutputFolder
from hemoscope.evaluation.table import Table
from hemoscope.evaluation.table_files import html_of
from hemoscope.report import wording
from hemoscope.report.results import library_version


def render(template: str, **values: Any) -> bytes:
    """Fill in a template of this folder; every page says that it is for research and which version made it."""
    page = _environment().get_template(template).render(
        research_use=wording.RESEARCH_USE,
        version=library_version("hemoscope"),
        date=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        **values,
    )  # fmt: skip
    return page.encode()


def write_figures(figures: Mapping[str, Figure], folder: OutputFolder) -> list[tuple[str, str]]:
    """Write figures as `plots/NAME.png` and `.svg`; returns (what it shows, the SVG to put into a page) of each."""
    inside = []
    for name, figure in figures.items():
        svg = image_of(figure, "svg")
        folder.write(f"plots/{name}.svg", svg)
        folder.write(f"plots/{name}.png", image_of(figure, "png"))
        inside.append((name.replace("_", " "), "data:image/svg+xml;base64," + base64.b64encode(svg).decode()))
    return inside


def _table(table: Table) -> Markup:
    return Markup(html_of(table))


@cache
def _environment() -> Environment:
    loaders = [PackageLoader(f"hemoscope.{room}", "templates") for room in ("evaluation.pages", "report")]
    environment = Environment(
        loader=ChoiceLoader(loaders), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["table"] = _table
    return environment
