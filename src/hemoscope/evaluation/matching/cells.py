"""The cells of a CSV table as text: what they mean is judged by who reads them."""

from __future__ import annotations

import codecs
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv

from hemoscope.reasons import UsageError

DELIMITERS = ",;\t"  # of spreadsheets in several languages
UNKNOWN_CELLS = ("", "NA", "NaN", "nan", "null")
LOOKED_AT = 4096  # bytes, to tell a table from a binary file
NOT_IN_TEXTS = bytes(sorted(set(range(32)) - set(b"\t\n\v\f\r\x1a")))
FIRST_ROW = 2  # of the data, as spreadsheets count: the names of the columns are in row 1


def read_cells(path: Path) -> pa.Table:
    """Read a CSV whose cells are all text, null where one is empty; raises UsageError where it is none.

    The separator is the one of DELIMITERS that the first row has most of.
    """
    try:
        _check_text(path)
        with path.open(encoding="utf-8-sig", newline="") as stream:
            header = stream.readline()
        delimiter = max(DELIMITERS, key=header.count)
        parse = pacsv.ParseOptions(delimiter=delimiter, newlines_in_values=True, ignore_empty_lines=False)
        with pacsv.open_csv(path, parse_options=parse) as reader:
            columns = reader.schema.names
        _check_header(path, columns)
        table = pacsv.read_csv(
            path,
            parse_options=parse,
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()),
                null_values=list(UNKNOWN_CELLS),
                strings_can_be_null=True,
            ),
        )
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not in UTF-8: save it as 'CSV UTF-8'.") from error
    except FileNotFoundError:
        raise UsageError(f"There is no table {path}.") from None
    except (OSError, pa.ArrowException) as error:
        raise UsageError(f"{path} cannot be read as a CSV table: {str(error).splitlines()[0]}") from error
    if not table.num_rows:
        raise UsageError(f"{path} has no rows.")
    return table


def _check_text(path: Path) -> None:
    """Raise UsageError for a folder and for a file that is no text, whatever its encoding."""
    if path.is_dir():
        raise UsageError(f"{path} is a folder, not a table.")
    with path.open("rb") as stream:
        start = stream.read(LOOKED_AT)
    is_utf16 = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if not is_utf16 and len(start.translate(None, NOT_IN_TEXTS)) < len(start):
        raise UsageError(f"{path} is not a CSV table.")


def _check_header(path: Path, columns: list[str]) -> None:
    plain = [name.strip().lower() for name in columns]
    repeated = next((name for name in plain if plain.count(name) > 1), None)
    if repeated is not None:
        raise UsageError(f"{path} names the column '{repeated}' twice (letter case does not count).")
