"""Slices of several scans as one padded batch for recurrent networks and transformers, and back."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence, pad_sequence


def pad(slices: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """(N, F) of scans one after another to (B, S, F) with zeros behind each scan, and which are slices (B, S)."""
    if len(lengths) == 1:  # nothing to pad, whatever the length: so a scan of any length can be exported
        return slices[None], torch.ones_like(slices[None, :, 0], dtype=torch.bool)
    padded = pad_sequence(list(torch.split(slices, lengths.tolist())), batch_first=True)
    real = torch.arange(padded.shape[1], device=slices.device) < lengths.to(slices.device)[:, None]
    return padded, real


def pack(slices: Tensor, lengths: Tensor) -> PackedSequence | Tensor:
    """(N, F) of scans one after another as PyTorch's recurrent layers take them; a scan alone is (S, 1, F)."""
    if len(lengths) == 1:
        return slices[:, None]
    padded, _ = pad(slices, lengths)
    return pack_padded_sequence(padded, lengths.cpu(), batch_first=True, enforce_sorted=False)


def unpack(packed: PackedSequence | Tensor) -> Tensor:
    """What a recurrent layer gives for what `pack` gave to (N, F) of scans one after another."""
    if isinstance(packed, Tensor):
        return packed[:, 0]
    padded, lengths = pad_packed_sequence(packed, batch_first=True)
    return torch.cat([scan[:length] for scan, length in zip(padded, lengths.tolist(), strict=True)])
