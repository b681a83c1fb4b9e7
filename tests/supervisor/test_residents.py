"""What a runtime holds, listed for whoever runs the house: in one pass, waking nobody."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from theatre import ManualClock, Script, crash_on_boom, echo, play, settle

import greenroom
from greenroom.supervisor import listing

Query = greenroom.ResidentQuery


async def ids(runtime: greenroom.Runtime, **query: Any) -> list[str]:
    return [row.id for row in (await runtime.residents(Query(**query))).rows]


async def mail(runtime: greenroom.Runtime, session: str, count: int) -> None:
    """Have commands wait in the mailbox of a session that handles none."""
    box = runtime._directory.get(session)
    assert box is not None
    box.suspend()
    for _ in range(count):
        runtime.session(session).post("ann", "x")
    await settle()


def test_those_come_first_whose_mailboxes_are_deepest() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(echo) as runtime:
            for name in "abcd":
                await runtime.create("ann", id=name)
            await mail(runtime, "b", 2)
            await mail(runtime, "d", 5)

            found = await runtime.residents(Query(limit=3))

            assert [(row.id, row.depth) for row in found.rows] == [("d", 5), ("b", 2), ("a", 0)]
            assert (found.total, found.matched) == (4, 4)
            for name in "bd":
                runtime._directory.get(name).resume()  # type: ignore[union-attr]

    play(scene)


def test_a_row_tells_what_a_session_is_and_does() -> None:
    async def scene() -> None:
        script = Script()
        clock = ManualClock()
        async with greenroom.Runtime(script, clock=clock) as runtime:
            session = await runtime.create("ann", id="s1", name="ours")
            await session.send("ann", "one")
            await session.send("ann", "two")
            await settle()

            (row,) = (await runtime.residents()).rows

            assert (row.id, row.owner, row.name, row.state) == ("s1", "ann", "ours", "active")
            assert (row.verdict, row.running_turn, row.queued_turns) == ("resident", 1, 1)
            assert (row.depth, row.restarts, row.error) == (0, 0, "")
            assert row.since_ms == row.updated_ms == clock.now_ms()
            await runtime.passivate("s1", force=True)
            assert await ids(runtime) == []

    play(scene)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"owner": "bob"}, ["b1"]),
        ({"state": "created"}, ["a2"]),
        ({"prefix": "a"}, ["a1", "a2"]),
        ({"prefix": "the ro"}, ["b1"]),
        ({"verdict": greenroom.Verdict.PARKED}, ["p1"]),
        ({"verdict": greenroom.Verdict.RESIDENT, "owner": "ann"}, ["a1", "a2"]),
        ({"prefix": "zz"}, []),
    ],
)
def test_only_those_are_listed_that_are_asked_for(query: dict[str, Any], found: list[str]) -> None:
    async def scene() -> None:
        async with greenroom.Runtime(echo) as runtime:
            await runtime.create("ann", id="a1")
            await runtime.create("ann", id="a2", start=False)
            await runtime.create("bob", id="b1", name="the room")
            await runtime.create("eve", id="p1")
            await runtime.park("p1", "to be looked at")

            listed = await runtime.residents(Query(**query))

            assert [row.id for row in listed.rows] == found
            assert (listed.total, listed.matched) == (4, len(found))

    play(scene)


def test_crashes_are_told_and_sorted_by(monkeypatch: pytest.MonkeyPatch) -> None:
    crash_on_boom(monkeypatch, RuntimeError("boom"))

    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(echo, clock=clock, max_restarts=1) as runtime:
            for name in "abc":
                await runtime.create("ann", id=name)
            runtime.session("b").post("ann", "boom")
            await settle()
            (first, *_) = (await runtime.residents(Query(sort="restarts"))).rows
            assert (first.id, first.verdict, first.restarts) == ("b", "restarting", 1)
            assert "boom" in first.error

            await clock.advance(60.0)
            await settle()
            (first, *_) = (await runtime.residents(Query(sort="restarts"))).rows
            told = await runtime.explain("b")
            assert (first.verdict, first.restarts, first.error) == (
                told.verdict,
                told.restarts,
                told.error,
            )

    play(scene)


def test_the_latest_come_first_by_their_update() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(echo, clock=clock) as runtime:
            for name in "abc":
                await runtime.create("ann", id=name)
                await clock.advance(1.0)
            await runtime.session("a").post("ann", "hi")

            assert await ids(runtime, sort="updated") == ["a", "c", "b"]

    play(scene)


def test_others_are_let_in_during_the_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "SLICE", 2)

    async def scene() -> None:
        async with greenroom.Runtime(echo) as runtime:
            for number in range(7):
                await runtime.create("ann", id=f"s{number}")
            turns = 0

            async def other() -> None:
                nonlocal turns
                while True:
                    turns += 1
                    await asyncio.sleep(0)

            task = asyncio.create_task(other())
            assert await ids(runtime, limit=3) == ["s0", "s1", "s2"]
            task.cancel()
            assert turns >= 3

    play(scene)


def test_listing_wakes_nobody_and_counts_as_no_activity() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(echo, clock=clock, idle_s=10.0) as runtime:
            await runtime.create("ann", id="s1")
            await clock.advance(9.0)
            assert await ids(runtime) == ["s1"]
            await clock.advance(2.0)
            await settle()
            assert await ids(runtime) == []

    play(scene)


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 1001},
        {"limit": True},
        {"sort": "name"},
        {"state": "gone"},
        {"verdict": "stored"},
        {"owner": ""},
        {"prefix": "x" * 600},
    ],
)
def test_what_nobody_can_mean_is_refused(query: dict[str, Any]) -> None:
    with pytest.raises(greenroom.InvalidInput) as refused:
        Query(**query)
    assert refused.value.field == next(iter(query))


def test_a_runtime_that_does_not_run_lists_nothing() -> None:
    async def scene() -> None:
        runtime = greenroom.Runtime(echo)
        with pytest.raises(greenroom.RuntimeClosed):
            await runtime.residents()

    play(scene)
