"""A folder of results: every file whole, and those of an earlier run replaced."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from hemoscope.report.write import RECORD, OutputError, earlier_files, write_whole


class OutputFolder:
    """Writes files into a folder that holds nothing but what Hemoscope wrote."""

    def __init__(self, folder: Path) -> None:
        """Take the folder. Raises UsageError for one that is not empty and not an earlier output."""
        self.folder = folder
        self._earlier = earlier_files(folder)
        self._written: set[str] = set()

    def write(self, name: str, content: bytes) -> None:
        """Write a file; name: within the folder, `tables/slices.csv` for example. Raises OutputError."""
        path = self.folder / name
        self._written.add(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Listed before it is there: a run that is stopped leaves no file that the next one takes for a stranger's
            write_whole(self.folder / RECORD, self._record())
            write_whole(path, content)
        except OSError as error:
            raise OutputError(f"{path} could not be written: {error.strerror}.") from error

    def finish(self) -> None:
        """Remove what an earlier run wrote and this one did not."""
        for name in self._earlier - self._written:
            with contextlib.suppress(OSError):  # someone else may have removed it
                (self.folder / name).unlink()
        self._earlier = set()
        write_whole(self.folder / RECORD, self._record())

    def _record(self) -> bytes:
        return json.dumps({"hemoscope": "output", "files": sorted(self._earlier | self._written)}, indent=1).encode()
