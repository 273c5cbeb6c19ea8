"""What the slices and scans of a Manifest may be called by those who predict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hemoscope.ct.names import hashed_name, safe_name
from hemoscope.datasets.manifest import Manifest
from hemoscope.report.names import hashed

Names = NDArray[Any]  # text, None where there is none


@dataclass(frozen=True, eq=False)
class Targets:
    """The names of a Manifest's rows and scans, each kind made when it is first needed."""

    manifest: Manifest

    @cached_property
    def keys(self) -> Names:
        """`dataset/path#frame` of each row."""
        return texts(self.manifest.keys)

    @cached_property
    def uids(self) -> Names:
        """The SOP instance UID of each row."""
        return texts(self.manifest.table["sop_instance_uid"])

    @cached_property
    def hashed_uids(self) -> Names:
        """The SOP instance UID of each row as outputs without identifiers have it."""
        return _each(hashed, self.uids.tolist())

    @cached_property
    def files(self) -> Names:
        """The path of each row whose file holds one slice."""
        files = pd.DataFrame({"dataset": texts(self.manifest.table["dataset"]), "path": self._paths})
        in_volume = files.duplicated(keep=False)
        return np.asarray(files["path"].mask(in_volume, None), object)

    @cached_property
    def scan_of(self) -> NDArray[np.int64]:
        """The number of the scan of each row."""
        return np.asarray(self.manifest.scans.dictionary_encode().indices, np.int64)

    @cached_property
    def first_rows(self) -> NDArray[np.int64]:
        """A row of each scan, by the number of the scan."""
        return np.unique(self.scan_of, return_index=True)[1]

    @cached_property
    def slices(self) -> NDArray[np.int64]:
        """The number of each row's slice in its scan, -1 where unknown."""
        return np.asarray(pc.fill_null(self.manifest.table["slice"], -1), np.int64)

    @property
    def of_scans(self) -> Sequence[tuple[str, Callable[[], Names]]]:
        """The ways to call a scan, the surest first: (way, the name of each scan)."""
        scans = self.manifest.table.select(["series", "study"]).take(self.first_rows)
        return (
            ("name of the scan in the Manifest", lambda: texts(self.manifest.scans)[self.first_rows]),
            ("series", lambda: texts(scans["series"])),
            ("hashed series", lambda: _each(hashed_name, scans["series"].to_pylist())),
            ("file of the volume", lambda: _each(safe_name, self._volumes())),
            ("study", lambda: texts(scans["study"])),
        )

    @cached_property
    def _paths(self) -> Names:
        return texts(self.manifest.table["path"])

    def _volumes(self) -> list[str | None]:
        """The file of each scan that is kept in one."""
        paths = pd.Series(self._paths)
        counts = paths.groupby(self.scan_of).nunique()
        return [path if count == 1 else None for path, count in zip(paths[self.first_rows], counts, strict=True)]


def texts(column: pa.Array | pa.ChunkedArray) -> Names:
    """Strings as objects, None where null."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return np.asarray(whole.to_numpy(zero_copy_only=False), object)


def _each(name_of: Callable[[str], str], names: Sequence[str | None]) -> Names:
    return np.array([None if name is None else name_of(name) for name in names], object)
