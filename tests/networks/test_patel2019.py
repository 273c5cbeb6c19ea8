"""The network of Patel 2019 against section III and Figure 2 of the paper."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from hemoscope.networks.patel2019 import Patel2019, PatelCNN, PatelLSTM, build
from hemoscope.networks.system import System
from hemoscope.reasons import UsageError

SMALL = Patel2019(size=64, first_filters=2, features=12, hidden=10)


@pytest.fixture
def small() -> System:
    torch.manual_seed(7)
    return build(SMALL).eval()


def scan_logits(system: System, pictures: Tensor, *lengths: int) -> Tensor:
    scans = system(pictures, torch.tensor(lengths)).scans
    assert scans is not None
    return scans


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_unpadded_convolutions_and_six_poolings_take_256_to_exactly_one() -> None:
    picture, sides, filters = torch.zeros(1, 1, 256, 256), [], []
    for layer in PatelCNN(Patel2019()).convolutions:
        picture = layer(picture)
        if isinstance(layer, nn.MaxPool2d):
            sides.append(tuple(picture.shape[2:]))
        elif isinstance(layer, nn.Conv2d):
            filters.append(picture.shape[1])
            assert layer.kernel_size == (3, 3)
    assert sides == [(126, 126), (61, 61), (28, 28), (12, 12), (4, 4), (1, 1)]
    assert filters == [16, 32, 32, 64, 64, 128, 128, 256, 256, 512, 1024]


@pytest.mark.parametrize("size", [256, 128, 64])
def test_every_size_that_is_allowed_ends_in_one_vector_a_slice(size: int) -> None:
    cnn = PatelCNN(Patel2019(size=size, first_filters=1)).eval()
    assert cnn.convolutions(torch.zeros(2, 1, size, size)).shape[2:] == (1, 1)
    assert cnn.features(torch.zeros(2, 1, size, size)).shape == (2, 512)


def test_as_many_parameters_as_counted_by_hand() -> None:
    widths = [1, 16, 32, 32, 64, 64, 128, 128, 256, 256, 512, 1024]
    convolutions = sum(9 * a * b + b for a, b in pairwise(widths))
    dense = (1024 + 1) * 512 + (512 + 1) * 512
    softmax = (512 + 1) * 2
    lstm = 2 * 2 * 4 * (512 * 512 + 512 * 512 + 512 + 512)  # layers, directions, gates; PyTorch's two biases
    system = build(Patel2019())
    assert parameters(system.slice_network) == convolutions + dense + softmax
    assert system.scan_network is not None
    assert parameters(system.scan_network) == lstm + softmax


def test_dropout_of_a_half_stands_before_the_first_and_the_last_dense_layer() -> None:
    cnn = PatelCNN(Patel2019())
    kinds = [type(layer).__name__ for layer in cnn.dense]
    assert kinds == ["Flatten", "Dropout", "Linear", "ReLU", "Linear", "ReLU"]
    dropouts = [layer.p for layer in cnn.modules() if isinstance(layer, nn.Dropout)]
    assert dropouts == [0.5, 0.5]
    cnn.train()
    features = torch.ones(64, 512)
    assert cnn.classify(features).std() > 1e-2  # the second of them is before the softmax
    assert cnn.eval().classify(features).std() < 1e-5


def test_the_lstm_starts_as_section_iii_c_says() -> None:
    for layer in PatelLSTM(Patel2019()).layers:
        assert isinstance(layer, nn.LSTM)
        for direction in ("", "_reverse"):
            for gate in getattr(layer, f"weight_hh_l0{direction}").chunk(4):
                torch.testing.assert_close(gate @ gate.T, torch.eye(512), atol=1e-4, rtol=0)
            for gate in getattr(layer, f"weight_ih_l0{direction}").chunk(4):
                limit = (6 / (512 + 512)) ** 0.5
                assert 0.99 * limit < gate.abs().max() <= limit
            biases = getattr(layer, f"bias_ih_l0{direction}") + getattr(layer, f"bias_hh_l0{direction}")
            expected = torch.zeros(4, 512)
            expected[1] = 1  # input, forget, cell, output
            torch.testing.assert_close(biases, expected.flatten())


def test_both_directions_are_summed_after_each_layer_as_in_section_iii_a() -> None:
    lstm = PatelLSTM(SMALL).eval()
    features = torch.randn(5, 12)
    answer = lstm(features, torch.zeros(5, 1), torch.tensor([5]))
    for layer in lstm.layers:
        assert isinstance(layer, nn.LSTM)
        forward = one_direction(layer, "", features)  # h of A
        backward = one_direction(layer, "_reverse", features.flip(0)).flip(0)  # H of B
        last = forward[-1] + backward[0]
        features = forward + backward
    torch.testing.assert_close(answer.scans[0], lstm.softmax(last[None])[0])


def one_direction(layer: nn.LSTM, suffix: str, inputs: Tensor) -> Tensor:
    """Equation 1 of the paper, step by step."""
    w, u = getattr(layer, f"weight_ih_l0{suffix}"), getattr(layer, f"weight_hh_l0{suffix}")
    b = getattr(layer, f"bias_ih_l0{suffix}") + getattr(layer, f"bias_hh_l0{suffix}")
    h = c = torch.zeros(layer.hidden_size)
    outputs = []
    for x in inputs:
        i, f, update, o = (w @ x + u @ h + b).chunk(4)
        c = f.sigmoid() * c + i.sigmoid() * update.tanh()
        h = o.sigmoid() * c.tanh()
        outputs.append(h)
    return torch.stack(outputs)


def test_slice_order_matters_to_the_scan(small: System) -> None:
    pictures = torch.rand(6, 1, 64, 64)
    moved = pictures[[2, 0, 1, 5, 3, 4]]
    assert (scan_logits(small, pictures, 6) - scan_logits(small, moved, 6)).abs().max() > 1e-4


def test_other_scans_of_the_batch_change_nothing(small: System) -> None:
    pictures = torch.rand(9, 1, 64, 64)
    together = scan_logits(small, pictures, 2, 6, 1)
    alone = [scan_logits(small, part, len(part)) for part in pictures.split([2, 6, 1])]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=0)


def test_the_slices_keep_the_answers_of_the_cnn(small: System) -> None:
    pictures = torch.rand(3, 1, 64, 64)
    torch.testing.assert_close(small(pictures, torch.tensor([3])).slices, small.slice_network(pictures))


def test_labels_of_slices_teach_the_last_layer_of_the_cnn_alone(small: System) -> None:
    small.zero_grad()
    small(torch.rand(4, 1, 64, 64), torch.tensor([4])).slices.sum().backward()
    taught = {name for name, weight in small.named_parameters() if weight.grad is not None}
    assert taught == {f"slice_network.softmax.{part}" for part in ("weight", "bias")}


def test_one_layer_and_the_cnn_alone() -> None:
    one = build(Patel2019(size=64, first_filters=1, lstm_layers=1)).scan_network
    assert isinstance(one, PatelLSTM)
    assert len(one.layers) == 1
    assert build(Patel2019(size=64, first_filters=1, lstm_layers=0)).scan_network is None


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"size": 224}, "256, 128 or 64 pixels"),
        ({"findings": ("epidural", "any")}, "one finding"),
        ({"lstm_layers": 3}, "0, 1 or 2 LSTM layers"),
    ],
)
def test_settings_that_the_paper_does_not_have_are_refused(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        Patel2019(**settings)  # type: ignore[arg-type]


def test_every_parameter_learns_end_to_end_and_the_loss_falls(small: System) -> None:
    torch.manual_seed(7)
    pictures, lengths = torch.rand(8, 1, 64, 64), torch.tensor([3, 5])
    slice_labels, scan_labels = torch.tensor([0.0, 0, 0, 0, 1, 1, 0, 0])[:, None], torch.tensor([[0.0], [1.0]])
    optimizer = torch.optim.Adam(small.parameters(), 3e-3)
    losses = []
    for _ in range(40):
        answer = small(pictures, lengths)
        loss = nn.functional.binary_cross_entropy_with_logits(answer.scans, scan_labels)
        loss = loss + nn.functional.binary_cross_entropy_with_logits(answer.slices, slice_labels)
        optimizer.zero_grad()
        loss.backward()
        if not losses:
            untouched = [name for name, weight in small.named_parameters() if not weight.grad.abs().sum() > 0]
            assert untouched == []
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_gradients_are_the_same_with_and_without_checkpointing() -> None:
    torch.manual_seed(7)
    system = build(SMALL).double().eval()  # without dropout, which draws anew
    pictures, lengths = torch.rand(7, 1, 64, 64, dtype=torch.float64), torch.tensor([7])

    def gradients(slices_at_once: int | None) -> list[Tensor]:
        system.slices_at_once = slices_at_once
        system.zero_grad()
        answer = system(pictures, lengths)
        (answer.scans.sum() + answer.slices.square().sum()).backward()
        return [parameter.grad.clone() for parameter in system.parameters() if parameter.grad is not None]

    whole, in_parts = gradients(None), gradients(3)
    assert len(whole) == len(list(system.parameters()))
    torch.testing.assert_close(in_parts, whole, rtol=1e-9, atol=1e-12)
