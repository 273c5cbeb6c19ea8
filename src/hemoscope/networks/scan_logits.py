"""From the logits of the slices of a scan to those of the scan, without anything to learn."""

from __future__ import annotations

import math

from torch import Tensor

from hemoscope.networks.sequences import pad


def smooth_maximum(slice_logits: Tensor, lengths: Tensor, sharpness: float) -> Tensor:
    """(N, findings) of scans one after another to (B, findings): close to the highest logit of each scan.

    The log-mean-exp of Pinheiro and Collobert 2015 (equation 6): log(mean(exp(r s))) / r with the sharpness r, between
    the mean (r near 0) and the maximum (r large). Unlike the maximum it teaches every slice by its share. Equal logits
    give that logit, however many slices there are; a single high one among S slices gives at least it - log(S) / r.
    """
    padded, real = pad(slice_logits * sharpness, lengths)  # (B, S, findings), (B, S)
    sums = padded.masked_fill(~real[:, :, None], -math.inf).logsumexp(1)  # (B, findings)
    return (sums - lengths.to(sums)[:, None].log()) / sharpness
