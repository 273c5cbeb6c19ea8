"""A number that a paper prints, and what it must be by the other numbers that the paper prints."""

from __future__ import annotations

from dataclasses import dataclass

from hemoscope.evaluation.published import Printed

ROUNDING = 1e-9  # what floating point adds to half a unit of the last digit


@dataclass(frozen=True)
class Statement:
    """paper, table: where it is printed. says: what follows from what. fits: whether it does, to the printed digits."""

    paper: str
    table: str
    says: str
    printed: str
    computed: str
    fits: bool


def agrees(cell: Printed, computed: float, give: float = 0.0) -> bool:
    """Whether a number rounds to what a cell prints; it is a fraction where the cell is a fraction or a percentage.

    give: how far the number itself may be off, as the printed numbers that it was computed from are rounded.
    """
    if cell.value is None:
        raise ValueError(f"{cell.paper}, {cell.table}: '{cell.text}' has no number")
    return abs(cell.value - computed * cell.scale) <= cell.half_unit + give * cell.scale + ROUNDING


def follows(cell: Printed, computed: float, says: str, give: float = 0.0) -> Statement:
    """That a cell prints the computed number; `give` as for `agrees`."""
    decimals = len(cell.text.partition(".")[2].split(" ")[0].rstrip("%"))
    shown = computed * cell.scale
    whole = decimals == 0 and abs(shown - round(shown)) < ROUNDING
    text = f"{shown:,.0f}" if whole else f"{shown:,.{decimals + 1}f}"
    return Statement(cell.paper, cell.table, says, cell.text, text, agrees(cell, computed, give))
