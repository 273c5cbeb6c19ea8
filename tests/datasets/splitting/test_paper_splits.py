"""The five papers' splits: on collections of their size their numbers come out."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from hemoscope.datasets.manifest import UNKNOWN, Manifest
from hemoscope.datasets.patients import patients_of, scan_names
from hemoscope.datasets.splitting.paper_splits import BURDUJA_SCANS, BURDUJA_SLICES
from hemoscope.datasets.splitting.schemes import SCHEMES, split
from hemoscope.datasets.splitting.split import leaks
from hemoscope.findings import FINDING_NAMES
from hemoscope.reasons import UsageError

SLICES, SCANS, PATIENTS = 752_803, 21_744, 18_938


@pytest.fixture(scope="module")
def challenge(shared_data: Path) -> Manifest:
    """All 874,035 slices of RSNA 2019: real labels; scans and patients of the papers' number, made up where unknown."""
    table = pq.read_table(shared_data / "rsna_metadata" / "slices.parquet", columns=["split", *FINDING_NAMES])
    test = np.asarray(table["split"]) == "stage2_test"
    random = np.random.default_rng(0)
    scan_of = np.sort(np.concatenate([np.arange(SCANS), random.integers(SCANS, size=SLICES - SCANS)]))
    patient_of = np.concatenate([np.arange(PATIENTS), random.integers(PATIENTS, size=SCANS - PATIENTS)])
    columns = {name: np.array(table[name].fill_null(0)).astype(np.int8) for name in FINDING_NAMES}
    alike = np.lexsort(list(columns.values()))  # slices of one scan have like labels
    columns, test = {name: values[alike] for name, values in columns.items()}, test[alike]
    training = {
        name: np.append(values[~test], np.full(test.sum(), UNKNOWN, np.int8)) for name, values in columns.items()
    }
    scan = np.append(scan_of, SCANS + np.arange(test.sum()) // 35)
    patient = np.append(patient_of[scan_of], PATIENTS + np.arange(test.sum()) // 35)
    names = {
        "series": [f"{number:06}" for number in scan],
        "patient": [f"rsna2019:{number:06}" for number in patient],
        "split": np.where(np.arange(len(scan)) < SLICES, None, "test"),
    }
    return Manifest.from_columns("rsna2019", Path("/data"), {**names, **training})


def counts(manifest: Manifest, column: str | None = None) -> Counter[str]:
    """Labelled rows, or the distinct values of a column among them, by split."""
    rows = manifest.take(np.asarray((manifest.labels >= 0).any(axis=1))).table
    if column:
        rows = rows.group_by([column, "split"]).aggregate([])
    return Counter(rows["split"].to_pylist())


def test_burduja_has_its_scans_and_slices(challenge: Manifest) -> None:
    done = split(challenge, "burduja2020", 7)
    assert counts(done, "series") == BURDUJA_SCANS
    assert counts(done) == BURDUJA_SLICES
    assert leaks(done, scan_names(done)) == []
    leaking = len(leaks(done, patients_of(done)))
    assert leaking > 0
    assert done.split is not None and f"{leaking:,} of 22,402 patients" in done.split.caveat
    # stratified: of 744 scans, the share of each finding is that of all scans
    scans = done.table.select(["series", "split", *FINDING_NAMES]).to_pandas().dropna(subset="any")
    shares = scans.groupby(["series", "split"])[list(FINDING_NAMES)].max().groupby("split").mean()
    assert np.allclose(shares.loc["train"].astype(float), shares.loc["validation"].astype(float), atol=0.02)


def test_efficientclass_has_its_patients(challenge: Manifest) -> None:
    done = split(challenge, "efficientclass2021", 7)
    assert counts(done, "patient") == {"train": 17_044, "validation": 947, "test": 947}
    assert leaks(done, patients_of(done)) == []
    assert done.split is not None and done.split.caveat == ""


def test_wong_splits_slices_and_says_that_it_leaks(challenge: Manifest) -> None:
    done = split(challenge, "wong2019", 7)
    assert counts(done) == {"train": 715_162, "validation": 37_641}
    assert Counter(done.table["split"].to_pylist())["test"] == 121_232
    assert done.split is not None and "the slices were split, not the patients" in done.split.caveat
    assert len(leaks(done, patients_of(done))) > 10_000


def test_ye_splits_subjects() -> None:
    subjects = [f"ye:{i:04}" for i in range(2836)]
    done = split(Manifest.from_columns("ye", Path("/data"), {"patient": subjects, "any": [1] * 1836 + [0] * 1000}),
                 "ye2019", 7)  # fmt: skip
    assert counts(done, "patient") == {"train": 2269, "validation": 284, "test": 283}


def patel(positive: int, negative: int, slices: int = 4) -> Manifest:
    """Scans of one patient each; in positive ones the first slice is negative."""
    scans = positive + negative
    labels = np.zeros((scans, slices), np.int8)
    labels[:positive, 1:] = 1
    names = np.repeat([f"{number:04}" for number in range(scans)], slices)
    return Manifest.from_columns(
        "patel",
        Path("/data"),
        {
            "patient": [f"patel:{name}" for name in names],
            "series": names,
            "slice": list(range(slices)) * scans,
            "any": labels.ravel(),
            "scan_any": np.repeat(labels.max(axis=1), slices),
        },
    )


def test_patel_has_its_scans_and_the_subset_with_slice_labels() -> None:
    done = split(patel(887, 1043), "patel2019", 7)
    table = done.table.select(["series", "slice", "split", "any", "scan_any"]).to_pandas()
    scans = table.groupby("series").first()
    assert Counter(zip(scans["split"], scans["scan_any"], strict=True)) == {
        ("train", 1): 666, ("validation", 1): 44, ("test", 1): 177,
        ("train", 0): 782, ("validation", 0): 52, ("test", 0): 209}  # fmt: skip
    labelled = table.dropna(subset="any").groupby("series")[["split", "scan_any", "any"]].agg(
        {"split": "first", "scan_any": "first", "any": list})  # fmt: skip
    fitted = labelled[labelled["split"] != "test"]
    assert Counter(zip(fitted["split"], fitted["scan_any"], strict=True)) == {
        ("train", 1): 75, ("train", 0): 75, ("validation", 1): 10, ("validation", 0): 10}  # fmt: skip
    # negative slices come from negative scans only
    assert all(values == [1, 1, 1] for values in fitted.loc[fitted["scan_any"] == 1, "any"])
    assert all(values == [0] * 4 for values in fitted.loc[fitted["scan_any"] == 0, "any"])
    assert (labelled["split"] == "test").sum() == 386


def test_patel_keeps_what_hidden_slice_labels_said_of_the_scan() -> None:
    of = patel(40, 40)
    done = split(of.with_columns({"scan_any": [None] * 160 + [0] * 160}), "patel2019", 7)
    assert done.table["scan_any"].to_pylist() == [1] * 160 + [0] * 160


def test_patel_leaves_out_scans_whose_any_is_unknown() -> None:
    of = patel(40, 40)
    unknown = of.with_columns({"any": [None] * len(of), "scan_any": [None] * len(of), "scan_subdural": [0] * len(of)})
    assert set(split(unknown, "patel2019", 7).table["split"].to_pylist()) == {None}


def test_a_manifest_with_hidden_labels_is_not_split_again() -> None:
    done = split(patel(40, 40), "patel2019", 7)
    with pytest.raises(UsageError, match="hides slice labels"):
        split(done, "kfold:5", 7)


def test_on_real_metadata_scans_stay_whole_and_unknown_ones_train(shared_data: Path) -> None:
    table = pq.read_table(shared_data / "rsna_metadata" / "slices.parquet",
                          columns=["id", "series", *FINDING_NAMES]).slice(0, 60_000)  # fmt: skip
    columns = {name: table[name] for name in FINDING_NAMES}
    series = table["series"].cast("string")
    of = Manifest.from_columns(
        "rsna2019", Path("/data"), {"sop_instance_uid": table["id"], "series": series, **columns}
    )
    done = split(of, "burduja2020", 7)
    assert leaks(done, scan_names(done)) == []
    loose = done.take(np.asarray(done.table["series"].is_null()) & (done.labels >= 0).any(axis=1))
    assert set(loose.table["split"].to_pylist()) == {"train"}
    assert counts(done)["validation"] > 100


def test_every_scheme_of_a_paper_names_its_source() -> None:
    assert list(SCHEMES) == ["burduja2020", "efficientclass2021", "wong2019", "ye2019", "patel2019"]
    assert all(scheme.unit in ("patient", "scan", "slice") and scheme.source for scheme in SCHEMES.values())


def test_the_document_has_every_scheme() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "datasets" / "splits.md").read_text()
    for scheme in SCHEMES.values():
        assert f"| `{scheme.name}` | {scheme.unit} | {scheme.rule} | {scheme.source} |" in page
