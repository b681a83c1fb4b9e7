"""Scopes that keep a session on stage: for as long as they are open and their time is not over."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from house import logged
from theatre import GatedJournal, ManualClock, Script, crash_once, play, settle

import greenroom
from greenroom.actors.session import actor as session_actor

IDLE_S = 60.0


def house(**options: Any) -> tuple[ManualClock, greenroom.Runtime]:
    clock = ManualClock()
    return clock, greenroom.Runtime(clock=clock, **{"idle_s": IDLE_S, **options})


def test_a_session_is_not_passivated_as_idle_while_a_scope_is_open() -> None:
    async def scene() -> None:
        clock, runtime = house()
        async with runtime:
            session = await runtime.create(user="ann", id="s")
            async with session.keep_awake("ann", reason="a call"):
                await clock.advance(10 * IDLE_S)
                assert runtime.resident == 1
                assert not await runtime.passivate("s")

            await settle()
            await clock.advance(0.01)  # idle for long enough, and nobody keeps it any more
            assert runtime.resident == 0
            assert runtime.stats.passivated_by == {"idle": 1}

    play(scene)


def test_leaving_is_no_activity_and_does_not_shorten_idleness_either() -> None:
    async def scene() -> None:
        clock, runtime = house()
        async with runtime:
            session = await runtime.create(user="ann", id="s")
            async with session.keep_awake(reason="a call"):
                await clock.advance(IDLE_S / 2)

            await clock.advance(IDLE_S / 2 - 1.0)
            assert runtime.resident == 1
            await clock.advance(1.1)
            assert runtime.resident == 0

    play(scene)


def test_it_makes_no_room_for_others_and_the_hint_says_when_it_will() -> None:
    async def scene() -> None:
        _clock, runtime = house(max_sessions=1)
        async with runtime:
            session = await runtime.create(user="ann", id="s")
            async with session.keep_awake("ann", reason="a call", max_s=30.0):
                with pytest.raises(greenroom.CapacityError) as refused:
                    await runtime.create(user="bob", id="t")
                assert refused.value.retry_after_s == pytest.approx(30.25)
                assert runtime.stats.turned_away_by == {"global": 1}

            await runtime.create(user="bob", id="t")
            assert runtime.stats.passivated_by == {"made_room": 1}

    play(scene)


def test_whoever_waits_in_line_is_served_when_the_scope_is_left() -> None:
    async def scene() -> None:
        _, runtime = house(max_sessions=1, admission_wait_s=50.0)
        async with runtime:
            session = await runtime.create(user="ann", id="s")
            async with session.keep_awake("ann", reason="a call"):
                waiting = runtime.create(user="bob", id="t")
                await settle()
                assert not waiting.done

            await waiting  # no time has passed

    play(scene)


def test_scopes_are_independent_and_leaving_one_twice_is_harmless() -> None:
    async def scene() -> None:
        clock, runtime = house()
        async with runtime:
            session = await runtime.create(user="ann", id="s")
            one = session.keep_awake("ann", reason="one")
            async with session.keep_awake("ann", reason="two"):
                async with one:
                    pass
                await one.__aexit__(None, None, None)
                await clock.advance(2 * IDLE_S)
                assert runtime.resident == 1
                async with one:  # again
                    pass
            await settle()
            await clock.advance(2 * IDLE_S)
            assert runtime.resident == 0
            assert not runtime._stage.pins._scopes

    play(scene)


def test_a_scope_ends_when_its_time_is_over_and_that_is_counted_and_logged() -> None:
    async def scene() -> None:
        clock, runtime = house(keep_awake_max_s=300.0)
        async with runtime:
            session = await runtime.create(user="ann", id="s")
            async with session.keep_awake("ann", reason="for ever"):
                await clock.advance(299.0)
                assert runtime.resident == 1
                await clock.advance(1.1)

                assert runtime.resident == 0
                assert runtime.stats.passivated_by == {"pin_limit": 1}
            await settle()
            assert not runtime._stage.pins._scopes

    with logged() as lines:
        play(scene)
    assert [line["session"] for line in lines if line["event"] == "pin_limit_reached"] == ["s"]


def test_one_whose_time_is_over_makes_room_and_that_is_counted_so() -> None:
    async def scene() -> None:
        clock, runtime = house(max_sessions=1)
        async with runtime:
            session = await runtime.create(user="ann", id="s")
            async with session.keep_awake("ann", reason="a call", max_s=10.0):
                await clock.advance(10.0)
                await runtime.create(user="bob", id="t")
                assert runtime.stats.passivated_by == {"pin_limit": 1}

    play(scene)


def test_to_ask_one_that_is_kept_awake_to_leave_does_not_make_it_stay_longer() -> None:
    async def scene() -> None:
        clock, runtime = house()
        async with runtime:
            session = await runtime.create(user="ann", id="s")
            async with session.keep_awake("ann", reason="a call", max_s=100.0):
                await clock.advance(90.0)
                assert not await runtime.passivate("s")
                await clock.advance(10.1)
                assert runtime.resident == 0

    play(scene)


@pytest.mark.parametrize("how", ["forced", "crashed", "drained", "deleted"])
def test_a_scope_that_outlives_its_activation_does_no_harm_and_keeps_the_next_one(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash_once(monkeypatch)

    async def scene() -> None:
        clock, runtime = house()
        await runtime.start()
        session = await runtime.create(user="ann", id="s")
        async with session.keep_awake("ann", reason="a call"):
            match how:
                case "forced":
                    assert await runtime.passivate("s", force=True)
                    assert runtime.stats.passivated_by == {"forced": 1}
                case "crashed":
                    session.post("ann", "boom")
                    await clock.advance(1.0)
                    assert runtime.stats.activated_by == {"created": 1, "restarted": 1}
                case "deleted":
                    assert await session.delete("ann")
                    assert not runtime._stage.pins._scopes
                case _:
                    await runtime.stop()
                    assert runtime.stats.passivated_by == {"drained": 1}
            if how in ("forced", "crashed"):
                await session.info()
                await clock.advance(2 * IDLE_S)
                assert runtime.resident == 1
        await settle()
        await clock.advance(2 * IDLE_S)
        assert runtime.resident == 0
        if how != "drained":
            assert not runtime._stage.pins._scopes
            await runtime.stop()

    play(scene)


def test_entering_brings_a_session_on_stage_and_is_refused_as_waking_is() -> None:
    async def scene() -> None:
        _, runtime = house()
        async with runtime:
            session = await runtime.create(user="ann", id="s")
            assert await runtime.passivate("s")
            async with session.keep_awake("ann", reason="a call"):
                assert runtime.resident == 1
            for refused, scope in (
                (greenroom.NotMember, session.keep_awake("eve", reason="a call")),
                (greenroom.SessionNotFound, runtime.session("x").keep_awake(reason="a call")),
            ):
                with pytest.raises(refused):
                    async with scope:
                        pass
            assert not runtime._stage.pins._scopes

    play(scene)


def test_whoever_gives_up_entering_pins_nothing() -> None:
    async def scene() -> None:
        clock, journal = ManualClock(), GatedJournal()
        async with greenroom.Runtime(clock=clock, journal=journal, idle_s=IDLE_S) as runtime:
            session = await runtime.create(user="ann", id="s")
            journal.holding = True
            session.post("ann", "hello")  # not durable yet, and what comes after it waits

            async def enter() -> None:
                async with session.keep_awake("ann", reason="a call"):
                    raise AssertionError("entered")

            entering = asyncio.get_running_loop().create_task(enter())
            await settle()
            entering.cancel()
            await settle()
            journal.let()
            await settle()

            assert entering.cancelled()
            assert not runtime._stage.pins._scopes

    play(scene)


def test_one_that_was_left_while_it_waited_to_begin_never_begins() -> None:
    """The session is woken, and hears of the scope after the supervisor that it is left."""

    async def scene() -> None:
        _, runtime = house()
        async with runtime:
            session = await runtime.create(user="ann", id="s")
            assert await runtime.passivate("s")

            async def enter() -> None:
                async with session.keep_awake("ann", reason="a call"):
                    raise AssertionError("entered")

            entering = asyncio.get_running_loop().create_task(enter())
            await asyncio.sleep(0)
            entering.cancel()
            await settle()

            assert runtime.resident == 1
            assert not runtime._stage.pins._scopes

    play(scene)


def test_a_request_to_leave_that_meets_a_scope_which_has_just_begun_is_dropped() -> None:
    async def scene() -> None:
        clock, runtime = house()
        async with runtime:
            session = await runtime.create(user="ann", id="s")
            actor = runtime._supervisor._places["s"].actor  # type: ignore[union-attr]
            assert actor is not None
            async with session.keep_awake("ann", reason="a call"):
                runtime._supervisor._ask_to_leave("s", session_actor.Passivate().mode)  # type: ignore[union-attr]
                await settle()
                assert runtime.resident == 1
                assert runtime._supervisor._places["s"].actor is actor  # type: ignore[union-attr]
            await clock.advance(2 * IDLE_S)
            assert runtime.resident == 0

    play(scene)


def test_a_thread_keeps_a_session_awake_with_a_plain_with() -> None:
    with greenroom.Runtime.start_in_thread(idle_s=0.001) as runtime:
        session = runtime.create(user="ann", id="s").get()
        inside = threading.Barrier(2)

        def work() -> None:
            with session.keep_awake("ann", reason="a thread"):
                inside.wait(timeout=20)
                assert not runtime.passivate("s").get(timeout=20)

        worker = threading.Thread(target=work)
        worker.start()
        inside.wait(timeout=20)
        worker.join(timeout=20)
        assert runtime.passivate("s").get(timeout=20) in (True, False)  # it may have gone already


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("reason", {"reason": ""}),
        ("reason", {"reason": 7}),
        ("user", {"user": "", "reason": "a call"}),
        ("max_s", {"reason": "a call", "max_s": 0}),
        ("max_s", {"reason": "a call", "max_s": 100.1}),
        ("max_s", {"reason": "a call", "max_s": float("nan")}),
        ("max_s", {"reason": "a call", "max_s": "1"}),
    ],
)
def test_what_cannot_be_is_refused_by_name(field: str, arguments: dict[str, Any]) -> None:
    async def scene() -> None:
        _, runtime = house(keep_awake_max_s=100.0)
        async with runtime:
            with pytest.raises(greenroom.InvalidInput) as refused:
                runtime.session("s").keep_awake(**arguments)
            assert refused.value.field == field

    play(scene)


# --- readers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("pin_s", [0.0, 200.0])
def test_a_subscriber_pins_only_if_so_configured_and_for_so_long(pin_s: float) -> None:
    async def scene() -> None:
        clock, runtime = house(subscriber_pin_s=pin_s)
        async with runtime:
            session = await runtime.create(user="ann", id="s")
            reader = session.events("ann")
            await settle()
            await clock.advance(IDLE_S + 1.0)
            assert runtime.resident == (1 if pin_s else 0)

            await clock.advance(200.0 - IDLE_S)
            assert runtime.resident == 0
            assert runtime.stats.passivated_by == {"pin_limit" if pin_s else "idle": 1}
            reader.close()

    play(scene)


def test_when_the_last_reader_leaves_the_session_is_idle_as_it_was() -> None:
    async def scene() -> None:
        clock, runtime = house(subscriber_pin_s=1000.0)
        async with runtime:
            session = await runtime.create(user="ann", id="s")
            readers = [session.events("ann"), session.events("ann")]
            await clock.advance(500.0)
            readers.pop().close()
            await clock.advance(1.0)
            assert runtime.resident == 1

            readers.pop().close()
            await clock.advance(0.1)

            assert runtime.resident == 0
            assert runtime.stats.passivated_by == {"idle": 1}

    play(scene)


def test_a_running_turn_is_kept_by_its_own_limits_beside_a_scope() -> None:
    async def scene() -> None:
        clock, script = ManualClock(), Script()
        async with greenroom.Runtime(script, clock=clock, idle_s=IDLE_S) as runtime:
            session = await runtime.create(user="ann", id="s")
            turn = await session.send("ann", "think")
            async with session.keep_awake("ann", reason="a call", max_s=100.0):
                await clock.advance(400.0)
                assert runtime.resident == 1
                script.cue("s", 1, "done", None)
                assert (await turn.result()).text == "done"
                await clock.advance(IDLE_S + 1.0)
                assert runtime.stats.passivated_by == {"pin_limit": 1}

    play(scene)
