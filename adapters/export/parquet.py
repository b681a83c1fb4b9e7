"""Exports as Parquet, through pyarrow: the extra `parquet`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from .files import Output
from .layouts import Record
from .redaction import exact_json
from .shapes import Each, Leaf, Object, Shape

GROUP_BYTES: Final = 8 << 20
"""Of JSON in one row group, about: what is held in memory, and what a reader takes at once."""

GROUP_ROWS: Final = 10_000

MORE: Final = "more"
"""The column with the JSON of all that nobody knows, null if there is nothing."""


class Parquet:
    """A column for each key of the layout, with lists and structs as it has them.

    What is free-form is a text column that holds its JSON, null for null. The fields that a record
    has beyond the layout's own are the JSON of one object, in the column `more`.
    """

    def __init__(self, output: Output, shape: Object) -> None:
        self._shape = shape
        self._schema = pa.schema(_fields(shape))
        self._file = _AsFile(output)
        file = pa.PythonFile(self._file, mode="w")
        self._writer = pq.ParquetWriter(file, self._schema, compression="zstd")
        self._rows: list[Any] = []
        self._bytes = 0

    def write(self, records: Sequence[Record]) -> None:
        for record in records:
            self._rows.append(_cell(record.value, self._shape))
            self._bytes += len(record.body)
            if self._bytes >= GROUP_BYTES or len(self._rows) >= GROUP_ROWS:
                self._flush()

    def end(self) -> None:
        if self._rows:
            self._flush()
        self._writer.close()

    def abandon(self) -> None:
        """Have no end written, neither now nor when pyarrow is collected: the file is not whole."""
        self._file.abandoned = True
        with suppress(Exception):
            self._writer.close()

    def _flush(self) -> None:
        rows = pa.RecordBatch.from_pylist(self._rows, schema=self._schema)
        self._writer.write_batch(rows, row_group_size=len(self._rows))
        self._rows.clear()
        self._bytes = 0


class _AsFile:
    """An output as pyarrow writes to a file: closing ends the document, and nothing else."""

    closed = False
    abandoned = False

    def __init__(self, output: Output) -> None:
        self._output = output

    def write(self, data: Any) -> int:
        if not self.abandoned:
            self._output.write(bytes(data))
        return len(data)

    def tell(self) -> int:
        return self._output.size

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


def _fields(shape: Object) -> list[Any]:
    fields = [pa.field(name, _type(inner)) for name, inner in shape.fields.items()]
    return [*fields, pa.field(MORE, pa.string())] if shape.more else fields


def _type(shape: Shape) -> Any:
    match shape:
        case Object():
            return pa.struct(_fields(shape))
        case Each(item=item):
            return pa.list_(_type(item))
        case Leaf.COUNT:
            return pa.uint64()
        case _:
            return pa.string()


def _cell(value: Any, shape: Shape) -> Any:
    """`value` as pyarrow takes it for a column of that type."""
    match shape:
        case _ if value is None:
            return None
        case Object(fields=fields, more=more):
            cells = {name: _cell(value[name], fields[name]) for name in value if name in fields}
            rest = {name: value[name] for name in value if name not in fields}
            if more and rest:
                cells[MORE] = exact_json(rest, MORE).decode()
            return cells
        case Each(item=item):
            return [_cell(one, item) for one in value]
        case Leaf.FREE:
            return exact_json(value, "").decode()
        case _:
            return value
