"""Where an export is written: a file that appears when it is whole, or a stream."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from ...actors.errors import InvalidInput


class Output(Protocol):
    """Takes bytes in order, and counts them in `size`; then it is either kept or thrown away."""

    size: int

    def write(self, data: bytes) -> None: ...

    def keep(self) -> None: ...

    def discard(self) -> None: ...


class WholeFile:
    """A file that is written under a temporary name beside it, and takes its place when whole.

    Until then, and if that is not reached, what stood there stays as it is (spec SX2). Only its
    owner may read it, unless it takes the place of a file that others may read, too.

    Raises OSError, and InvalidInput for a path at which something else than a file stands.
    """

    def __init__(self, path: Path) -> None:
        self._path = Path(os.path.realpath(path))  # a link stays, and leads to the new file
        if self._path.exists() and not self._path.is_file():
            raise InvalidInput("output", str(path), "a file, or none yet")
        made, name = tempfile.mkstemp(
            dir=self._path.parent, prefix=f".{self._path.name}.", suffix=".partial"
        )
        self._temporary: Path | None = Path(name)
        self._file = os.fdopen(made, "wb")
        self.size = 0

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self.size += len(data)

    def keep(self) -> None:
        """Have it appear, durably."""
        assert self._temporary is not None
        with suppress(FileNotFoundError):
            os.fchmod(self._file.fileno(), self._path.stat().st_mode & 0o777)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._temporary.replace(self._path)
        self._temporary = None
        _sync_folder(self._path.parent)

    def discard(self) -> None:
        """Leave no trace, unless it was kept."""
        with suppress(OSError):  # what cannot be flushed is thrown away all the same
            self._file.close()
        if self._temporary is not None:
            self._temporary.unlink(missing_ok=True)
            self._temporary = None


class Stream:
    """A binary stream of the caller's, which is flushed and stays open. What is written is out."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.size = 0

    def write(self, data: bytes) -> None:
        self._stream.write(data)
        self.size += len(data)

    def keep(self) -> None:
        self._stream.flush()

    def discard(self) -> None:
        """There is nothing to be taken back."""


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
