"""The runtime as a program embeds it: on its own loop, or on a thread beside it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import quote

from ..actors.errors import ConfigError, RuntimeClosed
from ..actors.kernel.dispatcher import Dispatcher
from ..actors.ports import Archive, Calendar, Clock, Journal, Pipeline, UserId
from ..actors.session.backstage import EndHook
from ..actors.session.hooks import ActivateHook, PassivateHook, TurnHook
from ..actors.session.record_reading import read_session
from ..actors.session.resources import Factory
from ..supervisor import runtime
from ..supervisor.config import Config
from ..supervisor.messages import DrainReport
from .cron import CronCalendar
from .system import SystemClock, new_id

if TYPE_CHECKING:
    from .export.redaction import Redact
    from .imports.session import Imported

IN_DIRECTORY: Final[Mapping[str, Any]] = {
    "max_sessions": 1000,
    "max_sessions_per_user": 2**31,
    "session_max_age_s": 24 * 3600.0,
    "deleted_retention_s": 0.0,
    "tombstone_retention_s": 0.0,
}
"""The defaults of a runtime in a directory (spec S10). No user has a limit of its own; and what is
deleted there has been archived: its bytes and its id are of no more use."""


class Runtime(runtime.Runtime):
    """Hosts sessions on the running asyncio loop, and keeps them in a journal.

        async with greenroom.Runtime(pipeline=agent, journal="sqlite:///greenroom.db") as runtime:
            session = await runtime.create(user="ada")

    `compactor` makes the summaries for `Session.compact`; it has the shape of a pipeline.
    `journal` is a URL or a `Journal`; without one, sessions are kept in memory and end with the
    process. Settings are given as a `Config` or by name (`max_sessions=1000`), not both.

    `resources` makes what the pipelines of one session are given as `turn.resources`, each time it
    comes on stage (`Factory` in actors/session/resources.py); `on_end` is called when it leaves
    (`EndHook` in actors/session/backstage.py). `on_activate`, `on_passivate` and `on_turn` follow
    what it does meanwhile (`Hooks` in actors/session/hooks.py). `archive` is where sessions are
    kept that are deleted, or expire: a `DirectoryArchive`, or any `Archive` (actors/ports.py).

    Entering opens the journal and raises `JournalUnavailable`, `JournalLocked` or `JournalFormat`;
    leaving waits for running turns up to `stop_budget_s`. Raises ConfigError.
    """

    def __init__(
        self,
        pipeline: Pipeline | None = None,
        *,
        compactor: Pipeline | None = None,
        journal: Journal | str = "memory:",
        config: Config | None = None,
        clock: Clock | None = None,
        new_id: Callable[[int], str] = new_id,
        calendar: Calendar | None = None,
        dispatcher: Dispatcher | None = None,
        resources: Factory | None = None,
        on_end: EndHook | None = None,
        on_activate: ActivateHook | None = None,
        on_passivate: PassivateHook | None = None,
        on_turn: TurnHook | None = None,
        archive: Archive | None = None,
        **settings: Any,
    ) -> None:
        if config is not None and settings:
            raise ConfigError("config", sorted(settings), "given alone, without single settings")
        super().__init__(
            pipeline,
            compactor=compactor,
            journal=journal,
            clock=clock or SystemClock(),
            new_id=new_id,
            calendar=calendar or CronCalendar(),
            config=config or Config.of(settings),
            dispatcher=dispatcher,
            resources=resources,
            on_end=on_end,
            on_activate=on_activate,
            on_passivate=on_passivate,
            on_turn=on_turn,
            archive=archive,
        )

    @classmethod
    def in_directory(
        cls,
        path: str | Path = "./data/sessions",
        pipeline: Pipeline | None = None,
        *,
        redact: Redact | None = None,
        **settings: Any,
    ) -> Self:
        """A runtime that keeps its sessions in the directory `path`, made if it is not there.

            async with greenroom.Runtime.in_directory(pipeline=agent) as runtime:

        In it are the journal `sessions.db` and the directory `archive`, in which sessions are kept
        that are deleted or expire (`DirectoryArchive`, which `redact` is for). All else is given as
        to a `Runtime`; by default (spec S10) it holds 1,000 sessions in memory, which may all be
        one user's, archives and deletes those that nobody has touched for 24 hours, and frees the
        ids of deleted ones within a minute. Without a loop: `begin` a `ThreadedRuntime` so made.
        Raises ConfigError, OSError.
        """
        from .archive import DirectoryArchive

        directory = Path(path).absolute()
        archive = directory / "archive"
        archive.mkdir(parents=True, exist_ok=True)
        if settings.get("config") is None:
            settings.pop("config", None)
            settings = {**IN_DIRECTORY, **settings}
        url = f"sqlite:///{quote(str(directory / 'sessions.db'))}"
        return cls(
            pipeline, journal=url, archive=DirectoryArchive(archive, redact=redact), **settings
        )

    async def import_session(
        self,
        document: Mapping[str, Any],
        *,
        owner: UserId,
        owner_name: str | None = None,
    ) -> Imported:
        """Take over a session of the source system, as its JSON says, as one of `owner`.

        It is durable, and not on stage. The same document once more changes nothing, also when
        the session has gone on. To be awaited on the runtime's loop. See `import_session` in
        adapters/imports/session.py; `import_directory` beside it takes `runtime.journal`.

        Raises InvalidInput, naming the field; SessionExists, if there is or was another session of
        that id; RuntimeClosed; and what the journal raises.
        """
        from .imports.session import import_session

        if self._phase != "running":
            raise RuntimeClosed(self._phase)
        run = partial(
            import_session,
            self.journal,
            stored := read_session(document),
            owner=owner,
            owner_name=owner_name,
            clock=self._clock,
            new_id=self._new_id,
        )
        on_stage = self._directory.get(stored.session_id) is not None
        if on_stage and (await run(dry_run=True)).outcome == "completed":
            # What is on stage would not hear of what is written beside it.
            await self.passivate(stored.session_id)
        return await run()

    @classmethod
    def start_in_thread(cls, *args: Any, **kwargs: Any) -> ThreadedRuntime:
        """A runtime on a loop in a thread of its own, for programs without a loop.

            with greenroom.Runtime.start_in_thread(agent, journal="memory:") as runtime:
                session = runtime.create(user="ada").get()

        Arguments are those of `Runtime`. Returns when it runs, or raises why it does not.
        """
        threaded = ThreadedRuntime(*args, **kwargs)
        threaded.begin()
        return threaded


class ThreadedRuntime(Runtime):
    """A runtime whose loop runs in a thread; `close` it, or use it in a `with`.

    Replies are taken with `get()`, events with a plain `for`.
    """

    def begin(self) -> None:
        """Start the thread, and wait until the runtime runs."""
        started = threading.Event()
        self._failure: BaseException | None = None
        self._report: DrainReport | None = None
        # A program that forgets to close still ends: the journal has what was acknowledged.
        self._thread = threading.Thread(
            target=lambda: self._run(started), name="greenroom", daemon=True
        )
        self._thread.start()
        started.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure

    def close(self, *, budget_s: float | None = None) -> DrainReport:
        """Drain, stop the loop and join its thread. Later calls return the first report."""
        if self._report is None:
            stopping = asyncio.run_coroutine_threadsafe(self.stop(budget_s=budget_s), self._loop)
            self._report = stopping.result()
            self._loop.call_soon_threadsafe(self._over.set)
            self._thread.join()
        return self._report

    def _run(self, started: threading.Event) -> None:
        try:
            asyncio.run(self._live(started))
        except RuntimeError:
            # While the interpreter exits no thread can be started, from Python 3.12 on, and at its
            # end `run` starts one to wait for those of its pool, which exit anyway (CPython,
            # Lib/asyncio/base_events.py, shutdown_default_executor).
            if self._report is None:
                raise

    async def _live(self, started: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        try:
            await self.start()
        except BaseException as error:
            self._failure = error
            return
        finally:
            started.set()
        await self._over.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
