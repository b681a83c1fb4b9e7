"""Reading: a small pool of threads, each with a connection that cannot write."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from ...actors.errors import GreenroomError, JournalUnavailable
from .giveway import GiveWay

T = TypeVar("T")

THREADS: Final = 2


class Readers:
    """Runs queries off the loop, on what was last committed. None waits for the writer."""

    def __init__(self, path: Path, way: GiveWay, connect: Callable[[], sqlite3.Connection]) -> None:
        self._path, self._way, self._connect = path, way, connect
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="greenroom-reader")
        self._mine = threading.local()
        self._all: list[sqlite3.Connection] = []

    async def run(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """What `query` returns. JournalUnavailable if the file cannot be read."""
        self._way.begin()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._run, query)
        finally:
            self._way.done()

    def close(self) -> None:
        """Finish the queries under way and close the connections. Blocks."""
        self._pool.shutdown()
        while self._all:
            self._all.pop().close()

    def _run(self, query: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return query(self._connection())
        except GreenroomError:
            raise
        except (sqlite3.Error, ValueError, OverflowError) as error:
            raise JournalUnavailable(str(self._path), why=str(error)) from None

    def _connection(self) -> sqlite3.Connection:
        db: sqlite3.Connection | None = getattr(self._mine, "db", None)
        if db is None:
            db = self._mine.db = self._connect()
            self._all.append(db)
        return db
