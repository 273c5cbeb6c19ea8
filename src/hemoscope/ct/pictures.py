"""PNG or JPEG pictures, rendered with a known display window, as a scan of approximate Hounsfield units."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import PurePath

import numpy as np

from hemoscope.ct.hounsfield import AIR_HU
from hemoscope.ct.inputs import InputFile
from hemoscope.ct.names import natural_key, safe_name
from hemoscope.ct.picture_file import is_lossy, picture_shape, read_grey
from hemoscope.ct.scan import Scan, Slice
from hemoscope.ct.series import MAX_VOXELS
from hemoscope.ct.windows import Window, from_grey
from hemoscope.reasons import Check, HemoscopeError, Reason


def group_pictures(files: Sequence[InputFile]) -> dict[str, list[InputFile]]:
    """Pictures by scan: those of one folder are one, in the natural order of their names."""
    folders: dict[str, list[InputFile]] = defaultdict(list)
    for file in sorted(files, key=lambda file: natural_key(file.name)):
        parent = str(PurePath(file.name).parent)
        folders[file.name if parent == "." else parent].append(file)  # a picture given by itself is one too
    return dict(folders)


def read_pictures(files: Sequence[InputFile], name: str, window: Window | None) -> Scan:
    """Read the pictures of one scan, foot to head in the order given.

    name: of the folder or file. Raises HemoscopeError without a window, when no picture can be read, and when the
    names show that the folder holds several scans.
    """
    if window is None:
        sentence = f"{name} holds pictures: say with --window LEVEL/WIDTH which display window they were rendered with."
        raise HemoscopeError(Reason.NO_HOUNSFIELD_UNITS, sentence)
    _check_one_scan(files, name)
    errors: dict[int, HemoscopeError] = {}
    shape = _common_shape(files, errors)
    if len(files) * shape[0] * shape[1] > MAX_VOXELS:
        sentence = f"{name} holds {len(files)} pictures, too many for one scan: use --independent, or a folder a scan."
        raise HemoscopeError(Reason.TOO_LARGE, sentence)
    hu = np.full((len(files), *shape), AIR_HU, np.int16)
    for index, file in enumerate(files):
        if index not in errors:
            try:
                hu[index] = from_grey(read_grey(file), window)
            except HemoscopeError as error:
                errors[index] = error
    if len(errors) == len(files):
        raise errors[0]
    return Scan(
        name=safe_name(name),
        hu=hu,
        slices=tuple(Slice(f.name, f.sha256(), readable=index not in errors) for index, f in enumerate(files)),
        window=window,
        checks=(
            _approximate(window, len(files)),
            *_skipped(files),
            *_unreadable(errors, len(files)),
            *_lossy(files, errors),
        ),
    )


def _check_one_scan(files: Sequence[InputFile], name: str) -> None:
    """Refuse names such as 049_01, 049_02, 050_01: when the same last number comes with several beginnings."""
    beginnings: dict[int, set[str]] = defaultdict(set)
    for file in files:
        numbered = _numbered(file)
        if numbered is not None:
            beginnings[numbered[1]].add(numbered[0])
    repeated = next((sorted(several) for several in beginnings.values() if len(several) > 1), None)
    if repeated is not None:
        sentence = (
            f"The pictures of {name} seem to be of several scans ({repeated[0]}..., {repeated[1]}...): give each"
            " a folder of its own, or use --independent."
        )
        raise HemoscopeError(Reason.SEVERAL_SCANS, sentence)


def _numbered(file: InputFile) -> tuple[str, int] | None:
    """The last number in the name of a file, and what stands before it."""
    match = re.fullmatch(r"(.*?)(\d{1,18})\D*", PurePath(file.name).stem)
    return (match[1], int(match[2])) if match else None


def _skipped(files: Sequence[InputFile]) -> tuple[Check, ...]:
    """Say where the numbers in the names go on by more than they usually do: pictures are missing there."""
    numbered = [_numbered(file) for file in files]
    numbers = [one[1] for one in numbered if one is not None]
    if len(numbers) < max(len(files), 3) or len({one[0] for one in numbered if one is not None}) > 1:
        return ()
    steps = np.diff(numbers)
    skips = np.flatnonzero(steps > np.median(steps)).tolist()
    if not skips:
        return ()
    first = skips[0]
    sentence = f"Pictures are missing at {len(skips)} places: after {files[first].name} comes {files[first + 1].name}."
    return (Check(Reason.GAP, sentence, tuple(sorted({j for i in skips for j in (i, i + 1)}))),)


def _common_shape(files: Sequence[InputFile], errors: dict[int, HemoscopeError]) -> tuple[int, int]:
    """The most frequent (rows, columns); adds an error for each picture that cannot be read or has another size."""
    shapes: dict[int, tuple[int, int]] = {}
    for index, file in enumerate(files):
        try:
            shapes[index] = picture_shape(file)
        except HemoscopeError as error:
            errors[index] = error
    if not shapes:
        raise errors[0]
    common = Counter(shapes.values()).most_common(1)[0][0]
    for index, (rows, columns) in shapes.items():
        if (rows, columns) != common:
            sentence = f"{files[index].name} has {rows} x {columns} pixels, the others {common[0]} x {common[1]}."
            errors[index] = HemoscopeError(Reason.MIXED_GEOMETRY, sentence)
    return common


def _approximate(window: Window, count: int) -> Check:
    sentence = (
        f"Approximate HU from {window.low:g} to {window.high:g}, restored from pictures of the window {window}; they"
        " are taken as radiological display, their pixel size is unknown"
    )
    order = ", and their names go from foot to head" if count > 1 else ""
    return Check(Reason.APPROXIMATE_HU, sentence + order + ".")


def _unreadable(errors: dict[int, HemoscopeError], count: int) -> tuple[Check, ...]:
    if not errors:
        return ()
    first = errors[min(errors)]
    sentence = f"{len(errors)} of {count} pictures could not be read: {first.sentence}"
    return (Check(Reason.SLICE_UNREADABLE, sentence, tuple(sorted(errors))),)


def _lossy(files: Sequence[InputFile], errors: dict[int, HemoscopeError]) -> tuple[Check, ...]:
    indices = tuple(index for index, file in enumerate(files) if index not in errors and is_lossy(file))
    if not indices:
        return ()
    return (Check(Reason.LOSSY, f"{len(indices)} of {len(files)} pictures are JPEG, compressed with loss.", indices),)
