"""Several slice networks as one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from hemoscope.networks.backbone import BackboneNetwork
from hemoscope.networks.current import Current, build
from hemoscope.networks.ensemble import Ensemble
from hemoscope.networks.initial_weights import load_initial_weights
from hemoscope.reasons import UsageError

SETTINGS = Current(backbone="test_resnet", output_stride=None, sequence="none", dropout=0.0, channels=1, members=2)


@pytest.fixture
def ensemble() -> Ensemble:
    torch.manual_seed(7)
    network = build(SETTINGS).slice_network
    assert isinstance(network, Ensemble)
    return network


@pytest.fixture
def pictures() -> Tensor:
    return torch.rand(6, 1, 64, 64, generator=torch.Generator().manual_seed(7))


def test_logits_and_maps_are_the_means_of_the_members(ensemble: Ensemble, pictures: Tensor) -> None:
    ensemble.eval()
    first, second = ensemble.members
    with torch.no_grad():
        assert (first(pictures) - second(pictures)).abs().min() > 1e-4  # their random numbers differ
        torch.testing.assert_close(ensemble(pictures), (first(pictures) + second(pictures)) / 2)
        maps = ensemble.feature_maps(pictures)
        own = [one.class_activation_maps(one.feature_maps(pictures)) for one in (first, second)]
        torch.testing.assert_close(ensemble.class_activation_maps(maps), (own[0] + own[1]) / 2)
        torch.testing.assert_close(ensemble.logits_of_places(maps).mean((2, 3)), ensemble(pictures))
    assert maps.shape[1] == ensemble.feature_count == 2 * first.feature_count


def test_in_training_each_member_learns_from_its_own_slices_alone(ensemble: Ensemble, pictures: Tensor) -> None:
    first, second = ensemble.members
    expected = torch.cat([first(pictures[:3]), second(pictures[3:])])
    logits = ensemble.train()(pictures)
    torch.testing.assert_close(logits, expected)
    logits[:3].sum().backward()
    assert all(weight.grad is not None for weight in first.parameters())
    assert all(weight.grad is None or not weight.grad.any() for weight in second.parameters())


def test_a_single_slice_leaves_a_member_out(ensemble: Ensemble, pictures: Tensor) -> None:
    assert ensemble.train()(pictures[:1]).shape == (1, 6)


def test_all_members_start_from_the_same_published_weights(ensemble: Ensemble, tmp_path: Path) -> None:
    other = build(SETTINGS).slice_network
    assert isinstance(other, Ensemble)
    torch.save(other.members[0].backbone.state_dict(), tmp_path / "weights.pth")
    load_initial_weights(ensemble, str(tmp_path / "weights.pth"))
    for member in ensemble.members:
        assert isinstance(member, BackboneNetwork)
        assert all(
            map(torch.equal, member.backbone.state_dict().values(), other.members[0].backbone.state_dict().values())
        )
    assert not torch.equal(ensemble.members[0].linear.weight, ensemble.members[1].linear.weight)


def test_no_member_is_refused() -> None:
    with pytest.raises(UsageError, match="one member or more, not 0"):
        Current(members=0)
