"""What files of any kind say of the slices that they hold: DICOM headers, NIfTI volumes, pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from hemoscope.ct.inputs import InputFile
from hemoscope.ct.sniff import sniff
from hemoscope.ct.windows import Window
from hemoscope.datasets.collection import OnProgress
from hemoscope.datasets.importing.headers import NORMAL, POSITION, scan_headers
from hemoscope.datasets.importing.picture_rows import unusable_pictures
from hemoscope.datasets.importing.slice_order import order_slices
from hemoscope.datasets.importing.volume_facts import VolumeFile, read_volume_facts
from hemoscope.datasets.parallel import in_processes

# What is taken from DICOM headers where a table does not say it.
OF_HEADERS = ("sop_instance_uid", "patient", "study", "series", "thickness_mm", "age", "sex", "scanner")


@dataclass(frozen=True, eq=False)
class FileFacts:
    """rows: one a slice of each file, with `path`, `kind` (as sniffed), `frame`, `frames` (how many the file holds) and
    what is known in columns of a Manifest. unusable: {path: why it cannot be read as CT slices}."""

    rows: pd.DataFrame
    unusable: Mapping[str, str]


def read_file_facts(root: Path, windows: Mapping[str, str | None], jobs: int, on_progress: OnProgress) -> FileFacts:
    """Read what files say of their slices.

    windows: {path from the root on: the window that a picture or a volume of grey levels shows}.
    """
    kinds = {path: sniff(InputFile(root / path, path, 0)) for path in windows}
    unusable = {path: f"{path} is not DICOM, NIfTI, PNG or JPEG." for path, kind in kinds.items() if kind is None}
    pictures = [path for path, kind in kinds.items() if kind == "picture"]
    unusable |= unusable_pictures(root, pictures, on_progress)
    parts = [pd.DataFrame({"path": [path for path in pictures if path not in unusable], "frame": 0, "frames": 1})]
    parts.append(_of_volumes(root, {path: windows[path] for path in kinds if kinds[path] == "nifti"}, unusable, jobs))
    dicom = [path for path, kind in kinds.items() if kind == "dicom"]
    if dicom:
        parts.append(_of_dicom(root, dicom, unusable, jobs, on_progress))
    rows = pd.concat([part.astype(object) for part in parts], ignore_index=True)
    return FileFacts(rows.assign(kind=rows["path"].map(kinds)), unusable)


def _of_volumes(root: Path, windows: Mapping[str, str | None], unusable: dict[str, str], jobs: int) -> pd.DataFrame:
    volumes = [VolumeFile(root, path, Window.from_text(text) if text else None) for path, text in windows.items()]
    rows = []
    for facts in in_processes(read_volume_facts, volumes, jobs):
        if facts.error:
            unusable[facts.path] = facts.error
        for number, (frame, position) in enumerate(zip(facts.frames, facts.positions_mm, strict=True)):
            scale = (facts.window, facts.hu_low, facts.hu_high)
            rows.append((facts.path, frame, len(facts.frames), facts.path, number, position, *scale))
    names = ("path", "frame", "frames", "series", "slice", "position_mm", "window", "hu_low", "hu_high")
    return pd.DataFrame(rows, columns=list(names), dtype=object)


def _of_dicom(
    root: Path, paths: Iterable[str], unusable: dict[str, str], jobs: int, on_progress: OnProgress
) -> pd.DataFrame:
    table, found = scan_headers(root, list(paths), jobs, on_progress)
    unusable |= {one.item: one.detail for one in found}
    positions, normals = (np.stack([table[name].to_numpy() for name in names], axis=1) for names in (POSITION, NORMAL))
    order = order_slices(table["series"].combine_chunks(), positions, normals)
    facts = table.select(["path", "frame", "frames", *OF_HEADERS]).to_pandas()
    numbers = np.where(np.ma.getmaskarray(order.slice), np.nan, order.slice.data)
    return facts.assign(slice=numbers, position_mm=order.position_mm)
