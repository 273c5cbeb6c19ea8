"""Slices that share a position: copies of one image, or several acquisitions that lie over each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from hemoscope.ct.frames import Frame, text
from hemoscope.ct.geometry import SAME_POSITION_MM
from hemoscope.ct.names import natural_key

# What tells acquisitions of one series apart, in the order in which it is asked.
ACQUISITION_KEYWORDS = ("LossyImageCompression", "AcquisitionNumber", "TemporalPositionIdentifier", "ImageType",
                        "ConvolutionKernel", "AcquisitionDateTime", "AcquisitionTime")  # fmt: skip
MAX_IMAGES_PER_POSITION = 2  # on average; more are a dynamic (perfusion) series
MIN_COVERAGE = 0.8  # of all positions: an acquisition that covers less is not the whole scan


@dataclass(frozen=True, eq=False)
class Acquisitions:
    """kept: one frame a position, in the order given; positions_mm: theirs.

    twins: frames at the position of a kept one, as (index of the kept one, frame). apart: frames of the other
    acquisitions that lie elsewhere. told_by: the keyword that separated the acquisitions, None where none did.
    repeated: nothing tells the acquisitions apart and they are not many, so every different image is to be kept.
    """

    kept: tuple[Frame, ...]
    positions_mm: tuple[float, ...]
    twins: tuple[tuple[int, Frame], ...] = ()
    apart: tuple[Frame, ...] = ()
    told_by: str | None = None
    repeated: bool = False


def separate_acquisitions(frames: Sequence[Frame], positions_mm: Sequence[float]) -> Acquisitions:
    """Keep one frame for each position. frames: sorted along positions_mm."""
    places = _places(positions_mm)
    count = places[-1] + 1
    if count == len(frames):
        return Acquisitions(tuple(frames), tuple(positions_mm))
    told_by, kept = _one_acquisition(frames, places)
    index_of_place = {places[index]: order for order, index in enumerate(kept)}
    others = sorted({*range(len(frames))} - {*kept})
    return Acquisitions(
        kept=tuple(frames[index] for index in kept),
        positions_mm=tuple(positions_mm[index] for index in kept),
        twins=tuple((index_of_place[places[i]], frames[i]) for i in others if places[i] in index_of_place),
        apart=tuple(frames[i] for i in others if places[i] not in index_of_place),
        told_by=told_by,
        repeated=told_by is None and len(frames) <= MAX_IMAGES_PER_POSITION * count,
    )


def _places(positions_mm: Sequence[float]) -> list[int]:
    """Number the distinct positions from 0; positions: sorted."""
    places, start = [0], positions_mm[0]
    for position in positions_mm[1:]:
        apart = position - start > SAME_POSITION_MM
        start = position if apart else start
        places.append(places[-1] + apart)
    return places


def _one_acquisition(frames: Sequence[Frame], places: Sequence[int]) -> tuple[str | None, list[int]]:
    """(the keyword that tells the acquisitions apart, the indices of the largest); else the first at each place."""
    for keyword in ACQUISITION_KEYWORDS:
        members: dict[str, list[int]] = defaultdict(list)
        for index, frame in enumerate(frames):
            members[text(frame.header, keyword)].append(index)
        alone = all(len({places[i] for i in indices}) == len(indices) for indices in members.values())
        largest = max(sorted(members.items(), key=lambda item: natural_key(item[0])), key=lambda item: len(item[1]))[1]
        if alone and len(largest) >= MIN_COVERAGE * (places[-1] + 1):
            return keyword, largest
    first: dict[int, int] = {}
    for index in sorted(range(len(frames)), key=lambda i: _acquisition_order(frames[i])):
        first.setdefault(places[index], index)
    return None, [first[place] for place in sorted(first)]


def _acquisition_order(frame: Frame) -> tuple[object, ...]:
    """Lossless copies first, then the earliest."""
    keywords = ("LossyImageCompression", "AcquisitionNumber", "InstanceNumber")
    return (*(natural_key(text(frame.header, keyword)) for keyword in keywords), natural_key(frame.file.name))
