"""Do accuracy, sensitivity, specificity, predictive values and F1 follow from one count of hits and misses?"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from hemoscope.evaluation.arithmetic.statement import Statement, agrees
from hemoscope.evaluation.published import Paper, Printed, cells_of, papers
from hemoscope.evaluation.statistics.confusion import MEASURES, Counts, Measure

AUC_OF_CALLS = "auc_of_calls"  # one operating point: the mean of sensitivity and specificity
READERS = ("JRT", "SR")  # Ye 2019: readers call, so their AUC is one of calls
Row = Mapping[str, Printed]  # the printed measures of one system, finding, level and threshold
Cases = tuple[int, int]  # positives and negatives
MEAN = "±"  # rows with it are means of others


def confusions() -> Iterator[Statement]:
    """A statement for each row of a table that prints such measures."""
    for what, row in _rows("burduja2020", "Table 3"):
        yield _statement(what, row, [_counted(papers()["burduja2020"], "Table 1", what, set="validation")])
    for what, row in _rows("burduja2020", "Table 5"):
        yield _statement(what, row, [_counted(papers()["burduja2020"], "Table 4", what)])
    test_set = papers()["efficientclass2021"].find("Section 4.3, slices", set="test", measure="positives").value
    for what, row in _rows("efficientclass2021", "Table 1"):
        yield _statement(what, row, [(int(test_set or 0), int(test_set or 0))])
    for what, row in _rows("efficientclass2021", "Table 2"):
        yield _statement(what, row, cases_of_prevalence(row))
    for what, row in _rows("patel2019", "Section IV.B"):
        yield _statement(what, row, [_counted(papers()["patel2019"], "Table 2", what, set="test")])
    yield from _ye()


def fitting(row: Row, cases: Cases) -> list[Counts]:
    """All counts of so many positives and negatives whose measures round to what is printed."""
    positives, negatives = cases
    hits = _possible(row.get("sensitivity"), positives)
    alarms = [negatives - tn for tn in _possible(row.get("specificity"), negatives)]
    counts = (Counts(tp, fp, negatives - fp, positives - tp) for tp in hits for fp in alarms)
    return [one for one in counts if all(agrees(cell, _value(one, name)) for name, cell in row.items())]


def rows_of(cells: Iterable[Printed]) -> list[tuple[Mapping[str, Any], Row]]:
    """The printed measures of each system, finding, level and threshold, with what these are."""
    found: dict[tuple[Any, ...], tuple[Mapping[str, Any], dict[str, Printed]]] = {}
    for cell in cells:
        name = cell.what["measure"]
        if name == "auc" and str(cell.what["system"]).startswith(READERS):
            name = AUC_OF_CALLS
        if name in (*MEASURES, AUC_OF_CALLS) and cell.value is not None and MEAN not in cell.text:
            key = tuple(cell.what.get(part) for part in ("system", "finding", "level", "threshold"))
            found.setdefault(key, (cell.what, {}))[1][name] = cell
    return list(found.values())


def likeliest_cases(rows: Sequence[Row], total: int) -> list[Cases]:
    """Of which numbers of positives and negatives, together `total`, most rows can be."""
    possible = [(positives, total - positives) for positives in range(1, total)]
    count = {cases: sum(bool(fitting(row, cases)) for row in rows) for cases in possible}
    return [cases for cases in possible if count[cases] == max(count.values())]


def cases_of_prevalence(row: Row) -> list[Cases]:
    """The positives and negatives that round to the printed share of patients with ICH (Cortes-Ferre 2021, Table 2)."""
    share = row["prevalence"]
    total = int(papers()[share.paper].number(share.table, system=share.what["system"], measure="cases"))
    return [(hits, total - hits) for hits in range(total + 1) if agrees(share, hits / total)]


def _rows(paper: str, table: str) -> list[tuple[Mapping[str, Any], Row]]:
    return rows_of(cells_of(papers()[paper].table(table)))


def _ye() -> Iterator[Statement]:
    """Table 3; how many of the subjects with ICH have which subtype is printed for one subtype only."""
    ye = papers()["ye2019"]
    subjects = int(ye.number("Test set", what="subjects"))
    with_ich = int(ye.number("Five-type task", what="subjects with ICH"))
    with_sah = int(ye.number("Subarachnoid", what="subjects with SAH"))
    known = {"any": [(with_ich, subjects - with_ich)], "subarachnoid": [(with_sah, with_ich - with_sah)]}
    rows = _rows("ye2019", "Table 3")
    for finding in ye.findings.values():
        of_finding = [(what, row) for what, row in rows if what["finding"] == finding]
        cases = known.get(finding) or likeliest_cases([row for _, row in of_finding], with_ich)
        for what, row in of_finding:
            yield _statement(what, row, cases, "" if finding in known else ", the number that most rows fit")


def _statement(what: Mapping[str, Any], row: Row, possible: Sequence[Cases], why: str = "") -> Statement:
    """That a row is of one of the possible numbers of cases."""
    cell = next(iter(row.values()))
    fits = [counts for cases in possible for counts in fitting(row, cases)]
    places = [str(what["system"]), str(what["finding"]), f"{what['level']}s"]
    if "threshold" in papers()[cell.paper].table(cell.table).keys:
        places.append(f"threshold {what['threshold']}")
    positives = " or ".join(str(cases[0]) for cases in possible) if len(possible) < 3 else "the printed share"
    says = f"{', '.join(places)}: from one count of {positives} positives among {sum(possible[0])}{why}"
    printed = ", ".join(f"{measure} {one.text.split(' ')[0]}" for measure, one in row.items())
    computed = _counts_text(fits[0]) if fits else _nearest(row, possible)
    return Statement(cell.paper, cell.table, says, printed, computed, bool(fits))


def _nearest(row: Row, possible: Sequence[Cases]) -> str:
    """What a measure would have to be so that the others of the row fit."""
    instead = []
    for name, cell in row.items():
        others = {other: one for other, one in row.items() if other != name}
        fits = [counts for cases in possible for counts in fitting(others, cases)]
        if fits:
            nearest = min(fits, key=lambda one: abs(_value(one, name) * cell.scale - (cell.value or 0)))
            instead.append(f"{name} {_value(nearest, name) * cell.scale:.4g} ({_counts_text(nearest)})")
    return "none; the rest would fit " + ", or ".join(instead) if instead else "none"


def _value(counts: Counts, name: str) -> float:
    """A measure of counts, NaN where it has no cases."""
    if name == AUC_OF_CALLS:
        return (_value(counts, "sensitivity") + _value(counts, "specificity")) / 2
    hits, count = counts.fraction(cast(Measure, name))
    return hits / count if count else math.nan


def _counts_text(counts: Counts) -> str:
    return f"tp {counts.tp}, fp {counts.fp}, tn {counts.tn}, fn {counts.fn}"


def _counted(paper: Paper, table: str, of: Mapping[str, Any], **more: str) -> Cases:
    """The positives and negatives of a finding in a printed table of counts."""
    what = {"level": of["level"], "finding": "any"} | more
    total = sum(paper.number(table, measure=measure, **what) for measure in ("positives", "negatives"))
    positives = paper.number(table, measure="positives", **(what | {"finding": of["finding"]}))
    return int(positives), int(total - positives)


def _possible(cell: Printed | None, count: int) -> list[int]:
    """How many of a count may have hit, by the printed share of hits; any number where nothing is printed."""
    if cell is None:
        return list(range(count + 1))
    if not count:
        return []
    nearest = round((cell.value or 0) / cell.scale * count)
    reach = math.ceil(cell.half_unit / cell.scale * count) + 1
    near = range(max(0, nearest - reach), min(count, nearest + reach) + 1)
    return [hits for hits in near if agrees(cell, hits / count)]
