"""What is commonly written in the place of greenroom: two plain asyncio designs of a room.

Both do what the behaviour tables of rooms ask for on the way of a message: input is checked (R03),
who joins meets the checks in their order (R11), a sender must take part, be allowed to speak, and
the session be active (R21); an event has a number that is contiguous in its session (R26), an id
of its own and an aware UTC time; history is bounded (R27); every subscriber gets every event, in
order, and one that raises harms nobody (R29, RX8); the sender is answered with the event. Neither
survives a restart, resumes a reader, or bounds what waits.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

log = logging.getLogger(__name__)

MAX_TEXT_BYTES = 1 << 20
MAX_NAME = 128


class Refused(Exception):
    """The session's answer is no, and why."""


@dataclass(slots=True)
class Event:
    id: str
    session_id: str
    event_type: str
    user_id: str
    timestamp: datetime
    content: str
    data: dict[str, Any]
    sequence_number: int
    acknowledged_by: list[str] = field(default_factory=list)


Callback = Callable[[Event], Any]


@dataclass(slots=True)
class Participant:
    user_id: str
    display_name: str
    role: str
    joined_at: datetime
    last_active: datetime


class Room:
    """The state of one session, and what may be done to it: the same for both designs."""

    ids = itertools.count(1)

    def __init__(self, id_: str, host: str, max_participants: int, max_events: int) -> None:
        now = datetime.now(UTC)
        self.id, self.host, self.state = id_, host, "active"
        self.max_participants, self.max_events = max_participants, max_events
        self.allow_join, self.require_approval = True, False
        self.pending: list[str] = []
        self.participants = {host: Participant(host, host, "host", now, now)}
        self.events: list[Event] = []
        self.sequence = 0
        self.subscribers: dict[str, Callback] = {}

    def join(self, user: str) -> Event | None:
        check_name(user)
        if self.state == "ended":
            raise Refused("the session has ended")
        if user in self.participants:
            return None
        if not self.allow_join:
            raise Refused("nobody may join")
        if len(self.participants) >= self.max_participants:
            raise Refused("the session is full")
        if self.require_approval:
            self.pending.append(user)
            return self.add("user_join", user, f"{user} is requesting to join")
        now = datetime.now(UTC)
        self.participants[user] = Participant(user, user, "participant", now, now)
        return self.add("user_join", user, f"{user} joined the session")

    def leave(self, user: str) -> Event:
        check_name(user)
        if self.participants.pop(user, None) is None:
            raise Refused("no participant")
        self.subscribers.pop(user, None)
        if user == self.host:
            self.host = next(iter(self.participants))
        return self.add("user_leave", user, f"{user} left the session")

    def message(self, user: str, text: str) -> Event:
        check_name(user)
        check_text(text)
        member = self.participants.get(user)
        if member is None:
            raise Refused("no participant")
        if member.role == "observer":
            raise Refused("an observer only reads")
        if self.state != "active":
            raise Refused(f"the session is {self.state}")
        event = self.add("message", user, text)
        member.last_active = event.timestamp
        return event

    def add(self, kind: str, user: str, content: str) -> Event:
        self.sequence += 1
        now = datetime.now(UTC)
        id_ = f"event_{next(self.ids)}"
        event = Event(id_, self.id, kind, user, now, content, {}, self.sequence)
        self.events.append(event)
        if len(self.events) > self.max_events:
            del self.events[: len(self.events) - (self.max_events + 1) // 2]
        return event


def check_name(user: Any) -> None:
    if type(user) is not str or not 0 < len(user) <= MAX_NAME or not user.isprintable():
        raise Refused("no name")


def check_text(text: Any) -> None:
    if type(text) is not str or len(text.encode()) > MAX_TEXT_BYTES:
        raise Refused("no text, or too long")


async def deliver(event: Event, subscribers: dict[str, Callback]) -> None:
    for user, callback in tuple(subscribers.items()):
        try:
            result = callback(event)
            if isinstance(result, Awaitable):
                await result
        except Exception:
            log.exception("subscriber %s failed", user)


class Rooms(ABC):
    """Many sessions."""

    def __init__(self) -> None:
        self.rooms: dict[str, Room] = {}

    @abstractmethod
    async def create(self, host: str, max_participants: int, max_events: int) -> str: ...

    @abstractmethod
    async def join(self, session: str, user: str) -> Event | None: ...

    @abstractmethod
    async def leave(self, session: str, user: str) -> Event: ...

    @abstractmethod
    async def message(self, session: str, user: str, text: str) -> Event: ...

    @abstractmethod
    async def subscribe(self, session: str, user: str, callback: Callback) -> None: ...

    async def close(self) -> None:
        self.rooms.clear()

    def _made(self, host: str, max_participants: int, max_events: int) -> Room:
        check_name(host)
        room = Room(f"room-{len(self.rooms)}", host, max_participants, max_events)
        self.rooms[room.id] = room
        return room

    def _room(self, session: str) -> Room:
        room = self.rooms.get(session)
        if room is None:
            raise Refused("no such session")
        return room


class LockedRooms(Rooms):
    """One dict of sessions and one lock; subscribers are called by whoever holds it.

    Were they called outside of it, events would reach them out of order (RX8).
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = asyncio.Lock()

    async def create(self, host: str, max_participants: int, max_events: int) -> str:
        async with self._lock:
            return self._made(host, max_participants, max_events).id

    async def join(self, session: str, user: str) -> Event | None:
        async with self._lock:
            room = self._room(session)
            event = room.join(user)
            if event is not None:
                await deliver(event, room.subscribers)
            return event

    async def leave(self, session: str, user: str) -> Event:
        async with self._lock:
            room = self._room(session)
            event = room.leave(user)
            await deliver(event, room.subscribers)
            return event

    async def message(self, session: str, user: str, text: str) -> Event:
        async with self._lock:
            room = self._room(session)
            event = room.message(user, text)
            await deliver(event, room.subscribers)
            return event

    async def subscribe(self, session: str, user: str, callback: Callback) -> None:
        async with self._lock:
            room = self._room(session)
            if user not in room.participants:
                raise Refused("no participant")
            room.subscribers[user] = callback


Work = Callable[[], Event | None]


class QueuedRooms(Rooms):
    """A queue and a task for each session; a sender waits for the future that it has queued."""

    def __init__(self) -> None:
        super().__init__()
        self._queues: dict[str, asyncio.Queue[tuple[Work, asyncio.Future[Any]]]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def create(self, host: str, max_participants: int, max_events: int) -> str:
        room = self._made(host, max_participants, max_events)
        self._queues[room.id] = asyncio.Queue()
        self._tasks.append(asyncio.create_task(self._run(room, self._queues[room.id])))
        return room.id

    async def join(self, session: str, user: str) -> Event | None:
        room = self._room(session)
        event: Event | None = await self._do(session, lambda: room.join(user))
        return event

    async def leave(self, session: str, user: str) -> Event:
        room = self._room(session)
        event: Event = await self._do(session, lambda: room.leave(user))
        return event

    async def message(self, session: str, user: str, text: str) -> Event:
        room = self._room(session)
        event: Event = await self._do(session, lambda: room.message(user, text))
        return event

    async def subscribe(self, session: str, user: str, callback: Callback) -> None:
        room = self._room(session)

        def add() -> None:
            if user not in room.participants:
                raise Refused("no participant")
            room.subscribers[user] = callback

        await self._do(session, add)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await super().close()

    async def _do(self, session: str, work: Work) -> Any:
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._queues[session].put_nowait((work, done))
        return await done

    async def _run(
        self, room: Room, queue: asyncio.Queue[tuple[Work, asyncio.Future[Any]]]
    ) -> None:
        while True:
            work, done = await queue.get()
            try:
                event = work()
            except Exception as error:
                if not done.done():
                    done.set_exception(error)
                continue
            if not done.done():
                done.set_result(event)
            if event is not None:
                await deliver(event, room.subscribers)
