"""`greenroom export`: sessions out of a journal, for training and for other systems."""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
from typing import Annotated, Any, BinaryIO

from cyclopts import Parameter

from ...actors.errors import ConfigError, text_of
from ..export.exporter import Exported, ExportProgress, export_sessions
from ..export.formats import Format
from ..export.layouts import LayoutName
from ..export.redaction import Redact
from .journals import DEFAULT, JournalUrl, reading
from .output import printable


def export(
    *sessions: Annotated[str, Parameter(help="Only these sessions.")],
    journal: JournalUrl = DEFAULT,
    layout: Annotated[LayoutName, Parameter(help="What a record is.")] = "rlhf",
    format: Annotated[Format, Parameter(help="How it is written.")] = "jsonl",  # noqa: A002
    owner: Annotated[str | None, Parameter(help="Only the sessions of this user.")] = None,
    output: Annotated[str, Parameter(help="A file, or - for standard output.")] = "-",
    redact: Annotated[
        str | None,
        Parameter(help="MODULE:FUNCTION, called with each string and where it stands."),
    ] = None,
) -> int:
    """Write sessions to a file, also while a process owns the journal; exit with 1 if any failed.

    Sessions that have opted out are left out. The file appears when it is whole.
    """
    out: str | BinaryIO = sys.stdout.buffer if output == "-" else output
    work = _export(
        journal,
        out,
        layout=layout,
        format=format,
        sessions=sessions or None,
        owner=owner,
        redact=None if redact is None else _hook(redact),
        progress=_Lines().show,
    )
    exported = asyncio.run(work)
    for failure in exported.failures:
        _tell(failure.why)
    _tell(_sum(exported))
    return 1 if exported.failures else 0


async def _export(url: str, out: str | BinaryIO, **options: Any) -> Exported:
    async with reading(url) as journal:
        return await export_sessions(journal, out, **options)


class _Lines:
    """Progress on standard error: a line for every tenth of the sessions."""

    def __init__(self) -> None:
        self._tenths = 0

    def show(self, progress: ExportProgress) -> None:
        tenths = progress.sessions * 10 // max(progress.total, 1)
        if tenths > self._tenths:
            self._tenths = tenths
            done = f"{progress.sessions:,} of {progress.total:,} sessions"
            _tell(f"{done}, {progress.records:,} records, {progress.bytes:,} bytes")


def _sum(exported: Exported) -> str:
    held = f"{exported.records:,} records, {exported.bytes:,} bytes"
    left = f"{exported.opted_out:,} opted out, {len(exported.failures):,} failed"
    return f"{exported.sessions:,} sessions exported as {held}; {left}"


def _tell(line: str) -> None:
    """On standard error: standard output may be what is exported."""
    sys.stderr.write(f"export: {printable(' '.join(line.split()))}\n")


def _hook(spec: str) -> Redact:
    """The function that `spec` names, of an installed module or one in the current folder."""
    module, _, name = spec.partition(":")
    limit = "MODULE:FUNCTION, of a module that can be imported"
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        hook: Redact = getattr(importlib.import_module(module), name)
    except Exception as error:  # the module may do anything when it is imported
        raise ConfigError("redact", spec, f"{limit} ({text_of(error)})") from error
    if not callable(hook):
        raise ConfigError("redact", spec, limit)
    return hook
