"""`greenroom sessions tail` and `end`, and `greenroom send`: a session on a running server."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import Parameter

from ...actors.errors import SessionNotFound
from ...actors.session.cursor import parse
from ...actors.session.events import (
    ApprovalRequested,
    MessagePosted,
    TextStreamed,
    TurnEnded,
)
from ...actors.session.items import Gap, Item, Published
from ...actors.session.transcript import Message
from ..system import new_id
from ..web.streams.frames import encode_json, frame, kind
from .output import printable, when
from .remote import LOCAL, Remote

if TYPE_CHECKING:
    from ..client.client import Client

FOREVER_S: Final = float("inf")

ANSWER: Final = ("text.streamed", "message.posted", "approval.requested", "turn.ended")


def tail(
    session: Annotated[str, Parameter(help="The session's id.")],
    /,
    *,
    remote: Remote = LOCAL,
    after: Annotated[
        str | None, Parameter(help="Where to begin: a cursor, or start; without, now.")
    ] = None,
    kinds: Annotated[
        tuple[str, ...], Parameter(help="Only these events, such as turn.ended.", negative="")
    ] = (),
    json: Annotated[bool, Parameter(help="Print whole frames, in JSON.", negative="")] = False,
) -> int:
    """Print what happens in a session, one event on a line, until it ends.

    A connection that breaks is made again, and goes on where it was; a gap is a line, too.
    Operators who take no part in the session are shown what its journal records, from the
    beginning.
    """

    async def follow() -> int:
        async with remote.client(patience_s=FOREVER_S) as client:
            async for item in _followed(client, session, after, kinds):
                _write(encode_json(frame(item)).decode() if json else _line(item))
                sys.stdout.write("\n")
                sys.stdout.flush()
        return 0

    return asyncio.run(follow())


def end(
    session: Annotated[str, Parameter(help="The session's id.")],
    /,
    *,
    remote: Remote = LOCAL,
    reason: Annotated[str, Parameter(help="What its readers are told (operators).")] = "operator",
) -> int:
    """End a session for good: as its host, or, as an operator, any."""

    async def ask() -> int:
        async with remote.client() as client:
            if client.is_operator:
                await client.end(session, reason)
            else:
                await client.session(session).end(client.user)
        _write(f"{session} has ended\n")
        return 0

    return asyncio.run(ask())


def send(
    session: Annotated[str, Parameter(help="The session's id.")],
    text: Annotated[str, Parameter(help="What to say.")],
    /,
    *,
    remote: Remote = LOCAL,
) -> int:
    """Say something in a session, and print the answer as it comes: 1 if the turn fails."""

    async def talk() -> int:
        async with remote.client() as client:
            handle = client.session(session)
            with handle.events(client.user, kinds=ANSWER) as items:
                turn = await handle.send(client.user, text, key=new_id(16))
                ended = await _print_answer(items, turn.id)
            if ended is None:  # a gap, or the end of the session, has hidden it
                result = await turn.result()
                _write(f"\n{result.text}\n")
                ended = TurnEnded(turn=turn.id, status=result.status, reason=result.reason)
        if ended.status == "completed":
            return 0
        sys.stderr.write(f"greenroom: the turn was {ended.status} {printable(ended.reason)}\n")
        return 1

    return asyncio.run(talk())


async def _followed(
    client: Client, session: str, after: str | None, kinds: Sequence[str]
) -> AsyncIterator[Item]:
    try:
        async for item in client.session(session).events(
            client.user, after=after, kinds=kinds or None
        ):
            yield item
        return
    except SessionNotFound:
        if not client.is_operator:
            raise
    since = 0 if after is None else parse(after, session).revision
    async for event in client.recorded(session, since=since):
        if not kinds or kind(event) in kinds:
            yield event


async def _print_answer(items: AsyncIterator[Item], turn: int) -> TurnEnded | None:
    """Print what the turn says; how it has ended. None: some of that was not to be had."""
    streamed = False
    async for item in items:
        if isinstance(item, Gap):
            return None
        match item.event:
            case TextStreamed(turn=of, text=text) if of == turn:
                streamed = True
                _write(text)
            case MessagePosted(message=Message(role="assistant", turn=of) as message) if of == turn:
                _write("\n" if streamed else f"{message.text}\n")
                streamed = False
            case ApprovalRequested(turn=of, calls=calls) if of == turn:
                names = ", ".join(calls)
                sys.stderr.write(f"greenroom: it waits for approval: {printable(names)}\n")
            case TurnEnded(turn=of) as ended if of == turn:
                return ended
            case _:
                pass
    return None


def _line(item: Item) -> str:
    if isinstance(item, Published):
        what = encode_json(item.event).decode()
        return f"{when(item.at_ms)} {item.revision} {kind(item)} {what}"
    healed = "what lasts follows" if item.healed else "the oldest is no longer kept"
    return f"gap ({item.reason}): {healed}"


def _write(text: str) -> None:
    """On standard output at once: what others have said must not drive a terminal."""
    sys.stdout.write(printable(text))
    sys.stdout.flush()
