"""Weights that a network starts from: those its paper took, from a file or a hub. Random ones only where asked for."""

from __future__ import annotations

import pickle
import urllib.request
from pathlib import Path
from typing import Any

import huggingface_hub
import timm
import torch
from effdet import EfficientDet
from huggingface_hub.constants import ENDPOINT, is_offline_mode
from safetensors import SafetensorError
from timm.models import adapt_input_conv, load_state_dict
from torch import Tensor, nn

from hemoscope.networks.system import SliceNetwork
from hemoscope.reasons import UsageError

FILE_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
OTHER_TASK = ("fc.", "classifier.", "head.", "class_net.", "box_net.")  # layers for the classes of natural pictures
PATIENCE = 5.0  # seconds that a hub has to answer at all
REMEDY = "give a file in `initial_weights`, or write `random` there to train from random weights"


def load_initial_weights(network: SliceNetwork, source: str) -> None:
    """Fill the backbone of a slice network.

    source: `imagenet`, the weights that the paper took (of `current`, those that timm prefers); another tag of timm's
    hub for the same backbone; a file (.safetensors or .pth, with the names of timm, torchvision or effdet); or
    `random`, which changes nothing. A network of several parts takes `part=source, part=source`. The classifier of
    natural pictures is left out, and the first layer is adapted to the network's channels (timm).

    Raises UsageError where there is no such file or tag, where the hub is not reached, and where weights do not fit.
    """
    if source == "random":
        return
    parts = {name: part for name, part in network.named_children() if _is_published(part)}
    if not parts:
        raise UsageError(
            "The network was never trained on other pictures, so no initial weights fit: write `random` in "
            "`initial_weights`."
        )
    for name, wanted in _sources(source, list(parts)).items():
        if wanted != "random":
            _load(parts[name], wanted)


def _is_published(part: nn.Module) -> bool:
    return isinstance(part, EfficientDet) or hasattr(part, "pretrained_cfg")


def _sources(source: str, parts: list[str]) -> dict[str, str]:
    """What each part starts from."""
    if "=" not in source:
        if len(parts) > 1 and source != "imagenet":
            needed = ", ".join(f"{part}=FILE" for part in parts)
            raise UsageError(
                f"The network has several parts: write `initial_weights: {needed}`, `imagenet` or `random`."
            )
        return dict.fromkeys(parts, source)
    pairs = [pair.partition("=") for pair in source.split(",")]
    named = {part.strip(): wanted.strip() for part, _, wanted in pairs}
    if set(named) != set(parts):
        raise UsageError(f"initial_weights names {', '.join(named)}; the parts are {', '.join(parts)}.")
    return named


def _load(part: Any, source: str) -> None:
    is_file = Path(source).is_file() or Path(source).suffix in FILE_SUFFIXES
    path = Path(source) if is_file else _fetched(part, source)
    weights = {key: value for key, value in _read(path).items() if not key.startswith(OTHER_TASK)}
    if not isinstance(part, EfficientDet):
        first = f"{part.pretrained_cfg['first_conv']}.weight"
        channels = part.get_parameter(first).shape[1]
        if first in weights and weights[first].shape[1:2] == (3,) and channels != 3:
            weights[first] = adapt_input_conv(channels, weights[first])
    own = part.state_dict()
    missing = [key for key in own if key not in weights and not key.endswith("num_batches_tracked")]
    wrong = [key for key, value in weights.items() if key not in own or own[key].shape != value.shape]
    if problems := missing + wrong:
        raise UsageError(
            f"The weights in {path} do not fit {_name(part)}: {len(missing)} of its layers' tensors are missing and "
            f"{len(wrong)} are other ones, first {problems[0]}; {REMEDY}."
        )
    part.load_state_dict(weights, strict=False)


def _name(part: Any) -> str:
    """As the hub has it, with the tag."""
    if isinstance(part, EfficientDet):
        return str(part.config.name)
    return f"{part.pretrained_cfg['architecture']}.{part.pretrained_cfg['tag']}"


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise UsageError(f"There is no file {path} of initial weights; {REMEDY}.")
    try:
        weights: dict[str, Tensor] = load_state_dict(str(path), use_ema=False, weights_only=True)
    except (
        OSError,
        EOFError,
        RuntimeError,
        ValueError,
        AttributeError,
        pickle.UnpicklingError,
        SafetensorError,
    ) as error:
        raise UsageError(f"The file {path} cannot be read as weights; {REMEDY}.") from error
    return weights


def _fetched(part: Any, tag: str) -> Path:
    """The file of a tag, downloaded unless that was done before."""
    if isinstance(part, EfficientDet):
        if tag != "imagenet":
            raise UsageError(f"There are no weights '{tag}' of {_name(part)}, only `imagenet`; {REMEDY}.")
        return _downloaded(part.config.url, _name(part))
    name = _name(part) if tag == "imagenet" else f"{part.pretrained_cfg['architecture']}.{tag}"
    try:
        published: Any = timm.get_pretrained_cfg(name)
    except RuntimeError as error:
        raise UsageError(f"timm has no weights '{tag}' of {_name(part)}; {REMEDY}.") from error
    hub_id = published.hf_hub_id
    known = huggingface_hub.try_to_load_from_cache(hub_id, "model.safetensors")
    if isinstance(known, str):
        return Path(known)
    try:
        if not is_offline_mode():
            _reach(ENDPOINT)
        return Path(huggingface_hub.hf_hub_download(hub_id, "model.safetensors"))
    except OSError as error:
        raise _unreachable(name) from error


def _downloaded(url: str, name: str) -> Path:
    path = Path(torch.hub.get_dir(), "checkpoints", url.rsplit("/", 1)[-1])
    if path.is_file():
        return path
    try:
        if is_offline_mode():
            raise ConnectionError("HF_HUB_OFFLINE is set")
        _reach(url)
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), progress=False)
    except OSError as error:
        raise _unreachable(name) from error
    return path


def _reach(url: str) -> None:
    """Raise OSError at once where there is no way to a hub: the hub's own client tries again for a minute."""
    urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=PATIENCE).close()


def _unreachable(name: str) -> UsageError:
    return UsageError(f"The weights {name} are not on this machine and their hub cannot be reached; {REMEDY}.")
