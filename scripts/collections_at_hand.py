"""Build the Manifest and the slice store of every collection in a folder laid out as ../shared/data.

    python scripts/collections_at_hand.py ../shared/data data    # or: make dataset

Each step is a command of `hemoscope dataset`, printed before it runs. A collection that is not there is skipped. Two
collections at hand are parts of larger ones; they are first laid out as the whole one is: RSNA 2019 as Kaggle has it,
CQ500 in folders by scan.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path

from commands import run_command

from hemoscope.findings import FINDING_NAMES

CQ500_SERIES = {
    "cq500_ct0_plain_thin_vertex.dcm": "CQ500CT0 CQ500CT0/Unknown Study/CT PLAIN THIN",
    "cq500_ct310_subdural_5mm_jpeg2000.dcm": "CQ500CT310 CQ500CT310/Unknown Study/CT 55mm Plain",
}
CQ500_ANGIOGRAPHY = "CQ500CT0 CQ500CT0/Unknown Study/CT 4cc sec 150cc D3D on"
FOLDERS = {  # of the data that each import needs
    "ct-ich": ("physionet_ct_ich", "physionet_ct_ich_boxes"),
    "phe-sich": ("phe_sich",),
    "rsna2019": ("rsna_dicom",),
    "rsna_hu": ("rsna_hu_pictures",),
    "rsna_loose": ("rsna_loose_pictures",),
    "bhsd": ("bhsd_images",),
    "cq500": ("cq500_reads", "head_ct_hu", "bhx_boxes"),
}
MASK_VALUES = ",".join(f"{value}={name}" for value, name in enumerate(FINDING_NAMES[:-1], start=1))


def lay_out_rsna2019(source: Path, target: Path) -> None:
    """The DICOM slices and their labels as Kaggle has them: training slices with long labels, test slices without."""
    for folder in ("stage_2_train", "stage_2_test"):
        (target / folder).mkdir(parents=True)
    unpacked = target / "unpacked"
    for archive in sorted((source / "series").glob("*.tar.xz")):
        with tarfile.open(archive) as series:
            series.extractall(unpacked, filter="data")
    files = {path.stem: path for path in (*source.glob("*.dcm"), *unpacked.rglob("*.dcm"))}
    labels: list[tuple[str, str]] = []
    submission: list[tuple[str, str]] = []
    with (source / "labels.csv").open(newline="") as table:
        rows = {row["id"]: row for row in csv.DictReader(table)}  # two slices have two rows, alike in their labels
    for identifier, row in rows.items():
        known = all(row[name] for name in FINDING_NAMES)
        folder = "stage_2_train" if known else "stage_2_test"
        shutil.copy(files[f"ID_{identifier}"], target / folder)
        long = [(f"ID_{identifier}_{name}", row[name] if known else "0.5") for name in FINDING_NAMES]
        (labels if known else submission).extend(long)
    shutil.rmtree(unpacked)
    for name, long in (("stage_2_train.csv", labels), ("stage_2_sample_submission.csv", submission)):
        with (target / name).open("w", newline="") as table:
            csv.writer(table).writerows([("ID", "Label"), *long])


def lay_out_cq500(pieces: Path, reads: Path, target: Path) -> None:
    """The slices at hand of two scans, and the readings of all."""
    shutil.copytree(pieces / "cq500_ct0_cta_partial", target / CQ500_ANGIOGRAPHY)
    for name, series in CQ500_SERIES.items():
        (target / series).mkdir(parents=True)
        shutil.copy(pieces / "single_slices" / name, target / series)
    shutil.copy(reads / "reads.csv", target)


def name_patients_of_bhsd(source: Path, target: Path) -> None:
    """The table of BHSD with a column of patients: those of RSNA 2019, unknown where their name there is hidden."""
    with source.open(newline="") as table:
        rows = list(csv.DictReader(table))
    for row in rows:
        study = row["rsna_patient_study"].split("_")
        row["patient"] = f"rsna2019:{study[1]}" if len(study) > 1 else ""
    with target.open("w", newline="") as table:
        writer = csv.DictWriter(table, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def collections_in(data: Path, laid_out: Path) -> dict[str, tuple[str | Path, ...]]:
    """The words of each import, by name. Lays out what has to be; says what is skipped."""
    rsna_pictures = ("--window", "77.5/255", "--patients", "rsna2019", "--id-prefix", "ID_")
    commands: dict[str, tuple[str | Path, ...]] = {
        "ct-ich": ("ct-ich", "--root", data / "physionet_ct_ich", "--boxes", data / "physionet_ct_ich_boxes/boxes.csv"),
        "phe-sich": ("phe-sich", "--root", data / "phe_sich"),
        "rsna2019": ("rsna2019", "--root", laid_out / "rsna2019"),
        "rsna_hu": ("pictures", "--root", data / "rsna_hu_pictures", "--table", data / "rsna_hu_pictures/slices.csv",
                    *rsna_pictures, "--values", "255=intraparenchymal"),
        "rsna_loose": ("pictures", "--root", data / "rsna_loose_pictures", "--table",
                       data / "rsna_loose_pictures/slices.csv", *rsna_pictures),
        "bhsd": ("masks", "--root", data / "bhsd_images", "--window", "127.5/255", "--table", laid_out / "bhsd.csv",
                 "--column", "series=volume", "--values", MASK_VALUES),
        "cq500": ("cq500", "--root", laid_out / "cq500", "--boxes",
                  data / "bhx_boxes/1_Initial_Manual_Labeling.csv"),
    }  # fmt: skip
    there = {}
    for name, words in commands.items():
        missing = [folder for folder in FOLDERS[name] if not (data / folder).is_dir()]
        if missing:
            print(f"{name} is skipped: {data} holds no {' and no '.join(missing)}.")
        else:
            there[name] = words
    laid_out.mkdir(parents=True)
    if "rsna2019" in there:
        lay_out_rsna2019(data / "rsna_dicom", laid_out / "rsna2019")
    if "cq500" in there:
        lay_out_cq500(data / "head_ct_hu", data / "cq500_reads", laid_out / "cq500")
    if "bhsd" in there:
        name_patients_of_bhsd(data / "bhsd_images/slices.csv", laid_out / "bhsd.csv")
    return there


def main(words: Sequence[str] | None = None) -> None:
    """Lay out, import, merge, split, build, describe."""
    parser = argparse.ArgumentParser(
        description="Build the Manifest and the slice store of the collections in a folder."
    )
    parser.add_argument("data", type=Path, help="the folder of the collections, laid out as ../shared/data")
    parser.add_argument("out", type=Path, help="where the Manifest, the store and their description go")
    given = parser.parse_args(words)
    data, out = given.data, given.out
    if not data.is_dir():
        parser.error(f"{data} is no folder")
    laid_out = out / "laid_out"
    shutil.rmtree(laid_out, ignore_errors=True)
    imports = collections_in(data, laid_out)
    if not imports:
        parser.error(f"{data} holds none of the collections: {', '.join(folders[0] for folders in FOLDERS.values())}")
    for name, words in imports.items():
        run_command("dataset", "import", *words, "--name", name, "--out", out / f"{name}.parquet")
    manifest = out / "manifest.parquet"
    run_command("dataset", "merge", *(out / f"{name}.parquet" for name in imports), "--out", manifest)
    run_command("dataset", "split", manifest, "--scheme", "kfold:5")
    run_command("dataset", "build", manifest, "--store", out / "store", "--size", "256")
    run_command("dataset", "describe", manifest, "--store", out / "store", "--out", out / "description")
    print(f"\nThe Manifest is {manifest}, the store {out / 'store'}; look at {out / 'description/contact_sheet.png'}.")


if __name__ == "__main__":
    main()
