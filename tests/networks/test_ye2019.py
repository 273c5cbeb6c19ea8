"""The network and the cascade of Ye 2019."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from hemoscope.findings import ANY, FINDING_NAMES
from hemoscope.networks.patel2019 import Patel2019
from hemoscope.networks.patel2019 import build as build_patel
from hemoscope.networks.scan_logits import smooth_maximum
from hemoscope.networks.system import Answer, PooledNetwork, System
from hemoscope.networks.ye2019 import SUBTYPES, Cascade, Ye2019, YeCNN, build
from hemoscope.reasons import UsageError

TWO_TYPE = Ye2019(filters=(16, 16, 16), hidden=6)
FIVE_TYPE = replace(TWO_TYPE, findings=SUBTYPES)


@pytest.fixture
def small() -> System:
    torch.manual_seed(7)
    return build(FIVE_TYPE).eval()


def answer_of(system: System, pictures: Tensor, *lengths: int) -> Answer:
    with torch.no_grad():
        answer: Answer = system(pictures, torch.tensor(lengths))
    return answer


def test_the_cnn_ends_in_feature_maps_a_sixteenth_of_the_picture() -> None:
    cnn = YeCNN(Ye2019()).eval()
    assert cnn.feature_maps(torch.rand(1, 3, 256, 256)).shape == (1, 256, 16, 16)
    convolutions = [layer for layer in cnn.modules() if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [32, 32, 64, 64, 128, 128, 256, 256, 256, 256]


def test_as_many_parameters_as_counted_by_hand() -> None:
    widths = [3, 32, 32, 64, 64, 128, 128, 256, 256, 256, 256]
    cnn = sum(9 * a * b + 2 * b for a, b in pairwise(widths)) + 257  # convolutions, normalisations, linear layer
    gru = 2 * 3 * (256 * 128 + 128 * 128 + 2 * 128) + 257  # directions, gates, two biases; linear layer
    assert sum(parameter.numel() for parameter in build(Ye2019()).parameters()) == cnn + gru


@pytest.mark.parametrize(("settings", "findings"), [(TWO_TYPE, 1), (FIVE_TYPE, 5)])
@pytest.mark.parametrize("lengths", [(1,), (15, 80), (4, 1, 2)])
def test_any_number_of_slices_and_both_tasks(settings: Ye2019, findings: int, lengths: tuple[int, ...]) -> None:
    answer = answer_of(build(settings).eval(), torch.rand(sum(lengths), 3, 16, 16), *lengths)
    assert answer.slices is not None and answer.scans is not None
    assert answer.slices.shape == (sum(lengths), findings)
    assert answer.scans.shape == (len(lengths), findings)


def test_slice_order_matters(small: System) -> None:
    pictures = torch.rand(6, 3, 32, 32)
    order = torch.tensor([2, 0, 1, 5, 3, 4])
    first, second = answer_of(small, pictures, 6), answer_of(small, pictures[order], 6)
    assert first.slices is not None and second.slices is not None
    assert (first.slices[order] - second.slices).abs().max() > 1e-4


@pytest.mark.parametrize("training", [True, False])
def test_other_scans_of_the_batch_change_nothing_in_training_either(small: System, training: bool) -> None:
    for module in small.modules():
        module.training = training and not isinstance(module, nn.Dropout)
    pictures = torch.rand(9, 3, 32, 32)
    together = answer_of(small, pictures, 2, 6, 1)
    alone = [answer_of(small, part, len(part)) for part in pictures.split([2, 6, 1])]
    torch.testing.assert_close(together.scans, torch.cat([answer.scans for answer in alone]), atol=1e-5, rtol=0)
    torch.testing.assert_close(together.slices, torch.cat([answer.slices for answer in alone]), atol=1e-5, rtol=0)


def test_the_scan_is_the_smooth_maximum_of_its_slices(small: System) -> None:
    answer = answer_of(small, torch.rand(7, 3, 32, 32), 3, 4)
    torch.testing.assert_close(answer.scans, smooth_maximum(answer.slices, torch.tensor([3, 4]), 4.0))


@pytest.mark.parametrize("labels", ["sub_lab", "sli_lab"])
def test_every_parameter_learns_and_the_loss_falls(labels: str) -> None:
    torch.manual_seed(7)
    system = build(replace(FIVE_TYPE, dropout=0.0))
    pictures = nn.functional.interpolate(torch.rand(8, 3, 4, 4), scale_factor=8)  # that differ more than noise does
    lengths = torch.tensor([3, 5])
    slice_labels = (torch.rand(8, 5) > 0.5).float()
    scan_labels = torch.stack([scan.amax(0) for scan in slice_labels.split([3, 5])])
    optimizer = torch.optim.Adam(system.parameters(), 3e-3)
    losses: list[float] = []
    for _ in range(60):
        answer = system(pictures, lengths)
        loss = nn.functional.binary_cross_entropy_with_logits(answer.scans, scan_labels)
        if labels == "sli_lab":
            loss = loss + nn.functional.binary_cross_entropy_with_logits(answer.slices, slice_labels)
        optimizer.zero_grad()
        loss.backward()
        if not losses:
            assert [name for name, weight in system.named_parameters() if not weight.grad.abs().sum() > 0] == []
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]


def with_bias(system: System, logit: float) -> System:
    """The system with about this logit for every slice and scan."""
    assert isinstance(system.slice_network, PooledNetwork)
    nn.init.constant_(system.slice_network.linear.bias, logit)
    return system


@pytest.mark.parametrize("logit", [-9.0, 9.0])
def test_a_cascade_gives_subtypes_to_positive_scans_only(logit: float) -> None:
    two_type, five_type = with_bias(build(TWO_TYPE), logit).eval(), build(FIVE_TYPE).eval()
    pictures = torch.rand(5, 3, 32, 32)
    answer = answer_of(Cascade(two_type, five_type).eval(), pictures, 2, 3)
    bleeding, subtypes = answer_of(two_type, pictures, 2, 3), answer_of(five_type, pictures, 2, 3)
    for of_both, of_any, of_subtypes in zip(answer[:2], bleeding[:2], subtypes[:2], strict=True):
        torch.testing.assert_close(of_both[:, ANY:], of_any)
        if logit > 0:
            torch.testing.assert_close(of_both[:, :ANY], of_subtypes)
        else:
            assert of_both[:, :ANY].sigmoid().max() < 1e-8
            assert of_both.isfinite().all()


def test_each_scan_of_a_cascade_is_decided_for_itself() -> None:
    torch.manual_seed(7)
    two_type, five_type = build(TWO_TYPE).eval(), build(FIVE_TYPE).eval()
    pictures = torch.rand(5, 3, 32, 32) * torch.tensor([0.1, 0.1, 1, 1, 1])[:, None, None, None]
    scans = answer_of(two_type, pictures, 2, 3).scans
    assert scans is not None
    with_bias(two_type, two_type.slice_network.linear.bias.item() - scans.mean().item())  # between both scans
    decided = answer_of(two_type, pictures, 2, 3).scans[:, 0] >= 0
    assert decided.sum() == 1
    answer = answer_of(Cascade(two_type, five_type).eval(), pictures, 2, 3)
    assert ((answer.scans[:, :ANY] > -20).all(1) == decided).all()
    assert ((answer.slices[:, :ANY] > -20).all(1) == decided.repeat_interleave(torch.tensor([2, 3]))).all()


def test_a_probability_of_exactly_a_half_is_positive() -> None:
    two_type = with_bias(build(TWO_TYPE), 0.0).eval()
    for linear in (two_type.slice_network.linear, two_type.scan_network.linear):
        nn.init.zeros_(linear.weight)
        nn.init.zeros_(linear.bias)
    answer = answer_of(Cascade(two_type, build(FIVE_TYPE)).eval(), torch.rand(2, 3, 32, 32), 2)
    assert answer.scans[0, ANY] == 0
    assert (answer.scans[0, :ANY] > -20).all()


def test_class_activation_maps_of_a_cascade_are_those_of_its_networks() -> None:
    pictures = torch.rand(2, 3, 32, 32)
    cascade = Cascade(build(TWO_TYPE), build(FIVE_TYPE)).eval()
    both = cascade.slice_network
    maps = both.class_activation_maps(both.feature_maps(pictures))
    assert cascade.findings == FINDING_NAMES
    assert maps.shape == (2, 6, 8, 8)
    alone = both.two_type.class_activation_maps(both.two_type.feature_maps(pictures))
    torch.testing.assert_close(maps[:, ANY:], alone)
    torch.testing.assert_close(maps.mean((2, 3)) + both.linear.bias, both(pictures))


@pytest.mark.parametrize(
    ("first", "second", "sentence"),
    [
        (FIVE_TYPE, TWO_TYPE, "of the finding `any` first"),
        (TWO_TYPE, TWO_TYPE, "five subtypes second"),
        (TWO_TYPE, replace(FIVE_TYPE, channels=9), "3 and 9 channels"),
    ],
)
def test_systems_that_make_no_cascade_are_refused(first: Ye2019, second: Ye2019, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        Cascade(build(first), build(second))


def test_another_papers_system_makes_no_cascade() -> None:
    with pytest.raises(UsageError, match="two systems of ye2019"):
        Cascade(build_patel(Patel2019(size=64, first_filters=1, features=4, hidden=4)), build(FIVE_TYPE))


def test_filters_that_cannot_be_grouped_are_refused() -> None:
    with pytest.raises(UsageError, match="multiples of 16, which 24 is not"):
        Ye2019(filters=(16, 24))
