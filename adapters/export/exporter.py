"""Sessions out of a journal into a file: one after the other, whoever owns the journal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from ...actors.errors import (
    GreenroomError,
    InvalidInput,
    JournalUnavailable,
    NotExportable,
    SessionNotFound,
    text_of,
)
from ...actors.ports import Journal, SessionId, UserId
from ...actors.session import values
from ...actors.session.calls import blocks
from ...actors.session.records import may_export
from ...supervisor.recording import Recording, read_recording
from .files import Output, Stream, WholeFile
from .formats import Format, Writer, require_format, writer_of
from .layouts import LAYOUTS, Layout, LayoutName, rendered
from .redaction import Redact, Unfit
from .selection import Selection


class ExportProgress(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How far an export has come: `sessions` of `total` are done, exported or not.

    `total` was counted at the beginning. `records` and `bytes` are written.
    """

    sessions: int
    total: int
    records: int
    bytes: int


class ExportFailure(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A session that could not be exported: the `code` of its error, and what that says."""

    session: SessionId
    code: str
    why: str


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an export: how many sessions it holds, as how many `records` and `bytes`.

    `opted_out` were left out because they may not be exported (`Session.set_export`), `failures`
    because they could not be.
    """

    sessions: int
    opted_out: int
    records: int
    bytes: int
    failures: tuple[ExportFailure, ...]


async def export_sessions(
    journal: Journal,
    output: str | Path | BinaryIO,
    *,
    layout: LayoutName = "rlhf",
    format: Format = "jsonl",  # noqa: A002
    sessions: Iterable[SessionId] | None = None,
    owner: UserId | None = None,
    redact: Redact | None = None,
    progress: Callable[[ExportProgress], None] | None = None,
) -> Exported:
    """Write sessions of an open `journal` to `output`: these, those of `owner`, or all there are.

    The journal may be one opened for reading beside its owner (`mode=ro`), or that of a runtime
    (`runtime.journal`). All means hot and cold, without deleted ones; each is exported as it is
    when its turn comes, with all that was acknowledged by then. One session is held in memory at a
    time, and rendered in a thread.

    A file appears at the path `output` when all is written and on the disk, in the place of an
    older one; if that is not reached, by an error or a cancellation, the older one is untouched. A
    binary stream is written to as it goes.

    `layout`: `rlhf`, the source's (spec S08): messages, interactions, feedback, graph state.
    `chat`: one record of `messages` a session, tool calls included (`chat_records`).
    `preferences`: a record for each that can be told from what people did (`preferences_of`).

    `redact(text, where)` gives what is exported in the place of each string, of data and of its
    keys (`Redaction`). It is called in that thread. If it raises, or returns anything else, nothing
    of that session is exported.

    A session that is damaged, or that JSON or the hook fails on, is left out and reported; a named
    one that does not exist, too. `progress` is called after each session.

    Raises InvalidInput and ConfigError before anything is touched, JournalUnavailable, and OSError.
    """
    require_format(format)
    export = _Export(_layout(layout), redact, progress)
    selection = _selection(journal, sessions, owner)
    _require_hook(redact)
    out: Output = WholeFile(Path(output)) if isinstance(output, str | Path) else Stream(output)
    try:
        writer = await _beside(lambda: writer_of(format, out, export.layout.shape))
        try:
            await export.run(journal, selection, writer, out)
            await _beside(writer.end)
        except BaseException:
            writer.abandon()
            raise
        await _beside(out.keep)
        return export.summary(out)
    finally:
        out.discard()


class _Export:
    """One export under way, and what has come of it so far."""

    def __init__(
        self,
        layout: Layout,
        redact: Redact | None,
        progress: Callable[[ExportProgress], None] | None,
    ) -> None:
        self.layout = layout
        self._redact = redact
        self._progress = progress
        self._done = self._exported = self._opted_out = self._records = 0
        self._failures: list[ExportFailure] = []

    async def run(
        self, journal: Journal, selection: Selection, writer: Writer, out: Output
    ) -> None:
        total = await selection.count()
        async for session in selection:
            try:
                await self._export(await read_recording(journal, session), writer)
            except JournalUnavailable:
                raise
            except SessionNotFound as error:
                if not selection.named:
                    continue  # deleted since it was listed
                self._fail(session, error)
            except GreenroomError as error:
                self._fail(session, error)
            self._done += 1
            self._tell(total, out)

    async def _export(self, recording: Recording, writer: Writer) -> None:
        if not may_export(recording.state):
            self._opted_out += 1
            return
        self._records += await _beside(lambda: self._write(recording, writer))
        self._exported += 1

    def _write(self, recording: Recording, writer: Writer) -> int:
        """All records of a session, or none. In a thread."""
        session = recording.state.id
        try:
            records = rendered(recording, self.layout, self._redact)
        except GreenroomError:
            raise
        except Unfit as error:
            raise NotExportable(session, where=error.where, why=error.why) from error
        except Exception as error:
            raise NotExportable(session, where="session", why=text_of(error)) from error
        writer.write(records)
        return len(records)

    def _fail(self, session: SessionId, error: GreenroomError) -> None:
        self._failures.append(ExportFailure(session=session, code=error.code, why=str(error)))

    def _tell(self, total: int, out: Output) -> None:
        if self._progress is not None:
            done, records = self._done, self._records
            written = ExportProgress(sessions=done, total=total, records=records, bytes=out.size)
            self._progress(written)

    def summary(self, out: Output) -> Exported:
        return Exported(
            sessions=self._exported,
            opted_out=self._opted_out,
            records=self._records,
            bytes=out.size,
            failures=tuple(self._failures),
        )


def _layout(name: Any) -> Layout:
    layout = LAYOUTS.get(name) if isinstance(name, str) else None
    if layout is None:
        raise InvalidInput("layout", name, f"one of {', '.join(LAYOUTS)}")
    return layout


def _require_hook(redact: Any) -> None:
    if redact is not None and not (callable(redact) and blocks(redact)):
        raise InvalidInput("redact", redact, "a plain function of a text and of where it stands")


def _selection(journal: Journal, sessions: Any, owner: UserId | None) -> Selection:
    if isinstance(sessions, str):
        raise InvalidInput("sessions", sessions, "several ids, as in a list")
    named = None if sessions is None else [values.session_id(session) for session in sessions]
    if owner is not None:
        values.name(owner, "owner")
        if named is not None:
            raise InvalidInput("owner", owner, "given alone, without sessions")
    return Selection(journal, named, owner)


async def _beside(work: Callable[[], Any]) -> Any:
    """What `work` returns, done in a thread. Who is cancelled leaves when it is done."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        with suppress(Exception):
            await task
        raise
