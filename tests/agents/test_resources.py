"""What a session works with: opened off its mailbox, closed once on every path (spec A07, AX8)."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from agents.workshop import Workshop, until, uses
from house import Gate, logged
from rooms.hall import Ear, refused
from theatre import GatedJournal, ManualClock, Script, crash_once, echo, play, settle, take, texts

import greenroom
from greenroom.actors.session import actor as session_actor
from greenroom.actors.session.events import (
    ResourcesFailed,
    SessionEnded,
    SessionReady,
    TurnStarted,
)


def kinds(items: Any) -> list[type]:
    return [type(item.event) for item in items]


# --- opening -------------------------------------------------------------------------------------


def test_a09_ready_is_heard_first_and_turns_wait_for_it() -> None:
    async def scene() -> None:
        shop = Workshop()
        shop.may_open.clear()
        async with greenroom.Runtime(uses, resources=shop) as runtime:
            session = await runtime.create(user="ann", id="s")
            ear = await Ear.of(session, "ann", after=greenroom.START)
            turn = await session.send("ann", "hello")
            await settle()

            assert turn.waits_for == "pipeline"
            assert SessionReady not in kinds(ear.items)
            assert TurnStarted not in kinds(ear.items)
            shop.may_open.set()

            assert (await turn.result()).text == "with tools 1"
            heard = kinds(ear.items)
            assert heard.index(SessionReady) < heard.index(TurnStarted)
            ready = next(event for event in ear.wire if event.content == "Agent initialized")
            assert ready.data == {"action_type": "ready", "message": "Agent initialized"}

    play(scene)


def test_a09_ready_is_the_very_first_event_of_a_session_that_nobody_has_spoken_in() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(uses, resources=Workshop()) as runtime:
            session = await runtime.create(user="ann", id="s")
            await settle()
            await session.send("ann", "hello")

            (first,) = await take(session.events("ann", after=greenroom.START), 1)
            assert first.event == SessionReady(message="Agent initialized")

    play(scene)


def test_a08_create_returns_before_the_resources_are_open_and_nothing_sent_is_lost() -> None:
    async def scene() -> None:
        shop = Workshop()
        shop.may_open.clear()
        async with greenroom.Runtime(uses, resources=shop) as runtime:
            session = await runtime.create(user="ann", id="s")
            turns = [await session.send("ann", f"{n}") for n in range(3)]
            assert await session.post("ann", "and all else goes on")

            shop.may_open.set()

            assert [(await turn.result()).text for turn in turns] == ["with tools 1"] * 3

    play(scene)


def test_a07_a_constructor_that_blocks_holds_up_nobody() -> None:
    async def scene() -> None:
        gate, threads = Gate("the constructor's turn"), list[int]()

        def blocking(opening: greenroom.Opening) -> str:
            threads.append(threading.get_ident())
            if opening.session_id == "slow":
                gate.passed()
            return "a client"

        async with greenroom.Runtime(uses, resources=blocking) as runtime:
            slow = await runtime.create(user="ann", id="slow")
            waiting = await slow.send("ann", "hello")
            other = await runtime.create(user="bob", id="other")
            result = await (await other.send("bob", "hello")).result()

            assert result.text == "with a client"
            assert threading.get_ident() not in threads
            gate.open()
            assert (await waiting.result()).text == "with a client"

    play(scene)


def test_a07_the_factory_is_told_for_whom() -> None:
    async def scene() -> None:
        shop = Workshop()
        async with greenroom.Runtime(uses, resources=shop) as runtime:
            for user, token in (("ann", greenroom.Secret("t")), ("bob", None)):
                await runtime.create(user=user, id=user, token=token)
            await settle()

            told = [(each.session_id, each.owner, each.token) for each in shop.openings]
            assert told == [("ann", "ann", greenroom.Secret("t")), ("bob", "bob", None)]

    play(scene)


def test_a_session_that_has_ended_opens_nothing_when_it_is_read_again() -> None:
    async def scene() -> None:
        clock, shop = ManualClock(), Workshop()
        async with greenroom.Runtime(uses, resources=shop, clock=clock, idle_s=60.0) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.end("ann")
            await clock.advance(61.0)
            assert runtime.resident == 0

            assert (await session.info()).state == "ended"
            await settle()

            assert len(shop.openings) == 1

    play(scene)


class Closable:
    """Something to be closed, in one of the ways there are."""

    def __init__(self) -> None:
        self.closed = 0
        self.thread: int | None = None


class Async(Closable):
    async def aclose(self) -> None:
        self.closed += 1
        self.thread = threading.get_ident()


class AsyncClose(Closable):
    async def close(self) -> None:
        self.closed += 1
        self.thread = threading.get_ident()


class Plain(Closable):
    def close(self) -> None:
        self.closed += 1
        self.thread = threading.get_ident()


@pytest.mark.parametrize("kind", [Async, AsyncClose, Plain])
@pytest.mark.parametrize("plain", [True, False], ids=["function", "coroutine"])
def test_what_has_no_context_is_closed_by_its_own_close(kind: type[Closable], plain: bool) -> None:
    made: list[Closable] = []

    def function(_: greenroom.Opening) -> Closable:
        made.append(kind())
        return made[-1]

    async def coroutine(opening: greenroom.Opening) -> Closable:
        return function(opening)

    async def scene() -> None:
        async with greenroom.Runtime(uses, resources=function if plain else coroutine) as runtime:
            session = await runtime.create(user="ann")
            await (await session.send("ann", "hello")).result()
            assert made[0].closed == 0

        assert [each.closed for each in made] == [1]
        in_a_thread = plain and kind is Plain
        assert (made[0].thread != threading.get_ident()) is in_a_thread

    play(scene)


# --- failing to open -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [OSError("no server"), SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()],
    ids=lambda error: type(error).__name__,
)
def test_ax8_a_session_that_never_had_its_resources_says_so_and_ends(error: BaseException) -> None:
    """The source system's task died with an exception that nobody heard of."""

    async def scene() -> None:
        shop = Workshop()
        shop.failing = error
        shop.may_open.clear()
        async with greenroom.Runtime(uses, resources=shop) as runtime:
            session, other = [await runtime.create(user=user, id=user) for user in ("ann", "bob")]
            ear = await Ear.of(session, "ann")
            turn = await session.send("ann", "hello")
            shop.may_open.set()

            result = await turn.result()
            await settle()

            assert (result.status, "resources: " in result.reason) == ("cancelled", True)
            assert type(error).__name__ in result.reason
            assert (await session.info()).state == "ended"
            heard = kinds(ear.items)
            assert heard.index(ResourcesFailed) < heard.index(SessionEnded)
            (failed,) = [event for event in ear.wire if event.event_type == "error"]
            assert (failed.content, failed.data) == (result.reason, {"resources": True})
            assert ear.wire[-1].data == {"new_state": "ended", "reason": result.reason}
            assert ear.ended
            assert runtime.stats.resources_failed == 2
            assert runtime.stats.crashed == 0
            await refused(other.send("bob", "hello"), greenroom.SessionEnded)

    play(scene)


