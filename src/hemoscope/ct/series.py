"""One series: its slices sorted foot to head, and what does not belong to them set aside with a reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from hemoscope.ct.acquisitions import Acquisitions, separate_acquisitions
from hemoscope.ct.describe import acquisition_of, identifiers_of, tilt_notes
from hemoscope.ct.frames import Frame, text
from hemoscope.ct.geometry import positions_along_normal, same_geometry
from hemoscope.ct.inputs import Refusal
from hemoscope.ct.names import UNNAMED, hashed_name, natural_key
from hemoscope.ct.scan import Acquisition, Identifiers
from hemoscope.reasons import Check, HemoscopeError, Reason

MAX_VOXELS = 1 << 28  # 1,024 slices of 512 x 512: 512 MB as int16


@dataclass(frozen=True, eq=False)
class Series:
    """The slices of one scan, sorted foot to head and not decoded yet.

    frames: share one orientation, size and pixel spacing. positions_mm: along the slice normal, empty where unknown.
    twins: (index of a frame, another frame at its position), compared when they are decoded; keep_twins: those that
    differ are to be analysed too. checks: what did not pass so far. set_aside: what of the series is not used.
    """

    name: str
    uid: str
    label: str  # for messages: the description and number of the series, or its folder
    frames: tuple[Frame, ...]
    positions_mm: tuple[float, ...]
    twins: tuple[tuple[int, Frame], ...] = ()
    keep_twins: bool = False
    set_aside: tuple[Refusal, ...] = ()
    checks: tuple[Check, ...] = ()
    acquisition: Acquisition = field(default_factory=Acquisition)
    identifiers: Identifiers = field(default_factory=Identifiers)
    independent: bool = False  # one slice, a scan of its own

    @property
    def place(self) -> str:
        """Where its files are, for messages: the first one's name, and how many more."""
        return place_of(self.frames)

    @property
    def voxels(self) -> int:
        """How many voxels the scan will have."""
        rows, columns = self.frames[0].shape
        return len(self.frames) * rows * columns


def place_of(frames: Sequence[Frame]) -> str:
    """What to call slices that were not read: their first file and how many more."""
    files = sorted({frame.file.name for frame in frames}, key=natural_key)
    return files[0] if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"


def build_series(frames: Sequence[Frame], folder: str) -> Series:
    """Sort the slices of one series and keep those that form one scan.

    folder: where the files lie, for the label that the user sees. Raises HemoscopeError (NOT_AXIAL) when most
    slices are not axial.
    """
    uid = text(frames[0].header, "SeriesInstanceUID")
    placed = [frame for frame in frames if frame.plane is not None]
    kept, set_aside, checks = _largest_group(placed or frames, _same_geometry if placed else _same_shape)
    if kept[0].plane is not None:
        acquisitions, overlap_checks = _along_the_normal(kept)
        checks += overlap_checks
    else:
        kept.sort(key=lambda frame: natural_key(frame.file.name))
        acquisitions = Acquisitions(tuple(kept), ())
    if len(placed) < len(frames):
        checks.append(_no_positions(len(frames) - len(placed), len(frames)))
    set_aside += [_aside(frame, "it has no position") for frame in frames if placed and frame.plane is None]
    set_aside += [_aside(frame, "it belongs to another acquisition of the same region") for frame in acquisitions.apart]
    acquisition = acquisition_of(acquisitions.kept, acquisitions.positions_mm)
    return Series(
        name=hashed_name(uid) if uid else UNNAMED,
        uid=uid,
        label=_label(frames[0], acquisition.series_description, folder),
        frames=acquisitions.kept,
        positions_mm=acquisitions.positions_mm,
        twins=acquisitions.twins,
        keep_twins=acquisitions.repeated,
        set_aside=tuple(set_aside),
        checks=(*checks, *_aside_note(set_aside), *tilt_notes(acquisition)),
        acquisition=acquisition,
        identifiers=identifiers_of(acquisitions.kept[0]),
    )


def independent_series(frame: Frame) -> Series:
    """One slice as a series of its own, named by its file's SOPInstanceUID; raises HemoscopeError (NOT_AXIAL)."""
    name = hashed_name(f"{frame.sop_instance_uid}#{frame.number}") if frame.sop_instance_uid else None
    checks = []
    if frame.plane is None:
        sentence = f"{frame.file.name} does not state its orientation: it is shown as stored."
        checks.append(Check(Reason.ORIENTATION_UNKNOWN, sentence))
    elif not frame.plane.is_axial:
        raise _not_axial([frame], frame.file.name)
    positions = tuple(positions_along_normal([frame.plane])) if frame.plane else ()
    acquisition = acquisition_of([frame], positions)
    return Series(
        name=name or UNNAMED,
        uid=text(frame.header, "SeriesInstanceUID"),
        label=frame.file.name,
        frames=(frame,),
        positions_mm=positions,
        checks=tuple(checks),
        acquisition=acquisition,
        identifiers=identifiers_of(frame),
        independent=True,
    )


