"""What the DICOM files of the inputs hold: the series to analyse, those not chosen, and what is no slice at all."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

from pydicom import Dataset

from hemoscope.ct.choose import choose, names_contrast
from hemoscope.ct.dicom_file import read_header
from hemoscope.ct.eligibility import check_eligible
from hemoscope.ct.frames import Frame, frames_of, text
from hemoscope.ct.inputs import InputFile, Refusal
from hemoscope.ct.options import ReadOptions
from hemoscope.ct.series import Series, build_series, independent_series, place_of
from hemoscope.reasons import Check, HemoscopeError, Reason, UsageError

# What keeps a slice of the head from being read; other reasons say that an object is no such slice.
UNREADABLE = frozenset({
    Reason.NOT_READABLE, Reason.TRANSFER_SYNTAX_UNSUPPORTED, Reason.TOO_LARGE, Reason.NO_HOUNSFIELD_UNITS,
})  # fmt: skip


@dataclass(frozen=True)
class Catalogue:
    """series: to be analysed, in the order of the inputs; not_chosen: each with one sentence why; refusals: the rest.

    Refusals of a study of which a series is analysed have the reason SET_ASIDE, all others one of their own.
    """

    series: tuple[Series, ...]
    not_chosen: tuple[tuple[Series, str], ...]
    refusals: tuple[Refusal, ...]


@dataclass(frozen=True, order=True)
class StudyKey:
    """Patient and study; the folder stands in for a missing StudyInstanceUID."""

    patient_id: str
    study: str


@dataclass(frozen=True, order=True)
class SeriesKey:
    """A series of a study; the folder stands in for a missing SeriesInstanceUID."""

    study: StudyKey
    series: str


class _Sorting:
    """The files of the inputs, sorted into series."""

    def __init__(self) -> None:
        self.frames: dict[SeriesKey, list[Frame]] = defaultdict(list)
        self.not_slices: dict[SeriesKey, list[Refusal]] = defaultdict(list)
        self.unreadable: list[Refusal] = []
        self._previous = Dataset()

    def add(self, file: InputFile) -> None:
        """Put one file where it belongs."""
        try:
            header = read_header(file)
            frames = frames_of(file, header)
        except HemoscopeError as error:
            self.unreadable.append(Refusal(file.name, error.reason, error.sentence))
            return
        share_equal(header, self._previous)
        self._previous = header
        key = _key(file, frames[0].header)
        obstacle = check_eligible(header, file.name)
        if obstacle is None:
            self.frames[key].extend(frames)
        else:
            self.not_slices[key].append(Refusal(file.name, obstacle.reason, obstacle.detail))

    def missing(self, key: SeriesKey, frames: Sequence[Frame]) -> list[Refusal]:
        """What may be slices of the series but cannot be read: its own objects, and damaged files beside its slices."""
        own = [refusal for refusal in self.not_slices.get(key, ()) if refusal.reason in UNREADABLE]
        places = {(_folder(frame.file), PurePath(frame.file.name).suffix.lower()) for frame in frames}
        return own + [
            refusal
            for refusal in self.unreadable
            if (str(PurePath(refusal.name).parent), PurePath(refusal.name).suffix.lower()) in places
        ]


def find_series(files: Sequence[InputFile], options: ReadOptions) -> Catalogue:
    """Sort DICOM files into series and choose what to analyse.

    Raises UsageError when `options.series_uid` is not among the files.
    """
    sorting = _Sorting()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="pydicom")  # of values that break the standard: very common
        for file in files:
            sorting.add(file)
    if options.independent:
        return _independent(sorting)
    candidates: dict[StudyKey, list[Series]] = {key.study: [] for key in sorting.frames}
    for key, frames in sorting.frames.items():
        try:
            series = build_series(frames, _folder(frames[0].file))
        except HemoscopeError as error:
            sorting.not_slices[key].append(Refusal(place_of(frames), error.reason, error.sentence))
        else:
            candidates[key.study].append(_with_contrast(_with_missing(series, sorting.missing(key, frames))))
    if options.series_uid is not None:
        candidates = _only(options.series_uid, candidates)
    chosen: list[Series] = []
    not_chosen: list[tuple[Series, str]] = []
    for of_study in filter(None, candidates.values()):
        best, others = choose(of_study)
        chosen.append(best)
        not_chosen.extend(others)
    analysed = {study for study, series in candidates.items() if series}
    refusals = [
        _beside(refusal) if key.study in analysed else refusal
        for key, refused in sorting.not_slices.items()
        for refusal in refused
    ]
    return Catalogue(tuple(chosen), tuple(not_chosen), (*refusals, *sorting.unreadable))


def _key(file: InputFile, header: Dataset) -> SeriesKey:
    study = StudyKey(text(header, "PatientID"), text(header, "StudyInstanceUID") or _folder(file))
    return SeriesKey(study, text(header, "SeriesInstanceUID") or _folder(file))


def share_equal(header: Dataset, other: Dataset) -> None:
    """Let a header use the elements of another that are equal: in one series most are, and memory holds them once."""
    for tag in header.keys() & other.keys():
        if header[tag].VR != "SQ" and header[tag] == other[tag]:
            header[tag] = other[tag]


def _folder(file: InputFile) -> str:
    return str(PurePath(file.name).parent)


def _independent(sorting: _Sorting) -> Catalogue:
    series, refusals = [], [refusal for refused in sorting.not_slices.values() for refusal in refused]
    for frames in sorting.frames.values():
        for frame in frames:
            try:
                series.append(_with_contrast(independent_series(frame)))
            except HemoscopeError as error:
                refusals.append(Refusal(frame.file.name, error.reason, error.sentence))
    return Catalogue(tuple(series), (), (*refusals, *sorting.unreadable))


def _only(series_uid: str, candidates: dict[StudyKey, list[Series]]) -> dict[StudyKey, list[Series]]:
    """Leave the series that was asked for."""
    asked = {study: [one for one in series if one.uid == series_uid] for study, series in candidates.items()}
    if not any(asked.values()):
        known = ", ".join(one.uid for series in candidates.values() for one in series) or "none"
        raise UsageError(f"No axial CT series {series_uid} is in the input; it holds: {known}.")
    return asked


def _with_missing(series: Series, missing: Sequence[Refusal]) -> Series:
    """Say which files may be slices of the series and could not be read."""
    if not missing:
        return series
    sentence = f"{len(missing)} files of the series, or beside its slices, cannot be read; first: {missing[0].detail}"
    return replace(series, checks=(*series.checks, Check(Reason.SLICE_UNREADABLE, sentence)))


def _with_contrast(series: Series) -> Series:
    if not names_contrast(series):
        return series
    check = Check(Reason.CONTRAST_SUSPECTED, f"The header of {series.label} names contrast medium.")
    return replace(series, checks=(*series.checks, check))


def _beside(refusal: Refusal) -> Refusal:
    return Refusal(refusal.name, Reason.SET_ASIDE, f"Not analysed: {refusal.detail}")
