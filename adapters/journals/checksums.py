"""Checksums: whether bytes that come back from a store are those that were written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from zlib import crc32

from ...actors.ports import SessionId

_MASK: Final = 0xFFFF_FFFF


def seed_of(session: SessionId) -> int:
    """What the checksums of a session begin with."""
    return crc32(session.encode())


def checksum(seed: int, revision: int, body: bytes) -> int:
    """The CRC-32 of `body`, which also tells in whose place, and at which revision, it belongs.

    So bytes that are whole but stand in the wrong place are found as well.
    """
    return crc32(body, (seed + revision) & _MASK)


def first_damaged(
    session: SessionId, first: int, bodies: Sequence[Any], sums: Sequence[int | None]
) -> int | None:
    """The first revision, counted from `first`, whose body is not what its sum says.

    A body without a sum was written before there were any, and passes.
    """
    seed = seed_of(session)
    for revision, (body, wanted) in enumerate(zip(bodies, sums, strict=True), first):
        if type(body) is not bytes:
            return revision
        if wanted is not None and wanted != checksum(seed, revision, body):
            return revision
    return None
