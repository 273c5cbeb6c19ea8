"""The layout of CQ500, made of its real slices and its real table of readings."""

from __future__ import annotations

import shutil
from pathlib import Path

import pydicom

ANGIOGRAPHY = "CQ500CT0 CQ500CT0/Unknown Study/CT 4cc sec 150cc D3D on"
VERTEX = "CQ500CT0 CQ500CT0/Unknown Study/CT PLAIN THIN/CT000000.dcm"
SUBDURAL = "CQ500CT310 CQ500CT310/Unknown Study/CT 55mm Plain/CT000000.dcm"


def make_cq500(shared_data: Path, root: Path) -> Path:
    """51 + 1 slices of two series of CQ500-CT-0, and one slice of CQ500-CT-310."""
    single = shared_data / "head_ct_hu" / "single_slices"
    (root / ANGIOGRAPHY).mkdir(parents=True)
    for file in (shared_data / "head_ct_hu" / "cq500_ct0_cta_partial").glob("*.dcm"):
        shutil.copy(file, root / ANGIOGRAPHY)
    for source, target in (
        ("cq500_ct0_plain_thin_vertex.dcm", VERTEX),
        ("cq500_ct310_subdural_5mm_jpeg2000.dcm", SUBDURAL),
    ):
        (root / target).parent.mkdir(parents=True)
        shutil.copy(single / source, root / target)
    shutil.copy(shared_data / "cq500_reads" / "reads.csv", root)
    return root


def write_bhx(path: Path, slices: Path, drawn: list[tuple[str, str]]) -> Path:
    """A table as BHX has it, with boxes (of one size) of a label on real slices under `slices`."""
    lines = [",SOPInstanceUID,SeriesInstanceUID,StudyInstanceUID,data,labelName,labelType"]
    for number, (file, label) in enumerate(drawn):
        header = pydicom.dcmread(slices / file, stop_before_pixels=True)
        uids = f"{header.SOPInstanceUID},{header.SeriesInstanceUID},{header.StudyInstanceUID}"
        box = "{'x': 100.5, 'y': 200.25, 'width': 50.25, 'height': 60.5}"
        lines.append(f'{number},{uids},"{box}",{label},handDrawn')
    path.write_text("\n".join(lines))
    return path
