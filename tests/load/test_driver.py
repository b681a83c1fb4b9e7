"""Dialogues are hosted as recorded: side by side, in little room, and from where they stand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from recorded import dialogue, dialogues, host, host_and_verify, run_at_once

import greenroom
from greenroom.actors.errors import CapacityError, NotWritten, RuntimeClosed, SessionEnded
from greenroom.adapters.commands.load import TURN_ATTEMPTS
from greenroom.adapters.journals.memory import MemoryJournal
from greenroom.adapters.load.dataset import Dialogue
from greenroom.adapters.load.driver import Driver
from greenroom.adapters.load.listener import Listener
from greenroom.adapters.load.player import ATTEMPTS, PATIENCE, attempts, wait_s
from greenroom.adapters.load.report import Counters
from greenroom.adapters.load.transcripts import Transcripts
from greenroom.adapters.load.verify import verify


def test_every_dialogue_is_hosted_as_recorded() -> None:
    shown = [dialogue(n, exchanges=n + 1, calls=n % 3) for n in range(10)]

    counters, verdict = run_at_once(host_and_verify(shown))

    assert verdict.mismatches == []
    assert counters.error_texts == []
    assert (counters.dialogues, counters.created, counters.found) == (10, 10, 0)
    assert 55 == counters.heard == counters.ack.total == counters.turn.total
    assert counters.deltas == 55 * 4
    assert (counters.gaps, counters.retries) == (0, 0)


def test_users_own_the_sessions_in_turn() -> None:
    async def owners() -> list[str]:
        journal = MemoryJournal()
        await host(dialogues(9), journal)
        async with greenroom.Runtime(journal=journal) as runtime:
            return [(await runtime.session(f"d-{n}").info()).owner for n in range(9)]

    assert [f"user-{n % 7}" for n in range(9)] == run_at_once(owners())


def test_only_so_many_dialogues_are_under_way_at_once() -> None:
    shown, under_way = dialogues(20), set[str]()
    most = 0

    async def pipeline(turn: greenroom.Turn) -> AsyncIterator[object]:
        nonlocal most
        under_way.add(turn.session_id)
        most = max(most, len(under_way))
        async for output in Transcripts(shown)(turn):
            yield output
        if turn.id == 3:  # the last one
            under_way.discard(turn.session_id)

    counters, verdict = run_at_once(host_and_verify(shown, pipeline=pipeline, sessions=4))

    assert (counters.dialogues, verdict.mismatches) == (20, [])
    assert most == 4


def test_forty_dialogues_share_five_places() -> None:
    shown = dialogues(40)
    journal = MemoryJournal()
    most = 0

    async def pipeline(turn: greenroom.Turn) -> AsyncIterator[object]:
        nonlocal most
        most = max(most, runtimes[0].resident)
        async for output in Transcripts(shown)(turn):
            yield output

    runtimes = list[greenroom.Runtime]()

    async def play() -> Counters:
        async with greenroom.Runtime(
            pipeline, journal=journal, max_sessions=5, max_sessions_per_user=5
        ) as runtime:
            runtimes.append(runtime)
            driver = Driver(runtime, users=1)
            await driver.run(shown)
            assert runtime.resident <= 5
            assert runtime.stats.passivated >= 35
            return driver.counters

    counters = run_at_once(play())

    assert (counters.dialogues, counters.errors, counters.gaps) == (40, 0, 0)
    assert counters.retries > 0
    assert most == 5
    assert run_at_once(verify(journal, shown)).mismatches == []


def test_what_passes_is_put_up_with_for_so_long_only() -> None:
    full = CapacityError("global", limit=1, in_use=1, retry_after_s=0.25)

    assert attempts(full) == PATIENCE
    assert attempts(NotWritten("full")) == ATTEMPTS
    assert attempts(greenroom.OutcomeUnknown("s", why="crash")) == ATTEMPTS
    assert attempts(RuntimeClosed("draining")) == 1
    assert attempts(SessionEnded("s", ("active",))) == 1
    assert all(0.25 <= wait_s(full, refusals) <= 1.25 for refusals in range(1, PATIENCE))


def test_a_house_that_stays_full_is_given_up() -> None:
    async def play() -> Counters:
        stuck = asyncio.Event()

        async def waits(_: greenroom.Turn) -> str:
            await stuck.wait()
            return "at last"

        async with greenroom.Runtime(waits, max_sessions=1) as runtime:
            busy = await runtime.create("ada")
            await busy.send("ada", "hold the only place")
            driver = Driver(runtime)
            await driver.run(dialogues(1))
            stuck.set()
            return driver.counters

    counters = run_at_once(play())

    assert (counters.dialogues, counters.errors, counters.retries) == (0, 1, PATIENCE - 1)
    assert counters.error_texts[0].startswith("d-0: the runtime holds 1 of 1 resident sessions")


def test_messages_are_sent_at_the_rate_over_all_sessions() -> None:
    async def play() -> float:
        began = asyncio.get_running_loop().time()
        await host(dialogues(20), rate=10)
        return asyncio.get_running_loop().time() - began

    assert pytest.approx(5.9) == run_at_once(play())  # 60 messages, the first one at once


def test_a_second_run_finds_the_sessions_and_sends_nothing() -> None:
    async def twice() -> tuple[Counters, greenroom.Runtime, list[object]]:
        journal, shown = MemoryJournal(), dialogues(10)
        await host(shown, journal)
        counters, runtime = await host(shown, journal)
        return counters, runtime, list((await verify(journal, shown)).mismatches)

    counters, runtime, mismatches = run_at_once(twice())

    assert (counters.dialogues, counters.created, counters.found) == (10, 0, 10)
    assert (runtime.stats.events, counters.deltas, mismatches) == (0, 0, [])


async def cut_short(shown: list[Dialogue], journal: MemoryJournal, at: tuple[str, int]) -> None:
    """Host dialogues until the pipeline hangs in turn `at`, and stop without waiting for it."""
    reached = asyncio.Event()

    async def hangs(turn: greenroom.Turn) -> AsyncIterator[object]:
        async for output in Transcripts(shown)(turn):
            yield output
            if (turn.session_id, turn.id) == at:
                reached.set()
                await asyncio.Event().wait()

    settings = {"stop_budget_s": 0.0, "turn_attempts": TURN_ATTEMPTS}
    async with greenroom.Runtime(hangs, journal=journal, **settings) as runtime:
        driving = asyncio.ensure_future(Driver(runtime).run(shown))
        await reached.wait()
        driving.cancel()
        with suppress(asyncio.CancelledError):
            await driving


async def resume(shown: list[Dialogue], journal: MemoryJournal) -> list[object]:
    """Host them to the end; the mismatches."""
    counters, _ = await host(shown, journal)
    assert (counters.dialogues, counters.error_texts) == (len(shown), [])
    return list((await verify(journal, shown)).mismatches)


@pytest.mark.parametrize("turn", [1, 2, 3])
@pytest.mark.parametrize("session", ["d-0", "d-2"])
def test_a_run_that_is_cut_short_anywhere_is_gone_on_with(session: str, turn: int) -> None:
    async def play() -> list[object]:
        journal = MemoryJournal()
        await cut_short(dialogues(3), journal, (session, turn))
        return await resume(dialogues(3), journal)

    assert run_at_once(play()) == []


def test_a_turn_that_is_cut_short_again_and_again_is_played_in_the_end() -> None:
    async def play() -> list[object]:
        journal = MemoryJournal()
        for _ in range(10):
            await cut_short(dialogues(3), journal, ("d-1", 2))
        return await resume(dialogues(3), journal)

    assert run_at_once(play()) == []


def test_an_outcome_that_is_unknown_is_looked_up_before_anything_is_said() -> None:
    class Forgetful(MemoryJournal):
        """Every 20th write is made, and reported as failed."""

        writes = 0

        def append(self, *args: object, **options: object) -> greenroom.Reply[int]:
            commit = super().append(*args, **options)  # type: ignore[arg-type]
            self.writes += 1
            if self.writes % 20:
                return commit
            lost: greenroom.Reply[int] = greenroom.Reply()
            lost.set_error(greenroom.JournalFailed("no answer"))
            return lost

    async def play() -> tuple[Counters, list[object]]:
        journal, shown = Forgetful(), dialogues(20)
        counters, _ = await host(shown, journal, max_restarts=1000, turn_attempts=1000)
        return counters, list((await verify(journal, shown)).mismatches)

    counters, mismatches = run_at_once(play())

    assert (counters.dialogues, counters.error_texts, mismatches) == (20, [], [])
    assert counters.retries > 0


def test_another_dialogue_of_the_same_id_is_left_alone() -> None:
    async def play() -> tuple[Counters, list[object]]:
        journal, shown = MemoryJournal(), dialogues(3)
        other = msgspec.structs.replace(dialogue(50), dialogue_id="d-1")
        await host([other], journal)
        counters, _ = await host(shown, journal)
        return counters, list((await verify(journal, [other, shown[0], shown[2]])).mismatches)

    counters, mismatches = run_at_once(play())

    assert (counters.dialogues, counters.errors, mismatches) == (2, 1, [])
    assert counters.error_texts[0] == "d-1: session d-1 is not as recorded: message 1 differs"


def test_a_longer_session_than_the_dialogue_is_not_as_recorded() -> None:
    async def play() -> Counters:
        journal = MemoryJournal()
        await host([dialogue(0, exchanges=4)], journal)
        return (await host([dialogue(0, exchanges=3)], journal))[0]

    assert "message 4 differs" in run_at_once(play()).error_texts[0]


def errors_of(shown: list[Dialogue], pipeline: object, **settings: object) -> list[str]:
    """What the driver and then the comparison have to say."""
    counters, verdict = run_at_once(host_and_verify(shown, pipeline=pipeline, **settings))
    assert {"d-1"} == {mismatch.dialogue for mismatch in verdict.mismatches}
    return counters.error_texts


def spoiled(
    spoil: Callable[[object], object],
) -> tuple[list[Dialogue], Callable[[greenroom.Turn], AsyncIterator[object]]]:
    """Three dialogues, and a pipeline that plays them, but for the second turn of the second."""
    shown = dialogues(3)

    async def pipeline(turn: greenroom.Turn) -> AsyncIterator[object]:
        async for output in Transcripts(shown)(turn):
            yield spoil(output) if (turn.session_id, turn.id) == ("d-1", 2) else output

    return shown, pipeline


def test_a_wrong_word_is_heard() -> None:
    errors = errors_of(*spoiled(lambda word: "x" if word == "of\n" else word))

    assert len(errors) == 1
    assert "was streamed in exchange 2, not" in errors[0]


def test_a_turn_that_fails_is_an_error() -> None:
    (error,) = errors_of(*spoiled(lambda _: 1 / 0))

    assert "d-1: session d-1 is not as recorded: turn 2 failed: ZeroDivisionError" in error


def test_a_session_that_is_parked_is_given_up() -> None:
    class Broken(MemoryJournal):
        """Keeps nothing of d-1 after its first turn."""

        def append(self, session: str, *args: object, **options: object) -> greenroom.Reply[int]:
            if session == "d-1" and options["after"] == 4:
                lost: greenroom.Reply[int] = greenroom.Reply()
                lost.set_error(greenroom.JournalFailed("no answer"))
                return lost
            return super().append(session, *args, **options)  # type: ignore[arg-type]

    async def play() -> Counters:
        return (await host(dialogues(3), Broken()))[0]

    counters = run_at_once(play())

    assert (counters.dialogues, counters.errors) == (2, 1)
    assert "d-1: session d-1 is parked" in counters.error_texts[0]


async def nothing_to_approve(event: Any) -> None:
    raise AssertionError(event)


def test_a_gap_is_counted_and_what_was_missed_is_not_checked() -> None:
    async def play() -> tuple[str | None, str | None, int]:
        shown, counters = dialogues(1), Counters()
        async with greenroom.Runtime(Transcripts(shown), live_events=4) as runtime:
            session = await runtime.create("ada", id="d-0")
            async with session.events("ada") as events:
                listener = Listener("d-0", events, counters, nothing_to_approve)
                for place in range(2):
                    turn = await session.send("ada", shown[0].input(place))
                    await turn.result()
                return await listener.hear(1), await listener.hear(2), counters.gaps

    first, second, gaps = run_at_once(play())

    assert (first, second) == (None, None)
    assert gaps >= 1
