"""The papers' printed values stand where published.toml says, and are read as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hemoscope.evaluation.published import NOTHING, PrintedTable, cells_of, papers
from hemoscope.findings import FINDING_NAMES

TABLES = [table for paper in papers().values() for table in paper.tables]
BEFORE, AFTER = 2000, 5000  # characters of the text on either side of a caption in which its table stands
PASSAGE = 3500  # characters after `caption` where it begins a passage of the text instead of a table
IN_TABLE, IN_PASSAGE = r"[\s|]+", r"[^\d.]{1,50}"  # what is between two cells of a row


@pytest.fixture(scope="module")
def texts(shared_data: Path) -> Path:
    folder = shared_data.parent / "papers"
    if not folder.is_dir():
        pytest.skip("the papers are not beside the repository (../shared/papers)")
    return folder


def is_table(caption: str) -> bool:
    return caption.lower().startswith("table")


def row_pattern(cells: tuple[str, ...], between: str = IN_TABLE) -> str:
    """Cells next to each other, none of them part of a longer number."""
    return r"(?<![\d.])" + between.join(re.escape(cell) for cell in cells) + r"(?![\d]|\.\d)"


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"\*\*|</?\w+>", "", text.replace(r"\pm", "±")))


def beside_caption(text: str, table: PrintedTable) -> str:
    caption = table.caption
    assert text.count(caption) == 1, f"{table.paper}: '{table.caption}' is there {text.count(caption)} times"
    at = text.index(caption)
    return text[max(0, at - BEFORE) : at + AFTER] if is_table(caption) else text[at : at + PASSAGE]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: f"{table.paper}, {table.name}")
def test_every_row_stands_beside_its_caption_in_order(table: PrintedTable, texts: Path) -> None:
    text = beside_caption(plain((texts / f"{table.paper}.txt").read_text()), table)
    between = IN_TABLE if is_table(table.caption) else IN_PASSAGE
    at = 0
    for row, cells in enumerate(table.cells):
        found = re.compile(row_pattern(tuple(cell.text for cell in cells), between)).search(text, at)
        assert found, f"row {table.labels(row)}: {[cell.text for cell in cells]} is not there"
        at = found.end()


def test_a_digit_that_differs_is_not_found_in_the_text() -> None:
    text = "Any\t0.9600\t0.9516\nEPH\t10.95\t| 0.9517 |"
    assert re.search(row_pattern(("0.9600", "0.9516")), text)
    assert not re.search(row_pattern(("0.9600", "0.951")), text)
    assert not re.search(row_pattern(("0.95", "0.9517")), text)
    assert not re.search(row_pattern(("0.9516", "0.9600")), text)


def test_values_intervals_and_digits_are_read() -> None:
    found = papers()["efficientclass2021"].find("Table 2", system="EffClass (10%)", measure="specificity")
    assert (found.value, found.interval, found.half_unit, found.scale) == (97.0, (95.32, 98.27), 0.05, 100.0)
    loss = papers()["burduja2020"].find("Table 2", system="EfficientNet-B4", measure="challenge_loss")
    assert (loss.value, loss.interval, loss.half_unit) == (0.07212, None, 0.5e-5)
    files = papers()["wong2019"].find("Table 1", set="training")
    assert (files.value, files.half_unit) == (752803, 0.5)
    spread = papers()["ye2019"].find("Table 3", finding="any", system="JRT (mean ± s)", measure="f1")
    assert spread.value == 0.96
    interval = papers()["patel2019"].find("Figure 4", system="two LSTM layers, CNN fixed")
    assert (interval.value, interval.interval) == (None, (0.84, 0.91))


def test_words_of_the_papers_become_our_findings() -> None:
    for paper in papers().values():
        for table in paper.tables:
            assert {cell.what.get("finding", "any") for cell in cells_of(table)} <= set(FINDING_NAMES)
    assert papers()["ye2019"].number("Table 3", finding="intraparenchymal", system="JRT 1", measure="accuracy") == 0.84


def test_a_cell_that_is_not_there_or_not_the_only_one_is_an_error() -> None:
    burduja = papers()["burduja2020"]
    with pytest.raises(LookupError, match="0 cells of burduja2020, Table 3"):
        burduja.find("Table 3", system="ResNet")
    with pytest.raises(LookupError, match="12 cells"):
        burduja.find("Table 3", measure="accuracy", level="scan")
    with pytest.raises(LookupError, match="nothing is printed"):
        burduja.number("Table 5", system="Doctor #1", measure="sensitivity", finding="epidural")
    with pytest.raises(KeyError, match="has no Table 9"):
        burduja.table("Table 9")


def test_only_dashes_have_neither_a_number_nor_an_interval() -> None:
    empty = {cell.text for table in TABLES for cell in cells_of(table) if cell.value is None and not cell.interval}
    assert empty == {NOTHING}
