"""Our own network."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from timm.models import adapt_input_conv
from torch import Tensor, nn

from hemoscope.networks.backbone import BackboneNetwork
from hemoscope.networks.current import Current, SequenceNetwork, build, positions, with_deltas
from hemoscope.networks.scan_logits import smooth_maximum
from hemoscope.networks.system import Answer, System
from hemoscope.reasons import UsageError

SMALL = Current(backbone="test_efficientnet", output_stride=None, width=16, layers=2, dropout=0.0)
SEQUENCES = ["gru", "transformer"]


def trained(settings: Current) -> System:
    """A system whose last layers are no longer zero."""
    torch.manual_seed(7)
    system = build(settings).eval()
    assert isinstance(system.scan_network, SequenceNetwork)
    for layer in (system.scan_network.of_slices, system.scan_network.of_scans):
        nn.init.normal_(layer.weight)
    return system


def answer_of(system: System, features: Tensor, *lengths: int) -> Answer:
    """Of features, as the backbone's part is the same for all sequences."""
    assert system.scan_network is not None
    with torch.no_grad():
        answer: Answer = system.scan_network(features, system.slice_network.classify(features), torch.tensor(lengths))
    return answer


def features_of(system: System, count: int) -> Tensor:
    return torch.randn(count, system.slice_network.feature_count)


def backbone(settings: Current) -> BackboneNetwork:
    network = build(settings).slice_network.eval()
    assert isinstance(network, BackboneNetwork)
    return network


def test_the_default_backbone_gives_1280_maps_at_stride_16() -> None:
    with torch.device("meta"):
        network = backbone(Current(channels=9))
        pictures = torch.empty(1, 9, 256, 256)
    assert network.feature_maps(pictures).shape == (1, 1280, 16, 16)


def test_without_a_sequence_it_is_the_slice_network_alone() -> None:
    assert build(replace(SMALL, sequence="none")).scan_network is None


def test_every_channel_has_the_same_mean_and_deviation() -> None:
    network = backbone(replace(SMALL, channels=2, mean=0.4, deviation=0.2))
    torch.testing.assert_close(network.mean.flatten(), torch.tensor([0.4, 0.4]))
    torch.testing.assert_close(network.deviation.flatten(), torch.tensor([0.2, 0.2]))


def test_settings_of_the_backbone_reach_it() -> None:
    network = backbone(replace(SMALL, findings=("any",), dropout=0.4))
    assert network.findings == ("any",)
    assert network.linear.out_features == 1
    assert network.dropout.p == 0.4


@pytest.mark.parametrize("channels", [1, 3, 9])
def test_grey_pictures_keep_their_features_when_weights_for_colours_are_adapted(channels: int) -> None:
    torch.manual_seed(7)
    colours = backbone(replace(SMALL, channels=3))
    state = colours.state_dict()
    state["backbone.conv_stem.weight"] = adapt_input_conv(channels, state["backbone.conv_stem.weight"])
    adapted = backbone(replace(SMALL, channels=channels))
    adapted.load_state_dict(state)
    grey = torch.rand(2, 1, 64, 64)
    torch.testing.assert_close(
        adapted.features(grey.expand(-1, channels, -1, -1)), colours.features(grey.expand(-1, 3, -1, -1))
    )


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_an_untrained_scan_network_leaves_the_answers_as_they_are(sequence: str) -> None:
    torch.manual_seed(7)
    system = build(replace(SMALL, sequence=sequence)).eval()  # type: ignore[arg-type]
    pictures, lengths = torch.rand(7, 3, 64, 64), torch.tensor([3, 4])
    answer, logits = system(pictures, lengths), system.slice_network(pictures)
    torch.testing.assert_close(answer.slices, logits)
    torch.testing.assert_close(answer.scans, smooth_maximum(logits, lengths, SMALL.sharpness))


