"""Patel 2019: scans from the slices alone, scans from the network over the scan, and one sensitive operating point."""

from __future__ import annotations

from collections.abc import Mapping

from hemoscope.evaluation.matching.cases import Cases
from hemoscope.evaluation.matching.scored import Rule
from hemoscope.evaluation.measures.operating_points import sensitive
from hemoscope.evaluation.measures.scan_rules import maximum, percentile_95
from hemoscope.evaluation.protocols.layout import beside, beside_system
from hemoscope.evaluation.protocols.protocol import Protocol
from hemoscope.evaluation.protocols.sample import Figure, Sample
from hemoscope.evaluation.protocols.scans_of_slices import scans_of_slices
from hemoscope.evaluation.published import Printed
from hemoscope.evaluation.statistics.estimate import Estimate
from hemoscope.evaluation.table import Table
from hemoscope.findings import ANY

NAME = "patel2019"
RULES: Mapping[str, Rule] = {"maximum of the slices": maximum, "95th percentile of the slices": percentile_95}
FULL = "two LSTM layers, end to end"  # the system of the paper that the scans' own scores stand beside
SENSITIVITY = 0.98  # that the operating point has at least on the validation cases; printed for the test cases
NO_SCANS = Estimate.none("no scans predicted")
TEST = ("Counted are scans whose label is known and that were scored.",)
OWN = ("The score of a scan is that of `--scans`, else its highest slice.",)
POINT = (
    f"The threshold of ours is the highest with a sensitivity of {SENSITIVITY} on the validation cases; the paper "
    "chooses its own for a high sensitivity, and does not say on which cases.",
)


def tables(slices: Cases | None, scans: Cases | None, validation: Cases | None = None) -> list[Table]:
    """Table 2, Figures 3 and 4, and the operating point of section IV.B."""
    own = None if scans is None else Sample.of(scans)
    by_rule = {} if slices is None or scans is None else {
        name: Sample.of(scans_of_slices(slices, scans, rule)) for name, rule in RULES.items()
    }  # fmt: skip
    threshold, why = _threshold(validation)

    def count(cell: Printed) -> Figure:
        if cell.what["set"] != "test":
            return Estimate.none("not of the test set")
        return NO_SCANS if own is None else own.figure(cell.what["measure"])

    def from_slices(cell: Printed) -> Figure | None:
        if cell.what["system"] not in RULES:
            return None
        if not by_rule:
            return Estimate.none("no slices predicted") if slices is None else NO_SCANS
        return by_rule[cell.what["system"]].figure("auc")

    def from_scans(cell: Printed) -> Figure:
        return NO_SCANS if own is None else own.figure("auc")

    def at_point(cell: Printed) -> Figure:
        if threshold is None:
            return Estimate.none(why)
        return NO_SCANS if own is None else own.figure(cell.what["measure"], "any", threshold)

    return [
        beside(NAME, "Table 2", count, (scans,), TEST),
        beside(NAME, "Figure 3", from_slices, tuple(sample.cases for sample in by_rule.values())[:1], ()),
        beside(NAME, "Figure 4", beside_system(FULL, from_scans), (scans,), OWN),
        beside(NAME, "Section IV.B", at_point, (scans,), OWN + POINT),
    ]


def _threshold(validation: Cases | None) -> tuple[float | None, str]:
    """The threshold chosen on the validation scans, or why there is none."""
    if validation is None:
        return None, "no validation cases to choose a threshold on"
    there = validation.measured(ANY)
    chosen = sensitive(validation.labels[there, ANY], validation.probabilities[there, ANY], SENSITIVITY)
    return chosen.value, f"{chosen.blank} among the validation cases"


PROTOCOL = Protocol(NAME, "ROC AUC of scans, from slices and from the network; a sensitive operating point", tables)
