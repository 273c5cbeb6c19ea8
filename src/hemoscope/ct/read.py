"""From what the user names to scans: the one door to everything in `ct`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePath

from pydicom import Dataset

from hemoscope.ct.catalogue import find_series
from hemoscope.ct.dicom_file import sniff
from hemoscope.ct.inputs import InputFile, Inputs, Refusal
from hemoscope.ct.load import OnSlice, load
from hemoscope.ct.names import unique_name
from hemoscope.ct.nifti import read_nifti
from hemoscope.ct.options import ReadOptions
from hemoscope.ct.pictures import group_pictures, read_pictures
from hemoscope.ct.pixels import Decoded, Decoder
from hemoscope.ct.scan import Scan
from hemoscope.ct.series import Series
from hemoscope.ct.twins import Decodes
from hemoscope.ct.windows import Window
from hemoscope.reasons import HemoscopeError, Reason, Severity, UsageError

# A file of such a name that holds something else was meant to be read.
IMAGE_NAME = re.compile(r"\.(dcm|dicom|ima|nii|nii\.gz|png|jpe?g|zip)$", re.IGNORECASE)
FILES_AT_ONCE = 256  # of independent slices: bounds how many headers are kept
# Makes the function that gets the slices of the next scan as they are decoded.
OnSliceFactory = Callable[[], OnSlice]
# What it is called, and how to read it.
Source = tuple[str, Callable[[OnSlice | None], Scan]]


def read_scan(path: Path | str, window: Window | None = None, series_uid: str | None = None) -> Scan:
    """Read the one scan of a folder or file; of several series of a study the one that suits the detector is read.

    Raises HemoscopeError where there is none, and UsageError where there are several.
    """
    scan: Scan | None = None
    refused: Refusal | None = None
    for found in read_scans([Path(path)], ReadOptions(window=window, series_uid=series_uid)):
        if isinstance(found, Refusal):
            refused = refused or (found if found.reason.severity is Severity.HARD else None)
        elif scan is None:
            scan = found
        else:
            raise UsageError(f"{path} holds several scans: name one of their files or folders, or use read_scans.")
    if scan is not None:
        return scan
    if refused is not None:
        raise HemoscopeError(refused.reason, refused.detail)
    raise HemoscopeError(Reason.NOT_READABLE, f"{path} holds no scan.")


def read_scans(
    paths: Sequence[Path],
    options: ReadOptions | None = None,
    jobs: int = 1,
    on_slice_factory: OnSliceFactory | None = None,
) -> Iterator[Scan | Refusal]:
    """Read every scan of the inputs, one at a time; what is not a scan is yielded as a Refusal, nothing is lost.

    jobs: processes that decode compressed files. on_slice_factory: called before each scan is decoded, for a function
    that gets its slices as soon as they are ready; it belongs to the scan, or the refusal in its place, that is next.
    Refusals whose reason has the severity NOTE lie beside a scan and need no attention. Raises UsageError when
    `options.series_uid` is not there.
    """
    taken: set[str] = set()
    with Inputs() as inputs, Decoder(jobs) as decoder:
        files, refusals = inputs.find(paths)
        yield from refusals
        for found in _sources(files, options or ReadOptions(), decoder):
            if isinstance(found, Refusal):
                yield found
                continue
            name, read = found
            try:
                scan = read(on_slice_factory() if on_slice_factory else None)
            except HemoscopeError as error:
                yield Refusal(name, error.reason, error.sentence)
            else:
                yield replace(scan, name=unique_name(scan.name, taken))


def _sources(files: Sequence[InputFile], options: ReadOptions, decoder: Decoder) -> Iterator[Source | Refusal]:
    """Everything that may be a scan, and what is none, by what the files hold."""
    kinds = [sniff(file) for file in files]
    dicom = [file for file, kind in zip(files, kinds, strict=True) if kind == "dicom"]
    others = [file for file, kind in zip(files, kinds, strict=True) if kind is None]
    damaged = _damaged_slices(others, dicom)
    if options.independent:
        for start in range(0, len(dicom), FILES_AT_ONCE):
            yield from _dicom_sources(dicom[start : start + FILES_AT_ONCE], options, decoder)
    else:
        yield from _dicom_sources([*dicom, *(file for file in others if file in damaged)], options, decoder)
    for file in (file for file, kind in zip(files, kinds, strict=True) if kind == "nifti"):
        yield from _nifti_sources(file, options)
    yield from _picture_sources([f for f, kind in zip(files, kinds, strict=True) if kind == "picture"], options)
    roots = {_root(file) for file, kind in zip(files, kinds, strict=True) if kind is not None}
    for file in others:
        if options.independent or file not in damaged:
            beside = _root(file) in roots and not IMAGE_NAME.search(file.name)
            sentence = f"{file.name} is not DICOM, NIfTI, PNG, JPEG or a zip of these."
            yield Refusal(file.name, Reason.SET_ASIDE if beside else Reason.NOT_READABLE, sentence)


def _dicom_sources(files: Sequence[InputFile], options: ReadOptions, decoder: Decoder) -> Iterator[Source | Refusal]:
    catalogue = find_series(files, options)
    decodes: Decodes = _InOrder(decoder, catalogue.series) if options.independent else decoder
    for series in catalogue.series:
        yield series.place, partial(load, series, decodes)
    for series, why in catalogue.not_chosen:
        yield Refusal(series.place, Reason.OTHER_SERIES_CHOSEN, why)
    for series in catalogue.series:
        yield from series.set_aside
    yield from catalogue.refusals


def _nifti_sources(file: InputFile, options: ReadOptions) -> Iterator[Source | Refusal]:
    if not options.independent:
        yield file.name, lambda on_slice: _offer(read_nifti(file, options.window), on_slice)
        return
    try:
        volume = read_nifti(file, options.window)
    except HemoscopeError as error:
        yield Refusal(file.name, error.reason, error.sentence)
        return
    for index in range(len(volume.hu)):
        yield file.name, partial(_offer, _one_slice(volume, index))


def _picture_sources(files: Sequence[InputFile], options: ReadOptions) -> Iterator[Source]:
    groups = {file.name: [file] for file in files} if options.independent else group_pictures(files)
    for name, pictures in groups.items():
        label = pictures[0].name if len(pictures) == 1 else name
        yield label, partial(_read_pictures, pictures, name, options)


def _read_pictures(files: Sequence[InputFile], name: str, options: ReadOptions, on_slice: OnSlice | None) -> Scan:
    scan = read_pictures(files, name, options.window)
    return _offer(replace(scan, independent=options.independent), on_slice)


def _offer(scan: Scan, on_slice: OnSlice | None) -> Scan:
    """Hand over the slices of a scan that was read in one go."""
    for index, one in enumerate(scan.slices):
        if on_slice is not None and one.readable:
            on_slice(index, scan.hu[index], scan.pixel_spacing_mm)
    return scan


def _one_slice(scan: Scan, index: int) -> Scan:
    """One slice of a volume as a scan of its own."""
    return replace(
        scan,
        name=f"{scan.name}-{index}",
        hu=scan.hu[index : index + 1],
        slices=(scan.slices[index],),
        independent=True,
    )


class _InOrder:
    """One decoding of many files for many one-slice scans, so that decoding still runs ahead."""

    def __init__(self, decoder: Decoder, series: Sequence[Series]) -> None:
        """Series: in the order in which they will be loaded."""
        files = {one.frames[0].file: one.frames[0].file_header for one in series}
        self._files = iter(files)
        self._results = decoder.decode(files.items())
        self._file: InputFile | None = None
        self._result: Decoded

    def decode(self, requests: Iterable[tuple[InputFile, Dataset]]) -> Iterator[Decoded]:
        """The results for files that are asked for in the order of the series; frames of one file share one."""
        for file, _ in requests:
            while self._file != file:
                self._file, self._result = next(self._files), next(self._results)
            yield self._result


def _damaged_slices(others: Sequence[InputFile], dicom: Sequence[InputFile]) -> set[InputFile]:
    """Files that lie beside slices and are named like them, but hold nothing that can be read."""
    places = {_place(file) for file in dicom}
    return {file for file in others if _place(file) in places and (PurePath(file.name).suffix or file.size == 0)}


def _place(file: InputFile) -> tuple[PurePath, str]:
    path = PurePath(file.name)
    return path.parent, path.suffix.lower()


def _root(file: InputFile) -> str:
    """The input that a file came from."""
    return PurePath(file.name.split("!")[0]).parts[0]
