"""A recipe: everything that decides a training run, as typed data read from YAML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PositiveInt, ValidationError, model_validator

from hemoscope.ct.prepare import Framing
from hemoscope.ct.windows import Window
from hemoscope.datasets.augment.sets import Augmentation, OneOfFour, augmentation_from
from hemoscope.findings import FINDING_NAMES
from hemoscope.reasons import UsageError

PositiveFloat = Annotated[float, Field(gt=0)]


class Part(BaseModel):
    """A part of a recipe: no key but those below, nothing changed after it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Input(Part):
    """How slices become pictures; export writes the same into the bundle.

    size, framing: those of the slice store: rows and columns, the whole slice or cut to the head. windows: level/width
    in HU, a channel each. neighbours: slices either side that are further channels. maximum_filter: over so many slices
    and so many pixels (Patel 2019, III-C).
    """

    size: PositiveInt
    windows: Annotated[tuple[str, ...], Field(min_length=1)]
    framing: Framing = "whole"
    neighbours: Annotated[int, Field(ge=0)] = 0
    maximum_filter: tuple[PositiveInt, PositiveInt] = (1, 1)

    @model_validator(mode="after")
    def _check(self) -> Input:
        for text in self.windows:
            Window.from_text(text)
        if self.size % self.maximum_filter[1]:
            raise UsageError(f"input.size {self.size} is no multiple of the maximum filter's {self.maximum_filter[1]}.")
        if self.neighbours and self.maximum_filter[0] > 1:
            raise UsageError("A maximum filter over slices leaves no neighbours: set one of them only.")
        return self

    @property
    def display_windows(self) -> tuple[Window, ...]:
        """The windows, each a level and a width in HU."""
        return tuple(Window.from_text(text) for text in self.windows)

    @property
    def channels(self) -> int:
        """Of a picture: windows within slices."""
        return len(self.windows) * (2 * self.neighbours + 1)


class Optimizer(Part):
    """What changes the weights. learning_rate: one for all, or one for each epoch."""

    name: Literal["adam", "adamw", "rmsprop"] = "adam"
    learning_rate: PositiveFloat | tuple[PositiveFloat, ...]
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    schedule: Literal["constant", "one_cycle"] = "constant"
    clip_gradient: PositiveFloat | None = None  # largest norm


class Sampling(Part):
    """Which slices or scans an epoch shows.

    all: each once. positive: those with one of the findings; only such are held out, too. balanced: the positive ones
    and as many negative ones (all where there are fewer), drawn anew each epoch. weighted: drawn with replacement:
    datasets by `shares`, within each half positive, patients and rare findings evened out.
    """

    kind: Literal["all", "positive", "balanced", "weighted"] = "all"
    shares: Mapping[str, PositiveFloat] = {}


class Loss(Part):
    """Binary cross-entropy over known labels. slices, scans: weight of the labels of each.

    positive_weights: positives count negatives/positives times (Wong 2019, Table 2). finding_weights: of each finding,
    1 where not named. places: weight of the boxes of slices (training.places).
    """

    slices: Annotated[float, Field(ge=0)] = 0.0
    scans: Annotated[float, Field(ge=0)] = 0.0
    positive_weights: bool = False
    finding_weights: Mapping[str, PositiveFloat] = {}
    places: Annotated[float, Field(ge=0)] = 0.0

    @model_validator(mode="after")
    def _check(self) -> Loss:
        if not self.slices and not self.scans:
            raise UsageError("A loss needs labels: give `slices`, `scans` or both a weight.")
        if unknown := set(self.finding_weights) - set(FINDING_NAMES):
            raise UsageError(f"finding_weights names {', '.join(sorted(unknown))}, which is no finding.")
        return self


