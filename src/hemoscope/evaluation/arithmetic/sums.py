"""Do the printed numbers of scans, slices and patients add up, within a paper and between papers?"""

from __future__ import annotations

from collections.abc import Iterator

from hemoscope.evaluation.arithmetic.statement import Statement, follows
from hemoscope.evaluation.published import papers

PARTS = ("positives", "negatives")


def sums() -> Iterator[Statement]:
    """All statements about numbers of cases."""
    yield from _burduja()
    yield from _efficientclass()
    yield from _wong()
    yield from _ye()
    yield from _patel()


def _burduja() -> Iterator[Statement]:
    paper = papers()["burduja2020"]
    for part in ("training", "validation"):
        for level in ("slice", "scan"):
            what = {"set": part, "level": level, "finding": "any"}
            total = sum(paper.number("Table 1", measure=measure, **what) for measure in PARTS)
            yield follows(paper.find("Table 1", measure="cases", **what), total, f"{part}, {level}s: any and none")
    for level, whole in (("slice", "slices"), ("scan", "scans")):
        parts = [
            paper.number("Table 1", measure="cases", set=part, level=level)
            for part in ("training", "validation", "test")
        ]
        yield follows(paper.find("Section 4.1", what=whole), sum(parts), f"{whole}: the three sets of Table 1")
        if level == "slice":
            official = paper.find("Section 4.1", what="slices of the official training set")
            yield follows(official, sum(parts[:2]), "slices: the authors' training and validation sets")
            per_scan = sum(parts) / paper.number("Section 4.1", what="scans")
            yield follows(paper.find("Section 4.1", what="slices a scan, on average"), per_scan, "slices by scans")
    for finding in paper.findings.values():
        both = sum(paper.number("Table 4", measure=measure, finding=finding) for measure in PARTS)
        yield follows(paper.find("Section 5", what="scans"), both, f"Table 4: scans with and without {finding}")
    read, per_scan = (
        paper.number("Section 5", what="scans"),
        paper.number("Section 4.1", what="slices a scan, on average"),
    )
    says = "slices of the 100 scans, at about 35 a scan; 24,290 are those of all 744 scans"
    yield follows(paper.find("Section 5", what="slices of these scans"), read * per_scan, says, give=read / 2)


def _efficientclass() -> Iterator[Statement]:
    paper = papers()["efficientclass2021"]
    sets = ("training", "validation", "test")
    counts = {part: [paper.number("Section 4.3, slices", set=part, measure=one) for one in PARTS] for part in sets}
    whole = sum(sum(count) for count in counts.values())
    yield follows(
        paper.find("Section 4.3, data set", what="slices"), whole, "slices with and without ICH of three sets"
    )
    patients = sum(paper.number("Section 4.3, balanced slices", set=part, level="patient") for part in sets)
    yield follows(paper.find("Section 4.3, data set", what="patients"), patients, "patients of three sets")
    for part in sets:
        cell = paper.find("Section 4.3, balanced slices", set=part, level="slice")
        yield follows(cell, 2 * counts[part][0], f"{part}: as many slices without ICH as with it")
    cell = paper.find("Section 4.3, whole test set", what="slices")
    yield follows(cell, sum(counts["test"]), "slices with and without ICH of the test set")
    for name in ("EffClass (5%)", "EffClass (10%)"):
        share = paper.number("Section 4.3, whole test set", what="patients with ICH") / paper.number(
            "Section 4.3, whole test set", what="patients"
        )
        yield follows(paper.find("Table 2", system=name, measure="prevalence"), share, f"{name}: patients with ICH")
    aidoc = paper.number("Section 3", what="scans with ICH") / paper.number("Section 3", what="scans")
    yield follows(paper.find("Table 2", system="Aidoc [22]", measure="prevalence"), aidoc, "Aidoc: scans with ICH")
    right = 1 - paper.number("Section 3", what="scans on which Aidoc was wrong") / paper.number(
        "Section 3", what="scans"
    )
    yield follows(paper.find("Table 2", system="Aidoc [22]", measure="accuracy"), right, "Aidoc: scans it got right")
    yield follows(
        paper.find("Section 5", what="Aidoc's patients"),
        paper.number("Section 3", what="scans"),
        "scans that Aidoc read, as in section 3",
    )


