"""Where the weights that a network starts from come from."""

from __future__ import annotations

import time
import urllib.error
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torchvision
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from hemoscope.networks import current, initial_weights, ye2019
from hemoscope.networks.backbone import BackboneNetwork
from hemoscope.networks.initial_weights import load_initial_weights
from hemoscope.networks.system import SliceNetwork
from hemoscope.reasons import UsageError

ZEROS_AND_ONES = ((0.0,) * 3, (1.0,) * 3)


def resnet18() -> BackboneNetwork:
    return BackboneNetwork("resnet18.tv_in1k", *ZEROS_AND_ONES).eval()


def small(channels: int) -> SliceNetwork:
    settings = current.Current(backbone="test_efficientnet", output_stride=None, channels=channels)
    return current.build(settings).slice_network.eval()


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine with empty caches and no network."""

    def refuse(*_: Any, **__: Any) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(initial_weights.huggingface_hub, "try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr("urllib.request.urlopen", refuse)


def test_a_file_with_the_names_of_torchvision_fills_the_backbone(tmp_path: Path) -> None:
    published = torchvision.models.resnet18().eval()
    torch.save(published.state_dict(), tmp_path / "resnet18.pth")
    network = resnet18()
    head = network.linear.weight.clone()
    load_initial_weights(network, str(tmp_path / "resnet18.pth"))
    pictures = torch.rand(2, 3, 64, 64)
    published.fc = nn.Identity()
    with torch.no_grad():
        torch.testing.assert_close(network.features(pictures), published(pictures))
    assert torch.equal(network.linear.weight, head)


def test_the_original_weakly_supervised_file_has_the_names_of_timm() -> None:
    """ig_resnext101_32x8-c38310e5.pth was saved from torchvision's ResNet class."""
    with torch.device("meta"):
        original = torchvision.models.resnext101_32x8d(weights=None).state_dict()
        own = timm.create_model("resnext101_32x8d.fb_wsl_ig1b_ft_in1k", num_classes=0).state_dict()
    shapes = {key: value.shape for key, value in original.items() if not key.startswith("fc.")}
    assert shapes == {key: value.shape for key, value in own.items()}


def test_half_precision_weights_without_counters_load_as_safetensors(tmp_path: Path) -> None:
    network = resnet18()
    state = {
        key: value.half() + 1
        for key, value in network.backbone.state_dict().items()  # type: ignore[union-attr]
        if not key.endswith("num_batches_tracked")
    }
    save_file(state, tmp_path / "half.safetensors")
    load_initial_weights(network, str(tmp_path / "half.safetensors"))
    loaded: Tensor = network.backbone.conv1.weight  # type: ignore[union-attr, assignment]
    assert loaded.dtype == torch.float32
    torch.testing.assert_close(loaded, state["conv1.weight"].float())


def test_the_first_layer_is_adapted_to_neighbouring_slices(tmp_path: Path) -> None:
    three, nine = small(3), small(9)
    save_file(three.backbone.state_dict(), tmp_path / "three.safetensors")  # type: ignore[union-attr]
    load_initial_weights(nine, str(tmp_path / "three.safetensors"))
    grey = torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        expected = three.features(grey.expand(-1, 3, -1, -1))
        torch.testing.assert_close(nine.features(grey.expand(-1, 9, -1, -1)), expected, atol=1e-5, rtol=1e-4)


def test_a_published_file_loads(shared_data: Path) -> None:
    network = current.build(current.Current()).slice_network
    path = shared_data.parent / "weights" / "mobilenetv2_100_imagenet.safetensors"
    load_initial_weights(network, str(path))
    loaded = network.backbone.blocks[3][0].conv_pw.weight  # type: ignore[union-attr, index]
    torch.testing.assert_close(loaded, load_file(path)["blocks.3.0.conv_pw.weight"].float())


@pytest.mark.parametrize("source", ["absent.pth", "broken.pth", "broken.safetensors", "other.pth"])
def test_a_file_that_does_not_serve_is_one_sentence_with_a_remedy(tmp_path: Path, source: str) -> None:
    (tmp_path / "broken.pth").write_bytes(b"no weights")
    (tmp_path / "broken.safetensors").write_bytes(b"no weights")
    torch.save({"conv1.weight": torch.zeros(3)}, tmp_path / "other.pth")
    network = resnet18()
    before = network.backbone.conv1.weight.clone()  # type: ignore[union-attr, operator]
    with pytest.raises(UsageError, match=r"give a file in `initial_weights`, or write `random`") as raised:
        load_initial_weights(network, str(tmp_path / source))
    assert source in raised.value.sentence
    assert torch.equal(network.backbone.conv1.weight, before)  # type: ignore[union-attr, arg-type]


def test_a_file_never_runs_code(tmp_path: Path) -> None:
    class Attack:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "ran",)

    torch.save({"conv1.weight": Attack()}, tmp_path / "attack.pth")
    with pytest.raises(UsageError, match="cannot be read"):
        load_initial_weights(resnet18(), str(tmp_path / "attack.pth"))
    assert not (tmp_path / "ran").exists()


def test_weights_of_another_resnet_do_not_fit(tmp_path: Path) -> None:
    torch.save(torchvision.models.resnet34().state_dict(), tmp_path / "resnet34.pth")
    with pytest.raises(UsageError, match=r"do not fit resnet18.tv_in1k: 0 .* first layer1.2"):
        load_initial_weights(resnet18(), str(tmp_path / "resnet34.pth"))


@pytest.mark.usefixtures("unreachable")
@pytest.mark.parametrize("source", ["imagenet", "a1_in1k"])
def test_a_hub_out_of_reach_says_so_at_once(source: str) -> None:
    network, start = resnet18(), time.monotonic()
    tag = "tv_in1k" if source == "imagenet" else source
    with pytest.raises(UsageError, match=rf"resnet18.{tag} .* cannot be reached; give a file .* or write `random`"):
        load_initial_weights(network, source)
    assert time.monotonic() - start < 5  # the hub's client alone tries for three quarters of a minute


def test_the_hubs_offline_switch_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    def called(url: str) -> None:
        raise AssertionError(f"{url} was asked")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(initial_weights, "_reach", called)
    with pytest.raises(UsageError, match="cannot be reached"):
        load_initial_weights(resnet18(), "a2_in1k")


def test_what_the_hub_gave_before_is_used_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.safetensors"
    published = torchvision.models.resnet18()
    save_file(published.state_dict(), path)
    asked: list[str] = []

    def cached(repository: str, file: str) -> str:
        asked.append(f"{repository}/{file}")
        return str(path)

    monkeypatch.setattr(initial_weights.huggingface_hub, "try_to_load_from_cache", cached)
    network = resnet18()
    load_initial_weights(network, "imagenet")
    assert asked == ["timm/resnet18.tv_in1k/model.safetensors"]
    assert torch.equal(network.backbone.conv1.weight, published.conv1.weight)  # type: ignore[union-attr, arg-type]


def test_a_tag_that_the_hub_does_not_have_is_named() -> None:
    with pytest.raises(UsageError, match="timm has no weights 'imagnet' of resnet18"):
        load_initial_weights(resnet18(), "imagnet")


def test_random_leaves_the_weights_as_they_are() -> None:
    network = resnet18()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    load_initial_weights(network, "random")
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_a_network_of_its_own_takes_only_random_weights() -> None:
    network = ye2019.build(ye2019.Ye2019(filters=(16,))).slice_network
    load_initial_weights(network, "random")
    with pytest.raises(UsageError, match="write `random`"):
        load_initial_weights(network, "imagenet")
