"""What every protocol offers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hemoscope.evaluation.matching.cases import Cases
from hemoscope.evaluation.table import Table

Tables = Callable[[Cases | None, Cases | None, Cases | None], list[Table]]


@dataclass(frozen=True)
class Protocol:
    """A way to evaluate.

    tables: from the slices and the scans of one system (None where it predicts none) and from scans to choose
    thresholds on (None where there are none), which are not among the others.
    """

    name: str
    about: str
    tables: Tables
