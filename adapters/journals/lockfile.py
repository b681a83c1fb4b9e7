"""The file that says which process owns a journal."""

from __future__ import annotations

import fcntl
import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from ...actors.errors import JournalLocked, JournalUnavailable


class _Holder(msgspec.Struct, frozen=True, kw_only=True):
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
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
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


def _write_holder(fd: int) -> None:
    started = datetime.now(UTC).isoformat(timespec="seconds")
    os.ftruncate(fd, 0)
    os.pwrite(fd, msgspec.json.encode(_Holder(pid=os.getpid(), started=started)) + b"\n", 0)


def _read_holder(fd: int) -> _Holder:
    try:
        return msgspec.json.decode(os.pread(fd, 4096, 0), type=_Holder)
    except msgspec.DecodeError:  # it has the lock, and has not written yet
        return _Holder()
