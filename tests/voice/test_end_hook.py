"""The end hook: once for each activation, last of all, and in nobody's way (spec V31-V35)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from agents.workshop import Workshop, until
from house import Gate, logged
from theatre import GatedJournal, ManualClock, Script, crash_once, echo, play, settle, texts

import greenroom
from greenroom import EndReason
from greenroom.actors.session import actor as session_actor


class Notes:
    """An end hook that notes what it is told; it waits for `may_go`."""

    def __init__(self, log: list[Any] | None = None) -> None:
        self.told: list[tuple[str | None, str]] = []
        self.snapshots: list[Any] = []
        self.log = [] if log is None else log
        self.may_go = asyncio.Event()
        self.may_go.set()

    async def __call__(self, snapshot: greenroom.SessionSnapshot | None, reason: EndReason) -> None:
        self.told.append((None if snapshot is None else snapshot.info.id, reason.value))
        self.snapshots.append(snapshot)
        self.log.append(f"hook {reason}")
        await self.may_go.wait()
        self.log.append("hook done")

    @property
    def reasons(self) -> list[str]:
        return [reason for _, reason in self.told]


@pytest.fixture
def boom(monkeypatch: pytest.MonkeyPatch) -> None:
    crash_once(monkeypatch)


# --- once, whatever ends it ----------------------------------------------------------------------


@pytest.mark.usefixtures("boom")
@pytest.mark.parametrize(
    "path", ["passivated", "ended", "deleted", "crashed", "parked", "fenced", "drained"]
)
@pytest.mark.parametrize("with_resources", [True, False])
def test_v33_the_hook_is_called_once_per_activation_whatever_ends_it(
    path: str, with_resources: bool
) -> None:
    async def scene() -> None:
        clock, journal, hook = ManualClock(), GatedJournal(), Notes()
        runtime = greenroom.Runtime(
            *(echo,), journal=journal, clock=clock, on_end=hook, idle_s=60.0,
            resources=Workshop() if with_resources else None,
            max_restarts=0 if path == "parked" else 3,
        )  # fmt: skip
        await runtime.start()
        session = await runtime.create(user="ann", id="s")
        await (await session.send("ann", "hello")).result()
        reason, known = {"parked": "crashed"}.get(path, path), "s"
        match path:
            case "passivated":
                await clock.advance(61.0)
            case "ended":
                await session.end("ann")
                await clock.advance(61.0)
                await session.info()
                await clock.advance(61.0)
            case "deleted":
                assert await session.delete("ann")
            case "crashed" | "parked":
                session.post("ann", "boom")
                await settle()
            case "fenced":
                await journal.claim("s")
                session.post("ann", "too late")
            case _:
                await runtime.stop()
        await settle()

        if path in ("crashed", "parked", "fenced"):
            known = None  # type: ignore[assignment]
        assert hook.told == [(known, reason)]
        await clock.advance(1.0)
        await runtime.stop()
        assert hook.reasons == [reason, *(["drained"] if path == "crashed" else [])]
        assert runtime.stats.hooks_failed == 0

    play(scene)


def test_v33_every_activation_has_its_own_hook_and_they_run_one_after_another() -> None:
    async def scene() -> None:
        clock, hook = ManualClock(), Notes()
        async with greenroom.Runtime(echo, clock=clock, on_end=hook, idle_s=60.0) as runtime:
            session = await runtime.create(user="ann", id="s")
            hook.may_go.clear()
            await clock.advance(61.0)
            await session.post("ann", "one")  # back, while the hook runs
            runtime._supervisor._ask_to_leave("s", session_actor.Passivate().mode)  # type: ignore[union-attr]
            await settle()
            assert hook.reasons == ["passivated"]

            hook.may_go.set()
            await settle()

            assert hook.log == ["hook passivated", "hook done"] * 2
            assert [texts(each.transcript) for each in hook.snapshots] == [[], ["one"]]

    play(scene)


def test_v32_a_deletion_waits_for_the_hook_and_one_that_asks_its_own_session_is_answered() -> None:
    async def scene() -> None:
        asked: list[Any] = []

        async def hook(_: Any, reason: EndReason) -> None:
            asked.append((reason, runtime.stats.passivated, await runtime.owner_of("s")))
            with pytest.raises(greenroom.SessionNotFound):
                await session.info()

        clock = ManualClock()
        async with greenroom.Runtime(echo, clock=clock, on_end=hook) as runtime:
            session = await runtime.create(user="ann", id="s")

            assert await session.delete("ann")
            await settle()

            assert asked == [("deleted", 0, "ann")]
            assert runtime.stats.hooks_failed == 0

    play(scene)


# --- the order -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["ended", "drained", "out of time"])
def test_v31_vx9_pipeline_watches_resources_hook_and_only_then_it_is_gone(path: str) -> None:
    """The source system neither cancelled the pipeline nor closed anything."""

    async def scene() -> None:
        clock, shop = ManualClock(), Workshop()
        hook = Notes(shop.log)
        may_stop = asyncio.Event()

        async def slow_to_stop(turn: greenroom.Turn) -> AsyncIterator[str]:
            try:
                yield "hm "
                await asyncio.Event().wait()
            finally:
                await may_stop.wait()
                shop.log.append("stopped")

        runtime = greenroom.Runtime(slow_to_stop, resources=shop, on_end=hook, clock=clock)
        await runtime.start()
        session = await runtime.create(user="ann", id="s")

        async def watch() -> None:
            async for _ in session.watch_frames("ann"):
                pass
            shop.log.append("watch over")

        watching = asyncio.get_running_loop().create_task(watch())
        await session.send("ann", "think")
        await settle()
        hook.may_go.clear()
        shop.may_close.clear()
        stopping = None
        if path == "ended":
            await session.end("ann")
            await settle()
        else:
            stopping = asyncio.get_running_loop().create_task(runtime.stop(budget_s=8.0))
            await clock.advance(4.1)
        reason = "hook ended" if path == "ended" else "hook drained"
        assert shop.log == ["opened 1"]
        if path == "out of time":
            assert stopping is not None
            await clock.advance(20.0)
            await stopping
            assert shop.log == ["opened 1", "watch over", reason]  # the others were given up on
            may_stop.set()
            shop.may_close.set()
            await settle()
            assert shop.log[3:] == ["closed 1"]
            return
        may_stop.set()
        await settle()
        assert shop.log == ["opened 1", "stopped", "watch over"]
        shop.may_close.set()
        await settle()
        assert shop.log == ["opened 1", "stopped", "watch over", "closed 1", reason]
        assert runtime.resident == 1
        assert stopping is None or not stopping.done()
        hook.may_go.set()
        await settle()
        assert shop.log[3:] == ["closed 1", reason, "hook done"]
        await watching
        report = await (stopping or runtime.stop())
        assert runtime.resident == 0
        assert report.left == []

    play(scene)


def test_vx11_v35_the_snapshot_is_final_and_durable() -> None:
    """The source system's hook persisted while the pipeline could still append."""

    async def scene() -> None:
        clock, journal, hook, script = ManualClock(), GatedJournal(), Notes(), Script()
        async with greenroom.Runtime(
            script, journal=journal, clock=clock, on_end=hook, idle_s=60.0
        ) as runtime:
            session = await runtime.create(user="ann", id="s")
            turn = await session.send("ann", "think")
            await settle()
            script.cue("s", 1, "a thought ")
            await settle()
            journal.holding = True
            ending = session.end("ann")
            script.cue("s", 1, "too late", None)
            await settle()
            assert hook.told == []
            journal.let()
            await ending
            await settle()

            (snapshot,) = hook.snapshots
            kept = await session.snapshot("ann")
            assert texts(snapshot.transcript) == ["think", "a thought "]
            assert snapshot.transcript == kept.transcript
            assert (snapshot.info.state, snapshot.info.revision) == ("ended", kept.info.revision)
            assert len(journal._records["s"].events) == snapshot.info.revision
            assert (await turn.result()).status == "cancelled"

    play(scene)


