"""The runtime: start, embed, stop; and the way of a message to its session."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import entry_points
from itertools import count
from types import TracebackType
from typing import Any, Self

import structlog
from pykka._envelope import Envelope

from ..actors.errors import (
    ConfigError,
    MailboxClosed,
    Overloaded,
    RuntimeClosed,
    SessionNotFound,
)
from ..actors.kernel.dispatcher import Dispatcher, LoopDispatcher
from ..actors.kernel.mailbox import Mailbox
from ..actors.kernel.reply import Reply
from ..actors.ports import (
    Clock,
    Journal,
    NewSession,
    Pipeline,
    SessionId,
    UserId,
)
from ..actors.session import values
from ..actors.session.backstage import Backstage, EndHook
from ..actors.session.compaction import as_compactor
from ..actors.session.fork import ForkPoint, forked
from ..actors.session.messages import GetForkPoint
from ..actors.session.pipeline import as_stream
from ..actors.session.resources import Factory
from ..actors.session.secret import Secret
from ..actors.session.settings import Settings
from ..actors.session.stage import Stage, Stats
from ..actors.session.state import Genesis, State, encode_genesis
from ..actors.session.watchdog import Watchdog
from .config import Config
from .directory import Directory
from .forks import Forks
from .handles.base import follow
from .handles.people import token_of
from .logs import LiveLogs
from .messages import Create, Drain, DrainReport, Evict, Wanted
from .registry import Registry
from .session import Session
from .supervisor import SupervisorActor

log = structlog.get_logger()


class Runtime(Registry):
    """Hosts sessions on the running asyncio loop, and keeps them in a journal.

    An async context manager: entering opens the journal, leaving drains and closes it. `create`,
    `session` and the methods of a `Session` may be called from any thread.

    `new_id` makes a random hexadecimal id of so many bytes. `clock` and `new_id` are given by the
    public `greenroom.Runtime`; `dispatcher` is for tests.
    """

    def __init__(
        self,
        pipeline: Pipeline | None = None,
        *,
        compactor: Pipeline | None = None,
        journal: Journal | str,
        clock: Clock,
        new_id: Callable[[int], str],
        config: Config | None = None,
        dispatcher: Dispatcher | None = None,
        resources: Factory | None = None,
        on_end: EndHook | None = None,
    ) -> None:
        self.config = config or Config()
        self.journal: Journal = find_journal(journal) if isinstance(journal, str) else journal
        self.stats = Stats()
        self._stream = None if pipeline is None else as_stream(pipeline)
        self._compactor = None if compactor is None else as_compactor(compactor)
        self._factory, self._on_end = _function(resources, "resources"), _function(on_end, "on_end")
        self._report: DrainReport | None = None
        self._clock = clock
        self._new_id = new_id
        self._directory = Directory()
        self._dispatcher = dispatcher
        self._supervisor: SupervisorActor | None = None
        self._mailbox: Mailbox | None = None
        self._submissions = count(int(new_id(4), 16))
        self._phase = "not started"

    @property
    def dispatcher(self) -> Dispatcher:
        """What runs the actors. Raises RuntimeClosed before the start."""
        if self._dispatcher is None:
            raise RuntimeClosed(self._phase)
        return self._dispatcher

    # --- sessions ---

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
        session = self._new_id(16) if id is None else values.session_id(id)
        genesis = Genesis(
            id=session,
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
        reply: Reply[Session] = Reply(self.dispatcher, to=self.session)
        self._create(genesis, reply, None if token is None else token_of(token))
        return reply

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
            )

        reply: Reply[Session] = Reply(self.dispatcher, to=self.session)
        asked: Reply[ForkPoint] = self.ask(source, GetForkPoint(user, at))
        asked.on_done(lambda point: self._forks.make(source, point, begin, reply))
        return reply

    def _create(self, genesis: Genesis, reply: Reply[Any], token: Secret | None = None) -> None:
        row = State.at_creation(genesis).index_row(members=True)
        new = NewSession(genesis=encode_genesis(genesis), row=row)
        self._ask_supervisor(Create(new, token), reply)

    def session(self, id: SessionId) -> Session:  # noqa: A002
        """The handle of a session, without looking whether there is one. Raises InvalidInput."""
        return Session(self, values.session_id(id))

    def ask(
        self, session: SessionId, message: object, to: Callable[[Any], Any] | None = None
    ) -> Reply[Any]:
        """Queue `message` for a session, waking it if need be; the reply is passed through `to`."""
        reply: Reply[Any] = Reply(self.dispatcher, to=to)
        if self._phase != "running":
            reply.set_error(RuntimeClosed(self._phase))
            return reply
        mail = Envelope(message, reply)
        while True:
            box = self._directory.get(session)
            try:
                if box is None:
                    box = self._knock(session)
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

    def delete(self, session: SessionId, user: UserId) -> Reply[bool]:
        """Delete a session in the name of `user`, as `Session.delete` does: True.

        False if there is no such session, or there is none any more. Raises InvalidInput.
        """
        return follow(self.session(session).delete(user), self.dispatcher, _deleted)

    def passivate(self, session: SessionId, *, force: bool = False) -> Reply[bool]:
        """Have a session leave the stage now, if it is idle: whether it has left.

        False if it is not on stage, is at work, or has crashed instead. With `force` it leaves
        whatever it does: a running turn is stopped and handed back, so that it is found lost (or
        run again, see `turn_attempts`) on the next message; whoever waits for its result waits on.
        Nothing is lost: messages that come meanwhile bring it back at once.
        Raises InvalidInput. Refused: RuntimeClosed.
        """
        reply: Reply[bool] = Reply(self.dispatcher)
        try:
            self._ask_supervisor(Evict(values.session_id(session), force), reply)
        except RuntimeClosed as error:
            reply.set_error(error)
        return reply

    def next_submission(self) -> str:
        """An id for a submission: `sub_` and 8 hexadecimal digits (spec A01).

        They count on from a random number, so that none comes again before 2**32 others were
        given: after 49 days of 1,000 a second. Counting is one step for all threads.
        """
        return f"sub_{next(self._submissions) & 0xFFFF_FFFF:08x}"

    def tell_resident(self, session: SessionId, message: object) -> None:
        """Tell a session something if it is on stage; otherwise nobody needs to hear it."""
        box = self._directory.get(session)
        if box is not None:
            with suppress(MailboxClosed, Overloaded):
                box.put(Envelope(message))

    @property
    def clock(self) -> Clock:
        """Where this runtime's time comes from."""
        return self._clock

    @property
    def resident(self) -> int:
        """Sessions that hold a slot."""
        return 0 if self._supervisor is None else self._supervisor.ledger.in_use

    @property
    def deepest_mailbox(self) -> int:
        """Commands waiting for the session that has most of them waiting."""
        return self._directory.deepest()

    # --- life ---

    async def start(self) -> None:
        """Open the journal and take sessions.

        Raises JournalUnavailable, JournalLocked or JournalFormat.
        """
        if self._phase != "not started":
            raise RuntimeClosed(self._phase)
        self._phase = "starting"
        await self.journal.open()
        loop = asyncio.get_running_loop()
        if self._dispatcher is None:
            self._dispatcher = LoopDispatcher(loop)
        self._forks = Forks(loop, self.journal, self._create)
        config = self.config
        self._mailbox = Mailbox(self._dispatcher, name="supervisor")
        stage = Stage(
            dispatcher=self._dispatcher,
            clock=self._clock,
            journal=self.journal,
            supervisor=self._mailbox,
            stream=self._stream,
            compactor=self._compactor,
            stats=self.stats,
            watchdog=Watchdog(self._clock, config.turn_limits),
            turn_attempts=config.turn_attempts,
            approval_expires_s=config.approval_expires_s,
            snapshot_bytes=config.snapshot_bytes,
            mailbox_capacity=config.mailbox_capacity,
            min_frame_interval_ms=config.min_frame_interval_ms,
            tokens={},
        )
        if self._factory is not None or self._on_end is not None:
            stage.backstage = Backstage(
                self._clock,
                self.stats,
                stage.tokens,
                factory=self._factory,
                hook=self._on_end,
                boxes=config.time_boxes,
            )
        self._stage = stage
        self._logs = LiveLogs(
            self._clock, max_events=config.live_events, max_age_s=config.live_age_s
        )
        self._supervisor = SupervisorActor(
            self._mailbox, stage, self._logs, self._directory, config
        )
        self._mailbox.attach(self._supervisor)
        self._supervisor.expiry.start()
        self._phase = "running"

    async def stop(self, *, budget_s: float | None = None) -> DrainReport:
        """Refuse new messages, let turns finish within the budget, and close the journal.

        A turn that takes longer is handed back: the next owner of the journal finds it lost. Every
        session leaves in order: its resources are closed, and the end hook is called. If whoever
        waits is cancelled, stopping goes on; call it again to wait for its end (spec AX9). Stopping
        twice is harmless, and gives the same report. Raises RuntimeClosed before the start.
        """
        if self._report is not None:
            return self._report
        if self._phase not in ("running", "draining") or self._mailbox is None:
            raise RuntimeClosed(self._phase)
        self._phase = "draining"
        reply: Reply[DrainReport] = Reply(self._dispatcher)
        budget = self.config.stop_budget_s if budget_s is None else budget_s
        self._mailbox.put_system(Envelope(Drain(budget), reply))
        report = await reply
        if self._report is not None:  # another call was faster
            await self.journal.close()
            return self._report
        self._phase, self._report = "stopped", report
        self._mailbox.close(lambda _: RuntimeClosed(self._phase))
        self._logs.close(RuntimeClosed(self._phase))
        self._stage.watchdog.close()
        self._forks.close(RuntimeClosed(self._phase))
        await self.journal.close()
        if report.handed_back or report.left:
            log.warning("runtime_stopped", handed_back=report.handed_back, left=report.left)
        return report

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._phase in ("running", "draining"):
            await self.stop()

    def _knock(self, session: SessionId) -> Mailbox:
        """A mailbox for a session that is not on stage, and word to the supervisor."""
        if self._phase != "running":
            raise RuntimeClosed(self._phase)
        box, is_new = self._directory.open(session, lambda: self._stage.new_mailbox(session))
        if is_new:
            try:
                self._ask_supervisor(Wanted(session, box), None)
            except RuntimeClosed:
                self._directory.forget(session, box)
                box.close()
                raise
        return box

    def _ask_supervisor(self, message: object, reply: Reply[Any] | None) -> None:
        if self._phase != "running" or self._mailbox is None:
            raise RuntimeClosed(self._phase)
        try:
            self._mailbox.put_system(Envelope(message, reply))
        except MailboxClosed:
            raise RuntimeClosed(self._phase) from None


def _function(given: Any, field: str) -> Any:
    if given is not None and not callable(given):
        raise ConfigError(field, type(given).__name__, "a function")
    return given


def _deleted(done: Reply[Any]) -> bool:
    return not isinstance(done.error, SessionNotFound) and bool(done.result())


def find_journal(url: str) -> Journal:
    """The journal behind a URL such as `sqlite:///greenroom.db`, by its scheme's entry point.

    Anyone may add a scheme: an entry point in the group `greenroom.journals` that takes the URL.
    Raises ConfigError.
    """
    scheme, colon, _ = url.partition(":")
    found = {point.name: point for point in entry_points(group="greenroom.journals")}
    if not colon or scheme not in found:
        raise ConfigError("journal", url, f"a URL with one of the schemes {sorted(found)}")
    journal: Journal = found[scheme].load()(url)
    return journal
