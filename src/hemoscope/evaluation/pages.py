"""HTML pages of an evaluation, in the style of the reports on scans: one file each that loads nothing from outside."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from functools import cache
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from hemoscope.datasets.description.plots import image_of
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


def svg_uri(figure: Figure) -> str:
    """A figure as an SVG inside a page."""
    return "data:image/svg+xml;base64," + base64.b64encode(image_of(figure, "svg")).decode()


def _table(table: Table) -> Markup:
    return Markup(html_of(table))  # noqa: S704  (escaped cell by cell there)


@cache
def _environment() -> Environment:
    loaders = [PackageLoader(f"hemoscope.{room}", "templates") for room in ("evaluation", "report")]
    environment = Environment(
        loader=ChoiceLoader(loaders), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["table"] = _table
    return environment