def _largest_group(
    frames: Sequence[Frame], alike: Callable[[Frame, Frame], bool]
) -> tuple[list[Frame], list[Refusal], list[Check]]:
    """Keep the largest group of frames of one geometry; others that are axial may show the head, so they count."""
    groups: list[list[Frame]] = []
    for frame in frames:
        group = next((group for group in groups if alike(group[0], frame)), None)
        if group is None:
            groups.append([frame])
        else:
            group.append(frame)
    largest = max(groups, key=len)
    if largest[0].plane is not None and not largest[0].plane.is_axial:
        raise _not_axial(largest, f"the series ({len(frames)} slices)")
    others = [frame for group in groups if group is not largest for frame in group]
    set_aside = [_aside(frame, _difference(frame)) for frame in others]
    mixed = [frame for frame in others if frame.plane is None or frame.plane.is_axial]
    if not mixed:
        return largest, set_aside, []
    sentence = (
        f"{len(mixed)} of {len(frames)} slices have another tilt, size or pixel spacing than the rest and were not"
        " analysed."
    )
    return largest, set_aside, [Check(Reason.MIXED_GEOMETRY, sentence)]


def _same_geometry(one: Frame, other: Frame) -> bool:
    return one.plane is not None and other.plane is not None and same_geometry(one.plane, other.plane)


def _same_shape(one: Frame, other: Frame) -> bool:
    return one.shape == other.shape


def _along_the_normal(frames: Sequence[Frame]) -> tuple[Acquisitions, list[Check]]:
    """Sort by the position along the slice normal (PS3.3 C.7.6.2.1.1) and separate acquisitions that overlap."""
    positions = positions_along_normal([frame.plane for frame in frames if frame.plane is not None])
    order = sorted(range(len(frames)), key=lambda i: (float(positions[i]), natural_key(frames[i].file.name)))
    acquisitions = separate_acquisitions([frames[i] for i in order], [float(positions[i]) for i in order])
    if not acquisitions.apart:
        return acquisitions, []
    sentence = (
        f"The series holds several acquisitions (told apart by {acquisitions.told_by}); {len(acquisitions.kept)} slices"
        f" of the largest were analysed, {len(acquisitions.apart)} slices of others lie beyond it."
    )
    return acquisitions, [Check(Reason.OVERLAPPING_ACQUISITIONS, sentence)]


def _not_axial(frames: Sequence[Frame], what: str) -> HemoscopeError:
    plane = frames[0].plane
    angle = f"{plane.obliquity_degrees:.0f}" if plane else "unknown"
    sentence = f"{what} lies {angle} degrees from the axial plane; give an axial series of the same study."
    return HemoscopeError(Reason.NOT_AXIAL, sentence[0].upper() + sentence[1:])


def _no_positions(count: int, total: int) -> Check:
    if count < total:
        sentence = f"{count} of {total} slices state no valid position and were not analysed."
    else:
        sentence = "The slices state no valid position: they are in the order of their file names and shown as stored."
    return Check(Reason.NO_POSITIONS, sentence)


def _difference(frame: Frame) -> str:
    if frame.plane is not None and not frame.plane.is_axial:
        return f"it lies {frame.plane.obliquity_degrees:.0f} degrees from the axial plane"
    return "its tilt, size or pixel spacing is not that of the series"


def _aside(frame: Frame, why: str) -> Refusal:
    name = frame.file.name if frame.number == 0 else f"{frame.file.name}, frame {frame.number}"
    return Refusal(name, Reason.SET_ASIDE, f"{name} was set aside: {why}.")


def _aside_note(set_aside: Sequence[Refusal]) -> tuple[Check, ...]:
    if not set_aside:
        return ()
    sentence = f"{len(set_aside)} slices were set aside; first: {set_aside[0].detail}"
    return (Check(Reason.SET_ASIDE, sentence),)


def _label(frame: Frame, description: str, folder: str) -> str:
    series_number = text(frame.header, "SeriesNumber")
    words = [f"series {series_number}" if series_number else "", f"'{description}'" if description else ""]
    return " ".join(filter(None, words)) or folder
