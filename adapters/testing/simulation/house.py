"""A house in which a workload is played: processes, sessions and readers, and who watches them."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

from ....actors.errors import Fenced
from ....actors.kernel.reply import Reply
from ....actors.session.about import addressee
from ....actors.session.entry import decode_entry
from ....actors.session.items import Published
from ....actors.session.state import State
from ...journals.memory import MemoryJournal
from ..clock import ManualClock
from ..promises import PROMISES
from ..promises.base import HOOKS, Broken
from ..settling import settle
from .asked import Asked
from .players import saved_by_turn
from .process import Process
from .reader import Reader
from .steps import Script
from .tale import Tale
from .workload import FORKS, SESSIONS


class House:
    """What the promises look at. `trace` is a digest of all that happened, in order."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.clock = ManualClock()
        self.store = MemoryJournal()
        self.live: list[Process] = []  # the one that is asked last
        self.dead: list[Process] = []
        self.readers = {name: Reader(self, name) for name in (*SESSIONS, *FORKS)}
        self.tales: dict[str, Tale] = {}
        self.asked: list[Asked] = []
        self.said: dict[str, Asked] = {}
        self.published: dict[str, dict[int, int]] = defaultdict(dict)
        self.directed: dict[tuple[str, int, int], str] = {}
        self.watches: list[tuple[Any, asyncio.Task[None]]] = []
        self.saved = saved_by_turn()
        self.faults: list[str] = []
        self.quiet = False
        self.muted = False
        self.counts: Counter[str] = Counter()
        self.broken: Broken | None = None
        self._trace = blake2b(digest_size=8)
        self._runs = 0
        promises = [promise(self) for promise in PROMISES]
        self._hooks = {
            hook: [getattr(promise, hook) for promise in promises if hook in type(promise).__dict__]
            for hook in HOOKS
        }

    # --- who is there ---

    @property
    def process(self) -> Process:
        """The one in front."""
        return self.live[-1]

    async def open(self) -> None:
        """Another process opens the journal."""
        self._runs += 1
        self.live.append(Process(self, self._runs))
        for process in self.live:
            process.alone = len(self.live) == 1
        await self.process.runtime.start()

    def tale(self, name: str) -> Tale | None:
        """A session as its journal tells it, read to its end; None if it never was."""
        tale = self.tales.get(name)
        if tale is None:
            record = self.store._records.get(name)
            if record is None:
                return None
            tale = self.tales[name] = Tale(record)
        for body in tale.unread():
            entry = decode_entry(body)
            self.tell("journaled", tale, entry)
            tale.fold(entry, body)
            self.tell("folded", tale, entry)
        return tale

    def state(self, name: str) -> State | None:
        """The session by its journal alone; None if there is none, or it is deleted."""
        tale = self.tale(name)
        return None if tale is None or tale.deleted else tale.state

    def read_all(self) -> None:
        """Read every journal to its end."""
        for name in list(self.store._records):
            self.tale(name)

    # --- what is noticed ---

    def tell(self, hook: str, *args: Any) -> None:
        """Let every promise look that has something to say of this.

        What it finds broken is kept: raised here, an actor would take it for a crash of its own.
        """
        for look in self._hooks[hook]:
            try:
                look(*args)
            except Broken as broken:
                self.broken = self.broken or broken

    def check(self) -> None:
        """Raise what is broken, if anything is."""
        if self.broken is not None:
            raise self.broken

    def trace(self, *what: Any) -> None:
        """Have this in the digest of all that happened."""
        self._trace.update(f"{self.clock.now_s} {what}\n".encode())

    @property
    def digest(self) -> str:
        return self._trace.hexdigest()

    def hear(self, session: str, item: Published) -> None:
        """An event is being published."""
        self.tale(session)
        self.trace("event", session, item.epoch, item.position, type(item.event).__name__)
        self.tell("published", session, item)
        self.published[session][item.epoch] = item.position
        if (user := addressee(item.event)) is not None:
            self.directed[session, item.epoch, item.position] = user

    def log(self, line: dict[str, Any]) -> None:
        """A line is logged; nobody reads the log of a process that is dying."""
        if self.muted:
            return
        self.counts[f"log {line['event']}"] += 1
        self.counts["state fenced"] += isinstance(line.get("exc_info"), Fenced)
        self.trace("log", line["event"], line.get("session"))
        self.tell("logged", line)

    def ask(
        self, process: Process, session: str, call: str, args: dict[str, Any], reply: Reply[Any]
    ) -> None:
        """Somebody has asked for something; note what he is told."""
        asked = Asked(len(self.asked) + 1, process, session, call, args, reply)
        self.asked.append(asked)
        if asked.text is not None:
            self.said[asked.text] = asked
        self.tell("asked", asked)
        _notice_second(reply, lambda: self.tell("answered_twice", asked))
        reply.on_done(lambda _: self._answered(asked))

    def _answered(self, asked: Asked) -> None:
        error = asked.error
        told = "done" if error is None else getattr(error, "code", type(error).__name__)
        self.trace("answer", asked.number, told)
        self.counts[f"told {told}"] += 1
        self.tale(asked.session)
        self.tell("answered", asked)

    # --- how it comes to an end ---

    async def come_to_rest(self) -> None:
        """Let all that is under way end, every paused session go on, and every reader catch up."""
        self.quiet = True
        await self.finish_draining()
        for _ in range(3):
            self._heal()
            if self.process.supervisor.parked:  # somebody has mended what they crashed of
                self.process.drain(4.0)
                await self.finish_draining()
            await self.clock.advance(40.0)
            self._resume_paused()
        for reader in self.readers.values():
            await self._catch_up(reader)
        for _ in range(500):
            await self.clock.advance(2.0)
            if not any(process.works for process in self.live):
                break
        self.tell("rested")

    async def finish_draining(self) -> None:
        """Have no process that is stopping, and one that is not."""
        for process in [process for process in self.live if process.stopping is not None]:
            await self._finish(process)
        if not self.live:
            await self.open()

    async def _finish(self, process: Process) -> None:
        process.journal.heal()
        await self.clock.advance(6.0)
        assert process.stopping is not None
        await process.stopping
        await settle()
        self.tell("stopped", process)
        process.players.curtain.set()
        self.live.remove(process)
        self.dead.append(process)

    def _heal(self) -> None:
        for process in self.live:
            process.journal.heal()

    def _resume_paused(self) -> None:
        for name in self.readers:
            state = self.state(name)
            if state is not None and state.lifecycle == "paused":
                args = {"user": state.host}
                self.ask(
                    self.process,
                    name,
                    "resume",
                    args,
                    self.process.runtime.session(name).resume(**args),
                )

    async def _catch_up(self, reader: Reader) -> None:
        """Whoever has read to the end has had every durable event, and heard of every loss."""
        state = self.state(reader.name)
        if state is None or state.host not in state.participants:
            return
        over = state.lifecycle == "ended"
        for _ in range(20):
            await reader.detach()
            reader.attach()
            await settle()
            # A reader that is turned away, as from a full house, has not woken its session.
            if reader.revision == state.revision and (reader.attached or over):
                break
            await self.clock.advance(1.0)
        self.tell("rest", reader, state)

    async def close(self) -> None:
        """Stop every process, in order; the journal goes on meanwhile."""
        for reader in self.readers.values():
            await reader.detach()
        for process in list(self.live):
            process.drain(4.0)
            await self._finish(process)
        await self.clock.advance(30.0)  # for pipelines that take no notice of being stopped
        self.tell("end")


def _notice_second(reply: Reply[Any], told: Callable[[], None]) -> None:
    """Call `told` if the reply is set when it has been."""
    for name in ("set", "set_error"):
        answer = getattr(reply, name)

        def once(value: Any = None, answer: Any = answer) -> None:
            if reply.done:
                told()
            answer(value)

        setattr(reply, name, once)
