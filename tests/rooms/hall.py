"""A room in a test's hand: its people, what they hear, and what its history tells."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from theatre import settle

import greenroom
from greenroom.actors.session.events import KINDS
from greenroom.actors.session.wire import RoomEvent, room_event

_NAMES = {kind: name for name, kind in KINDS.items()}


@asynccontextmanager
async def room(
    *guests: str,
    started: bool = True,
    pipeline: Any = None,
    journal: Any = "memory:",
    clock: Any = None,
    dispatcher: Any = None,
    context: dict[str, Any] | None = None,
    memories: tuple[str, ...] = (),
    **settings: Any,
) -> AsyncIterator[greenroom.Session]:
    """Ann's session `s` and its guests; one named `eve*` only watches."""
    runtime = greenroom.Runtime(pipeline, journal=journal, clock=clock, dispatcher=dispatcher)
    async with runtime:
        session = await runtime.create(
            user="ann",
            id="s",
            user_name="Ann",
            name="a room",
            start=started,
            settings=greenroom.Settings(**settings),
            context=context,
            memories=memories,
        )
        for guest in guests:
            await come(session, guest)
        yield session


def come(session: greenroom.Session, guest: str) -> greenroom.Reply[greenroom.JoinReceipt]:
    user, role = guest.rstrip("*"), "observer" if guest.endswith("*") else "participant"
    return session.join(user, name=user.title(), role=role)


async def refused(reply: Any, error: type[Exception], **fields: Any) -> Any:
    """The refusal, of exactly this kind and with these fields; nothing is left of the command."""
    with pytest.raises(error) as refusal:
        await reply
    assert type(refusal.value) is error
    for name, value in fields.items():
        assert getattr(refusal.value, name) == value
    return refusal.value


class Ear:
    """Notes what a subscription of `user` hears, and when it ends."""

    def __init__(self, user: str) -> None:
        self.user = user
        self.items: list[Any] = []
        self.ended = False

    @classmethod
    async def of(cls, session: greenroom.Session, user: str, **options: Any) -> Ear:
        ear = cls(user)
        await session.subscribe(user, ear.items.append, on_close=ear._end, **options)
        return ear

    @property
    def kinds(self) -> list[str]:
        return kinds(self.items)

    @property
    def wire(self) -> list[RoomEvent]:
        return [room_event(item) for item in self.items]

    @property
    def revisions(self) -> list[int]:
        return [item.revision for item in self.items]

    def _end(self, _: Exception | None) -> None:
        self.ended = True


def kinds(items: Any) -> list[str]:
    """The kinds of events, by the names that readers filter by."""
    return [_NAMES[type(item.event)] for item in items]


async def told(session: greenroom.Session, user: str = "ann") -> list[RoomEvent]:
    """The room history as a room client sees it."""
    await settle()
    page = await session.history(user)
    return [room_event(event) for event in page.events]


def said(items: Any) -> list[str]:
    """The texts of the messages among events."""
    return [item.event.message.text for item in items if hasattr(item.event, "message")]


async def roles(session: greenroom.Session) -> dict[str, str]:
    return {user: member.role for user, member in (await session.info()).participants.items()}