@pytest.mark.parametrize("sequence", SEQUENCES)
@pytest.mark.parametrize("lengths", [(1,), (40,), (3, 1, 5)])
def test_any_number_of_slices(sequence: str, lengths: tuple[int, ...]) -> None:
    system = trained(replace(SMALL, sequence=sequence))  # type: ignore[arg-type]
    answer = answer_of(system, features_of(system, sum(lengths)), *lengths)
    assert answer.slices is not None and answer.scans is not None
    assert answer.slices.shape == (sum(lengths), 6)
    assert answer.scans.shape == (len(lengths), 6)
    assert answer.slices.isfinite().all() and answer.scans.isfinite().all()


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_slice_order_matters(sequence: str) -> None:
    system = trained(replace(SMALL, sequence=sequence))  # type: ignore[arg-type]
    features, order = features_of(system, 6), torch.tensor([2, 0, 1, 5, 3, 4])
    first, second = answer_of(system, features, 6), answer_of(system, features[order], 6)
    assert (first.slices[order] - second.slices).abs().max() > 1e-2
    assert (first.scans - second.scans).abs().max() > 1e-3


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_other_scans_of_the_batch_change_nothing(sequence: str) -> None:
    system = trained(replace(SMALL, sequence=sequence))  # type: ignore[arg-type]
    features = features_of(system, 9)
    together = answer_of(system, features, 2, 6, 1)
    alone = [answer_of(system, part, len(part)) for part in features.split([2, 6, 1])]
    torch.testing.assert_close(together.slices, torch.cat([answer.slices for answer in alone]), atol=1e-5, rtol=0)
    torch.testing.assert_close(together.scans, torch.cat([answer.scans for answer in alone]), atol=1e-5, rtol=0)


def test_deltas_are_to_both_neighbours_of_the_same_scan() -> None:
    features = torch.tensor([[1.0], [4.0], [9.0], [100.0], [50.0]])
    joined = with_deltas(features, torch.tensor([3, 2]))
    expected = [[1, 0, -3], [4, 3, -5], [9, 5, 0], [100, 0, 50], [50, -50, 0]]
    torch.testing.assert_close(joined, torch.tensor(expected, dtype=torch.float32))


def test_deltas_of_a_single_slice_are_zero() -> None:
    torch.testing.assert_close(with_deltas(torch.ones(1, 2), torch.tensor([1])), torch.tensor([[1.0, 1, 0, 0, 0, 0]]))


def test_attention_pooling_is_a_weighted_average_within_each_scan() -> None:
    network = trained(SMALL).scan_network
    assert isinstance(network, SequenceNetwork)
    outputs = torch.randn(5, 16)
    pooled = network.pool(outputs, torch.tensor([2, 3]))
    for scan, answer in zip(outputs.split([2, 3]), pooled, strict=True):
        weights = network.attention(scan).softmax(0)
        torch.testing.assert_close(answer, (weights * scan).sum(0))


def test_positions_are_those_of_the_transformer_paper() -> None:
    table = positions(5, torch.zeros(1, 6))
    assert table.shape == (5, 6)
    torch.testing.assert_close(table[3, 2], torch.tensor(3 / 10_000 ** (2 / 6)).sin())
    torch.testing.assert_close(table[3, 5], torch.tensor(3 / 10_000 ** (4 / 6)).cos())


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_every_parameter_learns_and_the_loss_falls(sequence: str) -> None:
    torch.manual_seed(7)
    system = build(replace(SMALL, sequence=sequence))  # type: ignore[arg-type]
    pictures, lengths = torch.rand(8, 3, 32, 32), torch.tensor([3, 5])
    slice_labels = (torch.rand(8, 6) > 0.5).float()
    scan_labels = (torch.rand(2, 6) > 0.5).float()  # not those of the slices, so that the attention has work
    optimizer = torch.optim.Adam(system.parameters(), 3e-3)
    losses: list[float] = []
    learnt: set[str] = set()
    for _ in range(60):
        answer = system(pictures, lengths)
        loss = nn.functional.binary_cross_entropy_with_logits(answer.scans, scan_labels)
        loss = loss + nn.functional.binary_cross_entropy_with_logits(answer.slices, slice_labels)
        optimizer.zero_grad()
        loss.backward()
        learnt |= {name for name, weight in system.named_parameters() if weight.grad.abs().sum() > 0}
        optimizer.step()
        losses.append(loss.item())
    assert {name for name, _ in system.named_parameters()} == learnt  # zero last layers let nothing through at first
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"backbone": "mobilenet_v9"}, "no backbone 'mobilenet_v9'"),
        ({"sequence": "lstm"}, "gru, transformer or none, not lstm"),
        ({"width": 15}, "even"),
        ({"width": 18, "sequence": "transformer"}, "multiple of its 4 heads"),
    ],
)
def test_settings_that_cannot_be_followed_are_refused(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        Current(**settings)  # type: ignore[arg-type]


def test_a_backbone_without_the_stride_or_without_maps_is_refused() -> None:
    with pytest.raises(UsageError, match="no output_stride"):
        build(Current(backbone="mobilenetv3_small_050"))
    with pytest.raises(UsageError, match="does not end in feature maps"):
        build(Current(backbone="vit_tiny_patch16_224", output_stride=None))
