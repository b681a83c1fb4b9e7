"""Everything a SQLite journal holds while it is open: lock, writer, readers and checkpointer."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from .giveway import GiveWay
from .lockfile import LockFile
from .sqlite_checkpoint import Checkpointer
from .sqlite_readers import Readers
from .sqlite_schema import (
    Durability,
    connect,
    connect_read_only,
    holds_journal,
    prepare,
    require_journal,
    unavailable,
)
from .sqlite_writer import Writer


class Store:
    """An open file. `open_store` and `close` block; both belong in a thread.

    `writer` is None when the file was opened for reading only.
    """

    def __init__(self, readers: Readers, writer: Writer | None, closing: ExitStack) -> None:
        self.readers, self.writer, self._closing = readers, writer, closing

    def close(self) -> None:
        """Write what is queued and let go of the file."""
        self._closing.close()


def open_store(
    path: Path, loop: asyncio.AbstractEventLoop, *, durability: Durability, busy_s: float
) -> Store:
    """Own `path` and make it a journal if it is empty.

    Raises JournalLocked, JournalFormat or JournalUnavailable, and then holds nothing.
    """
    closing = ExitStack()
    try:
        return _open(path.resolve(), loop, closing, durability=durability, busy_s=busy_s)
    except BaseException:
        closing.close()
        raise


def open_store_to_read(path: Path, loop: asyncio.AbstractEventLoop, *, busy_s: float) -> Store:
    """Look at `path`, whoever owns it. Raises JournalUnavailable if there is no journal."""
    path = path.resolve()
    require_journal(path, busy_s=busy_s)
    readers = Readers(path, GiveWay(loop), partial(connect_read_only, path, busy_s=busy_s))
    closing = ExitStack()
    closing.callback(readers.close)
    return Store(readers, None, closing)


def _open(
    path: Path,
    loop: asyncio.AbstractEventLoop,
    closing: ExitStack,
    *,
    durability: Durability,
    busy_s: float,
) -> Store:
    """Open `path` in the order in which `closing` undoes it: the writer first, the lock last."""
    closing.callback(LockFile.take(path).release)
    fresh = not holds_journal(path, busy_s=busy_s)
    with unavailable(path):
        copies = connect(path, durability=durability, busy_s=busy_s)
        closing.callback(copies.close)
        prepare(copies, fresh=fresh)
        writes = connect(path, durability=durability, busy_s=busy_s)
    checkpointer = Checkpointer(path, copies)
    closing.callback(checkpointer.close)
    way = GiveWay(loop)
    readers = Readers(path, way, partial(connect_read_only, path, busy_s=busy_s))
    closing.callback(readers.close)
    writer = Writer(writes, loop, way=way, on_written=checkpointer.look)
    closing.callback(writer.close)
    return Store(readers, writer, closing)
