"""How far SQLite's write-ahead log is filled: its file only ever grows, and is used again."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Final

# The header names the page size, and salts that every frame repeats. They change when the log
# begins anew. Source: the part on the write-ahead log of https://sqlite.org/fileformat2.html.
_HEADER: Final = struct.Struct(">8xI4x8s8x")
_FRAME_BYTES: Final = 24
_SALTS_AT: Final = 8


class Log:
    """The log of the journal at `path`, read beside SQLite."""

    def __init__(self, path: Path) -> None:
        self._path = f"{path}-wal"
        self._file: int | None = None
        self._page, self._salts = 0, bytes(8)

    def begun_anew(self) -> bool:
        """Whether it has, since this was last asked."""
        page, salts = _HEADER.unpack(self._read(0, _HEADER.size).ljust(_HEADER.size, b"\0"))
        anew: bool = salts != self._salts
        self._page, self._salts = page, salts
        return anew

    def reaches(self, size: int) -> bool:
        """Whether it is filled up to `size` bytes, as of the last `begun_anew`."""
        frame = self._page + _FRAME_BYTES
        start = _HEADER.size + (size - _HEADER.size) // frame * frame
        return bool(self._page) and self._read(start + _SALTS_AT, 8) == self._salts

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _read(self, start: int, size: int) -> bytes:
        try:
            if self._file is None:  # once it is there, it stays for as long as the journal is open
                self._file = os.open(self._path, os.O_RDONLY)
            return os.pread(self._file, size, start)
        except OSError:  # the writer must not die of it
            return b""
