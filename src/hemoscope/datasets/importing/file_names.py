"""What the names of files say: patient, study, series and number of the slice, by a pattern of the user."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from hemoscope.datasets.collection import Option
from hemoscope.reasons import UsageError

NAMED = ("patient", "study", "series", "slice")
NAME_PATTERN_OPTION = Option(
    "--name-pattern", "A regular expression that finds patient, study, series and number of the slice in the path of a"
    r" file, for example 'ID_(?P<patient>\w+)_ID_(?P<study>\w+)'.", metavar="REGEX",
)  # fmt: skip


def read_names(pattern: str, paths: Sequence[str]) -> pd.DataFrame:
    """The columns that a pattern names, a row a path; raises UsageError where it is none or fits no path.

    Text is None and the number of the slice NaN where the pattern does not fit the path.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise UsageError(f"--name-pattern is no regular expression: {error}.") from error
    groups = compiled.groupindex
    if not groups or set(groups) - set(NAMED):
        raise UsageError(f"--name-pattern needs groups (?P<name>...) named {', '.join(NAMED)}; it has {list(groups)}.")
    matches = [compiled.search(path) for path in paths]
    if paths and not any(matches):
        raise UsageError(f"--name-pattern fits no file; the first is {paths[0]}.")
    columns: dict[str, list[object]] = {name: [match[name] if match else None for match in matches] for name in groups}
    if "slice" in columns:
        columns["slice"] = [
            float(text) if isinstance(text, str) and text.isdecimal() else None for text in columns["slice"]
        ]
    return pd.DataFrame(columns, dtype=object)