def _wong() -> Iterator[Statement]:
    paper, burduja = papers()["wong2019"], papers()["burduja2020"]
    files = paper.find("Table 1", set="training")
    for finding in paper.findings.values():
        cell = paper.find("Table 2, left", finding=finding, measure="positives")
        both = [
            burduja.number("Table 1", measure="positives", set=part, level="slice", finding=finding)
            for part in ("training", "validation")
        ]
        yield follows(cell, sum(both), f"{finding}: training and validation slices of Burduja's Table 1")
        weight = paper.find("Table 2, left", finding=finding, measure="pos_weight")
        positives = cell.value or 0
        yield follows(weight, ((files.value or 0) - positives) / positives, f"{finding}: negatives by positives")
    by_count = {int(k): paper.number("Table 2, right", subtypes=k) for k in "012345"}
    yield follows(files, sum(by_count.values()), "Table 2: slices by number of subtypes")
    some = sum(number for subtypes, number in by_count.items() if subtypes)
    yield follows(paper.find("Table 2, left", finding="any", measure="positives"), some, "slices with 1 to 5 subtypes")
    subtypes = sum(
        paper.number("Table 2, left", finding=finding, measure="positives")
        for finding in paper.findings.values()
        if finding != "any"
    )
    once_each = sum(subtypes * number for subtypes, number in by_count.items())
    yield Statement(
        "wong2019", "Table 2", "labels of the five subtypes, counted both ways", f"{subtypes:,.0f}",
        f"{once_each:,.0f}", subtypes == once_each,
    )  # fmt: skip


def _ye() -> Iterator[Statement]:
    paper = papers()["ye2019"]

    def number(what: str) -> float:
        return paper.number("Study cohort", what=what)

    hospitals = sum(number(f"hospital {letter}") for letter in "ABC")
    yield follows(paper.find("Study cohort", what="collected"), hospitals, "subjects of three hospitals")
    yield follows(
        paper.find("Study cohort", what="kept"), number("collected") - number("excluded"), "collected less excluded"
    )
    yield follows(paper.find("Study cohort", what="kept"), number("with ICH") + number("normal"), "with ICH and normal")


def _patel() -> Iterator[Statement]:
    paper = papers()["patel2019"]
    for part in ("training", "validation", "test", "all"):
        both = sum(paper.number("Table 2", set=part, measure=measure) for measure in PARTS)
        yield follows(paper.find("Table 2", set=part, measure="cases"), both, f"{part}: positive and negative scans")
    for measure in (*PARTS, "cases"):
        parts = [paper.number("Table 2", set=part, measure=measure) for part in ("training", "validation", "test")]
        yield follows(paper.find("Table 2", set="all", measure=measure), sum(parts), f"{measure} of the three sets")
    for level in ("patient", "slice"):
        for measure in PARTS:
            what = {"level": level, "measure": measure}
            parts = [paper.number("Table 3", set=part, **what) for part in ("training", "validation")]
            yield follows(paper.find("Table 3", set="all", **what), sum(parts), f"{measure}, {level}s of both sets")
    both = sum(paper.number("Table 2", set=part, measure="cases") for part in ("training", "validation"))
    yield follows(paper.find("Abstract", what="scans to train and validate"), both, "Table 2: training and validation")
    test = paper.number("Table 2", set="test", measure="cases")
    yield follows(paper.find("Abstract", what="scans to test"), test, "Table 2: test")
    of_ye = papers()["ye2019"].number("Test set", what="subjects")
    yield follows(paper.find("Table 1", measure="cases"), of_ye, "the test set of Ye et al., as they print it")
    with_ich = papers()["ye2019"].number("Five-type task", what="subjects with ICH")
    yield follows(paper.find("Table 1", measure="positives"), with_ich, "its subjects with ICH, as Ye et al. print it")
