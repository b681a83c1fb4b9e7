"""`greenroom import`: take over the sessions of the source system."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from ...actors.errors import ConfigError
from ...actors.ports import Journal
from ...supervisor.journals import find_journal
from ..imports.directory import NotImported, Sum, import_files
from ..imports.file import files_in
from ..imports.session import Imported
from .journals import DEFAULT, JournalUrl, to_read
from .output import console, printable

EVERY = 1_000
"""Files from one line of progress to the next."""


def import_(
    *paths: Annotated[Path, Parameter(help="Directories of session files, or files.")],
    owner: Annotated[str, Parameter(help="The user whose sessions they are from now on.")],
    journal: JournalUrl = DEFAULT,
    archive: Annotated[
        bool, Parameter(help="Also take what a directory has in its archive.", negative="")
    ] = False,
    dry_run: Annotated[
        bool, Parameter(help="Say what would be imported, and write nothing.", negative="")
    ] = False,
    as_json: Annotated[bool, Parameter(name="--json", help="Write JSON.", negative="")] = False,
) -> int:
    """Take over the sessions of JSON files; exit with 1 if any of them cannot be.

    Every file that cannot be imported is one line, and is left as it is. A session that is there
    already is never replaced: an import that was interrupted goes on where it stood. With --json
    every line is an object, the last one the sum.
    """
    if not paths:
        raise ConfigError("paths", "none", "at least one directory or file")
    files = list(_files(paths, archive=archive))
    lines = _Lines(len(files), as_json=as_json)
    done = asyncio.run(_import(journal, files, owner, dry_run=dry_run, lines=lines))
    if as_json:
        _write_json(done)
    else:
        console().print(_sum(done, dry_run=dry_run))
    return 1 if done.broken else 0


class _Lines:
    """A line on standard output for each file that is not imported; progress on standard error."""

    def __init__(self, total: int, *, as_json: bool) -> None:
        self._total, self._as_json = total, as_json

    def show(self, done: Sum, outcome: Imported | NotImported) -> None:
        if isinstance(outcome, NotImported):
            if self._as_json:
                _write_json(outcome)
            else:
                line = printable(str(outcome)).replace("\n", "\\n")
                console().print(line, soft_wrap=True)
        if done.files % EVERY == 0:
            sys.stderr.write(f"import: {done.files:,} of {self._total:,} files\n")


def _files(paths: Sequence[Path], *, archive: bool) -> Iterator[Path]:
    """What is named is meant, also by a link; what is found in a directory is itself."""
    for path in paths:
        if path.is_dir():
            yield from files_in(path, archive=archive)
        else:
            yield path.resolve() if path.is_symlink() else path


async def _import(
    url: str, files: Sequence[Path], owner: str, *, dry_run: bool, lines: _Lines
) -> Sum:
    async with _opened(url, dry_run=dry_run) as journal:
        return await import_files(journal, files, owner=owner, dry_run=dry_run, progress=lines.show)


@asynccontextmanager
async def _opened(url: str, *, dry_run: bool) -> AsyncIterator[Journal]:
    """The journal, owned by this process; for a dry run as it is, and empty if it is not there."""
    journal = find_journal(url)
    if dry_run:
        path: Any = getattr(journal, "path", None)
        is_new = path is not None and not path.exists()
        journal = find_journal("memory:") if is_new else to_read(url)
    await journal.open()
    try:
        yield journal
    finally:
        await journal.close()


def _sum(done: Sum, *, dry_run: bool) -> str:
    said = f"{done.messages:,} messages, {done.interactions:,} interactions"
    completed = f", {done.completed:,} completed" if done.completed else ""
    already = f", {done.already:,} were there already" if done.already else ""
    broken = f", {done.broken:,} not" if done.broken else ""
    would = "to be imported" if dry_run else "imported"
    return f"{done.files:,} files: {done.imported:,} {would} ({said}){completed}{already}{broken}"


def _write_json(value: msgspec.Struct) -> None:
    """A line of UTF-8, whatever the locale says."""
    sys.stdout.flush()
    sys.stdout.buffer.write(msgspec.json.encode(value) + b"\n")
    sys.stdout.buffer.flush()
