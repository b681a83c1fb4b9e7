"""A small file that is read again when it has changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import structlog

from ....actors.errors import text_of

T = TypeVar("T")

log = structlog.get_logger()


class Watched(Generic[T]):
    """What a file says, as `parse` understands it.

    Each `get` looks at the file's time, size and number, and reads it when one of them is another
    (2 us when none is). If it cannot be read any more, or makes no sense, what it said last stays
    in force, and that is logged once for each change.

    Raises what `parse` does, and OSError, if it cannot be read at the beginning.
    """

    def __init__(self, path: Path, parse: Callable[[bytes], T]) -> None:
        self._path, self._parse = path, parse
        self._seen: object = self._stamp()
        self._value = parse(path.read_bytes())

    def get(self) -> T:
        """What the file says now."""
        try:
            stamp = self._stamp()
        except OSError as error:
            stamp = (type(error), error.errno)
        if stamp != self._seen:
            # Seen before it is read: a change during the reading is another one.
            self._seen = stamp
            try:
                self._value = self._parse(self._path.read_bytes())
            except Exception as error:
                log.error("file_not_read", path=str(self._path), error=text_of(error))
        return self._value

    def _stamp(self) -> object:
        found = self._path.stat()
        return found.st_mtime_ns, found.st_size, found.st_ino