class Stage(Part):
    """One stage of a training.

    trains: which part learns, the others stay as they are. Give `epochs`, or `steps` and nothing else. batch: slices
    where the slice network learns, else scans. features: what the scan network learns from: `stored`, computed once
    without augmentation, or `live`. keep: the weights that the next stage and the bundle get, of the last epoch or of
    that with the lowest validation loss. average: decay of an exponential average of the weights, which is then what is
    kept. splits: trained on instead of the recipe's; where one of them was held out, nothing is any longer.
    """

    name: str
    trains: Literal["slice_network", "scan_network", "system"]
    epochs: PositiveInt | None = None
    steps: PositiveInt | None = None
    batch: PositiveInt
    optimizer: Optimizer
    loss: Loss
    augmentation: Mapping[str, Any] = {"set": "none"}
    sampling: Sampling = Sampling()
    features: Literal["stored", "live"] = "live"
    keep: Literal["last", "best"] = "last"
    average: Annotated[float, Field(gt=0, lt=1)] | None = None
    splits: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _check(self) -> Stage:
        augmentation_from(self.augmentation)
        rates = self.optimizer.learning_rate
        if (self.epochs is None) == (self.steps is None):
            raise UsageError(f"The stage {self.name} needs either `epochs` or `steps`.")
        if isinstance(rates, tuple) and (len(rates) != self.epochs or self.optimizer.schedule != "constant"):
            raise UsageError(
                f"The stage {self.name} has {len(rates)} learning rates: give one an epoch, and no schedule."
            )
        if self.sampling.kind == "weighted" and self.steps is None:
            raise UsageError(f"The stage {self.name} draws slices with weights: give `steps`, as it has no epochs.")
        if self.trains == "slice_network" and self.loss.scans:
            raise UsageError(f"The stage {self.name} trains the slice network, which scores no scans.")
        if self.loss.places and self.trains != "slice_network":
            raise UsageError(
                f"The stage {self.name} trains the {self.trains}: `loss.places` is for a stage of the slice_network."
            )
        if self.features == "stored" and self.trains != "scan_network":
            raise UsageError(f"The stage {self.name} trains the slice network: its features cannot be stored.")
        return self

    @property
    def augmentations(self) -> Augmentation | OneOfFour:
        """The set of augmentations with its amounts."""
        return augmentation_from(self.augmentation)


class Splits(Part):
    """Names in the Manifest's column `split`: what trains, and what is held out to watch the training."""

    train: Annotated[tuple[str, ...], Field(min_length=1)] = ("train",)
    validation: tuple[str, ...] = ("validation",)

    @model_validator(mode="after")
    def _check(self) -> Splits:
        if both := set(self.train) & set(self.validation):
            raise UsageError(f"The split {', '.join(sorted(both))} cannot both train and be held out.")
        return self


