"""The default: no paper's tables beside those that every evaluation writes."""

from __future__ import annotations

from hemoscope.evaluation.matching.cases import Cases
from hemoscope.evaluation.protocols.protocol import Protocol
from hemoscope.evaluation.table import Table


def tables(slices: Cases | None, scans: Cases | None, validation: Cases | None = None) -> list[Table]:
    """None."""
    return []


PROTOCOL = Protocol("default", "the tables of every evaluation, and none of a paper", tables)
