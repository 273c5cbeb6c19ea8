"""Hostile and mutated files against the whole of reading: one sentence each, bounded memory, no crash, no hang."""

from __future__ import annotations

import os
import random
import resource
import struct
import subprocess
import sys
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from hemoscope.ct.dicom_file import read_header, sniff
from hemoscope.ct.eligibility import check_eligible
from hemoscope.ct.enhanced import frame_headers
from hemoscope.ct.inputs import InputFile
from hemoscope.ct.pixels import DecodedFrames, Decoder
from hemoscope.reasons import HemoscopeError

# Reads all inputs as the program does, prints a line for each file and refusal, and at last its peak memory in MiB.
READ_ALL = """
import re, resource, sys
from pathlib import Path
from hemoscope.ct.dicom_file import read_header, sniff
from hemoscope.ct.eligibility import check_eligible
from hemoscope.ct.inputs import Inputs
from hemoscope.ct.pixels import DecodedFrames, Decoder
from hemoscope.reasons import HemoscopeError

with Inputs() as inputs, Decoder(2) as decoder:
    files, refusals = inputs.find([Path(argument) for argument in sys.argv[1:]])
    for refusal in refusals:
        print(refusal.reason.name, refusal.detail, sep="|")
    requests = []
    for file in files:
        try:
            header = read_header(file) if sniff(file) == "dicom" else None
            if header is None:
                print("NOT_READABLE", file.name, sep="|")
            else:
                requests.append((file, header))
        except HemoscopeError as error:
            print(error.reason.name, error.sentence, sep="|")
    for (file, header), result in zip(requests, decoder.decode(requests)):
        if isinstance(result, HemoscopeError):
            print(result.reason.name, result.sentence, sep="|")
        else:
            print("OK", file.name, result.hu.shape, sep="|")
own = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])  # ru_maxrss holds its parent's
print(max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) >> 10)
"""


