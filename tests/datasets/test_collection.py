"""Collections are found by themselves; the example of the documents is one, and works on real DICOM."""

from __future__ import annotations

import re
import shutil
import sys
import types
from pathlib import Path
from typing import Any

import pytest

import hemoscope.datasets.collections
from hemoscope.datasets.collection import Collection, EmptyImportError, Imported, OnProgress, collections
from hemoscope.datasets.importing.assignments import NONE, finding_called
from hemoscope.datasets.importing.file_facts import read_file_facts
from hemoscope.datasets.importing.slice_rows import SliceRows, to_manifest
from hemoscope.datasets.problems import Found, Problem
from hemoscope.reasons import UsageError

PAGE = Path(__file__).resolve().parents[2] / "docs" / "datasets" / "README.md"
IMPORTS: dict[str, Any] = {
    "Path": Path, "Collection": Collection, "Imported": Imported, "OnProgress": OnProgress, "Found": Found,
    "Problem": Problem, "NONE": NONE, "finding_called": finding_called, "read_file_facts": read_file_facts,
    "SliceRows": SliceRows, "to_manifest": to_manifest,
}  # fmt: skip


def test_the_example_of_the_documents_reads_dicom_in_folders_by_class(
    examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    section = PAGE.read_text(encoding="utf-8").split("## Adding a collection")[1].split("\n## ")[0]
    code = "\n".join(re.findall(r"^    (.*)$|^$", section, re.MULTILINE))
    names = dict(IMPORTS)
    exec(code, names)
    files = sorted((examples / "ge_tilted_head_series").rglob("*.dcm"))
    for folder, chosen in (("subdural", files[:3]), ("normal", files[3:5]), ("unsorted", files[5:6])):
        (tmp_path / "root" / folder).mkdir(parents=True)
        for file in chosen:
            shutil.copy(file, tmp_path / "root" / folder)
    (tmp_path / "root" / "normal" / "broken.dcm").write_bytes(files[0].read_bytes()[:2000])

    # all are of one series, which a folder each names otherwise
    with pytest.raises(EmptyImportError, match="Nothing of the collection can be used"):
        names["COLLECTION"].read(tmp_path / "root", "mine", 1, lambda done, total: None)
    for folder in ("normal", "unsorted"):
        shutil.rmtree(tmp_path / "root" / folder)
    imported = names["COLLECTION"].read(tmp_path / "root", "mine", 1, lambda done, total: None)
    table = imported.manifest.table
    assert table["slice"].to_pylist() == [0, 1, 2]
    assert table["scan_subdural"].to_pylist() == table["scan_any"].to_pylist() == [1, 1, 1]
    assert table["scan_epidural"].null_count == 3


def test_a_module_without_collection_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "unfinished.py").write_text("")
    package = hemoscope.datasets.collections
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    monkeypatch.setitem(sys.modules, "hemoscope.datasets.collections.unfinished", types.ModuleType("unfinished"))
    collections.cache_clear()
    with pytest.raises(UsageError, match="unfinished in datasets/collections defines no COLLECTION"):
        collections()
    monkeypatch.undo()
    collections.cache_clear()
    assert "phe-sich" in collections()