def test_ax8_opening_is_time_boxed_and_what_comes_too_late_is_closed() -> None:
    async def scene() -> None:
        clock, made = ManualClock(), list[Async]()
        gate = asyncio.Event()

        async def stubborn(_: greenroom.Opening) -> Async:
            while not gate.is_set():
                try:
                    await gate.wait()
                except asyncio.CancelledError:
                    continue
            made.append(Async())
            return made[-1]

        async with greenroom.Runtime(uses, resources=stubborn, clock=clock) as runtime:
            session = await runtime.create(user="ann", id="s")
            await clock.advance(29.9)
            assert (await session.info()).state == "active"
            await clock.advance(0.2)

            assert (await session.info()).state == "ended"
            gate.set()
            await settle()
            assert [each.closed for each in made] == [1]

    play(scene)


def test_ax8_a_later_activation_without_resources_fails_its_turns_and_lives_on() -> None:
    """A durable conversation does not die of a tool server that is away."""

    async def scene() -> None:
        clock, shop = ManualClock(), Workshop()
        async with greenroom.Runtime(uses, resources=shop, clock=clock, idle_s=60.0) as runtime:
            session = await runtime.create(user="ann", id="s")
            await (await session.send("ann", "one")).result()
            await clock.advance(61.0)
            assert runtime.resident == 0
            shop.failing = OSError("away")

            failed = await (await session.send("ann", "two")).result()
            assert (failed.status, failed.reason) == ("failed", "resources: OSError: away")
            again = await (await session.send("ann", "three")).result()
            assert again.status == "failed"
            assert (await session.info()).state == "active"
            shop.failing = None

            worked = await (await session.send("ann", "four")).result()

            assert (worked.status, worked.text) == ("completed", "with tools 4")
            assert [len(shop.openings), *shop.log] == [4, "opened 1", "closed 1", "opened 4"]

    play(scene)


