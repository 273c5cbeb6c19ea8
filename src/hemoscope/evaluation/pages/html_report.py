"""`report.html` and `failures.html`: an evaluation as a reviewer reads it, with its curves, and its worst mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from hemoscope.datasets.manifest import Manifest
from hemoscope.datasets.slice_store.store import SliceStore
from hemoscope.detector.bundle import Bundle
from hemoscope.evaluation.evaluate import Evaluation, Part
from hemoscope.evaluation.matching.cases import Level
from hemoscope.evaluation.output_folder import OutputFolder
from hemoscope.evaluation.pages.checklist import FILL_IN, checklist_table, items
from hemoscope.evaluation.pages.failure_page import Group, failure_groups, failure_page
from hemoscope.evaluation.pages.failure_pictures import SlicePictures
from hemoscope.evaluation.pages.failures import mistakes_table, worst_mistakes
from hemoscope.evaluation.pages.known import known_of
from hemoscope.evaluation.pages.operating_point import points_in_words
from hemoscope.evaluation.pages.pages import render, write_figures
from hemoscope.evaluation.pages.plots import precision_recall, reliability, roc
from hemoscope.evaluation.statistics.estimate import Estimate
from hemoscope.evaluation.table import Table
from hemoscope.evaluation.table_files import files_of
from hemoscope.findings import FINDINGS

REPORT, FAILURES = "report.html", "failures.html"


def pictures_of(manifest: Manifest, store: Path | None, bundle: str | None) -> SlicePictures | None:
    """What draws slices: from a slice store, else from the files of the Manifest; None where these are not there.

    bundle: the name or path of the one whose heat maps are laid over them. Raises UsageError where it, or the store, is
    none.
    """
    opened = None if store is None else SliceStore.open(store)
    loaded = None if bundle is None else Bundle.load(bundle)
    if opened is None and not any(root.is_dir() for root in manifest.roots.values()):
        return None
    return SlicePictures(manifest, opened, loaded)


def write_report(
    evaluation: Evaluation, tables: Sequence[Table], folder: OutputFolder, pictures: SlicePictures | None
) -> None:
    """Write `report.html`, `failures.html`, the figures (`plots/NAME.png`, `.svg`) and the tables that belong to them.

    tables: what else the report shows, in their order. pictures: None lists the worst mistakes without.
    """
    mistakes = _write_failures(evaluation, folder, pictures)
    known = known_of(evaluation, tables, f"“{FAILURES}”", None if pictures is None else pictures.bundle)
    checklist = checklist_table(known)
    for table in (*mistakes, checklist):
        for name, content in files_of(table).items():
            folder.write(f"tables/{name}", content)
    page = render(
        "evaluation.html.j2",
        title=f"Evaluation of {_system(folder)}",
        system=_system(folder),
        files=_files(evaluation),
        points=points_in_words(evaluation),
        evaluation=evaluation,
        levels=[(level, part, write_figures(figures_of(part, tables), folder),
                 [table for table in tables if table.name.startswith(f"{level}s_")])
                for level, part in _by_level(evaluation).items()],
        others=[table for table in tables if not table.name.startswith(("slices_", "scans_", "flow"))],
        mistakes=mistakes,
        failures=FAILURES,
        checklist=[(item, *item.filled(known)) for item in items()],
        checklist_notes=checklist.notes,
        fill_in=FILL_IN,
    )  # fmt: skip
    folder.write(REPORT, page)


def figures_of(part: Part, tables: Sequence[Table]) -> dict[str, Figure]:
    """The curves of one level by the name of their files; the areas in their legends are those of the tables."""
    unit, system = f"{part.cases.level}s", {"": part.cases}
    areas = next(table for table in tables if table.name == f"{unit}_areas")
    return {
        f"{unit}_roc": roc(system, part.draws, {"": _column(areas, "ROC AUC")}, thresholds_of(part)),
        f"{unit}_precision_recall": precision_recall(system, part.draws, {"": _column(areas, "PR AUC")}),
        f"{unit}_reliability": reliability(system, part.draws),
    }


def thresholds_of(part: Part) -> dict[str, float]:
    """The threshold of each finding at the operating point that is shown."""
    values = {entry.name: one.value for entry, one in zip(FINDINGS, part.shown.thresholds, strict=True)}
    return {name: value for name, value in values.items() if value is not None}


def _write_failures(evaluation: Evaluation, folder: OutputFolder, pictures: SlicePictures | None) -> list[Table]:
    """Write `failures.html`; returns the list of the mistakes of each level."""
    slices = None if evaluation.slices is None else evaluation.slices.cases
    levels: dict[Level, tuple[list[Group], float]] = {}
    tables = []
    for level, part in _by_level(evaluation).items():
        mistakes = worst_mistakes(part.cases, thresholds_of(part))
        levels[level] = failure_groups(part.cases, mistakes, slices, pictures)
        tables.append(mistakes_table(part.cases, mistakes))
    title = f"The worst mistakes of {_system(folder)}"
    bundle = None if pictures is None else pictures.bundle
    folder.write(FAILURES, failure_page(levels, title, None if bundle is None else f"{bundle.name} {bundle.version}"))
    return tables


def _by_level(evaluation: Evaluation) -> dict[Level, Part]:
    return {part.cases.level: part for part in evaluation.parts}


def _column(table: Table, name: str) -> list[Estimate]:
    place = table.columns.index(name)
    return [cell for cell in (row[place] for row in table.rows) if isinstance(cell, Estimate)]


def _system(folder: OutputFolder) -> str:
    """The name of a system is that of the folder of its evaluation, as `hemoscope compare` has it."""
    return folder.folder.resolve().name


def _files(evaluation: Evaluation) -> str:
    files = (evaluation.question.slices, evaluation.question.scans)
    return " and ".join(path.name for path in files if path is not None)
