"""`greenroom.testing`, as its users have it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import greenroom
from greenroom.adapters.examples import tested_agent
from greenroom.adapters.journals.sqlite import SqliteJournal
from greenroom.testing import (
    Deaf,
    FaultyJournal,
    Gate,
    Hang,
    ManualClock,
    Script,
    Stage,
    Stuck,
    VirtualLoop,
    scripted,
    torn_copy,
)


def test_the_example_holds_what_it_says() -> None:
    tested_agent.main()


def test_a_seed_draws_the_same_schedule_again_and_another_one_another() -> None:
    def order(seed: int) -> list[str]:
        with Stage(seed=seed) as stage:
            told: list[str] = []
            for name in "abcdef":
                stage.do(stage.runtime.create(user="ann", id=name))
            for name in "abcdef":
                reply = stage.runtime.session(name).post("ann", "hello")
                reply.on_done(lambda _, name=name: told.append(name))  # type: ignore[misc]
            stage.settle()
            return told

    orders = [order(seed) for seed in range(8)]

    assert orders == [order(seed) for seed in range(8)]
    assert len({tuple(each) for each in orders}) > 4


async def sleeper(turn: greenroom.Turn) -> AsyncIterator[str]:
    async with asyncio.timeout(60):
        await asyncio.sleep(30)
    yield "awake"


def test_time_passes_only_while_somebody_waits_for_it() -> None:
    with Stage(sleeper) as stage:
        session = stage.do(stage.runtime.create(user="ann"))
        turn = stage.do(session.send("ann", "sleep"))
        result = turn.result()
        stage.settle()
        assert (stage.clock.now_s, result.done) == (1000.0, False)
        stage.advance(29.0)
        assert not result.done

        assert stage.do(result).text == "awake"
        assert stage.clock.now_s == 1030.0


def test_what_never_comes_is_told_at_once() -> None:
    with Stage(scripted("so", Hang), turn_silence_s=1e6) as stage:
        session = stage.do(stage.runtime.create(user="ann"))
        turn = stage.do(session.send("ann", "go"))

        with pytest.raises(Stuck):
            stage.do(turn.result(), patience_s=60.0)


def test_a_loop_that_never_rests_is_told() -> None:
    loop = VirtualLoop(ManualClock())

    async def busy() -> None:
        while True:
            await asyncio.sleep(0)

    task = loop.create_task(busy())
    with pytest.raises(Stuck, match="still not at rest"):
        loop.run_until_complete(loop.idle())
    task.cancel()
    loop.run_until_complete(loop.idle())
    loop.close()


def test_a_plain_function_is_waited_for_and_an_executor_is_the_loop() -> None:
    async def agent(turn: greenroom.Turn) -> str:
        return await asyncio.get_running_loop().run_in_executor(None, str.upper, turn.input.text)

    for pipeline in (agent, lambda turn: turn.input.text.upper()):
        with Stage(pipeline) as stage:
            session = stage.do(stage.runtime.create(user="ann"))
            assert stage.do(stage.do(session.send("ann", "go")).result()).text == "GO"


@pytest.mark.parametrize("error", [ValueError("tool"), SystemExit(3), KeyboardInterrupt()])
def test_a_script_raises_anything_and_fails_its_turn_alone(error: BaseException) -> None:
    script = Script()
    with Stage(script) as stage:
        session = stage.do(stage.runtime.create(user="ann", id="s"))
        turn = stage.do(session.send("ann", "go"))
        script.cue("s", 1, "well ", error)

        assert stage.do(turn.result()).status == "failed"
        assert script.closed == [1]


def test_a_pipeline_that_ignores_its_cancellation_writes_nothing_more() -> None:
    gate = Gate("deaf")
    with Stage(scripted("one ", Deaf(gate), "two"), pipeline_grace_s=1.0) as stage:
        session = stage.do(stage.runtime.create(user="ann"))
        turn = stage.do(session.send("ann", "go"))
        stage.settle()
        assert gate.waiting == 1

        stage.do(turn.cancel())
        stage.advance(2.0)
        assert stage.do(turn.stopped()) == "abandoned"
        gate.open()
        stage.settle()

        assert stage.do(turn.result()).text == "one "


FAULTS: list[tuple[Exception, bool, type[Exception], int]] = [
    (greenroom.NotWritten("full"), False, greenroom.NotWritten, 0),
    (greenroom.Rejected("s", size=2, limit=1), False, greenroom.Rejected, 0),
    (greenroom.JournalFailed("silent"), False, greenroom.OutcomeUnknown, 0),
    (greenroom.JournalFailed("silent"), True, greenroom.OutcomeUnknown, 1),
]


@pytest.mark.parametrize(("fault", "written", "told", "kept"), FAULTS)
def test_the_journal_fails_as_it_is_told_to(
    fault: Exception, written: bool, told: type[Exception], kept: int
) -> None:
    with Stage() as stage:
        session = stage.do(stage.runtime.create(user="ann"))
        stage.journal.fail(fault, written=written)

        with pytest.raises(told):
            stage.do(session.post("ann", "hello"))

        assert stage.do(session.info()).revision == kept


def test_a_crash_keeps_what_was_acknowledged_and_of_the_rest_as_much_as_it_is_told() -> None:
    with Stage() as stage:
        session = stage.do(stage.runtime.create(user="ann", id="s"))
        stage.do(session.post("ann", "one"))
        stage.journal.holding = True
        waiting = [session.post("ann", text) for text in ("two", "three")]
        stage.settle()
        assert stage.journal.waiting == 2

        stage.crash(keep=1)

        lines: Any = stage.do(stage.runtime.session("s").transcript("ann"))
        assert [line.text for line in lines] == ["one", "two"]
        assert not any(reply.done for reply in waiting)


def test_a_slow_reader_has_every_event_in_the_end() -> None:
    gate = Gate("reader")
    with Stage(live_events=4) as stage:
        session = stage.do(stage.runtime.create(user="ann", id="s"))
        slow = stage.watch("s", "ann", gate=gate)
        for number in range(20):
            stage.do(session.post("ann", str(number)))
        assert len(slow.items) == 1

        gate.open()
        stage.settle()

        assert slow.texts == [str(number) for number in range(20)]
        assert [gap.healed for gap in slow.gaps] == [True]


def test_a_torn_copy_lacks_only_what_was_written_last(tmp_path: Path) -> None:
    async def scene() -> list[int]:
        path, heads = tmp_path / "whole.db", []
        async with greenroom.Runtime(journal=FaultyJournal(SqliteJournal(path))) as runtime:
            session = await runtime.create(user="ann", id="s")
            for number in range(30):
                await session.post("ann", str(number))
            for seed in range(5):
                torn_copy(path, tmp_path / f"torn-{seed}.db", seed=seed)
        for seed in range(5):
            url = f"sqlite:///{tmp_path}/torn-{seed}.db"
            async with greenroom.Runtime(journal=url) as runtime:
                try:
                    lines: Any = await runtime.session("s").transcript("ann")
                except greenroom.SessionNotFound:
                    continue
                assert [line.text for line in lines] == [str(n) for n in range(len(lines))]
                heads.append(len(lines))
        return heads

    heads = asyncio.run(scene())

    assert len(set(heads)) > 1
    assert all(head < 30 for head in heads)
