"""Kill greenroom as often as you like: python tests/crash/run.py --kills 1000"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from crash.killer import LINES, Series
from crash.torn import Copies

from greenroom.adapters.testing.torn import WAYS

SERIES: dict[str, dict[str, Any]] = {
    "plain": {},
    "trouble": {"barge_in": 0.3, "approve": 0.5},
    "rooms": {"people": 3},
    "crowded": {"people": 2, "approve": 0.5, "barge_in": 0.2, "capacity": 4, "at_once": 10},
    "process": {"durability": "process", "approve": 0.3},
}
"""What each series adds to the life of its processes."""


def tear(count: int, seed: int) -> None:
    """Say what becomes of torn copies."""
    with tempfile.TemporaryDirectory() as folder:
        copies = Copies(Path(folder), seed)
        for file in ("", "-wal"):
            for way in WAYS:
                copies.told.clear()
                for what, found in copies.tear(file, way, count):
                    if found.lies:
                        print(what, found)
                print(f"{way} of journal.db{file}: {dict(copies.told)}", flush=True)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--kills", type=int, default=200, help="in all")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--series", choices=SERIES, action="append")
    options.add_argument("--lines", type=int, default=LINES, help="at most, before a kill")
    options.add_argument("--dialogues", type=int, default=30, help="on each journal, of 200")
    options.add_argument("--torn", type=int, default=0, help="copies of each kind; no kills")
    chosen = options.parse_args()
    if chosen.torn:
        tear(chosen.torn, chosen.seed)
        return
    names = chosen.series or list(SERIES)
    for name in names:
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            series = Series(
                Path(folder),
                chosen.seed,
                dialogues=chosen.dialogues,
                lines=chosen.lines,
                **SERIES[name],
            )
            figures = series.run(-(-chosen.kills // len(names)))
        print(f"{name}: {figures} in {time.monotonic() - began:.1f} s", flush=True)


if __name__ == "__main__":
    main()
