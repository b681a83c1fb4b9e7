"""Hooks that follow a session: in order, outside of it, and in nobody's way."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from house import logged
from theatre import GatedJournal, ManualClock, Script, crash_once, echo, play, settle

import greenroom
from greenroom import ActivationReason, EndReason, PassivationReason, TurnReason
from greenroom.actors.session.backstage import MOST_WAITING

ALL = ("on_activate", "on_passivate", "on_turn", "on_end")


class Followers:
    """One hook of each kind; all note what they are told, and wait for `may_go`."""

    def __init__(self, kinds: tuple[str, ...] = ALL) -> None:
        self.told: list[str] = []
        self.views: list[Any] = []
        self.may_go = asyncio.Event()
        self.may_go.set()
        self.hooks = {kind: self._hook(kind) for kind in kinds}

    def _hook(self, kind: str) -> Callable[..., Any]:
        async def hook(view: Any, reason: Any) -> None:
            self.told.append(f"{kind[3:]} {reason}")
            self.views.append(view)
            await self.may_go.wait()

        return hook


@pytest.fixture
def boom(monkeypatch: pytest.MonkeyPatch) -> None:
    crash_once(monkeypatch)


# --- what they are told --------------------------------------------------------------------------


def test_a_session_is_followed_from_its_creation_to_its_passivation_in_order() -> None:
    async def scene() -> None:
        clock, follow = ManualClock(), Followers()
        async with greenroom.Runtime(echo, clock=clock, idle_s=60.0, **follow.hooks) as runtime:
            session = await runtime.create(user="ann", id="s")
            await (await session.send("ann", "hello")).result()
            await clock.advance(61.0)
            await session.info()
            await settle()

        assert follow.told == [
            "activate created",
            "turn started",
            "turn completed",
            "end passivated",
            "passivate idle",
            "activate message",
            "end drained",
            "passivate drained",
        ]
        created, started, completed, _, idle, *_ = follow.views
        assert (created.id, created.messages, idle.messages) == ("s", 0, 2)
        assert (started.session, started.owner, started.turn) == ("s", "ann", 1)
        assert (started.user, started.kind, started.attempt) == ("ann", "answer", 1)
        assert (completed.turn, completed.why, completed.cause) == (1, "", None)

    play(scene)


@pytest.mark.usefixtures("boom")
@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("made room", ["passivate made_room"]),
        ("asked", ["passivate asked"]),
        ("forced", ["passivate forced"]),
        ("recalled", ["passivate asked", "activate recalled"]),
        ("crashed", ["activate restarted"]),
        ("fenced", []),
        ("deleted", []),
        ("ended", ["passivate idle"]),
    ],
)
def test_the_reasons_are_told_and_counted(how: str, told: list[str]) -> None:
    async def scene() -> None:
        clock, journal = ManualClock(), GatedJournal()
        follow = Followers(("on_activate", "on_passivate"))
        async with greenroom.Runtime(
            echo, clock=clock, journal=journal, idle_s=60.0, max_sessions=1, **follow.hooks
        ) as runtime:
            session = await runtime.create(user="ann", id="s")
            match how:
                case "made room":
                    await runtime.create(user="bob", id="t")
                    await settle()
                    assert follow.told.pop() == "activate created"
                case "asked" | "forced":
                    assert await runtime.passivate("s", force=how == "forced")
                case "recalled":
                    await session.post("ann", "one")
                    journal.holding = True
                    leaving = runtime.passivate("s")
                    await settle()
                    posted = session.post("ann", "two")
                    journal.let()
                    await posted
                    assert await leaving
                case "crashed":
                    session.post("ann", "boom")
                    await clock.advance(1.0)
                case "fenced":
                    await journal.claim("s")
                    session.post("ann", "too late")
                case "deleted":
                    assert await session.delete("ann")
                case _:
                    await session.end("ann")
                    await clock.advance(61.0)
            await settle()
            stats = runtime.stats
            assert follow.told == ["activate created", *told]
            assert sum(stats.activated_by.values()) == stats.activated
            assert sum(stats.passivated_by.values()) == stats.passivated
            passivated = [line.split()[1] for line in told if line.startswith("passivate")]
            assert list(stats.passivated_by) == passivated

    play(scene)


def test_a_session_that_is_woken_by_what_is_due_says_so() -> None:
    async def scene() -> None:
        clock, follow = ManualClock(), Followers(("on_activate",))
        async with greenroom.Runtime(clock=clock, idle_s=60.0, **follow.hooks) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.wake_at("ann", after_s=600.0, name="later")
            await clock.advance(601.0)

            assert follow.told == ["activate created", "activate alarm"]
            assert runtime.stats.activated_by == {"created": 1, "alarm": 1}

    play(scene)


def test_a_turn_is_told_when_it_is_durable_and_not_before() -> None:
    async def scene() -> None:
        journal, script, follow = GatedJournal(), Script(), Followers(("on_turn",))
        async with greenroom.Runtime(script, journal=journal, **follow.hooks) as runtime:
            session = await runtime.create(user="ann", id="s")
            journal.holding = True
            session.send("ann", "think")
            await settle()
            assert follow.told == []
            journal.let()
            await settle()
            assert follow.told == ["turn started"]

            await session.interrupt("ann")
            await settle()
            assert follow.told == ["turn started", "turn cancelled"]
            assert follow.views[1].cause == "user"

    play(scene)


def test_a_turn_that_a_forced_leave_interrupts_is_told_as_lost_later() -> None:
    async def scene() -> None:
        script, follow = Script(), Followers(("on_activate", "on_passivate", "on_turn"))
        async with greenroom.Runtime(script, **follow.hooks) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.send("ann", "think")
            assert await runtime.passivate("s", force=True)
            await session.info()
            await settle()

            assert follow.told[1:] == [
                "turn started",
                "passivate forced",
                "activate message",
                "turn lost",
            ]

    play(scene)


# --- in nobody's way -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ALL)
def test_a_hook_that_hangs_is_given_up_and_the_session_goes_on_meanwhile(kind: str) -> None:
    async def scene() -> None:
        clock, follow = ManualClock(), Followers((kind,))
        follow.may_go.clear()
        async with greenroom.Runtime(
            echo, clock=clock, idle_s=60.0, hook_timeout_s=5.0, **follow.hooks
        ) as runtime:
            session = await runtime.create(user="ann", id="s")
            result = await (await session.send("ann", "hello")).result()
            assert result.status == "completed"
            leaving = runtime.passivate("s")
            await settle()
            assert await session.info()
            assert await leaving
            assert runtime.stats.hooks_failed == 0

            await clock.advance(5.1)
            assert runtime.stats.hooks_failed == 1
            await clock.advance(20.0)
            assert not runtime._stage.backstage.calls  # type: ignore[union-attr]
            assert not runtime._stage.backstage.hooks  # type: ignore[union-attr]
            follow.may_go.set()

    with logged() as lines:
        play(scene)
    assert any(line["event"] in ("hook_failed", "end_hook_failed") for line in lines)


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize(
    "error", [asyncio.CancelledError, SystemExit, KeyboardInterrupt, RecursionError, OSError]
)
@pytest.mark.parametrize("blocking", [False, True])
def test_p17_what_a_hook_raises_stops_nobody(
    kind: str, error: type[BaseException], blocking: bool
) -> None:
    async def scene() -> None:
        called: list[Any] = []

        def fail(*told: Any) -> None:
            called.append(told)
            raise error

        async def fail_on_the_loop(*told: Any) -> None:
            fail(*told)

        hook: Any = fail if blocking else fail_on_the_loop
        runtime = greenroom.Runtime(echo, **{kind: hook})
        await runtime.start()
        session = await runtime.create(user="ann", id="s")
        assert (await (await session.send("ann", "hello")).result()).status == "completed"
        assert await runtime.passivate("s")
        await session.post("ann", "one")
        report = await runtime.stop()
        assert report.left == []
        assert runtime.stats.hooks_failed == len(called) >= 2

    play(scene)


def test_the_hooks_of_one_session_never_overlap_and_those_of_others_do_not_wait() -> None:
    async def scene() -> None:
        under_way: list[str] = []
        most: list[int] = []
        gate = asyncio.Event()

        async def hook(turn: greenroom.TurnInfo, _: TurnReason) -> None:
            under_way.append(turn.session)
            most.append(under_way.count(turn.session))
            await gate.wait()
            under_way.remove(turn.session)

        async with greenroom.Runtime(echo, on_turn=hook) as runtime:
            for name in ("s", "t"):
                session = await runtime.create(user="ann", id=name)
                await (await session.send("ann", "hello")).result()
            await settle()
            assert sorted(under_way) == ["s", "t"]
            gate.set()
            await settle()
            assert most == [1] * 4

    play(scene)


def test_of_a_hook_that_is_too_slow_so_many_calls_wait_and_no_more() -> None:
    async def scene() -> None:
        clock, follow = ManualClock(), Followers(("on_turn",))
        follow.may_go.clear()
        async with greenroom.Runtime(echo, clock=clock, **follow.hooks) as runtime:
            session = await runtime.create(user="ann", id="s")
            for _ in range(MOST_WAITING // 2 + 3):
                await (await session.send("ann", "hello")).result()
            await settle()
            assert runtime.stats.hooks_failed == 6

            follow.may_go.set()
            await settle(5 * MOST_WAITING)
            assert len(follow.told) == MOST_WAITING

    play(scene)


def test_calls_that_wait_delay_a_session_that_leaves_by_one_time_box_in_all() -> None:
    async def scene() -> None:
        clock, follow = ManualClock(), Followers(("on_turn", "on_end"))
        async with greenroom.Runtime(
            echo, clock=clock, idle_s=900.0, hook_timeout_s=5.0, **follow.hooks
        ) as runtime:
            session = await runtime.create(user="ann", id="s")
            follow.may_go.clear()
            for _ in range(10):
                await (await session.send("ann", "hello")).result()
            leaving = runtime.passivate("s")
            await clock.advance(5.1)
            assert follow.told[-1] == "end passivated"
            assert not leaving.done
            await clock.advance(5.1)
            assert await leaving

    play(scene)


def test_p16_a_drain_waits_for_the_hooks_within_its_budget() -> None:
    async def scene() -> None:
        clock, follow = ManualClock(), Followers(("on_passivate",))
        runtime = greenroom.Runtime(clock=clock, hook_timeout_s=100.0, **follow.hooks)
        await runtime.start()
        await runtime.create(user="ann", id="s")
        follow.may_go.clear()
        stopping = asyncio.get_running_loop().create_task(runtime.stop(budget_s=8.0))
        await clock.advance(7.9)
        assert follow.told == ["passivate drained"]
        assert not stopping.done()

        await clock.advance(0.2)

        assert (await stopping).passivated == ["s"]
        assert runtime.stats.hooks_failed == 1
        await settle()

    play(scene)


def test_a_hook_may_use_the_runtime_also_for_its_own_session() -> None:
    async def scene() -> None:
        seen: list[Any] = []

        async def on_activate(view: greenroom.SessionInfo, reason: ActivationReason) -> None:
            seen.append((reason, (await runtime.session(view.id).info()).id))

        async def on_passivate(view: greenroom.SessionInfo, reason: PassivationReason) -> None:
            if len(seen) < 3:
                seen.append((reason, (await runtime.session(view.id).info()).id))

        async with greenroom.Runtime(on_activate=on_activate, on_passivate=on_passivate) as runtime:
            await runtime.create(user="ann", id="s")
            await settle()
            assert await runtime.passivate("s")
            await settle()
            assert seen == [("created", "s"), ("asked", "s"), ("message", "s")]
            assert runtime.stats.hooks_failed == 0

    play(scene)


def test_a_plain_function_runs_in_a_thread() -> None:
    async def scene() -> None:
        threads: list[str] = []

        def hook(_: Any, reason: EndReason | ActivationReason) -> None:
            threads.append(threading.current_thread().name)

        async with greenroom.Runtime(on_activate=hook) as runtime:
            await runtime.create(user="ann", id="s")
        assert threads == ["hook"]

    play(scene)


@pytest.mark.parametrize("kind", ALL)
def test_what_is_no_function_is_refused_by_name(kind: str) -> None:
    with pytest.raises(greenroom.ConfigError) as refused:
        greenroom.Runtime(**{kind: "no function"})  # type: ignore[arg-type]
    assert refused.value.field == kind


def test_with_no_hook_nothing_is_made_for_them() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(echo) as runtime:
            session = await runtime.create(user="ann", id="s")
            await (await session.send("ann", "hello")).result()
            actor = runtime._supervisor._places["s"].actor  # type: ignore[union-attr]
            assert runtime._stage.backstage is None
            assert actor is not None
            assert actor._wings is None
            assert "came" not in vars(actor)
            assert "why" not in vars(actor)

    play(scene)


def test_hooks_that_follow_make_no_session_wait_for_its_pipeline_when_it_leaves() -> None:
    async def scene() -> None:
        follow = Followers(("on_activate", "on_passivate", "on_turn"))
        async with greenroom.Runtime(echo, **follow.hooks) as runtime:
            await runtime.create(user="ann", id="s")
            actor = runtime._supervisor._places["s"].actor  # type: ignore[union-attr]
            assert actor is not None
            assert actor._wings is None

    play(scene)
