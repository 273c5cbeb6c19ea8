"""DICOMDIR: which files of its folder the index of a DICOM medium names (PS3.3 F, PS3.10 8)."""

from __future__ import annotations

from pathlib import Path

from hemoscope.ct.dicom_file import PARSER_ERRORS, damaged, read_header
from hemoscope.ct.inputs import InputFile
from hemoscope.reasons import HemoscopeError, Reason


def referenced_files(file: InputFile) -> list[Path]:
    """List the files that a DICOMDIR names; raises HemoscopeError where one lies outside of its folder."""
    header = read_header(file)
    try:
        records = header.get("DirectoryRecordSequence") or []
        identifiers = [record.get("ReferencedFileID") for record in records]
    except PARSER_ERRORS as error:
        raise damaged(file) from error
    folder = file.path.parent
    paths = []
    for identifier in identifiers:
        if identifier:
            parts = [identifier] if isinstance(identifier, str) else [str(part) for part in identifier]
            path = folder.joinpath(*parts)
            if not path.resolve().is_relative_to(folder.resolve()):
                sentence = f"{file.name} names a file outside of its own folder; give the folder instead."
                raise HemoscopeError(Reason.UNSAFE_ARCHIVE, sentence)
            paths.append(path)
    if not paths:
        raise HemoscopeError(Reason.NOT_AN_IMAGE, f"{file.name} names no files.")
    return paths
