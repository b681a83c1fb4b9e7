"""What is commonly written in the place of greenroom: two plain asyncio designs of a room.

Both do what the behaviour tables of rooms ask for on the way of a message: input is checked (R03);
who joins meets the checks in their order (R11), asks once for approval (RX13) and is found by his
sessions (R15, R35); a sender must take part, be allowed to speak, and the session be active (R21);
the host's place is inherited, and the last one who leaves ends the session (R18, R19); an event has
a number that is contiguous in its session, a unique id (R26) and an aware UTC time; history is
bounded, or not kept (R27, RX19). Every subscriber gets every event, in order (RX8); one that raises
harms nobody, and one that blocks keeps neither senders nor the other subscribers waiting (R29,
RX26): so each has a queue and a task of its own. The sender is answered with the event.

Neither survives a restart, resumes a reader, takes calls from another thread, or bounds what waits.
`BareRooms` calls subscribers while it holds the lock instead. It is what is written first, and what
the tables are about: one slow subscriber stops all sessions, and one that answers, for ever (RX26).
"""

from __future__ import annotations

import asyncio
import logging
import secrets
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


async def call(callback: Callback, event: Event) -> None:
    """Have a subscriber see `event`, and whatever it raises contained."""
    try:
        result = callback(event)
        if isinstance(result, Awaitable):
            await result
    except Exception:
        log.exception("a subscriber failed")


class Subscriber:
    """Who is called with each event, beside whoever sends it, and in order."""

    def __init__(self, user: str, callback: Callback) -> None:
        self.user = user
        self._callback = callback
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue()
        self._task = asyncio.create_task(self._run())

    def put(self, event: Event) -> None:
        self._queue.put_nowait(event)

    def end(self) -> None:
        """Call it no more after what has been put."""
        self._queue.put_nowait(None)

    async def _run(self) -> None:
        while (event := await self._queue.get()) is not None:
            await call(self._callback, event)


@dataclass(slots=True)
class Participant:
    user_id: str
    display_name: str
    role: str
    joined_at: datetime
    last_active: datetime


class Room:
    """The state of one session, and what may be done to it: the same for both designs."""

    def __init__(self, id_: str, host: str, max_participants: int, max_events: int) -> None:
        now = datetime.now(UTC)
        self.id, self.host, self.state = id_, host, "active"
        self.max_participants, self.max_events = max_participants, max_events
        self.allow_join, self.require_approval, self.record = True, False, True
        self.pending: list[str] = []
        self.participants = {host: Participant(host, host, "host", now, now)}
        self.events: list[Event] = []
        self.sequence = 0
        self.subscribers: list[Subscriber] = []

    def join(self, user: str) -> list[Event]:
        check_name(user)
        if self.state == "ended":
            raise Refused("the session has ended")
        if user in self.participants or user in self.pending:
            return []
        if not self.allow_join:
            raise Refused("nobody may join")
        if len(self.participants) >= self.max_participants:
            raise Refused("the session is full")
        if self.require_approval:
            self.pending.append(user)
            return [self.add("user_join", user, f"{user} is requesting to join")]
        now = datetime.now(UTC)
        self.participants[user] = Participant(user, user, "participant", now, now)
        return [self.add("user_join", user, f"{user} joined the session")]

    def leave(self, user: str) -> list[Event]:
        check_name(user)
        if self.participants.pop(user, None) is None:
            raise Refused("no participant")
        for subscriber in [one for one in self.subscribers if one.user == user]:
            subscriber.end()
            self.subscribers.remove(subscriber)
        events = [self.add("user_leave", user, f"{user} left the session")]
        if not self.participants:
            self.state = "ended"
            events.append(self.add("state_change", user, "Session ended"))
        elif user == self.host:
            events.append(self._inherit())
        return events

    def _inherit(self) -> Event:
        members = self.participants
        self.host = next(
            (user for user, member in members.items() if member.role != "observer"),
            next(iter(members)),
        )
        members[self.host].role = "host"
        return self.add("state_change", self.host, f"{self.host} is the host")

    def message(self, user: str, text: str) -> list[Event]:
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
        return [event]

    def add(self, kind: str, user: str, content: str) -> Event:
        self.sequence += 1
        now = datetime.now(UTC)
        id_ = f"{self.id}:{self.sequence}"
        event = Event(id_, self.id, kind, user, now, content, {}, self.sequence)
        if self.record:
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


