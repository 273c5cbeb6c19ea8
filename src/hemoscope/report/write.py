"""Writes the outputs of a run into one folder: whole files under their names, or nothing."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path, PurePosixPath

from hemoscope.ct.inputs import Refusal
from hemoscope.detector.detection import Detection
from hemoscope.reasons import UsageError
from hemoscope.report import html, results, tables
from hemoscope.report.names import Names
from hemoscope.report.panels import overlays, slices_to_show

FORMATS = ("csv", "json", "html", "png")
# Lists the files that Hemoscope wrote into a folder: they, and only they, may be replaced or removed by a later run.
RECORD = ".hemoscope-output.json"
LONGEST_NAME = 80


class OutputError(UsageError):
    """The outputs could not be written: one sentence that says which file and why."""


class ReportWriter:
    """Writes each scan as it is done, and the tables at the end. Every file is written aside and renamed."""

    def __init__(self, folder: Path, formats: Collection[str], run: results.Run, names: Names) -> None:
        """Take the folder. Raises UsageError for one that is not empty and not an earlier output; OutputError."""
        self.folder, self.formats, self.run, self.names = folder, frozenset(formats), run, names
        self.records: list[results.Json] = []
        self._scan_rows: list[dict[str, str]] = []
        self._slice_rows: list[dict[str, str]] = []
        self._written: set[str] = set()
        self._earlier = earlier_files(folder)
        self._keep_record()

    def add(self, detection: Detection) -> None:
        """Write what belongs to one scan, into a folder of its own; where that fails, nothing of it stays."""
        files: list[str] = []
        try:
            for name, data in self._scan_files(detection):
                files.append(name)
                self._write(name, data)
        except BaseException:
            for name in files:
                self._remove(name)
            raise
        self.records.append(results.scan_record(detection, self.names, files))
        self._scan_rows.append(tables.scan_row(detection))
        self._slice_rows += tables.slice_rows(detection, self.names)

    def _scan_files(self, detection: Detection) -> Iterator[tuple[str, bytes]]:
        folder = self._scan_folder(detection.scan.name)
        if "html" in self.formats:
            yield f"{folder}/report.html", html.scan_report(detection, self.run, self.names)
        if "png" in self.formats:
            for name, picture in overlays(detection, slices_to_show(detection)):
                yield f"{folder}/{name}", picture

    def finish(self, refusals: Sequence[Refusal], seconds: dict[str, float], complete: bool = True) -> None:
        """Write the tables and the overview, and remove what an earlier run left here and this one did not replace."""
        refused = [results.refusal_record(refusal, self.names) for refusal in refusals]
        manifest = results.manifest(self.run, self.records, seconds, complete)
        if "csv" in self.formats:
            self._write("scans.csv", tables.to_csv(tables.SCAN_COLUMNS, self._scan_rows))
            self._write("slices.csv", tables.to_csv(tables.SLICE_COLUMNS, self._slice_rows))
        if "json" in self.formats:
            self._write("results.json", results.results(manifest, self.records, refused))
        if "html" in self.formats:
            self._write("index.html", html.overview(self.records, refused, self.run, manifest))
        self._remove_earlier()
        self._keep_record()

    def _scan_folder(self, name: str) -> str:
        """A folder name for a scan that no other scan of this run has."""
        plain = base = safe_name(name)
        number = 1
        while any(written.startswith(f"{plain}/") for written in self._written):
            number += 1
            plain = f"{base}_{number}"
        return plain

    def _write(self, name: str, data: bytes) -> None:
        path = self.folder / name
        self._written.add(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, data)
        except OSError as error:
            raise OutputError(f"{path} could not be written: {error.strerror}.") from error

    def _remove_earlier(self) -> None:
        for name in self._earlier - self._written:
            self._remove(name)
        self._earlier = set()

    def _remove(self, name: str) -> None:
        path = self.folder / name
        # Someone else may have removed or replaced what was written; that is theirs to do.
        with contextlib.suppress(OSError):
            path.unlink()
            path.parent.rmdir()  # fails, as it should, unless the folder of a scan is now empty

    def _keep_record(self) -> None:
        record = {"hemoscope": "output", "files": sorted(self._earlier | self._written)}
        self._write(RECORD, json.dumps(record, indent=1).encode())


def parse_formats(text: str) -> tuple[str, ...]:
    """Read a list such as "csv,html". Raises UsageError for a format that there is not."""
    chosen = tuple(dict.fromkeys(part.strip().lower() for part in text.split(",") if part.strip()))
    unknown = [name for name in chosen if name not in FORMATS]
    if unknown or not chosen:
        raise UsageError(f"--format takes a list of {', '.join(FORMATS)}, not '{text}'.")
    return chosen


def write_whole(path: Path, data: bytes) -> None:
    """Write a file under a temporary name beside it, and rename it, so that no half file is ever seen."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with aside.open("xb") as stream:
            stream.write(data)
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def safe_name(name: str) -> str:
    """A scan name as a folder name: letters, digits, "_", "-", inner dots; with a hash where that loses something."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._-")[:LONGEST_NAME]
    if plain == name != "":
        return plain
    return f"{plain or 'scan'}_{hashlib.sha256(name.encode(errors='surrogateescape')).hexdigest()[:8]}"


def earlier_files(folder: Path) -> set[str]:
    """What an earlier run wrote into `folder`. UsageError if the folder holds anything that none wrote."""
    try:
        if not folder.exists():
            return set()
        if not folder.is_dir():
            raise UsageError(f"{folder} is a file; --out needs a folder.")
        if not any(folder.iterdir()):
            return set()
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        names = [PurePosixPath(name) for name in record["files"]]
    except FileNotFoundError:
        raise UsageError(
            f"{folder} already holds files that Hemoscope did not write. Give --out a new or an empty folder."
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{folder / RECORD} is damaged. Give --out a new or an empty folder.") from error
    except OSError as error:
        raise OutputError(f"{folder} cannot be used: {error.strerror}.") from error
    # The record may have been edited: it must not make us remove files elsewhere.
    return {str(name) for name in names if not name.is_absolute() and ".." not in name.parts}
