"""P6: a command without effect is run once more after a crash, in its place; then it is poison."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from house import logged
from theatre import GatedJournal, ManualClock, crash_on_boom, crash_once, echo, play, settle, texts

import greenroom
from greenroom.actors.session import actor as session_actor
from greenroom.actors.session.outbox import Outbox


@pytest.fixture
def crash_always(monkeypatch: pytest.MonkeyPatch) -> None:
    crash_on_boom(monkeypatch, RuntimeError("it went off"))


def test_p06_a_command_without_effect_is_run_once_more_before_those_behind_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fold, crashes = session_actor.apply, []

    def crashing(state: Any, event: Any, at_ms: int) -> None:
        fold(state, event, at_ms)
        message = getattr(event, "message", None)
        if message is not None and message.text == "two" and not crashes:
            crashes.append(message)
            raise RuntimeError("after it was folded")

    monkeypatch.setattr(session_actor, "apply", crashing)

    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(echo, journal=GatedJournal(), clock=clock) as runtime:
            session = await runtime.create(user="ann", id="s")
            replies = [session.post("ann", text) for text in ("one", "two", "three")]
            keyed = session.post("ann", "four", key="k")
            await settle()
            await clock.advance(1.0)

            assert [(await reply).revision for reply in (*replies, keyed)] == [1, 2, 3, 4]
            assert texts(await session.transcript("ann")) == ["one", "two", "three", "four"]
            assert (runtime.stats.restarted, runtime.stats.poisoned) == (1, 0)

    play(scene)


@pytest.mark.usefixtures("crash_always")
def test_p06_poison_is_returned_to_its_sender_counted_and_logged_without_its_contents() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(journal=GatedJournal(), clock=clock) as runtime:
            session = await runtime.create(user="ann", id="s")
            with logged() as lines:
                crashed = session.post("ann", "boom", key="k")
                await settle()
                assert not crashed.done
                await clock.advance(1.0)

            error = crashed.error
            assert isinstance(error, greenroom.PoisonCommand)
            assert (error.code, error.retryable, error.session) == ("poison", False, "s")
            assert error.error == "RuntimeError: it went off"
            assert error.returned.command.text == "boom"  # type: ignore[attr-defined]
            (line,) = [line for line in lines if line["event"] == "command_set_aside"]
            assert (line["session"], line["command"]) == ("s", "Post")
            assert line["error"] == "RuntimeError: it went off"
            assert "boom" not in str(line)
            assert runtime.stats.poisoned == 1
            assert (await session.post("ann", "well", key="k")).revision == 1

    play(scene)


def test_p06_what_was_handed_to_the_journal_is_never_run_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    append = Outbox.append

    def crashing(self: Outbox, bodies: Any, row: Any, *, after: int) -> Any:
        commit = append(self, bodies, row, after=after)
        if any(b"boom" in body for body in bodies):
            raise RuntimeError("after it was handed over")
        return commit

    monkeypatch.setattr(Outbox, "append", crashing)

    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(journal=GatedJournal(), clock=clock) as runtime:
            session = await runtime.create(user="ann", id="s")
            crashed, after = session.post("ann", "boom"), session.post("ann", "after")
            await settle()
            assert isinstance(crashed.error, greenroom.OutcomeUnknown)
            await clock.advance(1.0)

            assert (await after).revision == 2
            assert texts(await session.transcript("ann")) == ["boom", "after"]
            assert runtime.stats.poisoned == 0

    play(scene)


@pytest.mark.usefixtures("crash_always")
def test_p06_when_the_runtime_stops_first_it_is_returned_as_not_handled() -> None:
    async def scene() -> None:
        clock = ManualClock()
        runtime = greenroom.Runtime(journal=GatedJournal(), clock=clock)
        await runtime.start()
        session = await runtime.create(user="ann", id="s")
        crashed = session.post("ann", "boom")
        await settle()
        stopping = asyncio.ensure_future(runtime.stop(budget_s=0.0))
        await clock.advance(2.0)
        await stopping

        assert isinstance(crashed.error, greenroom.RuntimeClosed | greenroom.SessionClosed)

    play(scene)


@pytest.mark.parametrize("attempts", [1, 2, 3, 9])
def test_p06_a_turn_whose_output_crashes_the_session_twice_fails(
    attempts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide = session_actor.decide

    def crashing(state: Any, command: Any, moment: Any) -> Any:
        if getattr(getattr(command, "output", None), "name", "") == "boom":
            raise RuntimeError("boom")
        return decide(state, command, moment)

    monkeypatch.setattr(session_actor, "decide", crashing)
    begun: list[tuple[int, int]] = []

    async def pipeline(turn: greenroom.Turn) -> AsyncIterator[Any]:
        begun.append((turn.id, turn.attempt))
        if turn.input.text == "boom":
            yield greenroom.ToolCall(name="boom", id="a")
        yield "fine"

    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(
            pipeline, journal=GatedJournal(), clock=clock, turn_attempts=attempts
        ) as runtime:
            session = await runtime.create(user="ann", id="s")
            turn, after = await session.send("ann", "boom"), session.send("ann", "hello")
            await settle()
            await clock.advance(5.0)

            result = await turn.result()
            status = "lost" if attempts == 1 else "failed"
            assert (result.status, result.cause) == (status, "crash")
            assert (await (await after).result()).text == "fine"
            assert begun == [(1, attempt + 1) for attempt in range(min(attempts, 2))] + [(2, 1)]
            assert runtime.stats.parked == 0

    play(scene)


def test_p01_questions_behind_a_crashed_command_are_answered_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    crash_once(monkeypatch)

    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(journal=GatedJournal(), clock=clock) as runtime:
            session = await runtime.create(user="ann", id="s")
            order: list[str] = []
            crashed, asked = session.post("ann", "boom"), session.info()
            crashed.on_done(lambda _: order.append("command"))
            asked.on_done(lambda _: order.append("question"))
            await settle()
            await clock.advance(1.0)

            assert order == ["command", "question"]
            assert isinstance(crashed.error, greenroom.NotAllowed)

    play(scene)
