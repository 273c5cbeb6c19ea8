"""The model card of a bundle, from what is known of its training; what is not known is said to be unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hemoscope.ct.prepare import NetworkInput

UNKNOWN = "not known"


@dataclass(frozen=True)
class TrainedOn:
    """A dataset, or a part of it, that a system was trained on. patients: None where they are not known."""

    name: str
    patients: int | None
    scans: int
    slices: int


@dataclass(frozen=True)
class CardFacts:
    """What a model card says. metrics: of held-out patients, each with its interval and what it was measured on.

    parameters: weights of the networks. trained_with: recipe, seed, versions and the like, as name and value.
    caveat: of the split, where patients are on both of its sides. remarks: further sentences.
    """

    name: str
    source: str  # of the system: paper, table and row
    findings_of_slices: Sequence[str]
    findings_of_scans: Sequence[str]
    given: NetworkInput
    parameters: int
    calibrated: bool
    licence: str = UNKNOWN
    trained_on: Sequence[TrainedOn] = ()
    held_out: Sequence[TrainedOn] = ()
    trained_with: Mapping[str, str] = field(default_factory=dict)
    caveat: str = ""
    metrics: Mapping[str, str] = field(default_factory=dict)
    remarks: Sequence[str] = ()


def model_card(facts: CardFacts) -> str:
    """The card as Markdown."""
    parts = [
        f"# Model card: the `{facts.name}` bundle of Hemoscope",
        "Research use only. Not a medical device. Do not use it to decide about a patient.",
        "## What it is",
        f"{facts.source}. {facts.parameters / 1e6:.1f} million parameters. Licence: {facts.licence}.",
        _bullets([f"It scores slices for {', '.join(facts.findings_of_slices)}, and scans for "
                  f"{', '.join(facts.findings_of_scans)}.", *_input(facts.given)]),
        "## What it was trained on",
        _datasets(facts.trained_on),
        "## How it was trained",
        _table(("what", "value"), list(facts.trained_with.items())),
        "## How it was measured",
        _measured_on(facts.caveat),
        _datasets(facts.held_out),
        _table(("figure", "value"), list(facts.metrics.items())),
        "## What it cannot do",
        _bullets([*_limits(facts), *facts.remarks]),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _measured_on(caveat: str) -> str:
    if caveat:
        return f"On slices that it was not trained on. {caveat}"
    return "On patients of whom it had seen nothing in training:"


def _input(given: NetworkInput) -> list[str]:
    windows = ", ".join(str(window) for window in given.windows)
    shown = "whole" if given.framing == "whole" else "cut to the head"
    lines = [f"Slices are {shown}, as squares of {given.size} pixels, in the windows {windows} (level/width in HU)."]
    if given.neighbours:
        lines.append(f"Beside each slice it sees {given.neighbours} below and {given.neighbours} above.")
    if given.maximum_slices > 1 or given.maximum_pixels > 1:
        pixels = given.maximum_pixels
        lines.append(
            f"A maximum filter joins every {given.maximum_slices} slices and {pixels} x {pixels} pixels: a probability "
            f"of a slice stands for {given.maximum_slices}."
        )
    return lines


def _limits(facts: CardFacts) -> list[str]:
    limits = []
    if not facts.calibrated:
        limits.append(
            "It is not calibrated: its probabilities are scores, and its thresholds of 0.5 were not chosen on patients."
        )
    if not facts.held_out or not facts.metrics:
        limits.append("How well it does on patients outside its training was not measured.")
    limits.append(
        "Not measured: scanners one by one, children, thin slices, contrast, heads after an operation, human readers."
    )
    limits.append("Predictive values at the prevalence of a hospital are not known.")
    return limits


def _datasets(rows: Sequence[TrainedOn]) -> str:
    cells = [
        (one.name, UNKNOWN if one.patients is None else f"{one.patients:,}", f"{one.scans:,}", f"{one.slices:,}")
        for one in rows
    ]
    return _table(("dataset", "patients", "scans", "slices"), cells)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return f"{UNKNOWN.capitalize()}."
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _bullets(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)
