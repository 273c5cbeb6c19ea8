"""The documents name every collection and every column."""

from __future__ import annotations

from pathlib import Path

import pytest

from hemoscope.datasets.collection import collections
from hemoscope.datasets.columns import COLUMNS, Column

PAGES = Path(__file__).resolve().parents[2] / "docs" / "datasets"


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: str(column.name))
def test_every_column_is_explained(column: Column) -> None:
    line = next(
        line for line in (PAGES / "README.md").read_text().splitlines() if line.startswith(f"| `{column.name}`")
    )
    assert column.meaning in line


def test_every_collection_has_a_page_with_its_command_and_options() -> None:
    index = (PAGES / "README.md").read_text()
    for name, collection in collections().items():
        page = (PAGES / f"{name}.md").read_text()
        assert f"[{name}]({name}.md)" in index
        assert f"hemoscope dataset import {name} " in page
        assert [option.flag for option in collection.options if option.flag not in page] == []
        for told in ("Where to get it", "Licence", "Size", "Layout", "What goes wrong"):
            assert told.lower() in page.lower(), f"{name}.md does not say: {told}"
