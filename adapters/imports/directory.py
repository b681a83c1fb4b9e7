"""Many stored sessions, file by file: those that cannot be imported are told of, and left alone."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias

import msgspec

from ...actors.errors import (
    Conflict,
    Fenced,
    GreenroomError,
    InvalidInput,
    Rejected,
    SessionDamaged,
    SessionExists,
)
from ...actors.ports import Journal, SessionId, UserId
from ...actors.session.values import name
from .file import files_in, read_file
from .session import Imported, import_session

_OF_ONE_FILE = (InvalidInput, SessionExists, SessionDamaged, Rejected, Fenced, Conflict)
"""What goes wrong with one session, and not with the journal."""


class NotImported(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A file that is left as it is: which field of it is why, the stable code, and in words."""

    path: str
    field: str
    code: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class Sum(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How far an import has come: `files` read, and what has become of the sessions in them."""

    files: int = 0
    imported: int = 0
    completed: int = 0
    already: int = 0
    broken: int = 0
    messages: int = 0
    interactions: int = 0


Progress: TypeAlias = Callable[[Sum, Imported | NotImported], None]
"""Told of each file when it is done, with the sum up to there."""


async def import_directory(
    journal: Journal,
    directory: str | os.PathLike[str],
    *,
    owner: UserId,
    archive: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Sum:
    """Import each `*.json` of a directory, in order of their names, as `import_files` does.

    With `archive` also those of the directory `archive` in it. A symbolic link is not followed.
    Raises OSError if the directory cannot be read, and what `import_files` raises.
    """
    files = await asyncio.to_thread(lambda: list(files_in(Path(directory), archive=archive)))
    return await import_files(journal, files, owner=owner, dry_run=dry_run, progress=progress)


async def import_files(
    journal: Journal,
    files: Iterable[Path],
    *,
    owner: UserId,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Sum:
    """Import the sessions of `files`, one after the other: see `import_session`.

    A file that is broken, or has the id of another session or of an earlier file, is told to
    `progress` and counted. No file is written to, moved or removed. If it is interrupted, the same
    import goes on where it stood.

    Raises NotWritten, JournalFailed or JournalUnavailable, when the journal has failed, and
    InvalidInput for the owner.
    """
    name(owner, "owner")
    done, seen = Sum(), dict[SessionId, Path]()
    for path in files:
        outcome = await _import_file(journal, path, seen, owner=owner, dry_run=dry_run)
        done = _counted(done, outcome)
        if progress is not None:
            progress(done, outcome)
    return done


async def _import_file(
    journal: Journal, path: Path, seen: dict[SessionId, Path], *, owner: UserId, dry_run: bool
) -> Imported | NotImported:
    try:
        stored = await asyncio.to_thread(read_file, path)
        if (other := seen.get(stored.session_id)) is not None:
            limit = f"that of no other file: {_shown(other)} has it"
            raise InvalidInput("session.session_id", stored.session_id, limit)
        done = await import_session(journal, stored, owner=owner, dry_run=dry_run)
    except _OF_ONE_FILE as error:
        return _refused(path, error)
    except OSError as error:
        reason = error.strerror or str(error)
        return NotImported(path=_shown(path), field="file", code="unreadable", reason=reason)
    seen[done.session] = path
    return done


def _refused(path: Path, error: GreenroomError) -> NotImported:
    field = error.field if isinstance(error, InvalidInput) else "session.session_id"
    return NotImported(path=_shown(path), field=field, code=error.code, reason=str(error))


def _shown(path: Path) -> str:
    """The path as text, whatever bytes it has."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _counted(done: Sum, outcome: Imported | NotImported) -> Sum:
    """`done`, and one more."""
    if isinstance(outcome, NotImported):
        return msgspec.structs.replace(done, files=done.files + 1, broken=done.broken + 1)
    counts: dict[str, int] = {outcome.outcome: getattr(done, outcome.outcome) + 1}
    if outcome.outcome != "already":
        counts["messages"] = done.messages + outcome.messages
        counts["interactions"] = done.interactions + outcome.interactions
    return msgspec.structs.replace(done, files=done.files + 1, **counts)
