"""The papers' own arithmetic: do their printed numbers fit each other?"""

from hemoscope.evaluation.arithmetic.claims import claims
from hemoscope.evaluation.arithmetic.confusions import confusions
from hemoscope.evaluation.arithmetic.intervals import intervals
from hemoscope.evaluation.arithmetic.readers import readers
from hemoscope.evaluation.arithmetic.statement import Statement
from hemoscope.evaluation.arithmetic.sums import sums

__all__ = ["Statement", "statements"]


def statements() -> list[Statement]:
    """Every check of the five papers, in the order of the papers and then of what is checked."""
    found = [*sums(), *confusions(), *intervals(), *readers(), *claims()]
    return sorted(found, key=lambda statement: statement.paper)
