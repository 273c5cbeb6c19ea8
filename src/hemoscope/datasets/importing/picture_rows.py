"""What importers of 8-bit pictures share: the window that the pictures show, and whether the files are pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from hemoscope.ct.inputs import InputFile
from hemoscope.ct.picture_file import picture_shape
from hemoscope.ct.sniff import sniff
from hemoscope.datasets.collection import OnProgress, Option
from hemoscope.datasets.importing.sieve import missing_files
from hemoscope.datasets.importing.slice_rows import SliceRows
from hemoscope.datasets.problems import Found, Problem
from hemoscope.reasons import HemoscopeError

PROGRESS_EVERY = 500  # files
PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg"})
WINDOW_OPTION = Option(
    "--window", "The display window in HU that every 8-bit picture shows: black is its low end, white its high end;"
    " 77.5/255 where HU = value - 50.", metavar="LEVEL/WIDTH",
)  # fmt: skip


def check_pictures(slices: SliceRows, root: Path, on_progress: OnProgress) -> None:
    """Keep out rows whose picture is not there or cannot be read, by its header alone."""
    paths = slices.text("path")
    slices.sieve.report(paths.isna().to_numpy(), Problem.BAD_ROW, "It names no file.")
    missing = missing_files(root, paths.fillna("").tolist())
    slices.sieve.report(missing, Problem.MISSING_FILE, [f"There is no {path} below the root." for path in paths])
    unusable = unusable_pictures(root, paths[slices.sieve.kept].unique(), on_progress)
    slices.sieve.found += [Found(Problem.UNREADABLE_FILE, path, sentence) for path, sentence in unusable.items()]
    slices.sieve.kept &= ~paths.isin(list(unusable)).to_numpy()


def use_masks(slices: SliceRows, root: Path, mask_values: Mapping[int, str]) -> None:
    """Keep the column of masks where their values are explained; keep out rows whose mask is not there."""
    masks = slices.text("mask")
    if masks.isna().all():
        return
    if not mask_values:
        slices.rows["mask"] = None
        slices.remarks.append("The masks are not used: say with --values what their values stand for.")
        return
    missing = masks.notna().to_numpy() & missing_files(root, masks.fillna("").tolist())
    slices.sieve.report(missing, Problem.MISSING_FILE, "Its mask is not there.")


def unusable_pictures(root: Path, paths: Iterable[str], on_progress: OnProgress) -> dict[str, str]:
    """Which files are no 8-bit pictures of a slice, and why not."""
    unusable: dict[str, str] = {}
    listed = list(paths)
    for done, path in enumerate(listed, 1):
        try:
            file = InputFile(root / path, path, (root / path).stat().st_size)
            if sniff(file) == "picture":
                picture_shape(file)
            else:
                unusable[path] = f"{path} is neither PNG nor JPEG."
        except HemoscopeError as error:
            unusable[path] = error.sentence
        except OSError as error:
            unusable[path] = f"{path} cannot be read: {error.strerror}."
        if done % PROGRESS_EVERY == 0 or done == len(listed):
            on_progress(done, len(listed))
    return unusable


def pictures_below(folder: Path) -> list[Path]:
    """The files in a folder and its subfolders that are named like pictures, sorted."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file())
