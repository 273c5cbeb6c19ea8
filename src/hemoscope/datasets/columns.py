"""The columns of a Manifest: what each is called, its Arrow type, and what it means. Docs and tests read this table."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from hemoscope.findings import FINDING_NAMES

_LABELS = [(name, pa.int8()) for name in FINDING_NAMES]
BOX = pa.struct([("finding", pa.string()), ("xmin", pa.float32()), ("ymin", pa.float32()), ("xmax", pa.float32()),
                 ("ymax", pa.float32())])  # fmt: skip
READING = pa.struct([("reader", pa.string()), *_LABELS])


@dataclass(frozen=True)
class Column:
    """One column. `meaning` gives the unit, and what null stands for."""

    name: str
    type: pa.DataType
    meaning: str


SCAN_FINDING_NAMES: tuple[str, ...] = tuple(f"scan_{name}" for name in FINDING_NAMES)

COLUMNS: tuple[Column, ...] = (
    Column("dataset", pa.string(), "the imported dataset; never null"),
    Column("patient", pa.string(), "`namespace:id`, one name for one person over all datasets; null = unknown"),
    Column("study", pa.string(), "the study, as the collection names it; null = unknown"),
    Column("series", pa.string(), "the scan, as the collection names it; null = a loose slice"),
    Column("slice", pa.int32(), "number in the scan from 0, foot to head; null = unknown, or a scan without slices"),
    Column("sop_instance_uid", pa.string(), "what identifies the slice (RSNA 2019: `ID_...`); null = not DICOM"),
    Column("position_mm", pa.float64(), "along the slice normal, growing from foot to head; null = unknown"),
    Column("path", pa.string(), "the file, relative to the root of its dataset; null = only the labels are known"),
    Column("frame", pa.int32(), "stored number of the slice in a multi-frame file or NIfTI volume; null = one slice"),
    Column("window", pa.string(), "`level/width` in HU of an 8-bit picture; null = true HU"),
    Column("hu_low", pa.float32(), "lowest HU that is not clipped; null = that of the window, or none"),
    Column("hu_high", pa.float32(), "highest HU that is not clipped; null = that of the window, or none"),
    Column("patient_orientation", pa.string(), "of a picture, where columns and rows grow to (PS3.3 C.7.6.1.1.1),"
           " without the backslash: LA = back of the head up; null = LP, or as the file states"),
    Column("row_spacing_mm", pa.float32(), "between rows; null = unknown, or as the file states"),
    Column("column_spacing_mm", pa.float32(), "between columns; null = unknown, or as the file states"),
    *(Column(name, pa.int8(), "1 = in this slice, 0 = not, null = unknown") for name in FINDING_NAMES),
    *(Column(name, pa.int8(), "1 = in this scan, 0 = not, null = unknown") for name in SCAN_FINDING_NAMES),
    Column("scan_readings", pa.list_(READING), "each reader's own labels of the scan, {reader, six findings};"
           " null = not kept"),
    Column("split", pa.string(), "train, validation, test, or fold0 ...; null = not split"),
    Column("mask", pa.string(), "voxel mask of the slice, relative to the root; its frame is `frame`; null = none"),
    Column("boxes", pa.list_(BOX), "{finding, xmin, ymin, xmax, ymax} in pixels of the slice as displayed"
           " (row 0 anterior, column 0 the patient's right), whole pixels from xmin to before xmax; null = not drawn"),
    Column("age", pa.float32(), "years; null = unknown"),
    Column("sex", pa.string(), "F or M; null = unknown"),
    Column("scanner", pa.string(), "manufacturer and model; null = unknown"),
    Column("thickness_mm", pa.float32(), "slice thickness; null = unknown"),
)  # fmt: skip

COLUMN_NAMES: tuple[str, ...] = tuple(column.name for column in COLUMNS)
SCHEMA = pa.schema([(column.name, column.type) for column in COLUMNS])
