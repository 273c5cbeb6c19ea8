"""The operating point of the rates in a report, in words."""

from __future__ import annotations

from hemoscope.evaluation.evaluate import Evaluation, Part


def points_in_words(evaluation: Evaluation) -> str:
    """At which operating point the rates of slices and of scans are, and what it was chosen on."""
    points = {part.cases.level: _point(part, evaluation.question.validation) for part in evaluation.parts}
    if len(set(points.values())) == 1:
        rates = f"Rates are {next(iter(points.values()))}"
    else:
        rates = f"Rates of {', of '.join(f'{level}s {point}' for level, point in points.items())}"
    return f"{rates}, unless a table says otherwise; dots mark it on the ROC curves."


def _point(part: Part, splits: tuple[str, ...]) -> str:
    if part.validation is None or part.shown.name != "Youden":
        return f"at the probability {part.shown.thresholds[0].value:g}"
    positive = int((part.validation.labels == 1).any(axis=1).sum())
    named = f"the split{'s' if len(splits) > 1 else ''} {' and '.join(splits)}"
    counted = f"{positive:,} positive of {len(part.validation):,} {part.validation.level}s"
    return f"at Youden's point, chosen on {named} with {counted}"
