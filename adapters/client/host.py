"""What stands for the runtime behind the handles of a client's sessions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any, Final

from ...actors.errors import RuntimeClosed
from ...actors.kernel.dispatcher import Dispatcher, LoopDispatcher
from ...actors.kernel.reply import Reply
from ...actors.ports import Calendar, Clock, SessionId, UserId
from ...actors.session import values
from ...actors.session.commands import Delete
from ...actors.session.events import KINDS
from ...actors.session.info import SessionInfo
from ...actors.session.messages import Keyed, Present, ReportFailure, Subscribe
from ...actors.session.pins import Scope
from ...supervisor.config import Config
from ...supervisor.session import Session
from .errors import NotRemote, NotYou
from .lane import Lane, Work
from .link import Link
from .questions import QUESTIONS
from .reader import Reader
from .request import Request, as_
from .sharing import SHARING
from .talking import TALKING
from .works import STEPS, WAITS

REQUESTS: Final[dict[type, Any]] = TALKING | SHARING | QUESTIONS
"""What one request asks for, by the type of what a handle asks."""

_NAMES: Final = {kind: name for name, kind in KINDS.items()}

_info: Final = as_(SessionInfo)


class _AnyCalendar:
    """Leaves cron expressions for the server to check."""

    def check(self, cron: str, zone: str) -> None:
        """Refuse nothing."""

    def next_ms(self, cron: str, zone: str, after_ms: int) -> int | None:  # noqa: ARG002
        """Nothing goes off here."""
        return None


class RemoteHost:
    """Sends on what handles ask, in the order of the calls for each session.

    It acts for one user: what is asked in the name of another one is refused with `NotYou` before
    it is sent.
    """

    config: Config
    calendar: Calendar

    def __init__(
        self, link: Link, new_id: Callable[[int], str], dispatcher: Dispatcher | None = None
    ) -> None:
        self.config, self.calendar = Config(), _AnyCalendar()
        self._link, self._new_id = link, new_id
        self._dispatcher = dispatcher
        self._loop: asyncio.AbstractEventLoop | None = None
        self._phase = "new"
        self._lanes: dict[str, Lane] = {}
        self._readers: set[Reader] = set()
        self._submissions = count(int(new_id(4), 16))

    @property
    def user(self) -> UserId:
        """In whose name all is done, as the server says."""
        return self._link.user

    @property
    def dispatcher(self) -> Dispatcher:
        """Whose thread answers. Raises RuntimeClosed."""
        if self._dispatcher is None:
            raise RuntimeClosed(self._phase)
        return self._dispatcher

    @property
    def clock(self) -> Clock:
        """By which it waits."""
        return self._link.clock

    # --- what handles ask ---

    def session(self, id: SessionId) -> Session:  # noqa: A002
        """The handle of a session, without looking whether there is one. Raises InvalidInput."""
        return Session(self, values.session_id(id))

    def ask(
        self, session: SessionId, message: object, to: Callable[[Any], Any] | None = None
    ) -> Reply[Any]:
        """Have a session asked; the reply is passed through `to`."""
        key, asked = (message.key, message.command) if type(message) is Keyed else (None, message)
        reply: Reply[Any] = Reply(self.dispatcher, to=to)
        kind = type(asked)
        if (user := _acting(asked)) not in (None, self.user):
            reply.set_error(NotYou(str(user), me=self.user))
        elif kind in WAITS:
            self._put(session, partial(WAITS[kind], self._link, session, asked), reply, apart=True)
        elif kind in STEPS:
            self._put(session, partial(STEPS[kind], self._link, session, asked, key), reply)
        elif isinstance(asked, Subscribe):
            self._put(session, partial(self._subscribe, session, asked), reply)
        elif kind in REQUESTS:
            self._put(session, partial(self._translated, session, asked, key), reply)
        else:
            reply.set_error(NotRemote(kind.__name__))
        return reply

    def tell_resident(self, session: SessionId, message: object) -> None:
        """Have a session told something. Nobody hears whether it was."""
        if not isinstance(message, ReportFailure):  # that is logged here, and concerns nobody there
            self.ask(session, message)

    def next_submission(self) -> str:
        """An id for a submission: unique among those of this client."""
        return f"sub_{next(self._submissions) & 0xFFFF_FFFF:08x}"

    def let_sleep(self, session: SessionId, scope: Scope) -> None:
        """Nothing: a client keeps no session awake."""

    def erase(self, session: SessionId, command: Delete, *, archive: bool) -> Reply[bool]:
        """Have a session ended and hidden: True."""
        request = Request(
            method="DELETE",
            path=f"/v1/sessions/{session}",
            query={"archive": "true" if archive else "false"},
            to=lambda _: True,
        )
        return self._requested(session, request, command.by)

    def fork(
        self,
        source: SessionId,
        user: UserId,
        *,
        at: int | None,
        id: SessionId | None,  # noqa: A002
        name: str | None,
    ) -> Reply[Session]:
        """Have a session made from another one. It has an id from here, so it is made once."""
        request = Request(
            method="POST",
            path=f"/v1/sessions/{source}/fork",
            json={"at": at, "id": self._new_id(16) if id is None else id, "name": name},
            to=lambda answer: _info(answer).id,
            is_safe=True,
        )
        return self._requested(source, request, user, to=self.session)

    def _translated(self, session: SessionId, asked: Any, key: str | None) -> Any:
        request: Request = REQUESTS[type(asked)](f"/v1/sessions/{session}", asked)
        return self._link.ask(request if key is None else request.under(key), session)

    async def _subscribe(self, session: SessionId, asked: Subscribe) -> Reader:
        kinds = None if asked.kinds is None else sorted(_NAMES[kind] for kind in asked.kinds)
        cursor = None if asked.cursor is None else str(asked.cursor)
        if asked.cursor is not None and not asked.cursor.incarnation:
            cursor = "start"
        reader = Reader(self._link, session, asked.sink, cursor, kinds)
        self._readers.add(reader)
        reader.task.add_done_callback(lambda _: self._readers.discard(reader))
        return await reader.opened()

    # --- how it is sent ---

    def _requested(
        self,
        lane: str,
        request: Request,
        user: UserId | None,
        to: Callable[[Any], Any] | None = None,
        *,
        apart: bool = False,
    ) -> Reply[Any]:
        reply: Reply[Any] = Reply(self.dispatcher, to=to)
        if user not in (None, self.user):
            reply.set_error(NotYou(str(user), me=self.user))
        else:
            self._put(lane, partial(self._link.ask, request, lane), reply, apart=apart)
        return reply

    def _put(self, lane: str, work: Work, reply: Reply[Any], *, apart: bool = False) -> None:
        """In its turn, also from another thread."""
        if self._loop is None or self._phase != "running":
            reply.set_error(RuntimeClosed(self._phase))
        elif self.dispatcher.is_current():
            self._enqueue(lane, work, reply, apart)
        else:
            self._loop.call_soon_threadsafe(self._enqueue, lane, work, reply, apart)

    def _enqueue(self, name: str, work: Work, reply: Reply[Any], apart: bool) -> None:
        if self._phase != "running":
            reply.set_error(RuntimeClosed(self._phase))
            return
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = Lane(partial(self._forget, name))
        lane.put(work, reply, apart=apart)

    def _forget(self, name: str) -> None:
        self._lanes.pop(name, None)

    # --- its life ---

    def _begin(self) -> None:
        self._loop = asyncio.get_running_loop()
        if self._dispatcher is None:
            self._dispatcher = LoopDispatcher(self._loop)
        self._phase = "running"

    async def _end(self, *, orderly: bool) -> None:
        """Stop; in order: when what was asked for has been sent. Nothing that waits is awaited."""
        if orderly:
            for lane in tuple(self._lanes.values()):
                await lane.done()
        self._phase = "stopped"
        for lane in tuple(self._lanes.values()):
            await lane.close(RuntimeClosed("stopped"))
        readers = tuple(self._readers)
        for reader in readers:
            reader.close()
        await asyncio.gather(*(reader.task for reader in readers), return_exceptions=True)


def _acting(asked: Any) -> UserId | None:
    """In whose name something is asked; None: in nobody's."""
    if isinstance(asked, Present):
        return asked.presence.user
    user: UserId | None = getattr(asked, "by", None) or getattr(asked, "user", None)
    return user
