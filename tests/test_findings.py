"""The one order of the findings."""

from __future__ import annotations

from hemoscope.findings import ANY, FINDING_NAMES, FINDINGS


def test_the_order_is_that_of_rsna_2019() -> None:
    names = ("epidural", "intraparenchymal", "intraventricular", "subarachnoid", "subdural", "any")
    assert names == FINDING_NAMES
    assert FINDING_NAMES[ANY] == "any"


def test_no_name_synonym_or_colour_stands_for_two_findings() -> None:
    words = [word.lower() for f in FINDINGS for word in (f.name, f.abbreviation, *f.synonyms)]
    assert len(set(words)) == len(words)
    assert len({f.colour for f in FINDINGS}) == len(FINDINGS)