def test_resources_that_break_down_are_closed_and_opened_for_the_next_turn() -> None:
    """A context manager with a task group cancels the task that has entered it."""
    broken: list[asyncio.Task[Any]] = []
    seen: list[str] = []

    @asynccontextmanager
    async def fragile(_: greenroom.Opening) -> AsyncIterator[str]:
        task = asyncio.current_task()
        assert task is not None
        broken.append(task)
        try:
            yield f"line {len(broken)}"
        except asyncio.CancelledError:
            seen.append("broken")
            raise OSError("the server has gone") from None
        finally:
            seen.append("closed")

    async def scene() -> None:
        script = Script()
        async with greenroom.Runtime(script, resources=fragile) as runtime:
            session = await runtime.create(user="ann", id="s")
            running = await session.send("ann", "one")
            waiting = await session.send("ann", "two")
            await settle()

            broken[0].cancel()
            failed = await waiting.result()
            later = await session.send("ann", "three")
            script.cue("s", 1, "done all the same", None)
            script.cue("s", 3, "done", None)

            assert (failed.status, failed.reason) == (
                *("failed", "resources: OSError: the server has gone"),
            )
            assert (await running.result()).text == "done all the same"
            assert (await later.result()).status == "completed"
            assert [turn.resources for turn in script.turns] == ["line 1", "line 2"]
            assert (await session.info()).state == "active"
        assert seen == ["broken", "closed", "closed"]

    play(scene)


@pytest.mark.parametrize("opens", [True, False], ids=["they open", "they do not"])
def test_a_turn_that_a_crash_interrupted_is_run_again_when_there_are_resources(opens: bool) -> None:
    async def scene() -> None:
        journal, shop, script = GatedJournal(), Workshop(), Script()
        clock = ManualClock()
        options = {"resources": shop, "journal": journal, "clock": clock, "turn_attempts": 2}
        first = greenroom.Runtime(script, **options)
        await first.start()
        await (await first.create(user="ann", id="s")).send("ann", "think")
        await settle()
        stopping = asyncio.get_running_loop().create_task(first.stop())
        await clock.advance(10.0)
        assert (await stopping).handed_back == ["s"]

        await journal.open()
        shop.may_open.clear()
        async with greenroom.Runtime(script, **options) as owner:
            result = owner.session("s").result(1)
            await settle()
            assert [turn.attempt for turn in script.turns] == [1]
            shop.failing = None if opens else OSError("away")
            script.cue("s", 1, "thought", None)
            shop.may_open.set()

            assert (await result).status == ("completed" if opens else "lost")
            assert [turn.attempt for turn in script.turns] == ([1, 2] if opens else [1])
            assert (await owner.session("s").info()).state == "active"

    play(scene)