def test_vx11_the_hook_is_told_nothing_that_could_still_be_taken_back() -> None:
    async def scene() -> None:
        journal, hook = GatedJournal(), Notes()
        async with greenroom.Runtime(echo, journal=journal, on_end=hook) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.post("ann", "one")
            journal.holding = True
            ended, seen = session.end("ann"), session.acknowledge("ann", 1)
            await settle()
            journal.let(1)
            await settle()
            assert ended.done
            assert not seen.done
            assert hook.told == []

            journal.let()
            await settle()

            assert [each.info.revision for each in hook.snapshots] == [3]

    play(scene)


def test_v35_what_a_turn_has_said_is_durable_before_the_hook_of_a_drain() -> None:
    async def scene() -> None:
        clock, journal, hook, script = ManualClock(), GatedJournal(), Notes(), Script()
        runtime = greenroom.Runtime(script, journal=journal, clock=clock, on_end=hook)
        await runtime.start()
        session = await runtime.create(user="ann", id="s")
        await session.send("ann", "think")
        await settle()
        stopping = asyncio.get_running_loop().create_task(runtime.stop(budget_s=10.0))
        await settle()
        journal.holding = True
        script.cue("s", 1, "thought", None)
        await settle()
        assert hook.told == []
        journal.let()
        report = await stopping

        assert report.passivated == ["s"]
        assert [texts(each.transcript) for each in hook.snapshots] == [["think", "thought"]]
        assert hook.reasons == ["drained"]

    play(scene)


