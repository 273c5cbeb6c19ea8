"""Scan logits out of slice logits."""

from __future__ import annotations

import math

import pytest
import torch

from hemoscope.networks.scan_logits import smooth_maximum


def test_it_is_the_log_mean_exp_of_each_scan() -> None:
    logits = torch.randn(7, 2, dtype=torch.float64)
    answer = smooth_maximum(logits, torch.tensor([3, 4]), 2.0)
    expected = [(2 * scan).exp().mean(0).log() / 2 for scan in logits.split([3, 4])]
    torch.testing.assert_close(answer, torch.stack(expected))


@pytest.mark.parametrize("count", [1, 15, 80])
def test_equal_slices_give_their_logit_however_many_there_are(count: int) -> None:
    answer = smooth_maximum(torch.full((count, 1), -3.0), torch.tensor([count]), 4.0)
    torch.testing.assert_close(answer, torch.tensor([[-3.0]]))


def test_one_high_slice_of_many_decides() -> None:
    logits = torch.full((80, 1), -6.0)
    logits[33] = 3.0
    answer = smooth_maximum(logits, torch.tensor([80]), 4.0).item()
    assert answer == pytest.approx(3 - math.log(80) / 4, abs=1e-4)


def test_large_logits_do_not_overflow_and_every_slice_gets_a_gradient() -> None:
    logits = torch.tensor([[300.0], [299.0], [-300.0]], requires_grad=True)
    answer = smooth_maximum(logits, torch.tensor([2, 1]), 1.0)
    answer.sum().backward()
    assert answer.isfinite().all()
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad.flatten(), torch.tensor([0.7310586, 0.2689414, 1.0]))
