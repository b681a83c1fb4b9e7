"""Copying the write-ahead log into the file, off the commit path."""

from __future__ import annotations

import queue
import sqlite3
import threading
from contextlib import suppress
from pathlib import Path

from .sqlite_log import Log
from .sqlite_schema import FULL_WAL_BYTES, WAL_BYTES


class Checkpointer:
    """Checkpoints from a connection and a daemon thread of its own, whenever `look` finds cause.

    A checkpoint on the commit that crosses SQLite's own bound stalls that commit for tens of
    milliseconds; a passive one beside the writer does not. But while the writer never pauses, such
    a one never gets to the end of the log, and the log grows on: 170 MiB in 5 s, measured. So the
    writer waits for the pass that finds a large log; as passes are frequent, little is left to it:
    3 to 8 ms once in 32 MiB, measured.
    """

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        self._log, self._db = Log(path), db
        self._due = WAL_BYTES
        self.passes = 0
        """Checkpoints so far."""
        self._idle = threading.Event()
        self._idle.set()
        self._queue: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._thread = threading.Thread(
            target=self._run, name="greenroom-checkpointer", daemon=True
        )
        self._thread.start()

    def look(self) -> None:
        """Have the log copied if it has grown enough. Called by the writer after a group."""
        if self._log.begun_anew():
            self._due = WAL_BYTES
        size = self._due
        if not self._log.reaches(size):
            return
        while self._log.reaches(size + WAL_BYTES):
            size += WAL_BYTES
        if size >= FULL_WAL_BYTES:
            self._idle.wait()
            self._start(size)
            self._idle.wait()
        elif self._idle.is_set():
            self._start(size)

    def close(self) -> None:
        """Copy everything, empty the log, and close. Blocks."""
        self._queue.put(False)
        self._thread.join()
        self._log.close()
        with suppress(sqlite3.Error):  # whoever opens the journal next copies it
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        self._db.close()

    def _start(self, size: int) -> None:
        self._due = size + WAL_BYTES
        self._idle.clear()
        self._queue.put(True)

    def _run(self) -> None:
        while self._queue.get():
            with suppress(Exception):  # nothing is lost: the log is kept, and copied later
                self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            self.passes += 1
            self._idle.set()
