"""What a power cut leaves of a journal's files."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Final

WAYS: Final = ("cut", "flip", "sector", "noise")
"""How a file is damaged: shortened, one bit turned over, a sector lost, or overwritten."""


def torn_copy(path: Path, target: Path, *, seed: int, way: str = "cut") -> str:
    """Copy a SQLite journal that is open, and tear the copy's log at an offset that a seed draws.

    The log holds what was written last: a `cut` loses a tail of it, as a power cut does. Returns
    what was done. What was acknowledged before the tear is all there, and nothing of a batch that
    was cut in two. Raises OSError; ValueError for another way than `WAYS`.
    """
    for suffix in ("-shm", ".lock"):
        Path(f"{target}{suffix}").unlink(missing_ok=True)
    for suffix in ("", "-wal"):
        shutil.copy(f"{path}{suffix}", f"{target}{suffix}")
    return tear(Path(f"{target}-wal"), way, random.Random(seed))


def tear(path: Path, way: str, rng: random.Random) -> str:
    """Damage one file at a random offset; what was done to it."""
    whole = path.read_bytes()
    at = rng.randrange(len(whole))
    match way:
        case "cut":
            torn = whole[:at]
        case "flip":
            torn = whole[:at] + bytes([whole[at] ^ (1 << rng.randrange(8))]) + whole[at + 1 :]
        case "sector":
            at -= at % 512
            torn = whole[:at] + bytes(512) + whole[at + 512 :]
        case "noise":
            noise = rng.randbytes(rng.randrange(1, 5000))
            torn = whole[:at] + noise + whole[at + len(noise) :]
        case _:
            raise ValueError(way)
    path.write_bytes(torn)
    return f"{way} of {path.name} at {at}"
