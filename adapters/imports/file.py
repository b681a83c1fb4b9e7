"""A stored session, read from its file, which is not touched."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NoReturn

from ...actors.errors import InvalidInput
from ...actors.session.record_reading import read_session
from ...actors.session.record_wire import StoredSession

MAX_FILE_BYTES: Final = 64 << 20

ARCHIVE: Final = "archive"
"""Where the source system puts the sessions that it has removed (spec S10, S24)."""

_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Nothing is followed out of a directory, and nothing waits for whoever writes into a pipe."""


def files_in(directory: Path, *, archive: bool = False) -> Iterator[Path]:
    """The session files of a directory in order of their names, then those of its archive.

    Links are among them, for `read_file` to refuse. Raises OSError.
    """
    yield from _named(directory)
    below = directory / ARCHIVE
    if archive and below.is_symlink():
        yield below
    elif archive and below.is_dir():
        yield from _named(below)


def _named(directory: Path) -> list[Path]:
    with os.scandir(directory) as entries:
        return sorted(Path(entry) for entry in entries if entry.name.endswith(".json"))


def read_file(path: Path) -> StoredSession:
    """The session of a JSON file in UTF-8, with or without a byte order mark (spec SX17).

    The file is opened for reading only. Raises InvalidInput, naming the field, and OSError.
    """
    return read_session(_decoded(_text(_bytes(path))))


def _bytes(path: Path) -> bytes:
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise InvalidInput("file", "a symbolic link", "a regular file") from None
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise InvalidInput("file", "something else", "a regular file")
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(MAX_FILE_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(content) > MAX_FILE_BYTES:
        raise InvalidInput("file", "larger", f"at most {MAX_FILE_BYTES} bytes")
    return content


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        what = f"not, from byte {error.start} on"
        raise InvalidInput("file", what, "UTF-8") from None


def _decoded(text: str) -> Any:
    limit = "one JSON document"
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_refuse_constant)
    except InvalidInput:
        raise
    except RecursionError:
        raise InvalidInput("file", "too deep", limit) from None
    except ValueError as error:  # not JSON, or a number of thousands of digits
        raise InvalidInput("file", str(error), limit) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; of two fields of one name nobody knows which was meant."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidInput("file", f"{twice[:60]!r} twice", "JSON with each field once")
    return fields


def _refuse_constant(constant: str) -> NoReturn:
    raise InvalidInput("file", constant, "JSON, which has only finite numbers")
