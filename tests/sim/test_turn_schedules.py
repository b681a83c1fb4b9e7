"""Races around a turn under schedules that a seed draws: one side wins, and all say the same."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis.strategies import integers
from theatre import LotteryDispatcher, play, settle

import greenroom
from greenroom.actors.session import events as happened
from greenroom.adapters.journals.memory import MemoryJournal
from greenroom.supervisor.recording import read_recording

SEEDS = integers(0, 2**32 - 1)
SCHEDULES = settings(max_examples=120, deadline=None, derandomize=True)


class Chance:
    """A pipeline that takes a random number of loop passes before each of its outputs."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)

    async def __call__(self, turn: greenroom.Turn) -> AsyncIterator[Any]:
        for number in range(self.rng.randrange(4)):
            await self.pause()
            yield f"{turn.id}.{number} "
            for message in await turn.steering() if self.rng.random() < 0.5 else ():
                yield f"[{message.text}] "
        await self.pause()

    async def pause(self, most: int = 12) -> None:
        for _ in range(self.rng.randrange(most)):
            await asyncio.sleep(0)


async def happenings(journal: MemoryJournal, session: str) -> list[happened.Durable]:
    recording = await read_recording(journal, session)
    assert recording.state.running is None
    assert not recording.state.queued
    return [entry.event for entry in recording.entries]


def ends(events: list[happened.Durable]) -> dict[int, list[happened.TurnEnded]]:
    found: dict[int, list[happened.TurnEnded]] = {}
    for event in events:
        if isinstance(event, happened.TurnEnded):
            found.setdefault(event.turn, []).append(event)
    return found


@SCHEDULES
@given(seed=SEEDS)
def test_cancel_against_completion_one_wins_and_the_receipts_agree(seed: int) -> None:
    async def scene() -> None:
        chance, journal = Chance(seed), MemoryJournal()
        dispatcher = LotteryDispatcher(seed)
        async with greenroom.Runtime(chance, journal=journal, dispatcher=dispatcher) as runtime:
            session = await runtime.create(user="ann", id="s")
            turn = await session.send("ann", "go")
            await chance.pause(20)
            receipts = [await reply for reply in (turn.cancel(), turn.cancel())]
            result = await turn.result()
            await settle()

            verdicts = [receipt.verdict for receipt in receipts]
            if result.status == "completed":
                assert verdicts == ["completion_won", "completion_won"]
            else:
                assert (result.status, result.cause) == ("cancelled", "user")
                assert verdicts == ["won", "already_ended"]
            assert [end.status for end in ends(await happenings(journal, "s"))[1]] == [
                result.status
            ]

    play(scene)


@SCHEDULES
@given(seed=SEEDS)
def test_interrupt_against_the_next_message_each_turn_ends_once_and_the_last_completes(
    seed: int,
) -> None:
    async def scene() -> None:
        chance, journal = Chance(seed), MemoryJournal()
        dispatcher = LotteryDispatcher(seed)
        async with greenroom.Runtime(chance, journal=journal, dispatcher=dispatcher) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.join("bob")
            policies: list[Any] = ["enqueue", "interrupt", "rollback", "steer", "merge", "latest"]
            sent = []
            for number in range(6):
                await chance.pause()
                user = chance.rng.choice(["ann", "bob"])
                policy = chance.rng.choice(policies)
                sent.append(session.send(user, f"say {number}", policy=policy))
                if chance.rng.random() < 0.3:
                    session.interrupt(user)
            turns = {(await reply).id for reply in sent}
            results = {number: await session.result(number) for number in sorted(turns)}
            await settle()

            events = await happenings(journal, "s")
            assert all(len(found) == 1 for found in ends(events).values())
            steered = [event.turn for event in events if isinstance(event, happened.TurnSteered)]
            assert sorted([*steered, *ends(events)]) == list(range(1, max(turns) + 1))
            for number, result in results.items():
                if number not in steered:
                    assert ends(events)[number][0].status == result.status

    play(scene)


@SCHEDULES
@given(seed=SEEDS)
def test_steer_against_end_a_message_is_heard_exactly_once(seed: int) -> None:
    async def scene() -> None:
        chance, journal = Chance(seed), MemoryJournal()
        dispatcher = LotteryDispatcher(seed)
        async with greenroom.Runtime(chance, journal=journal, dispatcher=dispatcher) as runtime:
            session = await runtime.create(user="ann", id="s")
            first = await session.send("ann", "go")
            await chance.pause(20)
            steer = await session.send("ann", "left", policy="steer")
            results = [await first.result(), await steer.result()]
            await settle()

            events = await happenings(journal, "s")
            handed = [event for event in events if isinstance(event, happened.TurnSteered)]
            started = [event.turn for event in events if isinstance(event, happened.TurnStarted)]
            if handed:
                assert started == [1]
                assert results[0] == results[1]
                assert results[0].text.count("[left]") == 1
            else:
                assert started == [1, 2]
                assert all("[left]" not in result.text for result in results)
            asked = [line for line in await session.transcript("ann") if line.text == "left"]  # type: ignore[union-attr]
            assert len(asked) == 1

    play(scene)


@pytest.mark.parametrize("rounds", [150])
def test_cancel_against_completion_from_other_threads(rounds: int) -> None:
    """With real threads: the pipeline completes in one, two others cancel."""

    def blocking(turn: greenroom.Turn) -> str:
        gates[turn.id % 2].wait()
        return "done"

    gates = [threading.Event(), threading.Event()]
    with greenroom.Runtime.start_in_thread(blocking) as runtime:
        session = runtime.create(user="ann").get()
        for _ in range(rounds):
            turn = session.send("ann", "go").get()
            gate = gates[turn.id % 2]
            verdicts: list[str] = []

            def cancel(turn: Any = turn, verdicts: list[str] = verdicts) -> None:
                verdicts.append(turn.cancel().get(timeout=10).verdict)

            cancels = [threading.Thread(target=cancel) for _ in range(2)]
            racers = [*cancels, threading.Thread(target=gate.set)]
            random.Random(turn.id).shuffle(racers)
            for racer in racers:
                racer.start()
            for racer in racers:
                racer.join()
            status = turn.result().get(timeout=10).status
            with suppress(greenroom.GreenroomError):
                turn.stopped().get(timeout=10)
            gate.clear()

            if status == "completed":
                assert set(verdicts) == {"completion_won"}
            else:
                assert sorted(verdicts) == ["already_ended", "won"]
