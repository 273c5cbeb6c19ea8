"""Slices of several scans as one padded batch for recurrent networks and transformers, and back."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence, pad_sequence


def pad(slices: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """(N, F) of scans one after another to (B, S, F) with zeros behind each scan, and which places are slices (B, S)."""
    padded = pad_sequence(list(torch.split(slices, lengths.tolist())), batch_first=True)
    real = torch.arange(padded.shape[1], device=slices.device) < lengths.to(slices.device)[:, None]
    return padded, real


def pack(slices: Tensor, lengths: Tensor) -> PackedSequence:
    """(N, F) of scans one after another as PyTorch's recurrent layers take them."""
    padded, _ = pad(slices, lengths)
    return pack_padded_sequence(padded, lengths.cpu(), batch_first=True, enforce_sorted=False)


def unpack(packed: PackedSequence) -> Tensor:
    """What a recurrent layer gives to (N, F) of scans one after another."""
    padded, lengths = pad_packed_sequence(packed, batch_first=True)
    return torch.cat([scan[:length] for scan, length in zip(padded, lengths.tolist(), strict=True)])
