"""Several Manifests as one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from hemoscope.datasets.manifest import Manifest
from hemoscope.reasons import UsageError


def merge(manifests: Sequence[Manifest]) -> Manifest:
    """Put the rows of several Manifests under one another.

    Splits made before are dropped: patients are shared, so a split holds only over all datasets at once. Raises
    UsageError when a dataset is in two of them.
    """
    roots: dict[str, Path] = {}
    for manifest in manifests:
        twice = set(pc.unique(manifest.table["dataset"]).to_pylist()) & set(roots)
        if twice:
            name = sorted(twice)[0]
            sentence = f"The dataset {name} is in two of the Manifests; import one of them under another --name."
            raise UsageError(sentence)
        roots.update(manifest.roots)
    mask_values = {name: values for manifest in manifests for name, values in manifest.mask_values.items()}
    tables = [unsplit(manifest).table for manifest in manifests]
    return Manifest(pa.concat_tables(tables).combine_chunks(), roots, mask_values)


def unsplit(manifest: Manifest) -> Manifest:
    """The Manifest without a split that Hemoscope made; what the collection itself calls its test set stays.

    Raises UsageError where the split has made labels unknown: it cannot be taken back.
    """
    if manifest.split is None:
        return manifest
    if manifest.split.scheme == "patel2019":
        sentence = "This Manifest was split as patel2019, which hides slice labels; use the one that it was made from."
        raise UsageError(sentence)
    unlabelled = ~((manifest.labels >= 0) | (manifest.scan_labels >= 0)).any(axis=1)
    official = pc.and_(pc.equal(manifest.table["split"], "test"), pa.array(unlabelled))
    kept = pc.if_else(official, manifest.table["split"], None)
    return Manifest(manifest.with_columns({"split": kept}).table, manifest.roots, manifest.mask_values)