class Recipe(Part):
    """Everything that decides a training run.

    network: `name` and the settings of networks.catalogue. initial_weights: of the slice network: a file, the tag of a
    hub, or `random`. scan_slices: fewest and most slices of a scan that stages with scans use. slices_at_once: see
    networks.System; 0 = all. precision: bf16 stands for the papers' mixed precision, as it needs no loss scaling.
    """

    name: str
    source: str
    seed: Annotated[int, Field(ge=0)] = 7
    input: Input
    network: Mapping[str, Any]
    initial_weights: str
    scan_slices: tuple[PositiveInt, PositiveInt] = (2, 1024)
    slices_at_once: Annotated[int, Field(ge=0)] = 0
    split: Splits = Splits()
    precision: Annotated[Literal["32", "bf16"], BeforeValidator(str)] = "32"  # a number in YAML
    compiled: bool = False
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _check(self) -> Recipe:
        names = [stage.name for stage in self.stages]
        if len(set(names)) < len(names):
            raise UsageError("Two stages of a recipe have one name; their weights would be one file.")
        if self.input.maximum_filter[0] > 1 and any(stage.features == "stored" for stage in self.stages):
            raise UsageError("Features of slices that a maximum filter joins cannot be stored: take `live` ones.")
        return self

    def teaches_slices(self, stage: int) -> bool:
        """Whether labels of slices were there when the slice network last learned, in a stage or before it.

        Else its logits mean nothing. stage: its number.
        """
        learned = [one for one in self.stages[: stage + 1] if one.trains != "scan_network"]
        return bool(learned) and learned[-1].loss.slices > 0

    def held_out(self, stage: int) -> tuple[str, ...]:
        """The splits that are held out in a stage, by its number: none once a stage was trained on one of them."""
        learned = {split for one in self.stages[: stage + 1] for split in one.splits or ()}
        return () if learned & set(self.split.validation) else self.split.validation

    @classmethod
    def read(cls, path: Path, changes: Sequence[str] = ()) -> Recipe:
        """Read a recipe; changes: `key=value`, for example `input.size=128` or `stages.0.steps=50`.

        A recipe with the key `extends` is the other file with its own keys in place; lists are replaced whole. Raises
        UsageError with the first thing that is wrong.
        """
        settings = _read_yaml(path)
        for change in changes:
            _change(settings, change)
        try:
            return cls.model_validate(settings)
        except ValidationError as error:
            raise UsageError(f"The recipe {path} is wrong: {_first(error)}.") from None
        except UsageError as error:
            raise UsageError(f"The recipe {path} is wrong: {error.sentence}") from None

    def to_yaml(self) -> str:
        """The recipe as resolved: `read` gives the same one."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=120)


def _read_yaml(path: Path, extended_by: tuple[Path, ...] = ()) -> dict[str, Any]:
    if path.resolve() in extended_by:
        raise UsageError(f"The recipe {path} extends itself.")
    try:
        settings = yaml.safe_load(path.read_text())
    except OSError as error:
        raise UsageError(f"The recipe {path} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"The recipe {path} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(settings, dict):
        raise UsageError(f"The recipe {path} is no table of keys and values.")
    if "extends" not in settings:
        return settings
    base = settings.pop("extends")
    if not isinstance(base, str):
        raise UsageError(f"`extends` in the recipe {path} is the name of another recipe beside it.")
    return _merged(_read_yaml(path.parent / base, (*extended_by, path.resolve())), settings)


def _merged(base: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Put changes into a table, table by table; `stages: {lstm: {...}}` changes the stage of that name."""
    for key, value in changes.items():
        old = base.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            base[key] = _merged(old, value)
        elif key == "stages" and isinstance(old, list) and isinstance(value, dict):
            if not all(isinstance(one, dict) for one in (*old, *value.values())):
                raise UsageError("A stage, and a change of one, is a table of keys and values.")
            named = {str(stage.get("name")): stage for stage in old}
            if unknown := set(value) - set(named):
                raise UsageError(
                    f"There is no stage {', '.join(sorted(map(str, unknown)))} to change; there is {', '.join(named)}."
                )
            base[key] = [_merged(stage, value.get(name, {})) for name, stage in named.items()]
        else:
            base[key] = value
    return base


def _change(settings: dict[str, Any], change: str) -> None:
    """Set one key, whose parts are names of keys, of stages, or numbers in a list."""
    path, sign, text = change.partition("=")
    if not sign:
        raise UsageError(f"A change of the recipe is written key=value, not '{change}'.")
    *parts, last = path.split(".")
    place: Any = settings
    try:
        for part in parts:
            place = place.setdefault(part, {}) if isinstance(place, dict) else place[_key(place, part)]
        place[_key(place, last)] = yaml.safe_load(text)
    except (AttributeError, KeyError, IndexError, TypeError, ValueError):
        raise UsageError(f"The recipe has no place '{path}' to change.") from None
    except yaml.YAMLError:
        raise UsageError(f"'{text}' is no value of YAML.") from None


def _key(place: Any, part: str) -> Any:
    """A name of a table, or the number in a list of stages, by its number or name."""
    if not isinstance(place, list):
        return part
    names = [entry.get("name") if isinstance(entry, dict) else None for entry in place]
    return names.index(part) if part in names else int(part)


def _first(error: ValidationError) -> str:
    """The first thing that is wrong, in words: the key, and what it must be."""
    found = error.errors()[0]
    place = ".".join(str(part) for part in found["loc"])
    if found["type"] == "extra_forbidden":
        return f"there is no key '{place}'"
    if found["type"] == "missing":
        return f"the key '{place}' is missing"
    message = found["msg"][0].lower() + found["msg"][1:]
    return f"{place} = {found['input']!r}: {message}"