def test_a_session_whose_turns_wait_for_resources_is_not_idle() -> None:
    async def scene() -> None:
        clock, shop = ManualClock(), Workshop()
        shop.may_open.clear()
        runtime = greenroom.Runtime(uses, resources=shop, clock=clock, idle_s=10.0)
        async with runtime:
            session = await runtime.create(user="ann", id="s")
            turn = await session.send("ann", "hello")

            await clock.advance(20.0)
            assert runtime.resident == 1
            shop.may_open.set()

            assert (await turn.result()).text == "with tools 1"

    play(scene)


def test_a_suspended_turn_goes_on_when_there_are_resources_again() -> None:
    async def asks(turn: greenroom.Turn) -> AsyncIterator[Any]:
        if turn.decisions is None:
            yield greenroom.RequestApproval(calls=[greenroom.ToolCall(name="pay", id="a")])
        else:
            yield f"{turn.decisions['a']} with {turn.resources}"

    async def scene() -> None:
        clock, shop = ManualClock(), Workshop()
        async with greenroom.Runtime(asks, resources=shop, clock=clock, idle_s=60.0) as runtime:
            session = await runtime.create(user="ann", id="s")
            turn = await session.send("ann", "pay")
            await clock.advance(61.0)
            assert (runtime.resident, shop.log) == (0, ["opened 1", "closed 1"])
            shop.may_open.clear()

            await session.decide("ann", {"a": True})
            await clock.advance(20.0)
            assert shop.log == ["opened 1", "closed 1"]
            shop.may_open.set()

            assert (await turn.result()).text == "True with tools 2"

    play(scene)


# --- closing -------------------------------------------------------------------------------------


@pytest.fixture
def boom(monkeypatch: pytest.MonkeyPatch) -> None:
    crash_once(monkeypatch)


PATHS = ["passivated", "recalled", "forced", "ended", "deleted", "crashed", "parked", "fenced"]
STOPS = ["drained", "out of time"]


async def leave(
    path: str, session: greenroom.Session, shop: Workshop, journal: GatedJournal, clock: ManualClock
) -> None:
    """Have the session's activation leave on one of the paths."""
    runtime: Any = session._runtime
    match path:
        case "passivated":
            await clock.advance(61.0)
            assert runtime.resident == 0
        case "recalled":
            shop.may_close.clear()
            await clock.advance(60.1)
            posted = session.post("ann", "wait for me")
            await settle()
            assert not posted.done
            assert len(shop.openings) == 1  # those of two activations do not meet
            shop.may_close.set()
            await posted
        case "forced":
            assert await runtime.passivate("s", force=True)
        case "ended":
            await session.end("ann")
        case "deleted":
            assert await session.delete("ann")
        case "crashed" | "parked":
            session.post("ann", "boom")
            await clock.advance(1.0)
        case "fenced":
            await journal.claim("s")
            session.post("ann", "too late")


@pytest.mark.usefixtures("boom")
@pytest.mark.parametrize("path", PATHS + STOPS)
@pytest.mark.parametrize("busy", [True, False], ids=["a turn runs", "idle"])
def test_resources_are_closed_once_on_every_path(path: str, busy: bool) -> None:
    async def scene() -> None:
        clock, shop, script, journal = ManualClock(), Workshop(), Script(), GatedJournal()
        runtime = greenroom.Runtime(
            *(script,), resources=shop, clock=clock, journal=journal, idle_s=60.0,
            max_restarts=0 if path == "parked" else 3,
        )  # fmt: skip
        await runtime.start()
        session = await runtime.create(user="ann", id="s")
        await settle()
        if busy:
            await session.send("ann", "think")
            await settle()
            if path in ("passivated", "recalled"):
                script.cue("s", 1, None)
                await settle()
        await leave(path, session, shop, journal, clock)
        if path == "drained" and not busy:
            await runtime.stop()
        await settle()
        if path in PATHS:
            assert shop.log[:2] == ["opened 1", "closed 1"]
        stopping = asyncio.get_running_loop().create_task(runtime.stop())
        if path == "drained" and busy:
            await settle()
            script.cue("s", 1, None)
        await clock.advance(10.0)
        await stopping
        opened, closed = ([line.split()[1] for line in shop.log if how in line]
                          for how in ("opened", "closed"))  # fmt: skip
        assert opened == closed == [f"{n + 1}" for n in range(len(shop.openings))]
        expected = 2 if path in ("crashed", "recalled") else 1
        assert len(shop.openings) == expected

    play(scene)


