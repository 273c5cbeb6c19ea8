"""Print docs/reasons.md from the table of reason codes.

python scripts/list_reasons.py > docs/reasons.md
"""

from __future__ import annotations

from hemoscope.reasons import Reason, Severity

EFFECTS = {
    Severity.HARD: "No probabilities are given. A scan or file with one of these is `not_analysed`.",
    Severity.SOFT: "Probabilities are given, but the state is `indeterminate`.",
    Severity.INCOMPLETE: "Part of the head was not seen. The state may be `positive`, but never `negative`.",
    Severity.NOTE: "Said in every output. Changes nothing.",
}


def document() -> str:
    """Markdown: one table a severity, reasons in the order of the code."""
    lines = [
        "# Reason codes",
        "Every check that did not pass, and every input that was refused or set aside, carries one of these codes in",
        "all outputs, with a sentence that gives the particulars. The severity decides what it does to the answer.",
    ]
    for severity, effect in EFFECTS.items():
        lines += ["", f"## {severity.value}", effect, "", "| code | meaning |", "| --- | --- |"]
        lines += [f"| `{reason.name}` | {reason.sentence} |" for reason in Reason if reason.severity is severity]
    lines += ["", "Made by `scripts/list_reasons.py` from `src/hemoscope/reasons.py`; a test keeps the two in step."]
    return "\n".join(lines)


if __name__ == "__main__":
    print(document())