def test_v32_a_deletion_calls_the_hook_before_the_session_is_gone() -> None:
    async def scene() -> None:
        journal, shop, asked = GatedJournal(), Workshop(), list[Any]()

        async def hook(snapshot: Any, reason: EndReason) -> None:
            shop.log.append(f"hook {reason}")
            asked.append((snapshot.info.state, journal._records["s"].deleted))
            try:
                await runtime.session("s").info()
            except greenroom.SessionNotFound as error:
                asked.append(error.session)

        runtime = greenroom.Runtime(echo, journal=journal, resources=shop, on_end=hook)
        async with runtime:
            session = await runtime.create(user="ann", id="s")
            await (await session.send("ann", "hello")).result()

            assert await session.delete("ann")
            await settle()

            assert shop.log == ["opened 1", "closed 1", "hook deleted"]
            assert asked == [("ended", False), "s"]
            assert journal._records["s"].deleted
            assert runtime.resident == 0
            assert await runtime.delete("s", "ann") is False
            assert await runtime.delete("nobody", "ann") is False
            assert runtime.stats.hooks_failed == 0

    play(scene)


# --- in nobody's way -----------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["async", "sync"])
def test_vx6_a_slow_hook_freezes_nobody(how: str) -> None:
    """The source system called it with the manager's lock held."""

    async def scene() -> None:
        clock, gate = ManualClock(), Gate("the hook's turn")
        may_go, called = asyncio.Event(), list[str]()

        async def slow(snapshot: Any, reason: Any) -> None:
            called.append(snapshot.info.id)
            await may_go.wait()

        def blocking(snapshot: Any, reason: Any) -> None:
            assert threading.current_thread() is not threading.main_thread()
            called.append(snapshot.info.id)
            gate.passed()

        runtime = greenroom.Runtime(
            echo, clock=clock, on_end=slow if how == "async" else blocking, idle_s=60.0
        )
        async with runtime:
            await runtime.create(user="ann", id="a")
            await clock.advance(61.0)
            await until(lambda: called == ["a"])

            other = await runtime.create(user="bob", id="b")
            assert await other.post("bob", "hello")
            assert (await runtime.session("b").info()).id == "b"
            assert runtime.resident == 2
            may_go.set()
            gate.open()
            await until(lambda: runtime.resident == 1)
            may_go.set()

    play(scene)


@pytest.mark.parametrize("path", ["passivated", "ended", "crashed"])
@pytest.mark.usefixtures("boom")
def test_vx6_a_hook_that_uses_the_runtime_does_not_wait_for_itself(path: str) -> None:
    async def scene() -> None:
        clock = ManualClock()
        answers: list[Any] = []

        async def curious(snapshot: Any, reason: EndReason) -> None:
            if answers or reason is EndReason.DRAINED:
                return
            answers.append(await runtime.session("s").info())
            answers.append(texts(await runtime.session("s").transcript("ann")))
            if path != "ended":
                answers.append(await runtime.session("s").post("ann", "from the hook"))
            answers.append(await runtime.create(user="bob"))

        runtime = greenroom.Runtime(echo, clock=clock, on_end=curious, idle_s=60.0)
        async with runtime:
            session = await runtime.create(user="ann", id="s")
            await session.post("ann", "before")
            match path:
                case "passivated":
                    await clock.advance(60.1)
                case "ended":
                    await session.end("ann")
                case _:
                    session.post("ann", "boom")
            await clock.advance(0.5)

            assert len(answers) == (3 if path == "ended" else 4)
            assert answers[1] == ["before"]
            assert runtime.stats.hooks_failed == 0
            assert texts(await session.transcript("ann"))[1:] == (
                [] if path == "ended" else ["from the hook"]
            )

    play(scene)


def test_p11_mail_that_comes_while_the_hook_runs_is_kept_in_order() -> None:
    async def scene() -> None:
        clock, hook = ManualClock(), Notes()
        async with greenroom.Runtime(echo, clock=clock, on_end=hook, idle_s=60.0) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.post("ann", "zero")
            hook.may_go.clear()
            await clock.advance(61.0)
            assert hook.reasons == ["passivated"]
            assert runtime.resident == 1

            session.present("ann", cursor="nobody sees it")
            await settle()
            assert runtime.stats.activated == 1
            replies = [session.post("ann", text) for text in ("one", "two", "three")]

            assert [(await reply).revision for reply in replies] == [2, 3, 4]
            assert texts(await session.transcript("ann")) == ["zero", "one", "two", "three"]
            assert "hook done" not in hook.log
            assert (runtime.stats.activated, runtime.stats.crashed) == (2, 0)
            hook.may_go.set()

    play(scene)


