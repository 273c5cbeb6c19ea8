"""docs/outputs.md names every column and format there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from hemoscope.report.tables import SCAN_COLUMNS, SLICE_COLUMNS
from hemoscope.report.write import FORMATS, RECORD

DOCUMENT = (Path(__file__).parents[2] / "docs" / "outputs.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted({*SCAN_COLUMNS, *SLICE_COLUMNS, RECORD}))
def test_every_column_is_described(name: str) -> None:
    assert f"`{name}`" in DOCUMENT


def test_every_format_is_described() -> None:
    assert f"among {', '.join(FORMATS[:-1])} and {FORMATS[-1]}." in DOCUMENT