class Rooms(ABC):
    """Many sessions, and in which of them each user takes part."""

    def __init__(self) -> None:
        self.rooms: dict[str, Room] = {}
        self.users: dict[str, dict[str, Room]] = {}

    @abstractmethod
    async def create(self, host: str, max_participants: int, max_events: int) -> str: ...

    @abstractmethod
    async def join(self, session: str, user: str) -> Event | None: ...

    @abstractmethod
    async def leave(self, session: str, user: str) -> Event: ...

    @abstractmethod
    async def message(self, session: str, user: str, text: str) -> Event: ...

    async def subscribe(self, session: str, user: str, callback: Callback) -> None:
        room = self._room(session)
        if user not in room.participants:
            raise Refused("no participant")
        room.subscribers.append(Subscriber(user, callback))

    async def close(self) -> None:
        for room in self.rooms.values():
            for subscriber in room.subscribers:
                subscriber.end()
        self.rooms.clear()

    def _made(self, host: str, max_participants: int, max_events: int) -> Room:
        check_name(host)
        room = Room(secrets.token_hex(16), host, max_participants, max_events)
        self.rooms[room.id] = room
        self.users.setdefault(host, {})[room.id] = room
        return room

    def _room(self, session: str) -> Room:
        room = self.rooms.get(session)
        if room is None:
            raise Refused("no such session")
        return room

    def _joined(self, room: Room, user: str) -> list[Event]:
        events = room.join(user)
        if user in room.participants:
            self.users.setdefault(user, {})[room.id] = room
        return events

    def _left(self, room: Room, user: str) -> list[Event]:
        events = room.leave(user)
        del self.users[user][room.id]
        if not self.users[user]:
            del self.users[user]
        return events


def deliver(room: Room, events: list[Event]) -> Event:
    """Have all subscribers see `events`; the first of them."""
    for event in events:
        for subscriber in room.subscribers:
            subscriber.put(event)
    return events[0]


class LockedRooms(Rooms):
    """One dict of sessions and one lock, under which a session changes and its events go out."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = asyncio.Lock()

    async def create(self, host: str, max_participants: int, max_events: int) -> str:
        async with self._lock:
            return self._made(host, max_participants, max_events).id

    async def join(self, session: str, user: str) -> Event | None:
        async with self._lock:
            room = self._room(session)
            events = self._joined(room, user)
            return deliver(room, events) if events else None

    async def leave(self, session: str, user: str) -> Event:
        async with self._lock:
            room = self._room(session)
            return deliver(room, self._left(room, user))

    async def message(self, session: str, user: str, text: str) -> Event:
        async with self._lock:
            room = self._room(session)
            return deliver(room, room.message(user, text))


class BareRooms(Rooms):
    """The same, but for its subscribers: whoever holds the lock calls them, and waits for them."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = asyncio.Lock()
        self._callbacks: dict[str, dict[str, Callback]] = {}

    async def create(self, host: str, max_participants: int, max_events: int) -> str:
        async with self._lock:
            room = self._made(host, max_participants, max_events)
            self._callbacks[room.id] = {}
            return room.id

    async def join(self, session: str, user: str) -> Event | None:
        async with self._lock:
            events = self._joined(self._room(session), user)
            return await self._call(session, events) if events else None

    async def leave(self, session: str, user: str) -> Event:
        async with self._lock:
            self._callbacks[session].pop(user, None)
            return await self._call(session, self._left(self._room(session), user))

    async def message(self, session: str, user: str, text: str) -> Event:
        async with self._lock:
            return await self._call(session, self._room(session).message(user, text))

    async def subscribe(self, session: str, user: str, callback: Callback) -> None:
        async with self._lock:
            if user not in self._room(session).participants:
                raise Refused("no participant")
            self._callbacks[session][user] = callback

    async def _call(self, session: str, events: list[Event]) -> Event:
        for event in events:
            for callback in tuple(self._callbacks[session].values()):
                await call(callback, event)
        return events[0]


Work = Callable[[], list[Event]]


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
        event: Event | None = await self._do(session, lambda: self._joined(room, user))
        return event

    async def leave(self, session: str, user: str) -> Event:
        room = self._room(session)
        event: Event = await self._do(session, lambda: self._left(room, user))
        return event

    async def message(self, session: str, user: str, text: str) -> Event:
        room = self._room(session)
        event: Event = await self._do(session, lambda: room.message(user, text))
        return event

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
                events = work()
            except Exception as error:
                if not done.done():
                    done.set_exception(error)
                continue
            if not done.done():
                done.set_result(events[0] if events else None)
            if events:
                deliver(room, events)
