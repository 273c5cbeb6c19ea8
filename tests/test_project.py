"""The project around the code: documents in step with it, one version, no traces of the machine it was made on."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from hemoscope.findings import FINDING_NAMES

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MACHINE_PATH = re.compile(rb"(?<![\w./-])/(?:home/\w|Users/\w|root/|work/|mnt/|opt/|tmp/[\w.]+/)")
# These name such places on purpose: as hostile input, or as text that a machine path looks like.
MAY_NAME_PATHS = {"tests/test_project.py"}


def tracked_files() -> list[str]:
    """Paths of the files under version control, relative to the root; skips the test outside of a clone."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git clone")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_reasons_document_is_in_step_with_the_code() -> None:
    printed = subprocess.run([sys.executable, ROOT / "scripts" / "list_reasons.py"], check=True, capture_output=True)
    assert printed.stdout.decode() == (ROOT / "docs" / "reasons.md").read_text(encoding="utf-8")


def test_versions_agree() -> None:
    version = PROJECT["version"]
    assert metadata.version("hemoscope") == version
    assert re.search(rf"^version: {re.escape(version)}$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.M)
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_no_machine_path_in_tracked_text() -> None:
    offenders = []
    for name in tracked_files():
        content = (ROOT / name).read_bytes()
        if name not in MAY_NAME_PATHS and b"\0" not in content and (found := MACHINE_PATH.search(content)):
            offenders.append(f"{name}: {found[0].decode()}")
    assert not offenders


def test_machine_paths_are_recognised() -> None:
    assert MACHINE_PATH.search(b"open('/home/someone/scan')")
    assert not MACHINE_PATH.search(b"https://example.org/home/page and src/work/file")


def test_readme_make_commands_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    named = set(re.findall(r"^\s+make ([a-z-]+)$|`make ([a-z-]+)`", README, re.M))
    commands = {first or second for first, second in named}
    assert "demo" in commands
    assert commands <= targets


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/decisions.md"])
def test_links_lead_to_files(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if not link.startswith("http")]
    missing = [link for link in links if not ((ROOT / document).parent / link).exists()]
    assert not missing


def test_architecture_names_files_that_exist() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w/]+\.py)`", text))
    assert {name for name in named if not (ROOT / "src" / "hemoscope" / name).is_file()} == set()
    assert named


def test_every_dependency_is_explained() -> None:
    decisions = (ROOT / "docs" / "decisions.md").read_text(encoding="utf-8")
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    development = (ROOT / "requirements" / "dev.in").read_text(encoding="utf-8").split("\n")
    groups.append([line for line in development if line and not line.startswith("#")])
    names = {re.split(r"[<>=\[ ]", requirement)[0] for group in groups for requirement in group}
    names -= {PROJECT["name"]}  # one extra takes in another
    assert {name for name in names if f"| {name} |" not in decisions} == set()


def test_lock_covers_every_dependency() -> None:
    lock = (ROOT / "requirements" / "run.txt").read_text(encoding="utf-8")
    names = [re.split(r"[<>=\[ ]", requirement)[0] for requirement in PROJECT["dependencies"]]
    assert [name for name in names if not re.search(rf"^{re.escape(name)}==", lock, re.M)] == []
    assert "torch" not in lock


def test_example_labels_match_the_volumes(examples: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    folder = examples / "physionet_ct_ich"
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    assert set(FINDING_NAMES) <= set(rows[0])
    for volume in sorted(folder.glob("*.nii.gz")):
        image = nibabel.load(volume)
        numbers = [int(row["slice"]) for row in rows if row["file"] == volume.name]
        assert numbers == list(range(image.shape[2]))
        assert nibabel.aff2axcodes(image.affine) == ("L", "P", "S")
        assert image.get_data_dtype() == "int16"
        hu = image.get_fdata()
        assert (hu.min(), hu.max()) == (-20, 100)
    assert {row["file"] for row in rows} == {volume.name for volume in folder.glob("*.nii.gz")}


def test_examples_stay_small(examples: Path) -> None:
    assert sum(path.stat().st_size for path in examples.rglob("*") if path.is_file()) < 25_000_000
