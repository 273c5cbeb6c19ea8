"""What a collection is to Hemoscope: how it is found, read and described. Each file in `collections/` defines one."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module

from hemoscope.datasets.manifest import Manifest
from hemoscope.datasets.problems import Found
from hemoscope.reasons import HemoscopeError, Reason, UsageError

# Called with (done, total) while a long read goes on.
OnProgress = Callable[[int, int], None]


class EmptyImportError(HemoscopeError):
    """A collection of which no row can be used; `found` says why, row by row."""

    def __init__(self, sentence: str, found: tuple[Found, ...]) -> None:
        super().__init__(Reason.NOT_READABLE, sentence)
        self.found = found


@dataclass(frozen=True)
class Imported:
    """What reading a collection gave: its Manifest, and everything that was wrong with it.

    Raises EmptyImportError where no row of it can be used: an empty Manifest is a failure, not a result.
    """

    manifest: Manifest
    found: tuple[Found, ...] = ()
    remarks: tuple[str, ...] = ()  # sentences for the user: what was assumed, what could not be checked

    def __post_init__(self) -> None:
        if not len(self.manifest):
            why = [f" {one.item}: {one.detail}" for one in self.found if one.problem.kept_out]
            first = f" The first of {len(why):,} reasons:{why[0]}" if why else ""
            raise EmptyImportError(f"Nothing of the collection can be used.{first}", self.found)


@dataclass(frozen=True)
class Option:
    """An option of `hemoscope dataset import NAME`; `--image-dir` reaches `read` as `image_dir`.

    kind: str, int, float, or Path for one that must exist. repeat: may be given several times and is then a tuple.
    """

    flag: str
    help: str
    kind: type = str
    metavar: str = ""  # what stands for its value in the help; by default that of its kind
    required: bool = False
    repeat: bool = False


@dataclass(frozen=True)
class Collection:
    """A public collection, or a layout that many share.

    read: called as read(root: Path, name: str, jobs: int, on_progress: OnProgress, **options), returns Imported; `name`
    is that of the dataset in the Manifest. Raises UsageError where root is not the collection.
    """

    name: str  # on the command line, and the page docs/datasets/NAME.md
    title: str
    read: Callable[..., Imported]
    options: Sequence[Option] = ()


@cache
def collections() -> dict[str, Collection]:
    """Every collection that can be imported, by name: each module of `collections` defines COLLECTION.

    Raises UsageError for a module that does not.
    """
    package = import_module("hemoscope.datasets.collections")
    found: dict[str, Collection] = {}
    for module in pkgutil.iter_modules(package.__path__):
        collection = getattr(import_module(f"{package.__name__}.{module.name}"), "COLLECTION", None)
        if not isinstance(collection, Collection):
            raise UsageError(f"The module {module.name} in datasets/collections defines no COLLECTION.")
        found[collection.name] = collection
    return dict(sorted(found.items()))
