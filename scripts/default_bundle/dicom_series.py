"""Three RSNA series as DICOM, read as detection reads them and scored by networks that never saw their patients.

The same slices are pictures in `rsna_series`: the figures of both show whether true DICOM does as well as pictures.
"""

from __future__ import annotations

import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import torch
from collections_table import SIZE, read_collections
from network import SliceNetwork
from train import predict

from hemoscope import read_scan
from hemoscope.ct.prepare import prepare_slice
from hemoscope.training.calibrate import LABELS, NAMES


def dicom_logits(root: Path, runs: Path) -> pd.DataFrame:
    """Logits and labels of every slice of the series: columns of crossvalidation.csv, source "rsna_dicom"."""
    labels = pd.read_csv(root / "rsna_dicom/labels.csv").drop_duplicates("id").set_index("id")
    fold_of = read_collections(root).drop_duplicates("patient").set_index("patient")["fold"]
    parts = []
    for archive in sorted((root / "rsna_dicom/series").glob("*.tar.xz")):
        with TemporaryDirectory() as folder, tarfile.open(archive) as files:
            files.extractall(folder, filter="data")
            scan = read_scan(folder)
        facts = labels.loc[[str(record.sop_instance_uid).removeprefix("ID_") for record in scan.slices]]
        patient = f"rsna:{facts['patient'].iloc[0]}"
        network = SliceNetwork()
        network.load_state_dict(torch.load(runs / f"fold{fold_of[patient]}.pt", weights_only=True))
        prepared = np.stack([prepare_slice(hu, scan.pixel_spacing_mm, SIZE)[0] for hu in scan.hu])
        logits = predict(network.eval(), prepared)
        rows = {"run": f"fold{fold_of[patient]}", "source": "rsna_dicom", "patient": patient}
        rows |= {"scan": f"rsna_dicom:{facts['series'].iloc[0]}", "slice": np.arange(len(logits))}
        rows |= {"position_mm": [record.position_mm for record in scan.slices], "age_years": np.nan}
        rows |= dict(zip(NAMES, logits.T, strict=True)) | dict(zip(LABELS, facts[NAMES].to_numpy(int).T, strict=True))
        parts.append(pd.DataFrame(rows))
    return pd.concat(parts)
