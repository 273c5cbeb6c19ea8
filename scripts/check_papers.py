"""Print what does not add up in the five papers, as the section of docs/protocols.md.

python scripts/check_papers.py
"""

from __future__ import annotations

from collections import Counter

from hemoscope.evaluation.arithmetic import statements


def section() -> str:
    """Markdown: how many statements were checked in each paper, and a table of those that do not fit."""
    checked = statements()
    of_papers = Counter(one.paper for one in checked)
    wrong = [one for one in checked if not one.fits]
    counts = ", ".join(f"{paper} {count}" for paper, count in of_papers.items())
    lines = [
        f"Of {len(checked)} statements ({counts}) {len(wrong)} do not fit:",
        "",
        "| paper | where | what | printed | computed |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [f"| {one.paper} | {one.table} | {one.says} | {one.printed} | {one.computed} |" for one in wrong]
    return "\n".join(lines)


if __name__ == "__main__":
    print(section())
