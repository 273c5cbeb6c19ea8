"""Deflated DICOM files (PS3.5 A.5) as the plain explicit VR files that they stand for, inflated no further than asked.

A deflated file of 1 MB can hold 1 GB, so that nothing here ever inflates without a limit.
"""

from __future__ import annotations

import re
import zlib
from typing import BinaryIO

# (0002,0010) TransferSyntaxUID, explicit VR little endian as all of the file meta (PS3.10 7.1).
_DEFLATED = re.compile(rb"\x02\x00\x10\x00UI\x16\x00(1\.2\.840\.10008\.1\.2\.1\.99)", re.DOTALL)
_EXPLICIT = b"1.2.840.10008.1.2.1\0\0\0"  # padded to the same length
_GROUP_LENGTH = b"\x02\x00\x00\x00UL\x04\x00"
_FILE_META_AT_MOST = 4096
_PIECE = 1 << 16


def plain_start(start: bytes) -> bytes | None:
    """Give the file meta of a deflated file as that of a plain one; None: the file is not deflated.

    start: the first bytes of the file. Raises ValueError where the end of the file meta is not told.
    """
    meta = start[:_FILE_META_AT_MOST]
    found = _DEFLATED.search(meta)
    if found is None or meta[128:132] != b"DICM":
        return None
    if meta[132:140] != _GROUP_LENGTH:
        raise ValueError("a deflated file needs the length of its file meta")
    end = 144 + int.from_bytes(meta[140:144], "little")
    if not found.end() <= end <= len(meta):
        raise ValueError("the file meta is too long")
    return meta[: found.start(1)] + _EXPLICIT + meta[found.end(1) : end]


def inflate(stream: BinaryIO, limit: int) -> bytes:
    """Inflate what follows in the stream, `limit` bytes at most; raises zlib.error."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    parts: list[bytes] = []
    wanted = limit
    while wanted > 0 and not inflater.eof:
        piece = inflater.unconsumed_tail or stream.read(_PIECE)
        if not piece:
            break
        parts.append(inflater.decompress(piece, wanted))
        wanted -= len(parts[-1])
    return b"".join(parts)
