"""Enhanced multi-frame CT: one plain header per frame, so that the rest of the program sees single slices."""

from __future__ import annotations

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset

PER_FRAME = "PerFrameFunctionalGroupsSequence"
SHARED = "SharedFunctionalGroupsSequence"

# Functional group -> what it says of a frame (PS3.3 C.7.6.16.2 and C.8.15.3).
FUNCTIONAL_GROUPS = {
    "PixelMeasuresSequence": ("PixelSpacing", "SliceThickness"),
    "PlanePositionSequence": ("ImagePositionPatient",),
    "PlaneOrientationSequence": ("ImageOrientationPatient",),
    "PixelValueTransformationSequence": ("RescaleIntercept", "RescaleSlope", "RescaleType"),
    "CTImageFrameTypeSequence": ("FrameType",),
    "CTReconstructionSequence": ("ConvolutionKernel",),
    "CTXRayDetailsSequence": ("KVP",),
}


def frame_headers(header: Dataset) -> tuple[Dataset, ...]:
    """Give each frame a header of its own, with the attributes of its functional groups at the top level.

    A header without functional groups is its own and only frame header.
    """
    frames = header.get(PER_FRAME)
    if not frames:
        return (header,)
    shared = (header.get(SHARED) or [Dataset()])[0]
    common = Dataset()
    common.update(header)
    for keyword in (PER_FRAME, SHARED):
        common.pop(keyword, None)
    return tuple(_flatten(header.file_meta, common, shared, frame) for frame in frames)


def _flatten(file_meta: FileMetaDataset, common: Dataset, shared: Dataset, frame: Dataset) -> Dataset:
    flat = Dataset()
    flat.file_meta = file_meta
    flat.update(common)
    for groups in (shared, frame):
        for macro, keywords in FUNCTIONAL_GROUPS.items():
            for item in groups.get(macro) or ():
                flat.update({item[keyword].tag: item[keyword] for keyword in keywords if keyword in item})
    return flat