def test_resources_are_not_closed_while_a_pipeline_uses_them() -> None:
    async def scene() -> None:
        clock, shop = ManualClock(), Workshop()
        may_stop = asyncio.Event()

        async def slow_to_stop(turn: greenroom.Turn) -> AsyncIterator[str]:
            try:
                yield "thinking"
                await asyncio.Event().wait()
            finally:
                await may_stop.wait()
                shop.log.append("stopped")

        async with greenroom.Runtime(slow_to_stop, resources=shop, clock=clock) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.send("ann", "think")
            await settle()

            await session.end("ann")
            await settle()
            assert shop.log == ["opened 1"]
            may_stop.set()
            await settle()

            assert shop.log == ["opened 1", "stopped", "closed 1"]

    play(scene)


def test_a_pipeline_that_does_not_stop_keeps_resources_for_its_grace_only() -> None:
    async def scene() -> None:
        clock, shop = ManualClock(), Workshop()
        may_stop = asyncio.Event()

        async def clinging(turn: greenroom.Turn) -> AsyncIterator[str]:
            yield "thinking"
            while not may_stop.is_set():
                try:
                    await may_stop.wait()
                except asyncio.CancelledError:
                    continue

        async with greenroom.Runtime(clinging, resources=shop, clock=clock) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.send("ann", "think")
            await settle()

            await session.end("ann")
            await clock.advance(2.9)
            assert shop.log == ["opened 1"]
            await clock.advance(0.2)

            assert shop.log == ["opened 1", "closed 1"]
            may_stop.set()

    play(scene)


def test_what_is_still_being_opened_when_the_session_leaves_is_not_left_open() -> None:
    async def scene() -> None:
        clock, gate, made = ManualClock(), Gate("the constructor's turn"), list[Plain]()

        def blocking(_: greenroom.Opening) -> Plain:
            gate.passed()
            made.append(Plain())
            return made[-1]

        async with greenroom.Runtime(uses, resources=blocking, clock=clock) as runtime:
            session = await runtime.create(user="ann", id="s")
            await settle()
            await session.end("ann")
            await settle()
            gate.open()

            await until(lambda: made and made[0].closed)
            assert [each.closed for each in made] == [1]

    play(scene)


def test_closing_is_time_boxed_logged_and_counted() -> None:
    async def scene() -> None:
        clock, shop = ManualClock(), Workshop()
        shop.may_close.clear()
        runtime = greenroom.Runtime(uses, resources=shop, clock=clock, idle_s=60.0)
        async with runtime:
            await runtime.create(user="ann", id="s")
            with logged() as lines:
                await clock.advance(60.1)
                assert runtime.resident == 1
                await clock.advance(5.1)

            assert runtime.resident == 0
            assert runtime.stats.resources_not_closed == 1
            (line,) = [line for line in lines if line["event"] == "resources_not_closed"]
            assert (line["session"], line["error"]) == ("s", "not closed after 5 s")
            assert shop.closing == 0  # it was cancelled, too

    play(scene)


def test_one_that_fails_to_close_stops_no_other() -> None:
    async def scene() -> None:
        closed: list[str] = []

        class Tools:
            def __init__(self, session: str) -> None:
                self.session = session

            async def aclose(self) -> None:
                if self.session == "s1":
                    raise SystemExit(3)
                closed.append(self.session)

        async def tools(opening: greenroom.Opening) -> Tools:
            return Tools(opening.session_id)

        runtime = greenroom.Runtime(uses, resources=tools)
        async with runtime:
            for n in range(4):
                await runtime.create(user="ann", id=f"s{n}")
            await settle()
            report = await runtime.stop()

        assert sorted(closed) == ["s0", "s2", "s3"]
        assert report.passivated == ["s0", "s1", "s2", "s3"]
        assert runtime.stats.resources_not_closed == 1

    play(scene)


