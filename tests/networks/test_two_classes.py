"""A softmax over two classes as one logit."""

from __future__ import annotations

import torch
from torch import nn

from hemoscope.networks.two_classes import TwoClasses


def test_the_one_logit_is_the_softmax_over_two() -> None:
    layer, features = TwoClasses(5), torch.randn(4, 5)
    of_two = nn.functional.linear(features, layer.weight, layer.bias)
    torch.testing.assert_close(layer(features).sigmoid()[:, 0], of_two.softmax(1)[:, 1])
    wanted = torch.tensor([0, 1, 1, 0])
    torch.testing.assert_close(
        nn.functional.binary_cross_entropy_with_logits(layer(features)[:, 0], wanted.float()),
        nn.functional.cross_entropy(of_two, wanted),
    )
