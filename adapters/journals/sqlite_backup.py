"""A copy of a SQLite journal, made while its owner writes.

Measured with 117 MB beside a writer that commits one event after the other: in these steps the
slowest commit took 7 to 10 ms (as without a backup) and the copy 1.8 s; unsynced until its end, 44
to 64 ms; by VACUUM INTO, which cannot pause, 49 to 68 ms and 0.4 s. VACUUM would also refuse a
file with a damaged page, of which a copy is wanted most.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from ...actors.errors import InvalidInput
from .beside import Stopped
from .sqlite_schema import connect_read_only, require_journal, unavailable

PAGES: Final = 64
"""Copied in one step, of 4 KiB each, and synced; then ..."""

PAUSE_S: Final = 0.002
"""... the disk is the writer's for this long."""


class _Stopped(Exception):
    """Nobody waits for the copy any more."""


def back_up(path: Path, target: Path, stopped: Stopped, *, busy_s: float) -> int:
    """Copy the journal as it is at one instant to `target`; how many bytes that are. Blocks.

    Everything acknowledged before the call is in it. The pages are copied as they are, damaged
    ones, too. `target` appears when it is whole and on the disk; never in the place of a file that
    is there, and not at all if this fails.

    Raises InvalidInput, JournalUnavailable and JournalFormat, and OSError for the target.
    """
    path = path.resolve()
    require_journal(path, busy_s=busy_s)
    if os.path.lexists(target):
        raise InvalidInput("target", str(target), "a file that is not there yet")
    made, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".partial")
    temporary = Path(name)
    try:
        os.fchmod(made, path.stat().st_mode & 0o777)
        _copy(path, temporary, made, stopped, busy_s)
        os.fsync(made)
        _appear(temporary, target)
        return target.stat().st_size
    finally:
        os.close(made)
        for left in ("", "-journal", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                os.unlink(f"{name}{left}")


def _copy(path: Path, temporary: Path, made: int, stopped: Stopped, busy_s: float) -> None:
    def pause(*_: int) -> None:
        if stopped():
            raise _Stopped
        os.fsync(made)
        time.sleep(PAUSE_S)

    with (
        unavailable(path),
        closing(connect_read_only(path, busy_s=busy_s)) as source,
        closing(sqlite3.connect(temporary, isolation_level=None)) as copy,
    ):
        # It is synced as a whole at the end, and thrown away if that is not reached.
        copy.execute("PRAGMA synchronous = OFF")
        copy.execute("PRAGMA journal_mode = OFF")
        # The open transaction holds the copy to one instant: without it SQLite begins anew
        # whenever the owner has written, and beside a busy one never ends.
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM main.meta").fetchone()
        source.backup(copy, pages=PAGES, progress=pause)


def _appear(temporary: Path, target: Path) -> None:
    try:
        os.link(temporary, target)  # unlike a rename it never takes the place of another file
    except FileExistsError:
        raise InvalidInput("target", str(target), "a file that is not there yet") from None
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