def test_shutdown_closes_so_many_at_once_and_within_its_budget() -> None:
    """Spec, further rule: bounded concurrency, and a total deadline."""

    async def scene() -> None:
        clock, shop, journal = ManualClock(), Workshop(), GatedJournal()
        runtime = greenroom.Runtime(
            *(uses,), resources=shop, clock=clock, journal=journal, max_sessions_per_user=50
        )
        await runtime.start()
        names = [f"s{n:02}" for n in range(40)]
        for name in names:
            await runtime.create(user="ann", id=name)
        await settle()
        shop.may_close.clear()

        stopping = asyncio.get_running_loop().create_task(runtime.stop(budget_s=4.0))
        await clock.advance(2.9)
        assert shop.closing == shop.most_closing == 16
        assert not stopping.done()
        await clock.advance(0.2)
        report = await stopping

        assert report == greenroom.DrainReport(passivated=names, handed_back=[], left=[])
        assert runtime.stats.resources_not_closed == 40
        assert all(record.end is not None for record in journal._records.values())
        shop.may_close.set()
        await settle()
        assert len([line for line in shop.log if "closed" in line]) == 40

    play(scene)


def test_a_session_without_resources_and_hook_leaves_without_a_task() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(echo, clock=clock, idle_s=60.0) as runtime:
            session = await runtime.create(user="ann", id="s")
            await (await session.send("ann", "hello")).result()
            await settle()
            supervisor = runtime._supervisor
            assert supervisor is not None
            actor = supervisor._places["s"].actor
            assert actor is not None
            assert actor._wings is None
            made: list[Any] = []
            loop = asyncio.get_running_loop()

            def note(loop: asyncio.AbstractEventLoop, coro: Any) -> asyncio.Task[Any]:
                made.append(coro)
                return asyncio.Task(coro, loop=loop)

            loop.set_task_factory(note)

            actor.actor_inbox.signal(session_actor.Passivate())
            for _ in range(2):  # the session's step, and the supervisor's
                await asyncio.sleep(0)
            loop.set_task_factory(None)

            assert runtime.resident == 0
            assert made == []

    play(scene)


# --- tokens --------------------------------------------------------------------------------------


def test_a03_a_token_is_kept_while_its_session_lives_and_the_host_may_renew_it() -> None:
    async def scene() -> None:
        clock, shop = ManualClock(), Workshop()
        async with greenroom.Runtime(uses, resources=shop, clock=clock, idle_s=60.0) as runtime:
            session = await runtime.create(user="ann", id="s", token=greenroom.Secret("old"))
            await session.join("bob")
            await settle()
            await refused(session.set_token("bob", greenroom.Secret("x")), greenroom.NotHost)
            with pytest.raises(greenroom.InvalidInput, match="token is 'str'"):
                session.set_token("ann", "in plain text")  # type: ignore[arg-type]
            with pytest.raises(greenroom.InvalidInput):
                runtime.create(user="ann", token="in plain text")  # type: ignore[arg-type]
            assert shop.openings[0].token == greenroom.Secret("old")

            assert await session.set_token("ann", greenroom.Secret("new")) is None
            assert shop.openings[0].token == greenroom.Secret("new")
            await clock.advance(61.0)
            await session.post("ann", "back again")
            await settle()
            assert shop.openings[1].token == greenroom.Secret("new")

            await session.end("ann")
            assert runtime._stage.tokens == {}
            await refused(session.set_token("ann", greenroom.Secret("x")), greenroom.SessionEnded)

    play(scene)


