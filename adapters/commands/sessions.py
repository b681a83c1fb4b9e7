"""`greenroom sessions`: what a journal holds, or a running server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Annotated

import msgspec
from cyclopts import Parameter
from cyclopts.validators import Number

from ...actors.errors import ConfigError
from ...actors.ports import IndexRow, Journal, SessionQuery
from ...actors.session.info import SessionInfo, info
from ...actors.session.items import Published
from ...actors.session.records import title_of
from ...actors.session.state import Lifecycle
from ...actors.session.transcript import Line, Message, ToolCall, ToolResult
from ...supervisor.recording import Recording, read_recording
from ...supervisor.session import Session
from .journals import DEFAULT, JournalUrl, reading
from .listing import EVERY, Filters, own, residents
from .listing import HEAD as HELD_HEAD
from .output import console, printable, table, when
from .remote import LOCAL, Remote

PAGE = 1000

HEAD = ("ID", "OWNER", "STATE", "TURNS", "MESSAGES", "UPDATED", "LANG", "NAME", "TITLE")


def ls(
    *,
    journal: JournalUrl | None = None,
    remote: Remote = LOCAL,
    owner: Annotated[str | None, Parameter(help="Only the sessions of this user.")] = None,
    state: Annotated[Lifecycle | None, Parameter(help="Only sessions in this state.")] = None,
    filters: Filters = EVERY,
    limit: Annotated[int, Parameter(help="Sessions at most.", validator=Number(gte=1))] = 50,
) -> int:
    """List sessions: of a journal, or with --server of a running server.

    A journal's are in the order of their last events. A server shows operators what its process
    holds on stage, the longest mailboxes first, and everybody else the sessions that they own.
    """
    if _is_remote(journal, remote):
        head, cells = asyncio.run(_listed(remote, filters, owner, state, limit))
    elif filters.any:
        raise ConfigError("server", None, "given, as a journal has no verdicts, prefixes and sorts")
    else:
        rows = asyncio.run(_list(journal or DEFAULT, owner, state, limit))
        head, cells = HEAD, [_cells(row) for row in rows]
    console().print(table(cells, head=head))
    return 0


def show(
    session: Annotated[str, Parameter(help="The session's id.")],
    /,
    *,
    journal: JournalUrl | None = None,
    remote: Remote = LOCAL,
    events: Annotated[bool, Parameter(help="Show events, not the transcript.")] = False,
) -> int:
    """Show one session: its transcript, or every durable event.

    Of a running server, with --server: to those who take part in it.
    """
    if _is_remote(journal, remote):
        return asyncio.run(_show_remote(remote, session, events=events))
    recording = asyncio.run(_read(journal or DEFAULT, session))
    out = console()
    state = recording.state
    out.print(table(_told(info(state), title_of(state), f"{state.last_turn}, ")))
    out.print()
    for line in _event_lines(recording) if events else map(shown, recording.state.history):
        out.print(printable(line), soft_wrap=True)
    return 0


def _is_remote(journal: str | None, remote: Remote) -> bool:
    """Whether a server is asked, and not a journal. Raises ConfigError: both are named."""
    asked = remote.server is not None or remote.user is not None
    if asked and journal is not None:
        raise ConfigError("journal", journal, "left out when a server is asked")
    return asked


async def _show_remote(remote: Remote, session: str, *, events: bool) -> int:
    async with remote.client() as client:
        handle, user = client.session(session), client.user
        snapshot = await handle.snapshot(user)
        out = console()
        out.print(table(_told(snapshot.info, (await handle.records(user)).title)))
        out.print()
        lines = map(shown, snapshot.transcript)
        if events:
            lines = map(_told_event, [event async for event in _history(handle, user)])
        for line in lines:
            out.print(printable(line), soft_wrap=True)
    return 0


async def _history(handle: Session, user: str) -> AsyncIterator[Published]:
    since, last = 0, 1
    while since < last:
        page = await handle.history(user, since=since, limit=PAGE)
        for event in page.events:
            yield event
        last = page.last if page.events else since
        since = page.events[-1].revision if page.events else last


def _told(told: SessionInfo, title: str, turns: str = "") -> Iterator[tuple[str, str]]:
    yield "session", told.id
    yield "name", told.name
    yield "title", title
    yield "state", told.state
    yield "owner", told.owner
    members = (f"{user} ({member.role})" for user, member in told.participants.items())
    yield "participants", ", ".join(members)
    yield "created", when(told.created_ms)
    yield "updated", when(told.updated_ms)
    yield "revision", str(told.revision)
    running = f"turn {told.running_turn} running, " if told.running_turn else ""
    yield "turns", f"{turns}{running}{len(told.queued_turns)} waiting"


def _told_event(event: Published) -> str:
    return f"{event.revision} {when(event.at_ms)} {_json(event.event)}"


async def _listed(
    remote: Remote, filters: Filters, owner: str | None, state: str | None, limit: int
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    async with remote.client() as client:
        if client.is_operator or filters.any or owner not in (None, client.user):
            held = await residents(client, filters, state=state, owner=owner, limit=limit)
            return HELD_HEAD, held
        return HEAD, [_cells(row) for row in await own(client, state=state, limit=limit)]


async def _list(url: str, owner: str | None, state: str | None, limit: int) -> list[IndexRow]:
    async with reading(url) as journal:
        return [row async for row in _rows(journal, owner, state, limit)]


async def _rows(
    journal: Journal, owner: str | None, state: str | None, limit: int
) -> AsyncIterator[IndexRow]:
    after, more = None, True
    while more and limit > 0:
        query = SessionQuery(owner=owner, state=state, limit=min(limit, PAGE), after=after)
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


def shown(line: Line) -> str:
    """A line of a transcript, as text."""
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