@pytest.mark.parametrize(
    "error",
    [ValueError("a bug"), SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("how", ["async", "sync"])
def test_vx6_p17_whatever_a_hook_raises_is_logged_counted_and_stops_nobody(
    how: str, error: BaseException
) -> None:
    """In the source system a hook that panicked killed the sweeper."""

    async def failing(snapshot: Any, reason: Any) -> None:
        raise error

    def plain(snapshot: Any, reason: Any) -> None:
        raise error

    async def scene() -> None:
        clock = ManualClock()
        runtime = greenroom.Runtime(
            echo, clock=clock, on_end=failing if how == "async" else plain, idle_s=60.0
        )
        async with runtime:
            for name in ("one", "two"):
                await runtime.create(user="ann", id=name)
            with logged() as lines:
                await clock.advance(61.0)
                await until(lambda: runtime.resident == 0)

            failed = [line for line in lines if line["event"] == "end_hook_failed"]
            assert {line["session"] for line in failed} == {"one", "two"}
            assert all(type(error).__name__ in line["error"] for line in failed)
            assert runtime.stats.hooks_failed == 2
            assert await runtime.session("one").post("ann", "I live")
            await runtime.session("one").end("ann")
            await until(lambda: runtime.stats.hooks_failed == 3)

    play(scene)


def test_vx6_a_hook_that_hangs_is_abandoned() -> None:
    async def scene() -> None:
        clock, hook = ManualClock(), Notes()
        async with greenroom.Runtime(echo, clock=clock, on_end=hook, idle_s=60.0) as runtime:
            await runtime.create(user="ann", id="s")
            hook.may_go.clear()
            await clock.advance(60.1)
            await clock.advance(4.8)
            assert runtime.resident == 1
            await clock.advance(0.2)

            assert runtime.resident == 0
            assert runtime.stats.hooks_failed == 1
            assert hook.log == ["hook passivated"]

    play(scene)


def test_v33_a_hook_that_hangs_is_cancelled_before_the_next_one_of_its_session_begins() -> None:
    async def scene() -> None:
        clock, log, over = ManualClock(), list[str](), asyncio.Event()

        async def hook(snapshot: Any, reason: EndReason) -> None:
            log.append("begins")
            try:
                await over.wait()
            finally:
                log.append("ends")

        runtime = greenroom.Runtime(echo, journal="memory:", clock=clock, on_end=hook)
        async with runtime:
            session = await runtime.create(user="ann", id="s")
            for _ in range(2):
                await settle()
                leaving = runtime.passivate("s")
                await settle()
                await session.info()
                await leaving
            assert log == ["begins"]

            await clock.advance(5.0)
            assert log == ["begins", "ends", "begins"]
            over.set()

    play(scene)


def test_p16_hooks_that_hang_are_waited_for_within_the_budget_only() -> None:
    async def scene() -> None:
        clock, hook, journal = ManualClock(), Notes(), GatedJournal()
        runtime = greenroom.Runtime(echo, clock=clock, on_end=hook, journal=journal)
        await runtime.start()
        for name in ("one", "two"):
            await runtime.create(user="ann", id=name)
        hook.may_go.clear()

        stopping = asyncio.get_running_loop().create_task(runtime.stop(budget_s=4.0))
        await clock.advance(3.9)
        assert not stopping.done()
        await clock.advance(0.2)
        report = await stopping

        assert report == greenroom.DrainReport(passivated=["one", "two"], handed_back=[], left=[])
        assert hook.reasons == ["drained", "drained"]
        assert all(record.end is not None for record in journal._records.values())
        hook.may_go.set()

    play(scene)


def test_p16_a_journal_that_does_not_answer_leaves_nothing_open_and_nobody_untold() -> None:
    async def scene() -> None:
        clock, hook, journal, shop = ManualClock(), Notes(), GatedJournal(), Workshop()
        runtime = greenroom.Runtime(echo, clock=clock, on_end=hook, journal=journal, resources=shop)
        await runtime.start()
        session = await runtime.create(user="ann", id="s")
        await settle()
        journal.holding = True
        unanswered = session.post("ann", "hello?")
        await settle()

        stopping = asyncio.get_running_loop().create_task(runtime.stop(budget_s=4.0))
        await clock.advance(5.1)
        report = await stopping
        await settle()

        assert report.left == ["s"]
        assert shop.log == ["opened 1", "closed 1"]
        assert hook.told == [(None, "drained")]
        with pytest.raises(greenroom.OutcomeUnknown):
            await unanswered

    play(scene)


@pytest.mark.parametrize("what", ["resources", "on_end"])
def test_what_cannot_be_called_is_refused_by_name(what: str) -> None:
    with pytest.raises(greenroom.ConfigError) as refusal:
        greenroom.Runtime(echo, **{what: "not a function"})

    assert refusal.value.field == what
