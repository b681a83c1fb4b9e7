"""`greenroom sessions`: what a journal holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Annotated

import msgspec
from cyclopts import Parameter
from cyclopts.validators import Number

from ...actors.ports import IndexRow, Journal, SessionQuery
from ...actors.session.records import title_of
from ...actors.session.state import State
from ...actors.session.transcript import Line, Message, ToolCall, ToolResult
from ...supervisor.recording import Recording, read_recording
from .journals import DEFAULT, JournalUrl, reading
from .output import console, printable, table, when

PAGE = 1000


def ls(
    *,
    journal: JournalUrl = DEFAULT,
    owner: Annotated[str | None, Parameter(help="Only the sessions of this user.")] = None,
    limit: Annotated[int, Parameter(help="Sessions at most.", validator=Number(gte=1))] = 50,
) -> int:
    """List sessions, most recently updated first."""
    rows = asyncio.run(_list(journal, owner, limit))
    head = ("ID", "OWNER", "STATE", "TURNS", "MESSAGES", "UPDATED", "LANG", "NAME", "TITLE")
    console().print(table(map(_cells, rows), head=head))
    return 0


def show(
    session: Annotated[str, Parameter(help="The session's id.")],
    /,
    *,
    journal: JournalUrl = DEFAULT,
    events: Annotated[bool, Parameter(help="Show events, not the transcript.")] = False,
) -> int:
    """Show one session: its transcript, or every durable event."""
    recording = asyncio.run(_read(journal, session))
    out = console()
    out.print(table(_facts(recording.state)))
    out.print()
    for line in _event_lines(recording) if events else map(_line, recording.state.history):
        out.print(printable(line), soft_wrap=True)
    return 0


async def _list(url: str, owner: str | None, limit: int) -> list[IndexRow]:
    async with reading(url) as journal:
        return [row async for row in _rows(journal, owner, limit)]


async def _rows(journal: Journal, owner: str | None, limit: int) -> AsyncIterator[IndexRow]:
    after, more = None, True
    while more and limit > 0:
        query = SessionQuery(owner=owner, limit=min(limit, PAGE), after=after)
        page = await journal.list(query)
        for after in page.rows:
            yield after
        limit, more = limit - len(page.rows), page.more


async def _read(url: str, session: str) -> Recording:
    async with reading(url) as journal:
        return await read_recording(journal, session)


def _cells(row: IndexRow) -> tuple[str, ...]:
    counts = (str(row.turns), str(row.messages))
    updated = when(row.updated_ms)
    return (row.id, row.owner, row.state, *counts, updated, row.language, row.name, row.title)


def _facts(state: State) -> Iterator[tuple[str, str]]:
    yield "session", state.id
    yield "name", state.name
    yield "title", title_of(state)
    yield "state", state.lifecycle
    yield "owner", state.owner
    members = (f"{user} ({member.role})" for user, member in state.participants.items())
    yield "participants", ", ".join(members)
    yield "created", when(state.created_ms)
    yield "updated", when(state.updated_ms)
    yield "revision", str(state.revision)
    running = f", turn {state.running.turn} running" if state.running else ""
    yield "turns", f"{state.last_turn}{running}, {len(state.queued)} waiting"


def _line(line: Line) -> str:
    match line:
        case Message(text=text, author=author, role=role):
            cut_short = " [interrupted]" if line.interrupted else ""
            return f"{author or role}: {text}{cut_short}"
        case ToolCall(name=name, arguments=arguments):
            return f"  {line.id} {name} {_json(arguments)}"
        case ToolResult(value=value):
            return f"  {line.id} {'failed' if line.failed else 'returned'} {_json(value)}"


def _event_lines(recording: Recording) -> Iterator[str]:
    for revision, entry in enumerate(recording.entries, 1):
        yield f"{revision} {when(entry.at_ms)} {_json(entry.event)}"


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
