"""An archive of sessions: one file for each, in a directory."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from pathlib import Path
from typing import Any, Final

import msgspec

from ..actors.errors import ArchiveFailed, InvalidInput, SessionNotFound, text_of
from ..actors.ports import Journal, SessionId
from ..actors.session.calls import blocks
from ..actors.session.events import SessionEnded
from ..actors.session.records import may_export
from ..actors.session.wire import iso
from ..supervisor.recording import Recording, read_recording
from .export.layouts import LAYOUTS, rendered
from .export.redaction import Redact

LONGEST: Final = 90
"""Characters of one text in a file name, so that the whole is below 255 bytes."""

_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-_")


class DirectoryArchive:
    """Keeps sessions as `session_<id>_<day of creation>_<which>.json` in the directory `path`.

    Each file is the session's export (spec S08), in UTF-8 and indented. It appears when it is whole
    and on the disk, and is never changed: `which` tells apart sessions of one id, and the
    revisions of one (S24, SX10). What is archived again as it was, after a crash perhaps, is found
    to be there (SX21); its end alone makes no other revision.

    Ids are written so that no two share a file, also where a file system ignores the case, and
    that none leads outside (SX1): what is not `a-z 0-9 . - _` as `%` and its number, and a very
    long one as its beginning and its hash.

    `redact(text, where)` gives what is kept in the place of each string, as in `export_sessions`:
    before anything is written, and in a thread (SX27). What it raises, like any failure, becomes
    `ArchiveFailed`. Sessions that have opted out are not kept. The id is in the file's name as it
    is. Raises InvalidInput for a `redact` that is no such function.
    """

    def __init__(self, path: str | Path, *, redact: Redact | None = None) -> None:
        hook: Any = redact
        if hook is not None and not (callable(hook) and blocks(hook)):
            limit = "a plain function of a text and of where it stands"
            raise InvalidInput("redact", redact, limit)
        self.path = Path(path)
        self._redact = redact
        self._lock = threading.Lock()  # two may archive one session at the same time

    async def put(self, session: SessionId, journal: Journal) -> bool:
        """Keep the session; False if it has opted out. Raises ArchiveFailed, SessionNotFound."""
        try:
            recording = await read_recording(journal, session)
            if not may_export(recording.state):
                return False
            await asyncio.to_thread(self._keep, recording)
        except SessionNotFound:
            raise
        except Exception as error:
            raise ArchiveFailed(session, why=text_of(error)) from error
        return True

    def _keep(self, recording: Recording) -> None:
        file = self.path / _file_name(recording)
        if not file.exists():
            (record,) = rendered(recording, LAYOUTS["rlhf"], self._redact)
            body = msgspec.json.format(record.body, indent=2)
            with self._lock:
                self.path.mkdir(parents=True, exist_ok=True)
                _write(file, body)
        _sync(self.path)


def _write(file: Path, body: bytes) -> None:
    """Have `file` appear when all of it is on the disk."""
    partial = file.with_name(f".{file.name}.partial")
    try:
        with partial.open("wb") as target:
            target.write(body)
            target.flush()
            os.fsync(target.fileno())
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """Have what `folder` lists on the disk; also if a crash came before an earlier attempt."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _file_name(recording: Recording) -> str:
    state = recording.state
    day = iso(state.created_ms)[:10]
    which = f"{_encoded(state.incarnation).replace('_', '%5f')}-{_revision(recording)}"
    return f"session_{_encoded(state.id)}_{day}_{which}.json"


def _revision(recording: Recording) -> int:
    """The last revision that an export shows: after its end nothing of a session changes."""
    for revision, entry in enumerate(recording.entries, recording.first):
        if type(entry.event) is SessionEnded:
            return revision - 1
    return recording.state.revision


def _encoded(text: str) -> str:
    """`text` as part of a file name: another one for each text."""
    parts = (
        char if char in _PLAIN else "".join(f"%{byte:02x}" for byte in char.encode())
        for char in text
    )
    encoded = "".join(parts)
    if len(encoded) <= LONGEST:
        return encoded
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{encoded[: LONGEST - len(digest) - 1]}~{digest}"
