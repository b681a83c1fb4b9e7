"""What must hold of sessions with turns at every step, by their journals and by what was told."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

from theatre import settle

import greenroom
from greenroom.actors.kernel.reply import Reply
from greenroom.actors.session import events as happened
from greenroom.actors.session.actor import SessionActor
from greenroom.actors.session.audit import report
from greenroom.actors.session.entry import decode_entry
from greenroom.actors.session.ephemera import TextStreamed
from greenroom.actors.session.events import DURABLE
from greenroom.actors.session.fold import fold
from greenroom.actors.session.items import Published
from greenroom.actors.session.part import Phase
from greenroom.actors.session.state import State, decode_genesis, encode_state
from greenroom.actors.session.transcript import Message

Gone = greenroom.GreenroomError


class Tale:
    """One session as its journal tells it, folded as far as that goes."""

    def __init__(self, record: Any) -> None:
        self.record = record
        self.state = State.at_creation(decode_genesis(record.genesis))
        self.at: list[bytes] = [encode_state(self.state)]
        self.lanes: list[tuple[int | None, bool]] = [(None, False)]  # who runs, and is heard
        self.events: list[happened.Durable] = []
        self.begun: set[int] = set()
        self.ended: dict[int, happened.TurnEnded | happened.TurnSteered] = {}
        self.decided: Counter[str] = Counter()
        self.greeted = int(self.state.greeted)

    def read_on(self) -> None:
        """Fold what has come since, and look at each event as it does."""
        for body in self.record.events[len(self.events) :]:
            event, before = decode_entry(body).event, self.state.running
            self._look(event, None if before is None else before.turn)
            fold(self.state, [body])
            state = self.state
            found = report(state)
            assert found.valid, f"{state.id} at {state.revision}: {found.problems}"
            said = sum(isinstance(line, Message) for line in state.history)
            assert said == state.messages, f"{state.id} at {state.revision}"
            self.events.append(event)
            self.at.append(encode_state(state))
            running = state.running
            heard = running is not None and state.approval is None and running.kind != "compaction"
            self.lanes.append((None if running is None else running.turn, heard))
        if self.record.snapshot is not None:
            revision, body = self.record.snapshot
            assert body == self.at[revision], f"{self.state.id}: snapshot at {revision}"

    def _look(self, event: happened.Durable, running: int | None) -> None:
        match event:
            case happened.TurnQueued(turn=turn, kind=kind):
                self._begin(turn, kind)
            case happened.TurnStarted(turn=turn, kind=kind):
                assert turn not in self.ended, f"turn {turn} starts after its end"
                if turn not in self.begun:
                    self._begin(turn, kind)
            case happened.TurnEnded(turn=turn) | happened.TurnSteered(turn=turn):
                assert turn in self.begun
                assert turn not in self.ended, f"turn {turn} ends twice"
                self.ended[turn] = event
            case happened.ApprovalDecided(approval=approval):
                self.decided[approval] += 1
                assert self.decided[approval] == 1, f"{approval} is decided twice"
            case happened.ToolCalled(call=line) | happened.ToolReturned(result=line):
                assert line.turn == running, f"a tool of turn {line.turn}, not of {running}"
            case happened.MessagePosted(message=line) if line.role == "assistant":
                assert line.turn == running or line.key, f"said by {line.turn}, not by {running}"

    def _begin(self, turn: int, kind: str) -> None:
        assert turn not in self.begun, f"turn {turn} begins twice"
        self.begun.add(turn)
        if kind == "greeting":
            self.greeted += 1
            assert self.greeted == 1, "greeted twice"


class Witness:
    """Sees all journals, all publications and all logs, and checks what was told against them."""

    def __init__(self, ensemble: Any) -> None:
        self.ensemble = ensemble
        self.tales: dict[str, Tale] = {}
        self.published: dict[str, dict[int, int]] = defaultdict(dict)
        self.results: list[tuple[str, int, Reply[Any]]] = []
        self.cancels: list[tuple[str, Reply[Any]]] = []
        self.decides: list[tuple[str, Reply[Any]]] = []
        self.reports: list[Reply[Any]] = []
        self.watches: list[tuple[Any, asyncio.Task[None]]] = []

    # --- as it happens ---

    def hear(self, session: str, item: Published) -> None:
        """P7: what is published is durable; and text is of a turn that is heard."""
        tale, event = self.tale(session), item.event
        assert tale is not None
        tale.read_on()
        self.published[session][item.epoch] = item.position
        if type(event) in DURABLE:
            assert tale.events[item.revision - 1] == event
        elif isinstance(event, TextStreamed):
            assert tale.lanes[item.revision] == (event.turn, True), f"{session}: {event} is late"

    def tale(self, name: str) -> Tale | None:
        if name not in self.tales:
            record = self.ensemble.journal._records.get(name)
            if record is None:
                return None
            self.tales[name] = Tale(record)
        return self.tales[name]

    def state(self, name: str) -> State | None:
        """The session by its journal alone; None if there is none, or it is deleted."""
        tale = self.tale(name)
        if tale is None or tale.record.deleted:
            return None
        tale.read_on()
        return tale.state

    def check(self) -> None:
        """At every moment: limits, folds, transcripts, snapshots."""
        for name in list(self.ensemble.journal._records):
            tale = self.tale(name)
            assert tale is not None
            tale.read_on()
        for runtime in (self.ensemble.runtime, *self.ensemble.others):
            self._check_runtime(runtime)
        assert not self.ensemble.players.faults, self.ensemble.players.faults

    def _check_runtime(self, runtime: Any) -> None:
        ledger, config = runtime._supervisor.ledger, runtime.config
        assert ledger.in_use <= config.max_sessions
        for user in ("ann", "bob", "eve"):
            assert len(ledger.owned_by(user)) <= config.max_sessions_per_user
        for name, place in runtime._supervisor._places.items():
            self._check_actor(name, place.actor)

    def _check_actor(self, name: str, actor: SessionActor | None) -> None:
        """An activation from which everything is out has the state that its journal tells."""
        if actor is None or actor.phase is not Phase.LIVE or actor._outbox:
            return
        tale = self.tale(name)
        assert tale is not None
        if tale.record.epoch == actor.epoch:
            assert encode_state(actor.state) == tale.at[-1], f"{name} is not what was journaled"

    def watch(self, watch: Any) -> None:
        """Pull all frames of a watch, until it ends."""

        async def pull() -> None:
            try:
                async for _ in watch:
                    await settle(self.ensemble.rng.choice((0, 2)))
            except Gone:
                pass

        self.watches.append((watch, asyncio.get_running_loop().create_task(pull())))

    def timers(self) -> set[str]:
        """The functions that the clock is still to call, by the last named one around each."""
        live = [timer._call for _, _, timer in self.ensemble.clock._timers if timer._call]
        calls: list[Any] = [getattr(call, "func", call) for call in live]
        names = [call.__qualname__.replace(".<locals>.<lambda>", "") for call in calls]
        return {name.split(".")[-1] for name in names}

    async def check_stopped(self, runtime: Any) -> None:
        """A runtime that has stopped leaves nothing behind but pipelines that ignore it."""
        assert runtime.resident == 0, runtime._supervisor._places
        assert len(runtime._directory) == 0
        assert len(runtime._logs) == 0
        backstage = runtime._stage.backstage
        if backstage is not None:
            assert not backstage.leaving
            assert not backstage.hooks
        if runtime is self.ensemble.runtime and not self.ensemble.others:
            assert not self.timers() - {"_after", "stop", "close"}, self.timers()
            assert all(task.done() for _, task in self.watches), "a watch goes on"
            unanswered = [what for what, reply in self.ensemble.replies if not reply.done]
            assert not unanswered, f"never answered: {unanswered}"

    # --- at the end ---

    def check_all(self) -> None:
        """Every turn has ended, once; and what anybody was told agrees with the journals."""
        for name in self.tales:
            self._check_ends(name)
        for name, turn, reply in self.results:
            self._check_result(name, turn, reply)
        for name, reply in self.cancels:
            if reply.error is None and reply.result().verdict == "won":
                end = self.tales[name].ended[reply.result().turn]
                assert isinstance(end, happened.TurnEnded)
                assert (end.status, end.cause) == ("cancelled", "user")
        decided = Counter(
            (name, reply.result().approval) for name, reply in self.decides if reply.error is None
        )
        assert all(count == 1 for count in decided.values()), decided
        assert all(reply.result().valid for reply in self.reports if reply.error is None)

    def _check_ends(self, name: str) -> None:
        tale = self.tales[name]
        state = tale.state
        assert (state.running, state.queued, state.approval) == (None, [], None), f"{name}: {state}"
        assert state.closing is None
        assert tale.begun == tale.ended.keys(), f"{name}: {tale.begun ^ tale.ended.keys()}"

    def _check_result(self, name: str, turn: int, reply: Reply[Any]) -> None:
        if reply.error is not None:
            assert not isinstance(reply.error, KeyError)
            return
        result, tale = reply.result(), self.tales[name]
        end = tale.ended[turn]
        while isinstance(end, happened.TurnSteered):
            end = tale.ended[end.into]
        assert (result.turn, result.status) == (end.turn, end.status), f"{name}: {turn}: {result}"

    async def catch_up(self, reader: Reader) -> None:
        """Whoever has read to the end has had every durable event, and heard of every loss."""
        state = self.state(reader.name)
        if state is None or state.host not in state.participants:
            return
        for _ in range(20):
            await reader.detach()
            reader.attach()
            await settle(200)
            seen = [item.revision for item in reader.items if is_durable(item)]
            if (seen[-1] if seen else 0) == state.revision:
                break
            await self.ensemble.clock.advance(1.0)
        assert seen == list(range(1, state.revision + 1)), f"{reader.name}: {seen}"
        for before, after in pairwise(reader.items):
            if not isinstance(before, greenroom.Gap) and not isinstance(after, greenroom.Gap):
                told = self._follows(reader.name, before, after)
                assert told, f"{before.cursor} then {after.cursor}"

    def _follows(self, name: str, before: Any, after: Any) -> bool:
        """Whether nothing was published between the two."""
        if before.healed and before.epoch == 0:
            return bool(after.healed)  # what lies between is what the gap announced
        if before.epoch == after.epoch:
            return bool(after.position == before.position + 1)
        published = self.published[name]
        between = [epoch for epoch in published if before.epoch < epoch < after.epoch]
        is_last = published.get(before.epoch, before.position) == before.position
        return is_last and not between and after.position == 1


class Reader:
    """Reads a session as its host, leaving and coming back with its cursor; notes every item."""

    def __init__(self, ensemble: Any, name: str) -> None:
        self.ensemble, self.name = ensemble, name
        self.items: list[Any] = []
        self._subscription: greenroom.Subscription | None = None
        self._task: asyncio.Task[None] | None = None

    def attach(self) -> None:
        """Come back with the cursor of the last item seen, or from the beginning."""
        state = self.ensemble.witness.state(self.name)
        if state is None or (self._task is not None and not self._task.done()):
            return
        after = self.items[-1].cursor if self.items else greenroom.START
        session = self.ensemble.runtime.session(self.name)
        self._subscription = session.events(state.host, after=after)
        self._task = asyncio.get_running_loop().create_task(self._read(self._subscription))

    async def detach(self) -> None:
        """Leave, with whatever had been seen by then."""
        if self._task is not None and self._subscription is not None:
            self._subscription.close()
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _read(self, subscription: greenroom.Subscription) -> None:
        rng = self.ensemble.rng
        try:
            async for item in subscription:
                self.items.append(item)
                await settle(rng.choice((0, 0, 0, 5)))
        except Gone:
            return


def is_durable(item: Any) -> bool:
    return not isinstance(item, greenroom.Gap) and item.durable
