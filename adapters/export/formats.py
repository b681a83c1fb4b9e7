"""The formats of an export. All are written as it goes, and hold the same records."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Literal, Protocol, TypeAlias, get_args

from ...actors.errors import ConfigError, InvalidInput
from .files import Output
from .layouts import Record
from .shapes import Object

Format: TypeAlias = Literal["json", "jsonl", "parquet"]
"""json: one document, a list. jsonl: a record is a line. parquet: a record is a row, and free-form
values are text columns with their JSON."""


class Writer(Protocol):
    """Puts records into an output: some at a time, then the end of the document, or no more."""

    def write(self, records: Sequence[Record]) -> None: ...

    def end(self) -> None: ...

    def abandon(self) -> None: ...


class JsonLines:
    """UTF-8, and a line feed behind each record."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def write(self, records: Sequence[Record]) -> None:
        for record in records:
            self._output.write(record.body + b"\n")

    def end(self) -> None:
        pass

    def abandon(self) -> None:
        pass


class Json:
    """One list in UTF-8, with a record on each line."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._before = b"[\n"

    def write(self, records: Sequence[Record]) -> None:
        for record in records:
            self._output.write(self._before + record.body)
            self._before = b",\n"

    def end(self) -> None:
        self._output.write(b"[]\n" if self._before == b"[\n" else b"\n]\n")

    def abandon(self) -> None:
        pass


def require_format(name: str) -> None:
    """Refuse what is no format, or cannot be written here. Raises InvalidInput, ConfigError."""
    if name not in get_args(Format):
        raise InvalidInput("format", name, f"one of {', '.join(get_args(Format))}")
    if name == "parquet" and find_spec("pyarrow") is None:
        limit = "json or jsonl, or else pip install 'greenroom[parquet]'"
        raise ConfigError("format", name, limit)


def writer_of(name: Format, output: Output, shape: Object) -> Writer:
    """A writer of that format, for records of that shape."""
    match name:
        case "json":
            return Json(output)
        case "jsonl":
            return JsonLines(output)
        case "parquet":
            from .parquet import Parquet

            return Parquet(output, shape)
