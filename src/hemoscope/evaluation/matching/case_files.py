"""Cases as Parquet files, so that systems can be compared without reading predictions and Manifests again."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from hemoscope.evaluation.matching.cases import Cases, Level
from hemoscope.findings import FINDING_NAMES
from hemoscope.reasons import UsageError

NAMES = ("name", "patient", "scan")
LABELS = tuple(f"label_{name}" for name in FINDING_NAMES)
LEVEL_KEY = b"hemoscope_cases"
FILES: dict[Level, str] = {"slice": "cases_slices.parquet", "scan": "cases_scans.parquet"}


def cases_to_parquet(cases: Cases) -> bytes:
    """A row a case: `name, patient, scan`, probabilities by finding, `label_` and finding, then what else is known."""
    columns = dict(zip(NAMES, (cases.names, cases.patients, cases.scans), strict=True))
    columns |= dict(zip(FINDING_NAMES, cases.probabilities.T, strict=True))
    columns |= dict(zip(LABELS, cases.labels.T, strict=True))
    table = pa.Table.from_pandas(pd.concat([pd.DataFrame(columns), cases.about], axis=1), preserve_index=False)
    stream = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({LEVEL_KEY: cases.level}), stream, compression="zstd")
    return stream.getvalue()


def read_cases(path: Path) -> Cases:
    """Read what `cases_to_parquet` wrote; raises UsageError where it is none."""
    try:
        table = pq.read_table(path)
    except FileNotFoundError:
        raise UsageError(f"There is no {path}: give a folder that `hemoscope evaluate` wrote.") from None
    except (OSError, pa.ArrowException) as error:
        raise UsageError(f"{path} is no Parquet file: {str(error).splitlines()[0]}") from error
    metadata = table.schema.metadata or {}
    if LEVEL_KEY not in metadata or not {*NAMES, *LABELS, *FINDING_NAMES} <= set(table.column_names):
        raise UsageError(f"{path} was not written by `hemoscope evaluate`.")
    level: Level = "scan" if metadata[LEVEL_KEY] == b"scan" else "slice"
    frame = table.replace_schema_metadata(None).to_pandas()
    names, patients, scans = (frame[name].to_numpy(object) for name in NAMES)
    labels = frame[list(LABELS)].to_numpy(np.int8)
    probabilities = frame[list(FINDING_NAMES)].to_numpy(np.float64)
    about = frame.drop(columns=[*NAMES, *LABELS, *FINDING_NAMES])
    return Cases(level, names, patients, scans, labels, probabilities, about)