def read_all(*paths: Path) -> tuple[Counter[str], int]:
    """(How many files came to which end, peak memory of the largest process in MiB); nothing is written to stderr."""
    command = [sys.executable, "-c", READ_ALL, *map(str, paths)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0 and run.stderr == "", run.stderr
    *lines, peak = run.stdout.splitlines()
    for line in lines:
        assert line.startswith("OK|") or line.startswith("NOT_READABLE|") or line.endswith("."), line
    return Counter(line.split("|")[0] for line in lines), int(peak)


def file_meta(syntax: str) -> bytes:
    value = syntax.encode() + b"\0" * (len(syntax) % 2)
    element = b"\x02\x00\x10\x00UI" + struct.pack("<H", len(value)) + value
    return bytes(128) + b"DICM\x02\x00\x00\x00UL\x04\x00" + struct.pack("<I", len(element)) + element


def deflated_2_gigabytes() -> bytes:
    """A data set whose second element has 2 GB of zeros. After a full flush, a piece can be repeated as it is."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    start = b"\x08\x00\x60\x00CS\x02\x00CT" + b"\x09\x00\x01\x10OB\0\0" + struct.pack("<I", 2_000_000_000)
    first = deflater.compress(start) + deflater.flush(zlib.Z_FULL_FLUSH)
    megabyte = deflater.compress(bytes(1 << 20)) + deflater.flush(zlib.Z_FULL_FLUSH)
    return first + megabyte * 2000 + deflater.flush()


def test_all_hostile_inputs_together_stay_under_a_gigabyte(examples: Path, tmp_path: Path) -> None:
    """A real slice among them is still read."""
    good = (examples / "ge_tilted_head_series" / "14.dcm").read_bytes()
    folder = tmp_path / "hostile"
    folder.mkdir()
    (folder / "good.dcm").write_bytes(good)
    (folder / "empty.dcm").write_bytes(b"")
    (folder / "text.dcm").write_text("text\n" * 100)
    (folder / "truncated.dcm").write_bytes(good[:300_000])
    (folder / "truncated_header.dcm").write_bytes(good[:1000])
    (folder / "loop").symlink_to(folder)
    (folder / "zero").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe")
    with (folder / "terabyte.dcm").open("wb") as stream:
        stream.truncate(1 << 40)
    with (folder / "sparse.dcm").open("wb") as stream:  # DICOM at its start, then 3 GiB of nothing
        stream.write(good)
        stream.truncate(3 << 30)
    for name, rows, frames in (("pixels", 0xFFFF, 1), ("frames", 512, 20_000)):
        content = good.replace(
            b"\x28\x00\x10\x00US\x02\x00\x00\x02", b"\x28\x00\x10\x00US\x02\x00" + struct.pack("<H", rows)
        )
        at = content.index(b"\x28\x00\x10\x00US")
        (folder / f"{name}.dcm").write_bytes(
            content[:at] + b"\x28\x00\x08\x00IS\x06\x00" + f"{frames:<6}".encode() + content[at:]
        )
    (folder / "bomb.dcm").write_bytes(file_meta("1.2.840.10008.1.2.1.99") + deflated_2_gigabytes())
    with zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("0", "w") as member:
        for _ in range(200):
            member.write(bytes(1 << 20))
    deep = b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 5000
    (folder / "deep.dcm").write_bytes(file_meta("1.2.840.10008.1.2.1") + deep)

    ends, peak = read_all(folder)
    assert ends["OK"] == 1 and sum(ends.values()) == 14, ends
    assert ends["TOO_LARGE"] >= 5 and ends["UNSAFE_ARCHIVE"] == 1, ends
    assert peak < 400


def corpus(shared_data: Path) -> list[Path]:
    """A file of every transfer syntax, and one enhanced CT."""
    folder = shared_data / "dicom_transfer_syntaxes"
    return [*sorted((folder / "ct_chest_ge").glob("*.dcm")), *sorted((folder / "enhanced_ct").glob("*.dcm")),
            *sorted((folder / "mr_10_frames").glob("*.dcm")), *sorted((folder / "mr_small").glob("*.dcm"))]  # fmt: skip


def mutate(content: bytes, draw: random.Random) -> bytes:
    """Damage a file as disks, networks and enemies do: in the header, in the code stream's head, anywhere, or cut."""
    kind = draw.choice(("header", "header", "element", "codestream", "anywhere", "cut", "splice"))
    mutant = bytearray(content)
    pixels = max(content.find(b"\xe0\x7f\x10\x00"), 200)
    if kind == "header":
        for _ in range(draw.randint(1, 8)):
            mutant[draw.randrange(128, pixels + 12)] = draw.randrange(256)
    elif kind == "element":  # lengths and numbers that are extreme
        at = draw.randrange(132, pixels)
        mutant[at : at + 4] = draw.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f", b"\xfe\xff\x00\xe0"))
    elif kind == "codestream":
        for _ in range(draw.randint(1, 8)):
            mutant[min(pixels + draw.randrange(8, 200), len(mutant) - 1)] = draw.randrange(256)
    elif kind == "anywhere":
        for _ in range(draw.randint(1, 50)):
            mutant[draw.randrange(len(mutant))] ^= 1 << draw.randrange(8)
    elif kind == "cut":
        del mutant[draw.randrange(len(mutant)) :]
    else:
        at, length = draw.randrange(132, len(mutant)), draw.randrange(1, 2000)
        mutant[at:at] = mutant[draw.randrange(len(mutant)) :][:length]
    return bytes(mutant)


def mutants(paths: list[Path], folder: Path, seed: int) -> Iterator[InputFile]:
    draw = random.Random(seed)
    number = 0
    while True:
        path = draw.choice(paths)
        target = folder / f"{number % 64}_{path.name}"
        target.write_bytes(mutate(path.read_bytes(), draw))
        yield InputFile.from_path(target)
        number += 1


def fuzz(paths: list[Path], folder: Path, rounds: int, seed: int) -> Counter[str]:
    """Read 16 mutants a round, the same on every machine; every one comes to a known end, or the test fails."""
    ends: Counter[str] = Counter()
    process = psutil.Process()
    before = process.memory_info().rss  # other tests of this process have left some
    with Decoder(2) as decoder:
        source = mutants(paths, folder, seed)
        for _ in range(rounds):
            requests = []
            for file in (next(source) for _ in range(16)):
                try:
                    sniff(file)
                    header = read_header(file)
                    check_eligible(header, file.name)
                    frame_headers(header)
                    for keyword in ("RescaleSlope", "PixelSpacing", "ImagePositionPatient", "ImageType", "PatientAge"):
                        header.get(keyword)
                    requests.append((file, header))
                except HemoscopeError as error:
                    ends[f"header {error.reason.name}"] += 1
            for (_, header), result in zip(requests, decoder.decode(requests), strict=True):
                if isinstance(result, DecodedFrames):
                    assert result.hu.dtype == np.int16 and result.hu.shape[1:] == (header.Rows, header.Columns)
                    assert result.hu.min() >= -1024 and result.hu.max() <= 3071
                    ends["decoded"] += 1
                else:
                    assert result.sentence.endswith(".") and "\n" not in result.sentence
                    ends["crash" if "crash" in result.sentence else result.reason.name] += 1
    assert process.memory_info().rss - before < 1 << 29
    assert sum(ends.values()) == 16 * rounds
    return ends


@pytest.mark.filterwarnings("ignore")
def test_mutated_files_all_come_to_a_known_end(shared_data: Path, tmp_path: Path) -> None:
    ends = fuzz(corpus(shared_data), tmp_path, rounds=25, seed=9)
    assert ends["decoded"] > 20 and ends["PIXELS_UNREADABLE"] > 5 and ends["header NOT_READABLE"] > 1, ends


@pytest.mark.filterwarnings("ignore")
def test_mutated_examples_all_come_to_a_known_end(examples: Path, tmp_path: Path) -> None:
    paths = sorted((examples / "ge_tilted_head_series").glob("*.dcm"))[::9]
    ends = fuzz(paths, tmp_path, rounds=20, seed=1)
    assert ends["decoded"] > 20, ends


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(4))
def test_mutated_files_all_come_to_a_known_end_for_minutes(shared_data: Path, tmp_path: Path, seed: int) -> None:
    ends = fuzz(corpus(shared_data), tmp_path, rounds=400, seed=100 + seed)
    print(dict(ends))
    # a process that is started begins with the peak of this one, which has loaded PyTorch when all tests are collected
    own, peak = (resource.getrusage(who).ru_maxrss >> 10 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    assert peak < max(1000, own + 100)
