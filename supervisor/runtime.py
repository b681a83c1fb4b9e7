"""The runtime: how sessions begin, and the way of a message to its session."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from ..actors.errors import MailboxClosed, Overloaded, RuntimeClosed, SessionNotFound
from ..actors.kernel.mailbox import Mail, Mailbox
from ..actors.kernel.reply import Reply
from ..actors.ports import NewSession, SessionId, UserId
from ..actors.session import values
from ..actors.session.answers import Receipt
from ..actors.session.commands import Delete, End
from ..actors.session.fork import ForkPoint, forked
from ..actors.session.info import SessionInfo
from ..actors.session.messages import Erase, GetForkPoint, GetInfo, Keyed
from ..actors.session.pins import Scope
from ..actors.session.secret import Secret
from ..actors.session.settings import Settings
from ..actors.session.state import Genesis, State, encode_genesis
from .explanation import Explanation
from .handles.base import follow
from .handles.people import token_of
from .life import Life
from .messages import Create, Evict, Explain, Park, Revive, Unpinned, Wanted
from .obtaining import Obtaining
from .residents import ResidentQuery, Residents
from .session import Session


class Runtime(Life):
    """Hosts sessions on the running asyncio loop, and keeps them in a journal.

    An async context manager: entering opens the journal, leaving drains and closes it. `create`,
    `session` and the methods of a `Session` may be called from any thread.
    """

    # --- how sessions begin ---

    def create(
        self,
        user: UserId,
        *,
        id: SessionId | None = None,  # noqa: A002
        name: str = "",
        user_name: str | None = None,
        start: bool = True,
        settings: Settings | None = None,
        context: dict[str, Any] | None = None,
        memories: Sequence[str] = (),
        token: Secret | None = None,
    ) -> Reply[Session]:
        """Make a session with `user` as its owner and host. The reply: it is durable and on stage.

        Without `id` it gets a random one of 128 bits. A session takes messages once it is started;
        with `start=False` the host starts it later. No event tells of the creation. `context` and
        `memories` are what its participants share from the beginning. `token` is given to those
        who open its resources, and kept nowhere else: in memory, while the session lives, and not
        across a restart of the process (see `Session.set_token`).

        Raises InvalidInput. Refused: CapacityError, SessionExists, RuntimeClosed.
        """
        genesis = self._genesis(
            user,
            self._new_id(16) if id is None else id,
            name=name,
            user_name=user_name,
            start=start,
            settings=settings,
            context=context,
            memories=memories,
        )
        reply: Reply[Session] = Reply(self.dispatcher, to=self.session)
        self._create(genesis, reply, None if token is None else token_of(token))
        return reply

    def get_or_create(
        self,
        user: UserId,
        *,
        id: SessionId,  # noqa: A002
        token: Secret | None = None,
        **options: Any,
    ) -> Reply[Session]:
        """The session `id`, made with `user` as its owner and host if there is none.

        Of those who ask at the same time one makes it, and all get the same. `options` are those of
        `create`; for a session that is there they are ignored. It is on stage then, whatever state
        it is in, also ended.

        Raises InvalidInput. Refused: NotMember, if it is somebody else's and `user` takes no part
        in it; SessionExists, if it was deleted, or has expired, less than `tombstone_retention_s`
        ago; CapacityError, RuntimeClosed.
        """
        genesis = self._genesis(user, id, **options)
        secret = None if token is None else token_of(token)
        reply: Reply[Session] = Reply(self.dispatcher, to=self.session)

        def look() -> Reply[SessionInfo]:
            return self.ask(genesis.id, GetInfo())

        def make() -> Reply[SessionId]:
            made: Reply[SessionId] = Reply(self.dispatcher)
            self._create(genesis, made, secret)
            return made

        everywhere = user == self.config.dev_user
        Obtaining(
            genesis.id, user, everywhere=everywhere, look=look, make=make, reply=reply
        ).begin()
        return reply

    def _genesis(
        self,
        user: UserId,
        id: SessionId,  # noqa: A002
        *,
        name: str = "",
        user_name: str | None = None,
        start: bool = True,
        settings: Settings | None = None,
        context: dict[str, Any] | None = None,
        memories: Sequence[str] = (),
    ) -> Genesis:
        return Genesis(
            id=values.session_id(id),
            incarnation=self._new_id(4),
            owner=values.name(user, "user"),
            owner_name=user if user_name is None else values.name(user_name, "user_name"),
            name=values.text(name, "name", max_bytes=values.MAX_NAME * 4),
            created_ms=self._clock.now_ms(),
            started=start,
            settings=settings or Settings(),
            context=values.plain({} if context is None else context, "context"),
            memories=[values.name(memory, "memories") for memory in memories],
        )

    def fork(
        self,
        source: SessionId,
        user: UserId,
        *,
        at: int | None,
        id: SessionId | None,  # noqa: A002
        name: str | None,
    ) -> Reply[Session]:
        """Make a session from another one: `Session.fork`, whose arguments these are, checked."""

        def begin(state: State, point: ForkPoint) -> Genesis:
            return forked(
                state,
                id=self._new_id(16) if id is None else id,
                incarnation=self._new_id(4),
                owner=user,
                owner_name=point.name,
                name=name,
                created_ms=self._clock.now_ms(),
                export=point.export,
            )

        reply: Reply[Session] = Reply(self.dispatcher, to=self.session)
        asked: Reply[ForkPoint] = self.ask(source, GetForkPoint(user, at))
        asked.on_done(lambda point: self._forks.make(source, point, begin, reply))
        return reply

    def _create(self, genesis: Genesis, reply: Reply[Any], token: Secret | None = None) -> None:
        row = State.at_creation(genesis).index_row(members=True)
        new = NewSession(genesis=encode_genesis(genesis), row=row)
        self._ask_supervisor(Create(new, token), reply)

    # --- how they are reached ---

    def session(self, id: SessionId) -> Session:  # noqa: A002
        """The handle of a session, without looking whether there is one. Raises InvalidInput."""
        return Session(self, values.session_id(id))

    def ask(
        self, session: SessionId, message: object, to: Callable[[Any], Any] | None = None
    ) -> Reply[Any]:
        """Queue `message` for a session, waking it if need be; the reply is passed through `to`."""
        if self._phase != "running":
            refused: Reply[Any] = Reply(self.dispatcher)
            refused.set_error(RuntimeClosed(self._phase))
            return refused
        reply: Reply[Any] = Reply(self._dispatcher, to, self._stage.commits_at_once)
        mail = Mail(message, reply)
        while True:
            box = self._directory.get(session)
            try:
                if box is None:
                    box = self._knock(session, message)
                box.put(mail)
            except MailboxClosed:
                # The session has just left, in order: its next message wakes it.
                if box is not None:
                    self._directory.forget(session, box)
            except (Overloaded, RuntimeClosed) as error:
                reply.set_error(error)
                return reply
            else:
                return reply

    def tell_resident(self, session: SessionId, message: object) -> None:
        """Tell a session something if it is on stage; otherwise nobody needs to hear it."""
        box = self._directory.get(session)
        if box is not None:
            with suppress(MailboxClosed, Overloaded):
                box.put(Mail(message))

    def next_submission(self) -> str:
        """An id for a submission: `sub_` and 8 hexadecimal digits (spec A01).

        They count on from a random number, so that none comes again before 2**32 others were
        given: after 49 days of 1,000 a second. Counting is one step for all threads.
        """
        return f"sub_{next(self._submissions) & 0xFFFF_FFFF:08x}"

    def _knock(self, session: SessionId, message: object) -> Mailbox:
        """A mailbox for a session that is not on stage, and word to the supervisor."""
        if self._phase != "running":
            raise RuntimeClosed(self._phase)
        box, is_new = self._directory.open(session, lambda: self._stage.new_mailbox(session))
        if is_new:
            try:
                self._ask_supervisor(Wanted(session, box, _sender(message)), None)
            except RuntimeClosed:
                self._directory.forget(session, box)
                box.close()
                raise
        return box

    def _ask_supervisor(self, message: object, reply: Reply[Any] | None) -> None:
        if self._phase != "running" or self._mailbox is None:
            raise RuntimeClosed(self._phase)
        try:
            self._mailbox.put_system(Mail(message, reply))
        except MailboxClosed:
            raise RuntimeClosed(self._phase) from None

    def explain(self, session: SessionId) -> Reply[Explanation]:
        """Why a session is, or is not, on stage, since when, and what keeps it there.

        For whoever runs the house: no membership is asked for. Neither wakes the session nor counts
        as activity; of one that is not on stage the journal's index is asked, and what that raises
        is raised. Works while the runtime is draining. Raises InvalidInput. Refused: RuntimeClosed.
        """
        reply: Reply[Explanation] = Reply(self.dispatcher)
        asked = Mail(Explain(values.session_id(session)), reply)
        if self._mailbox is None or self._phase not in ("running", "draining"):
            reply.set_error(RuntimeClosed(self._phase))
            return reply
        try:
            self._mailbox.put_system(asked)
        except MailboxClosed:
            reply.set_error(RuntimeClosed(self._phase))
        return reply

    async def residents(self, query: ResidentQuery | None = None) -> Residents:
        """The sessions that this process holds something of, the most conspicuous first.

        For whoever runs the house: no membership is asked for. It is one pass over them, which
        lets others in between, wakes none, and counts as no activity. To be awaited on the
        runtime's loop; works while it is draining. Raises RuntimeClosed.
        """
        if self._supervisor is None or self._phase not in ("running", "draining"):
            raise RuntimeClosed(self._phase)
        return await self._supervisor.residents(query or ResidentQuery())

    # --- how they go ---

    def delete(self, session: SessionId, user: UserId, archive: bool = True) -> Reply[bool]:
        """Delete a session in the name of `user`, as `Session.delete` does: True.

        False if there is no such session, or there is none any more. Raises InvalidInput.
        """
        return follow(self.session(session).delete(user, archive), self.dispatcher, _deleted)

    def erase(self, session: SessionId, command: Delete, *, archive: bool) -> Reply[bool]:
        """Have a session archived, if it is to be and there is an archive, ended and hidden."""
        if not archive or self._archive is None or self._phase != "running":
            return self.ask(session, Erase(command))
        reply: Reply[bool] = Reply(self.dispatcher)
        self._deletions.begin(session, command, reply)
        return reply

    def let_sleep(self, session: SessionId, scope: Scope) -> None:
        """Keep a session awake no longer for the sake of `scope`. Raises RuntimeClosed."""
        self._ask_supervisor(Unpinned(session, scope), None)

    def passivate(self, session: SessionId, *, force: bool = False) -> Reply[bool]:
        """Have a session leave the stage now, if it is idle: whether it has left.

        False if it is not on stage, is at work or kept awake, or has crashed instead. With `force`
        it leaves whatever it does: a running turn is stopped and handed back, so that it is found
        lost (or run again, see `turn_attempts`) on the next message; whoever waits for its result
        waits on. Nothing is lost: messages that come meanwhile bring it back at once.
        Raises InvalidInput. Refused: RuntimeClosed.
        """
        return self._order(Evict(values.session_id(session), force))

    def park(self, session: SessionId, reason: str) -> Reply[bool]:
        """For operators: set a session aside, as one is that crashes too often.

        It leaves the stage whatever it does, as with `passivate(force=True)`; the reply comes when
        it has. Its readers, and whoever writes to it, get `SessionParked` with the `reason`, until
        it is revived or the process ends: nothing is journaled. Nobody looks whether there is such
        a session. False if it is parked already, or the runtime stops.

        Raises InvalidInput. Refused: RuntimeClosed.
        """
        reason = values.name(reason, "reason")
        return self._order(Park(values.session_id(session), reason))

    def revive(self, session: SessionId) -> Reply[bool]:
        """For operators: let a parked session on stage again, or have a damaged one looked at again
        at once; whether it was either.

        Its restarts are counted from none. Its next message wakes it; those that came while it was
        parked were answered, and its readers subscribe again. Raises InvalidInput. Refused:
        RuntimeClosed.
        """
        return self._order(Revive(values.session_id(session)))

    def end(self, session: SessionId, reason: str = "operator") -> Reply[Receipt]:
        """For operators: end a session for good, as its host could, without taking part in it.

        Every turn is cancelled; its readers see `session.ended`, with no `by`, and the `reason`. It
        is woken for that, if need be. Ending what has ended changes nothing.

        Raises InvalidInput. Refused: SessionNotFound, SessionParked (revive it first),
        CapacityError, RuntimeClosed.
        """
        end = End(by="", reason=values.name(reason, "reason"))
        return self.ask(values.session_id(session), end)

    def _order(self, message: object) -> Reply[bool]:
        reply: Reply[bool] = Reply(self.dispatcher)
        try:
            self._ask_supervisor(message, reply)
        except RuntimeClosed as error:
            reply.set_error(error)
        return reply


def _sender(message: object) -> UserId | None:
    """Who sends `message`, if it says so."""
    command = message.command if type(message) is Keyed else message
    user: UserId | None = getattr(command, "user", None)
    return user


def _deleted(done: Reply[Any]) -> bool:
    return not isinstance(done.error, SessionNotFound) and bool(done.result())
