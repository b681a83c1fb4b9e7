"""What the tests of live replay share: reading all there is, and what was read in short."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from theatre import settle

import greenroom
from greenroom.actors.ports import End
from greenroom.actors.session.cursor import Cursor, parse
from greenroom.actors.session.events import (
    Event,
    MessagePosted,
    PresenceChanged,
    SessionPaused,
    TextStreamed,
)
from greenroom.actors.session.items import Item, Published
from greenroom.actors.session.live import LiveLog


async def read(
    session: greenroom.Session, after: str | None, user: str = "ann", **options: Any
) -> list[Any]:
    """Every item after `after` that can be had now."""
    subscription = session.events(user, after=after, **options)

    async def pull() -> list[Any]:
        return [item async for item in subscription]

    task = asyncio.get_running_loop().create_task(pull())
    await settle(200)
    subscription.close()
    return await task


def gaps(items: Sequence[Item]) -> list[greenroom.Gap]:
    return [item for item in items if isinstance(item, greenroom.Gap)]


def durable(items: Sequence[Item]) -> list[int]:
    """The revisions of the durable events among them."""
    return [item.revision for item in items if isinstance(item, Published) and item.durable]


def shown(items: Sequence[Item]) -> list[str]:
    """What was said, bit by bit; of the rest, its kind; a gap is its reason."""
    return [_shown(item) for item in items]


def _shown(item: Item) -> str:
    if isinstance(item, greenroom.Gap):
        return item.reason
    match item.event:
        case MessagePosted(message=message):
            return message.text
        case TextStreamed(text=text):
            return f"~{text}"
        case PresenceChanged(user=user):
            return f"@{user}"
        case event:
            return str(event.__struct_config__.tag)


def place(cursor: str, session: str = "s") -> Cursor:
    return parse(cursor, session)


# --- a log in hand -------------------------------------------------------------------------------


class Member:
    """A reader of a log that notes how often it is woken."""

    def __init__(self, user: str = "ann") -> None:
        self.user = user
        self.woken = 0

    def wake(self) -> None:
        self.woken += 1

    def expel(self) -> None:
        self.woken += 1

    def close(self, error: Exception | None = None) -> None:
        self.woken += 1


def a_log(**limits: Any) -> LiveLog:
    """The log of a session that was just made."""
    live = LiveLog("s", **limits)
    live.open(incarnation="cafe", epoch=1, revision=0, end=End(0, 0))
    return live


def publish(live: LiveLog, what: str, now: float = 0.0) -> list[Published]:
    """Publish `d`urable events and pieces of `t`ext; returns them."""
    events: dict[str, Event] = {"d": SessionPaused(by="ann"), "t": TextStreamed(1, "x")}
    return [
        live.publish(events[kind], at_ms=0, revision=live.revision + (kind == "d"), now=now)
        for kind in what
    ]


def kept(live: LiveLog) -> list[int]:
    """The positions of the events that a log still holds."""
    return [item.position for item in live.read(live.first_index, 10_000) or ()]


def after(live: LiveLog, cursor: str) -> Any:
    """The positions that a reader of the log finds after `cursor`, or why it finds none."""
    where = live.locate(parse(cursor, "s"))
    if isinstance(where, str):
        return where
    return [item.position for item in live.read(where, 10_000) or ()]
