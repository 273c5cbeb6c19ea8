"""A folder of results holds whole files of one run and nothing of anybody else's is touched."""

from __future__ import annotations

import pytest

from hemoscope.evaluation.output_folder import OutputFolder
from hemoscope.reasons import UsageError


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_later_run_replaces_and_removes_what_an_earlier_one_wrote(tmp_path):
    first = OutputFolder(tmp_path / "out")
    first.write("tables/a.csv", b"1")
    first.write("b.json", b"1")
    first.finish()
    second = OutputFolder(tmp_path / "out")
    second.write("b.json", b"2")
    second.finish()
    assert names(tmp_path / "out") == [".hemoscope-output.json", "b.json"]
    assert (tmp_path / "out/b.json").read_bytes() == b"2"


def test_a_run_that_was_stopped_does_not_lock_its_folder(tmp_path):
    stopped = OutputFolder(tmp_path)
    stopped.write("tables/a.csv", b"1")  # and no finish
    again = OutputFolder(tmp_path)
    again.write("b.csv", b"2")
    again.finish()
    assert names(tmp_path) == [".hemoscope-output.json", "b.csv"]


def test_a_folder_with_files_of_others_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(UsageError, match="already holds files that Hemoscope did not write"):
        OutputFolder(tmp_path)
