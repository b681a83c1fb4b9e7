"""The life of a runtime: start, embed, stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count
from types import TracebackType
from typing import Any, Self

import structlog

from ..actors.errors import ConfigError, RuntimeClosed
from ..actors.kernel.dispatcher import Dispatcher, LoopDispatcher
from ..actors.kernel.mailbox import Mail, Mailbox
from ..actors.kernel.reply import Reply
from ..actors.ports import Archive, Calendar, Clock, Journal, Pipeline, SessionId
from ..actors.session.backstage import Backstage, EndHook
from ..actors.session.compaction import as_compactor
from ..actors.session.hooks import ActivateHook, Hooks, PassivateHook, TurnHook
from ..actors.session.permits import Permits
from ..actors.session.pins import Pins
from ..actors.session.pipeline import as_stream
from ..actors.session.resources import Factory
from ..actors.session.secret import Secret
from ..actors.session.stage import Stage, Stats
from ..actors.session.state import Genesis
from ..actors.session.timings import Timings
from ..actors.session.watchdog import Watchdog
from .age import AgeLimit
from .capacity import Ledger
from .config import Config
from .deleting import Deletions
from .directory import Directory
from .expiry import Expiry
from .forks import Forks
from .journals import find_journal
from .keeper import Keeper
from .logs import LiveLogs
from .messages import Drain, DrainReport
from .occupancy import CapacityReport, report
from .registry import Registry
from .removal import Removal
from .retention import Retention
from .supervisor import SupervisorActor
from .trimming import Trimming

log = structlog.get_logger()


class Life(Registry):
    """From the configuration to the report of the drain: what a runtime holds, and for how long.

    `new_id` makes a random hexadecimal id of so many bytes. `clock`, `new_id` and `calendar` are
    given by the public `greenroom.Runtime`; `dispatcher` is for tests.
    """

    def __init__(
        self,
        pipeline: Pipeline | None = None,
        *,
        compactor: Pipeline | None = None,
        journal: Journal | str,
        clock: Clock,
        new_id: Callable[[int], str],
        calendar: Calendar,
        config: Config | None = None,
        dispatcher: Dispatcher | None = None,
        resources: Factory | None = None,
        on_end: EndHook | None = None,
        on_activate: ActivateHook | None = None,
        on_passivate: PassivateHook | None = None,
        on_turn: TurnHook | None = None,
        archive: Archive | None = None,
    ) -> None:
        self.config = config or Config()
        self.journal: Journal = find_journal(journal) if isinstance(journal, str) else journal
        self.stats = Stats()
        self.timings = Timings()
        self._stream = None if pipeline is None else as_stream(pipeline)
        self._compactor = None if compactor is None else as_compactor(compactor)
        if archive is not None and not callable(getattr(archive, "put", None)):
            raise ConfigError("archive", type(archive).__name__, "an Archive")
        self._removal = Removal(self.journal, archive, self.stats)
        self._archive = archive
        self._age = AgeLimit(
            clock, self.journal, self._removal, self.stats, max_age_s=self.config.session_max_age_s
        )
        self._factory, self._on_end = _function(resources, "resources"), _function(on_end, "on_end")
        self._hooks = Hooks(
            on_activate=_function(on_activate, "on_activate"),
            on_passivate=_function(on_passivate, "on_passivate"),
            on_turn=_function(on_turn, "on_turn"),
        )
        self._report: DrainReport | None = None
        self.calendar = calendar
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

    @property
    def clock(self) -> Clock:
        """Where this runtime's time comes from."""
        return self._clock

    @property
    def running(self) -> bool:
        """Whether it takes work: after its start, and before it drains."""
        return self._phase == "running"

    @property
    def resident(self) -> int:
        """Sessions that hold a slot."""
        return 0 if self._supervisor is None else self._supervisor.ledger.in_use

    def capacity(self) -> CapacityReport:
        """What is in use, who waits, and the limits, now. Running turns are only counted where
        there is a limit to them. From any thread. Raises RuntimeClosed before the start."""
        supervisor = self._supervisor
        if supervisor is None:
            raise RuntimeClosed(self._phase)
        return report(supervisor.ledger, supervisor.line, self._stage.permits)

    @property
    def deepest_mailbox(self) -> int:
        """Commands waiting for the session that has most of them waiting."""
        return self._directory.deepest()

    def ask(self, session: SessionId, message: object) -> Reply[Any]:
        """Queue `message` for a session."""
        raise NotImplementedError

    def _create(self, genesis: Genesis, reply: Reply[Any], token: Secret | None = None) -> None:
        """Have a session made that begins with `genesis`."""
        raise NotImplementedError

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
        stage = self._new_stage(self._dispatcher, self._mailbox)
        self._stage = stage
        self._logs = LiveLogs(
            self._clock, max_events=config.live_events, max_age_s=config.live_age_s
        )
        self._supervisor = SupervisorActor(
            self._mailbox,
            stage,
            self._logs,
            self._directory,
            config,
            self._age,
            self._new_id,
        )
        self._mailbox.attach(self._supervisor)
        self._deletions = Deletions(loop, self._removal, self.ask)
        self._keeper = self._new_keeper(self._supervisor.ledger)
        await self._keeper.start()
        self._supervisor.alarms.start()
        self._phase = "running"

    def _new_stage(self, dispatcher: Dispatcher, supervisor: Mailbox) -> Stage:
        config = self.config
        stage = Stage(
            dispatcher=dispatcher,
            clock=self._clock,
            journal=self.journal,
            supervisor=supervisor,
            stream=self._stream,
            compactor=self._compactor,
            stats=self.stats,
            timings=self.timings,
            watchdog=Watchdog(self._clock, config.turn_limits),
            turn_attempts=config.turn_attempts,
            approval_expires_s=config.approval_expires_s,
            snapshot_bytes=config.snapshot_bytes,
            mailbox_capacity=config.mailbox_capacity,
            min_frame_interval_ms=config.min_frame_interval_ms,
            tokens={},
            pins=Pins(config.subscriber_pin_s),
            archive=self._archive,
            calendar=self.calendar,
        )
        turns = (config.max_running_turns, config.max_running_turns_per_user)
        if turns != (None, None):
            most, per_user = turns
            stage.permits = Permits(most=most, most_per_user=per_user, exempt=config.dev_user)
        if self._factory is not None or self._on_end is not None or self._hooks:
            stage.backstage = self._new_backstage(stage)
        return stage

    def _new_backstage(self, stage: Stage) -> Backstage:
        return Backstage(
            self._clock,
            self.stats,
            stage.tokens,
            factory=self._factory,
            hook=self._on_end,
            boxes=self.config.time_boxes,
            follow=self._hooks,
        )

    def _new_keeper(self, ledger: Ledger) -> Keeper:
        policy, journal, stats = Retention.of(self.config), self.journal, self.stats
        return Keeper(
            self._clock,
            journal,
            policy,
            expiry=Expiry(journal, policy, self._removal, stats, ledger.held),
            trimming=Trimming(journal, policy, stats),
            stats=stats,
        )

    async def stop(self, *, budget_s: float | None = None) -> DrainReport:
        """Refuse new messages, let turns finish within the budget, and close the journal.

        A turn that takes longer is handed back: the next owner of the journal finds it lost. Every
        session leaves in order: its resources are closed, and the end hook is called. If whoever
        waits is cancelled, stopping goes on; call it again to wait for its end (spec AX9). Stopping
        twice is harmless, and gives the same report; if the second call leaves less time than the
        first, it hurries it: with `budget_s=0` it stops now. Raises RuntimeClosed before the start.
        """
        if self._report is not None:
            return self._report
        if self._phase not in ("running", "draining") or self._mailbox is None:
            raise RuntimeClosed(self._phase)
        self._phase = "draining"
        reply: Reply[DrainReport] = Reply(self._dispatcher)
        budget = self.config.stop_budget_s if budget_s is None else budget_s
        self._mailbox.put_system(Mail(Drain(budget), reply))
        await self._keeper.stop()
        report = await reply
        if self._report is not None:  # another call was faster
            await self.journal.close()
            return self._report
        self._phase, self._report = "stopped", report
        self._mailbox.close(lambda _: RuntimeClosed(self._phase))
        self._logs.close(RuntimeClosed(self._phase))
        self._stage.watchdog.close()
        self._forks.close(RuntimeClosed(self._phase))
        self._deletions.close(RuntimeClosed(self._phase))
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


def _function(given: Any, field: str) -> Any:
    if given is not None and not callable(given):
        raise ConfigError(field, type(given).__name__, "a function")
    return given
