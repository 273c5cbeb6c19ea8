"""`failures.html`: the worst mistakes of a system as pictures with heat maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hemoscope.datasets.labels import in_words
from hemoscope.evaluation.matching.cases import Cases, Level
from hemoscope.evaluation.pages.failure_pictures import SlicePictures
from hemoscope.evaluation.pages.failures import Mistakes
from hemoscope.evaluation.pages.pages import render
from hemoscope.findings import FINDINGS, Finding
from hemoscope.report import figures, wording
from hemoscope.report.panels import Picture

NO_PICTURES = "No pictures: neither a slice store nor the files of the Manifest were given."
NO_SLICE = "No slice of it is known."


@dataclass(frozen=True)
class Card:
    """One mistake: what it is of, what was said and what is true, and its pictures or why there are none."""

    name: str
    patient: str
    probability: str
    labels: str
    note: str  # which slice of a scan is shown
    pictures: Sequence[Picture]
    why_none: str = ""


@dataclass(frozen=True)
class Group:
    """The mistakes of one kind in one finding."""

    finding: Finding
    kind: str
    sentence: str
    threshold: str
    cards: Sequence[Card]


def failure_groups(
    cases: Cases, mistakes: Sequence[Mistakes], slices: Cases | None, pictures: SlicePictures | None
) -> tuple[list[Group], float]:
    """Mistakes in the cases with their pictures, and the logits at the end of the scale of heat maps.

    slices: the slice cases of the same system, from which the slice to show of a scan is chosen. pictures: None lists
    the mistakes without.
    """
    wanted = [(_slice_to_show(cases, row, one, slices), one.finding) for one in mistakes for row in one.rows]
    drawable = [(key, finding) for key, finding in wanted if key is not None]
    drawn, scale = pictures.of(drawable) if pictures is not None else ([NO_PICTURES] * len(drawable), 0.0)
    results = iter(drawn)
    shown = iter([(key, NO_SLICE if key is None else next(results)) for key, _ in wanted])
    groups = []
    for one in mistakes:
        cards = [_card(cases, row, one, *next(shown)) for row in one.rows]
        entry = FINDINGS[one.finding]
        groups.append(Group(entry, one.kind, one.sentence(cases.level), f"{one.threshold:.3g}", cards))
    return groups, scale


def failure_page(levels: Mapping[Level, tuple[list[Group], float]], title: str, bundle: str | None) -> bytes:
    """The page. levels: what `failure_groups` gave of each; bundle: whose heat maps are shown, None without."""
    return render(
        "failures.html.j2",
        title=title,
        bundle=bundle,
        levels=[(level, groups, scale, _has_heat(groups)) for level, (groups, scale) in levels.items()],
        lowest_scale=figures.LOWEST_SCALE_LOGITS,
        heat_stops=figures.legend_stops(),
    )


def _has_heat(groups: Sequence[Group]) -> bool:
    return any(len(card.pictures) > 2 for group in groups for card in group.cards)


def _card(cases: Cases, row: int, one: Mistakes, key: str | None, drawn: Sequence[Picture] | str) -> Card:
    why = drawn if isinstance(drawn, str) else ""
    return Card(
        name=str(cases.names[row]),
        patient=str(cases.patients[row]),
        probability=wording.percent(float(cases.probabilities[row, one.finding])),
        labels=in_words(cases.labels[row]),
        note=f"Shown: {key}" if cases.level == "scan" and key is not None and not why else "",
        pictures=() if isinstance(drawn, str) else drawn,
        why_none=why,
    )


def _slice_to_show(cases: Cases, row: int, one: Mistakes, slices: Cases | None) -> str | None:
    """The key of the slice of a case: of a scan the one with the highest probability, of a missed finding among those
    that are labelled with it where there are any."""
    if cases.level == "slice":
        return _text(cases.about["key"].iloc[row])
    if slices is None:
        return None
    of_scan = slices.scans == cases.scans[row]
    labelled = of_scan & (slices.labels[:, one.finding] == 1)
    chosen = labelled if one.kind == "missed" and labelled.any() else of_scan
    scores = slices.probabilities[:, one.finding]
    rows = np.flatnonzero(chosen & ~np.isnan(scores))
    return _text(slices.about["key"].iloc[rows[np.argmax(scores[rows])]]) if len(rows) else None


def _text(key: object) -> str | None:
    return None if pd.isna(key) else str(key)