def test_a_create_that_is_refused_gives_nobody_its_token() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(uses) as runtime:
            await runtime.create(user="ann", id="s", token=greenroom.Secret("ann's"))
            again = runtime.create(user="bob", id="s", token=greenroom.Secret("bob's"))
            await refused(again, greenroom.SessionExists)

            assert runtime._stage.tokens == {"s": greenroom.Secret("ann's")}

    play(scene)


# --- the end -------------------------------------------------------------------------------------


def test_a12_a_turn_that_the_end_cancels_has_its_outcome() -> None:
    async def scene() -> None:
        shop, script = Workshop(), Script()
        async with greenroom.Runtime(script, resources=shop) as runtime:
            session = await runtime.create(user="ann", id="s")
            turn = await session.send("ann", "think")
            await settle()

            await session.end("ann")

            result = await turn.result()
            assert (result.status, result.cause) == ("cancelled", "ended")
            assert (await session.info()).state == "ended"
            await settle()
            assert script.closed == [1]
            assert shop.log == ["opened 1", "closed 1"]

    play(scene)


def test_ax6_a13_all_that_was_published_before_the_end_arrives() -> None:
    """The source system cancelled its forwarder at the end: of 11 events 1 arrived."""

    async def scene() -> None:
        gate = asyncio.Event()

        async def eight(turn: greenroom.Turn) -> AsyncIterator[str]:
            await gate.wait()
            for n in range(8):
                yield f"{n} "

        async with greenroom.Runtime(eight) as runtime:
            session = await runtime.create(user="ann", id="s")
            turn = await session.send("ann", "count")
            await settle()
            taken: list[Any] = []
            may_take = asyncio.Event()

            async def slow(item: Any) -> None:
                await may_take.wait()
                taken.append(item.event)

            over: list[Any] = []
            await session.subscribe("ann", slow, on_close=over.append)
            queued = session.events("ann")
            gate.set()
            await turn.result()
            await session.end("ann")
            await settle()
            assert (taken, over) == ([], [])
            may_take.set()
            await settle()

            pulled = [item.event async for item in queued]
            assert taken == pulled
            assert len(taken) == 11
            assert [getattr(event, "text", "") for event in taken[:8]] == [
                f"{n} " for n in range(8)
            ]
            assert texts([taken[8].message]) == ["0 1 2 3 4 5 6 7 "]
            assert [type(event).__name__ for event in taken[9:]] == ["TurnEnded", "SessionEnded"]
            assert over == [None]

    play(scene)


def test_ax16_nothing_is_left_in_memory_of_a_session_that_has_ended() -> None:
    """The source system kept every ended session with its queues and its context."""

    class Tools:
        async def aclose(self) -> None:
            return

    watched: list[weakref.ref[Any]] = []

    async def tools(_: greenroom.Opening) -> Tools:
        made = Tools()
        watched.append(weakref.ref(made))
        return made

    async def hook(snapshot: Any, reason: Any) -> None:
        return

    async def scene() -> None:
        clock = ManualClock()
        options = {"resources": tools, "on_end": hook, "clock": clock, "idle_s": 60.0}
        async with greenroom.Runtime(echo, **options) as runtime:
            session = await runtime.create(user="ann", id="s", token=greenroom.Secret("t"))
            await (await session.send("ann", "hello")).result()
            supervisor = runtime._supervisor
            assert supervisor is not None
            place = supervisor._places["s"]
            watched.extend(map(weakref.ref, (place.actor, place.actor._wings)))  # type: ignore[union-attr,arg-type]
            del place

            await session.end("ann")
            await settle()
            gc.collect()
            assert watched[0]() is None  # the tools do not even wait for it to be idle
            await clock.advance(61.0)
            await settle()
            gc.collect()

            assert [ref() for ref in watched] == [None, None, None]
            assert runtime.resident == len(runtime._directory) == len(runtime._logs) == 0
            assert runtime._stage.tokens == {}
            assert runtime._stage.backstage is not None
            assert not runtime._stage.backstage.leaving
            assert not runtime._stage.backstage.hooks

    play(scene)
