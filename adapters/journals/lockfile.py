"""The file that says which process owns a journal."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from ...actors.errors import JournalLocked, JournalUnavailable

TRIES: Final = 5
AGAIN_S: Final = 0.01
"""Whoever looks at the lock holds it for an instant: that must keep no owner out."""


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """The process that owns a journal, and since when (ISO 8601, UTC)."""

    pid: int | None = None
    started: str | None = None


class LockFile:
    """Holds `<journal>.lock` exclusively, from `take` to `release` or the end of the process.

    The kernel lets go of a `flock` when its last holder dies, so a killed owner leaves nothing to
    clean up. The file stays: removing it would let a third process lock a new file of this name
    while a second one holds the old.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @classmethod
    def take(cls, journal: Path) -> LockFile:
        """Own `journal`, or raise JournalLocked naming the process that does.

        A second journal of the same process is refused as well.
        """
        try:
            fd = os.open(f"{journal}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            why = f"its lock file cannot be opened: {error.strerror}"
            raise JournalUnavailable(str(journal), why=why) from None
        try:
            _lock(fd)
            _write_holder(fd)
        except BlockingIOError:
            holder = _read_holder(fd)
            os.close(fd)
            raise JournalLocked(str(journal), pid=holder.pid, started=holder.started) from None
        except OSError as error:
            os.close(fd)
            why = f"its lock file cannot be locked: {error.strerror}"
            raise JournalUnavailable(str(journal), why=why) from None
        return cls(fd)

    def release(self) -> None:
        """Let the next one in."""
        os.ftruncate(self._fd, 0)
        os.close(self._fd)


def holder_of(journal: Path) -> Holder | None:
    """Who owns `journal` now; None if nobody does."""
    try:
        fd = os.open(f"{journal}.lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if not os.fstat(fd).st_size:
            return None  # let go of in order: a killed owner leaves its name behind
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read_holder(fd)
    finally:
        os.close(fd)
    return None


def _lock(fd: int) -> None:
    for _ in range(TRIES):
        with suppress(BlockingIOError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(AGAIN_S)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _write_holder(fd: int) -> None:
    started = datetime.now(UTC).isoformat(timespec="seconds")
    os.ftruncate(fd, 0)
    os.pwrite(fd, msgspec.json.encode(Holder(pid=os.getpid(), started=started)) + b"\n", 0)


def _read_holder(fd: int) -> Holder:
    try:
        return msgspec.json.decode(os.pread(fd, 4096, 0), type=Holder)
    except msgspec.DecodeError:  # it has the lock, and has not written yet
        return Holder()
