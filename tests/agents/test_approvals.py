"""Approvals: a turn waits for people, durably, and keeps nothing in memory meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rooms.hall import refused
from theatre import GatedJournal, ManualClock, Script, crash_once, play, settle, texts

import greenroom
from greenroom import NoApproval, RequestApproval, ToolCall, ToolResult
from greenroom.actors.session import events as happened
from greenroom.adapters.journals.memory import MemoryJournal

SECRET = "what only the pipeline reads"


class Agent:
    """Asks before it leaps, and tells what it was told. With `again`, asks twice."""

    def __init__(self, *calls: str, expires_s: float | None = None, again: bool = False) -> None:
        self.calls = calls or ("a", "b")
        self.expires_s = expires_s
        self.again = again
        self.turns: list[greenroom.Turn] = []

    async def __call__(self, turn: greenroom.Turn) -> AsyncIterator[Any]:
        self.turns.append(turn)
        if turn.decisions is None:
            yield "let me ask "
            yield self._ask(self.calls)
            raise AssertionError("asked for more")
        for call in turn.decisions:
            yield ToolCall(name="leap", arguments={"to": call}, id=call)  # libraries repeat it
            yield ToolResult(id=call, value=turn.decisions[call])
        if self.again and "again" not in turn.decisions:
            yield self._ask(("again",))
        yield "done"

    def _ask(self, calls: tuple[str, ...]) -> RequestApproval:
        asked = [ToolCall(name="leap", arguments={"to": call}, id=call) for call in calls]
        return RequestApproval(calls=asked, saved={"why": SECRET}, expires_s=self.expires_s)


@asynccontextmanager
async def asked(
    agent: Any, *guests: str, journal: Any = "memory:", **settings: Any
) -> AsyncIterator[tuple[greenroom.Runtime, greenroom.Session, ManualClock]]:
    """Ann's session `s`, whose first turn waits for a decision."""
    clock = ManualClock()
    runtime = greenroom.Runtime(agent, journal=journal, clock=clock, **settings)
    async with runtime:
        session = await runtime.create(user="ann", id="s")
        for guest in guests:
            await session.join(guest)
        await session.send("ann", "leap")
        await settle()
        yield runtime, session, clock


async def leave_the_stage(runtime: greenroom.Runtime, clock: ManualClock) -> None:
    await clock.advance(runtime.config.idle_s + 0.1)
    assert runtime.resident == 0


async def happenings(session: greenroom.Session, kind: Any) -> list[Any]:
    """The events of this kind, as the room history has them."""
    await settle()
    page = await session.history("ann", limit=1000)
    return [item.event for item in page.events if isinstance(item.event, kind)]


async def results(session: greenroom.Session) -> dict[str, Any]:
    lines = await session.transcript("ann")
    return {line.id: line.value for line in lines if isinstance(line, ToolResult)}


# --- deciding ------------------------------------------------------------------------------------


def test_a23_each_call_is_approved_or_rejected_and_the_turn_goes_on() -> None:
    async def scene() -> None:
        agent = Agent("a", "b", "c")
        async with asked(agent, "bob") as (_, session, _):
            approval = await session.approval("ann")
            assert approval is not None

            receipt = await session.decide("bob", {"a": True, "b": False, "x": True}, approval.id)
            result = await session.result(1)

            decisions = {"a": True, "b": False, "c": False}
            assert (receipt.turn, receipt.approval) == (1, approval.id)
            assert receipt.decisions == decisions
            assert (result.status, result.text) == ("completed", "let me ask done")
            assert await results(session) == decisions
            first, second = agent.turns
            assert (first.id, second.id, second.attempt) == (1, 1, 1)
            assert (second.decisions, second.saved) == (decisions, {"why": SECRET})
            assert [type(line).__name__ for line in second.progress] == [
                "Message", "ToolCall", "ToolCall", "ToolCall",
            ]  # fmt: skip
            (decided,) = await happenings(session, happened.ApprovalDecided)
            assert (decided.by, decided.decisions) == ("bob", decisions)

    play(scene)


def test_a23_nothing_pending_is_a_typed_refusal_that_changes_nothing() -> None:
    async def scene() -> None:
        async with asked(Agent()) as (runtime, session, _):
            quiet = await runtime.create(user="ann", id="quiet")
            with pytest.raises(NoApproval):
                await quiet.decide("ann", {"a": True})
            with pytest.raises(NoApproval) as refusal:
                await session.decide("ann", {"a": True}, "1-0")
            assert refusal.value.approval == "1-0"

            assert (await quiet.info()).revision == 0
            assert (await session.info()).approval is not None

    play(scene)


@pytest.mark.parametrize(
    ("field", "decisions"),
    [
        ("decisions", None),
        ("decisions", ["a"]),
        ("decisions.a", {"a": 1}),
        ("decisions.a", {"a": "yes"}),
        ("a key of decisions", {1: True}),
    ],
)
def test_a_decision_is_true_or_false(field: str, decisions: Any) -> None:
    async def scene() -> None:
        async with asked(Agent()) as (_, session, _):
            with pytest.raises(greenroom.InvalidInput) as refusal:
                session.decide("ann", decisions)
            assert refusal.value.field == field

            assert await session.approval("ann") is not None

    play(scene)


def test_c22_of_all_who_decide_one_is_first() -> None:
    async def scene() -> None:
        async with asked(Agent(), "bob", "cem") as (_, session, _):
            replies = [session.decide(user, {"a": True}) for user in ("bob", "ann", "cem")]
            await settle()

            assert replies[0].error is None
            assert all(isinstance(late.error, NoApproval) for late in replies[1:])
            assert len(await happenings(session, happened.ApprovalDecided)) == 1

    play(scene)


def test_p08_a_decision_may_be_sent_again_under_its_key_also_after_a_restart() -> None:
    async def scene() -> None:
        journal = MemoryJournal()
        async with asked(Agent(), journal=journal) as (_, session, _):
            first = await session.decide("ann", {"a": True}, key="k")
            assert await session.decide("ann", {"a": True}, key="k") == first
            with pytest.raises(greenroom.IdempotencyConflict):
                await session.decide("ann", {"a": False}, key="k")
        await journal.open()
        async with greenroom.Runtime(Agent(), journal=journal) as runtime:
            again = runtime.session("s")
            assert await again.decide("ann", {"a": True}, key="k") == first
            assert len(await happenings(again, happened.ApprovalDecided)) == 1

    play(scene)


def test_a_resumed_turn_may_ask_again() -> None:
    async def scene() -> None:
        agent = Agent("a", again=True)
        async with asked(agent) as (_, session, _):
            first = await session.decide("ann", {"a": True})
            await settle()
            with pytest.raises(NoApproval):
                await session.decide("ann", {"again": True}, first.approval)
            await session.decide("ann", {"again": True})

            assert (await session.result(1)).status == "completed"
            assert await results(session) == {"a": True, "again": True}
            requested = await happenings(session, happened.ApprovalRequested)
            assert len({request.approval for request in requested}) == 2
            assert len(agent.turns) == 3

    play(scene)


def test_a_request_that_the_session_cannot_take_fails_the_turn() -> None:
    async def scene() -> None:
        async def agent(_: greenroom.Turn) -> AsyncIterator[Any]:
            yield ToolCall(name="look", id="a")
            yield ToolResult(id="a")
            yield RequestApproval(calls=[ToolCall(name="look", id="a")])

        async with asked(agent) as (_, session, _):
            result = await session.result(1)

            assert result.status == "failed"
            assert "used once in a turn" in result.reason
            assert await session.approval("ann") is None

    play(scene)


def test_what_a_pipeline_saves_is_published_to_nobody() -> None:
    async def scene() -> None:
        items: list[Any] = []
        journal = MemoryJournal()
        async with asked(Agent(), journal=journal) as (_, session, _):
            await session.subscribe("ann", items.append, after=greenroom.START)
            history = await session.history("ann")
            snapshot = await session.snapshot("ann")
            approval = await session.approval("ann")
            await session.decide("ann", {})
            await settle()

            for seen in (items, history.events, snapshot, approval):
                assert seen
                assert SECRET.encode() not in msgspec.msgpack.encode(seen)
            assert any(SECRET.encode() in body for body in journal._records["s"].events)

    play(scene)


# --- who comes later -----------------------------------------------------------------------------


def test_clients_that_come_later_see_what_waits() -> None:
    async def scene() -> None:
        async with asked(Agent("a", expires_s=60.0)) as (_, session, clock):
            await session.join("eve", role="observer")
            approval = await session.approval("eve")

            assert approval is not None
            assert approval.turn == 1
            assert [(call.id, call.name, call.arguments) for call in approval.calls] == [
                ("a", "leap", {"to": "a"})
            ]
            assert approval.expires_ms == clock.now_ms() + 60_000
            assert (await session.snapshot("eve")).approval == approval
            assert (await session.info()).approval == approval.id
            with pytest.raises(greenroom.NotAllowed):
                await session.decide("eve", {"a": True})
            with pytest.raises(greenroom.NotMember):
                await session.approval("stranger")

            await session.decide("ann", {})
            assert (await session.info()).approval is None
            assert (await session.snapshot("ann")).approval is None
            assert await session.approval("ann") is None

    play(scene)


# --- a message meanwhile, and every end ----------------------------------------------------------


def test_c22_a_plain_message_meanwhile_waits_and_says_for_what() -> None:
    async def scene() -> None:
        script = Script()
        async with asked(script) as (runtime, session, clock):
            script.cue("s", 1, RequestApproval(calls=[ToolCall(name="leap", id="a")]))
            await settle()

            turn = await session.send("ann", "are you there?")
            steered = await session.send("ann", "hurry", policy="steer")
            with pytest.raises(greenroom.TurnBusy):
                await session.send("ann", "now", policy="reject")

            assert (turn.ahead, turn.waits_for) == (1, "approval")
            assert steered.waits_for == "approval"
            await leave_the_stage(runtime, clock)
            script.cue("s", 1, None)
            script.cue("s", steered.id, "I hurry", None)
            script.cue("s", turn.id, "I am here", None)
            await session.decide("ann", {"a": True})
            assert (await turn.result()).text == "I am here"
            assert (await session.result(1)).status == "completed"

    play(scene)


def test_c22_a_message_may_end_the_wait() -> None:
    async def scene() -> None:
        agent = Agent("a")
        async with asked(agent) as (_, session, clock):
            turn = await session.send("ann", "never mind", policy="interrupt")
            await settle()

            ended = await session.result(1)
            assert (ended.status, ended.reason) == ("superseded", f"by turn {turn.id}")
            approval = await session.approval("ann")
            assert approval is not None
            assert approval.turn == turn.id
            assert await results(session) == {"a": None}
            await session.decide("ann", {"a": True}, approval.id)
            await clock.advance(2 * 86_400.0)
            assert len(await happenings(session, happened.ApprovalDecided)) == 1

    play(scene)


def test_ax17_cancelling_clears_the_approval_and_closes_its_calls() -> None:
    """The old approval was left pointing at calls that were no longer there."""

    async def scene() -> None:
        agent = Agent()
        async with asked(agent) as (_, session, clock):
            approval = await session.approval("ann")
            assert approval is not None

            receipt = await session.interrupt("ann", 1)

            assert receipt.verdict == "won"
            assert (await session.result(1)).status == "cancelled"
            lines = await session.transcript("ann")
            stubs = [line for line in lines if isinstance(line, ToolResult)]
            assert [(stub.id, stub.stub) for stub in stubs] == [("a", True), ("b", True)]
            assert await session.approval("ann") is None
            with pytest.raises(NoApproval):
                await session.decide("ann", {"a": True}, approval.id)
            await clock.advance(2 * 86_400.0)
            assert await happenings(session, happened.ApprovalDecided) == []
            assert len(agent.turns) == 1

    play(scene)


def test_ax17_a_session_that_ends_has_nothing_to_decide() -> None:
    async def scene() -> None:
        async with asked(Agent()) as (_, session, _):
            await session.end("ann")

            assert (await session.info()).approval is None
            with pytest.raises(NoApproval):
                await session.decide("ann", {"a": True})

    play(scene)


# --- nothing is kept in memory -------------------------------------------------------------------


def test_a_pending_approval_pins_no_session() -> None:
    """The old reaper spared sessions with one, for ever: users found all their slots taken."""

    async def scene() -> None:
        agent = Agent()
        async with asked(agent, idle_s=60.0) as (runtime, session, clock):
            await session.send("ann", "and then?")

            await leave_the_stage(runtime, clock)
            assert await session.approval("ann") is not None
            await leave_the_stage(runtime, clock)
            await session.decide("ann", {"a": True})
            await settle()

            assert (await session.result(1)).status == "completed"
            assert (await results(session))["a"] is True
            assert [turn.id for turn in agent.turns] == [1, 1, 2]

    play(scene)


def test_a_suspended_session_makes_room() -> None:
    async def scene() -> None:
        script = Script()
        async with asked(script, max_sessions=1, max_sessions_per_user=1) as (runtime, session, _):
            with pytest.raises(greenroom.CapacityError):
                await runtime.create(user="bob", id="other")
            script.cue("s", 1, RequestApproval(calls=[ToolCall(name="leap", id="a")]))
            await settle()

            other = await runtime.create(user="bob", id="other")

            assert runtime.resident == 1
            assert (await other.info()).running_turn is None
            script.cue("s", 1, "done", None)
            await session.decide("ann", {"a": True})
            assert (await session.result(1)).text == "done"

    play(scene)


def test_p04_whoever_waits_for_the_result_waits_while_the_session_is_away() -> None:
    async def scene() -> None:
        async with asked(Agent("a"), idle_s=60.0) as (runtime, session, clock):
            waiting = [session.result(1), session.result(1)]
            for _ in range(2):
                await leave_the_stage(runtime, clock)
                assert not any(reply.done for reply in waiting)
                await session.info()

            await leave_the_stage(runtime, clock)
            await session.decide("ann", {"a": True})

            assert [(await reply).status for reply in waiting] == ["completed", "completed"]

    play(scene)


@pytest.mark.parametrize("away", [False, True])
def test_p04_whoever_waits_for_the_result_is_told_when_the_runtime_stops(away: bool) -> None:
    async def scene() -> None:
        async with asked(Agent("a"), idle_s=60.0) as (runtime, session, clock):
            waiting = session.result(1)
            await settle()
            if away:
                await leave_the_stage(runtime, clock)
        error = greenroom.RuntimeClosed if away else greenroom.SessionClosed
        with pytest.raises(error):
            await waiting

    play(scene)


def test_p04_whoever_waits_for_the_result_of_a_deleted_session_is_told() -> None:
    async def scene() -> None:
        journal = MemoryJournal()
        async with asked(Agent("a"), journal=journal, idle_s=60.0) as (runtime, session, clock):
            waiting = session.result(1)
            await leave_the_stage(runtime, clock)
            claimed = await journal.claim("s")
            await journal.delete("s", epoch=claimed.epoch)

            with pytest.raises(greenroom.SessionNotFound):
                await session.info()

            with pytest.raises(greenroom.SessionNotFound):
                await waiting

    play(scene)


def test_a_suspended_turn_takes_no_time_and_its_pipeline_was_not_stopped() -> None:
    async def scene() -> None:
        items: list[Any] = []
        agent = Agent("a")
        async with asked(agent, turn_timeout_s=10.0) as (_, session, clock):
            await session.subscribe("ann", items.append, after=greenroom.START)
            await clock.advance(100.0)
            await session.decide("ann", {"a": True})

            assert (await session.result(1)).status == "completed"
            assert not any(isinstance(item.event, happened.TurnStopped) for item in items)

    play(scene)


def test_a_turn_that_is_cancelled_while_its_pipeline_closes_asks_nothing() -> None:
    async def scene() -> None:
        closed = asyncio.Event()

        async def agent(_: greenroom.Turn) -> AsyncIterator[Any]:
            try:
                yield RequestApproval(calls=[ToolCall(name="leap", id="a")])
            finally:
                await closed.wait()

        async with asked(agent) as (_, session, _):
            assert (await session.info()).running_turn == 1
            assert await session.approval("ann") is None

            assert (await session.interrupt("ann")).verdict == "won"
            closed.set()

            assert (await session.result(1)).status == "cancelled"
            assert await happenings(session, happened.ApprovalRequested) == []

    play(scene)


def test_a_resumed_turn_may_be_steered_by_what_came_meanwhile() -> None:
    async def scene() -> None:
        async def agent(turn: greenroom.Turn) -> AsyncIterator[Any]:
            if turn.decisions is None:
                yield RequestApproval(calls=[ToolCall(name="leap", id="a")])
            yield ToolResult(id="a", value=1)
            yield " and ".join(message.text for message in await turn.steering())

        async with asked(agent) as (_, session, _):
            await session.send("ann", "softly", policy="steer")
            await session.decide("ann", {"a": True})

            assert (await session.result(1)).text == "softly"

    play(scene)


def test_what_was_seen_of_a_resumed_answer_is_counted_from_its_beginning() -> None:
    async def scene() -> None:
        script = Script()
        async with asked(script) as (_, session, _):
            leap = RequestApproval(calls=[ToolCall(name="leap", id="a")])
            script.cue("s", 1, "12345", leap)
            await settle()
            await session.decide("ann", {"a": True})
            script.cue("s", 1, "67890")
            await settle()

            session.delivered("ann", 1, 7)
            await session.interrupt("ann")

            lines = await session.transcript("ann")
            _, whole, cut = (line for line in lines if isinstance(line, greenroom.Message))
            assert (whole.text, whole.delivered) == ("12345", None)
            assert (cut.text, cut.delivered) == ("67890", 2)

    play(scene)


def test_p16_stopping_does_not_wait_for_people() -> None:
    async def scene() -> None:
        journal = MemoryJournal()
        clock = ManualClock()
        runtime = greenroom.Runtime(Agent(), journal=journal, clock=clock)
        await runtime.start()
        session = await runtime.create(user="ann", id="s")
        await session.send("ann", "leap")
        await settle()

        report = await runtime.stop()

        assert report == greenroom.DrainReport(passivated=["s"], handed_back=[], left=[])

    play(scene)


# --- time ----------------------------------------------------------------------------------------


def test_nobody_decides_in_time_and_the_turn_goes_on_with_all_rejected() -> None:
    async def scene() -> None:
        agent = Agent("a", expires_s=60.0)
        async with asked(agent) as (_, session, clock):
            await clock.advance(59.9)
            assert (await session.info()).approval is not None
            await clock.advance(0.2)

            assert agent.turns[-1].decisions == {"a": False}
            (decided,) = await happenings(session, happened.ApprovalDecided)
            assert decided.by is None
            with pytest.raises(NoApproval):
                await session.decide("ann", {"a": True})
            assert (await session.result(1)).status == "completed"

    play(scene)


def test_the_time_to_decide_is_a_setting_if_the_request_does_not_say() -> None:
    async def scene() -> None:
        agent = Agent("a")
        async with asked(agent, approval_expires_s=10.0) as (_, _, clock):
            await clock.advance(9.9)
            assert len(agent.turns) == 1
            await clock.advance(0.2)
            assert len(agent.turns) == 2
        assert greenroom.Config().approval_expires_s == 86_400.0

    play(scene)


def test_an_approval_that_is_decided_does_not_expire() -> None:
    async def scene() -> None:
        agent = Agent("a", expires_s=60.0, again=True)
        async with asked(agent) as (_, session, clock):
            await clock.advance(50.0)
            await session.decide("ann", {"a": True})
            await settle()
            await clock.advance(50.0)  # the first one's time is over, the second one's is not

            assert len(await happenings(session, happened.ApprovalDecided)) == 1
            await clock.advance(10.1)
            assert agent.turns[-1].decisions == {"again": False}

    play(scene)


def test_a_passivated_session_is_woken_when_its_approval_expires() -> None:
    async def scene() -> None:
        agent = Agent("a", expires_s=600.0)
        async with asked(agent, idle_s=60.0) as (runtime, session, clock):
            await leave_the_stage(runtime, clock)
            await clock.advance(538.0)
            assert runtime.resident == 0
            assert len(agent.turns) == 1

            await clock.advance(2.0)

            assert runtime.resident == 1
            assert agent.turns[-1].decisions == {"a": False}
            assert (await session.result(1)).status == "completed"
            await leave_the_stage(runtime, clock)
            await clock.advance(10_000.0)
            assert runtime.resident == 0

    play(scene)


def test_whoever_tries_to_create_it_again_takes_nothing_from_a_suspended_session() -> None:
    """Neither its alarm, nor those who wait for its turn."""

    async def scene() -> None:
        async with asked(Agent(expires_s=60.0), idle_s=5.0) as (runtime, session, clock):
            result = session.result(1)
            await clock.advance(10.0)
            assert runtime.resident == 0

            await refused(runtime.create(user="bob", id="s"), greenroom.SessionExists)
            assert not result.done
            await clock.advance(60.0)

            assert (await result).status == "completed"

    play(scene)


def test_a_session_that_is_to_be_woken_when_the_house_is_full_is_woken_later() -> None:
    async def scene() -> None:
        script = Script()
        async with asked(script, max_sessions=1, idle_s=60.0) as (runtime, session, clock):
            leap = [ToolCall(name="leap", id="a")]
            script.cue("s", 1, RequestApproval(calls=leap, expires_s=100.0))
            await leave_the_stage(runtime, clock)
            other = await runtime.create(user="bob", id="busy")
            await other.send("bob", "think")
            await clock.advance(100.0)
            assert len(script.turns) == 2

            script.cue("busy", 1, None)
            await clock.advance(10.0)

            assert script.turns[-1].decisions == {"a": False}
            script.cue("s", 1, "all right", None)
            assert (await session.result(1)).text == "all right"

    play(scene)


def test_a_session_that_left_is_called_once_however_often_it_came_and_went() -> None:
    async def scene() -> None:
        agent = Agent("a", expires_s=1000.0)
        async with asked(agent, idle_s=60.0) as (runtime, session, clock):
            for _ in range(3):
                await leave_the_stage(runtime, clock)
                await session.info()
            supervisor = runtime._supervisor
            assert supervisor is not None
            assert len(supervisor.alarms) == 0
            await leave_the_stage(runtime, clock)
            assert len(supervisor.alarms) == 1

            await session.decide("ann", {"a": True})
            await leave_the_stage(runtime, clock)

            assert len(supervisor.alarms) == 0

    play(scene)


@pytest.mark.parametrize("way", ["decide", "interrupt", "end", "passivate"])
def test_a_timer_runs_only_while_its_approval_is_pending(way: str) -> None:
    async def scene() -> None:
        async with asked(Agent("a", expires_s=3_000.0), idle_s=60.0) as (runtime, session, clock):
            due_s = clock.now_s + 3_000.0

            def timers() -> int:
                waiting = [timer for at, _, timer in clock._timers if abs(at - due_s) < 1.0]
                return sum(timer.call is not None for timer in waiting)

            assert timers() == 1
            match way:
                case "decide":
                    await session.decide("ann", {})
                case "interrupt":
                    await session.interrupt("ann")
                case "end":
                    await session.end("ann")
                case "passivate":
                    await leave_the_stage(runtime, clock)
            await settle()

            assert timers() == (way == "passivate")

    play(scene)


def test_an_approval_that_expires_while_its_session_leaves_is_settled_by_the_next_activation() -> (
    None
):
    async def scene() -> None:
        journal, agent = GatedJournal(), Agent("a", expires_s=61.0)
        async with asked(agent, journal=journal, idle_s=60.0) as (_, session, clock):
            journal.holding = True
            await clock.advance(62.0)
            assert journal.waiting == 1, "it was not on its way out"
            assert len(agent.turns) == 1

            journal.let()
            await clock.advance(1.0)

            assert agent.turns[-1].decisions == {"a": False}
            assert (await session.result(1)).status == "completed"

    play(scene)


# --- restarts and crashes ------------------------------------------------------------------------


def test_ax15_a_pending_approval_survives_a_restart_of_the_process(tmp_path: Path) -> None:
    async def scene() -> None:
        url, blob = f"sqlite:///{tmp_path / 'room.db'}", bytes(range(256))

        async def agent(turn: greenroom.Turn) -> AsyncIterator[Any]:
            if turn.decisions is None:
                yield RequestApproval(calls=[ToolCall(name="leap", id="a")], saved=blob)
            else:
                yield f"{turn.decisions} {turn.saved == blob} {turn.input.text}"

        async with greenroom.Runtime(agent, journal=url) as before:
            session = await before.create(user="ann", id="s")
            await session.send("ann", "leap")
            while (waiting := await session.approval("ann")) is None:
                await asyncio.sleep(0)

        async with greenroom.Runtime(agent, journal=url) as after:
            session = after.session("s")
            assert await session.approval("ann") == waiting
            await session.decide("ann", {"a": True}, waiting.id)

            assert (await session.result(1)).text == "{'a': True} True leap"

    play(scene)


def test_ax15_a_pending_approval_survives_a_process_that_is_killed() -> None:
    """What is journaled is all there is: no snapshot, no clean leave."""

    async def scene() -> None:
        journal, agent = MemoryJournal(), Agent("a")
        async with asked(agent, journal=journal) as (_, _, clock):
            survivor = MemoryJournal()
            survivor._records.update(journal._records)
            async with greenroom.Runtime(agent, journal=survivor, clock=clock) as after:
                session = after.session("s")
                await session.decide("ann", {"a": True})
                await settle()
                assert agent.turns[-1].saved == {"why": SECRET}
                assert (await session.result(1)).status == "completed"

    play(scene)


def test_an_approval_that_expired_while_no_process_ran_is_found_by_the_next_activation(
    tmp_path: Path,
) -> None:
    async def scene() -> None:
        url, agent = f"sqlite:///{tmp_path / 'room.db'}", Agent("a", expires_s=60.0)
        clock = ManualClock()
        async with greenroom.Runtime(agent, journal=url, clock=clock) as before:
            session = await before.create(user="ann", id="s")
            await session.send("ann", "leap")
            while await session.approval("ann") is None:
                await asyncio.sleep(0)
        await clock.advance(100.0)
        async with greenroom.Runtime(agent, journal=url, clock=clock) as after:
            with pytest.raises(NoApproval):
                await after.session("s").decide("ann", {"a": True})

            assert (await after.session("s").result(1)).status == "completed"
            assert agent.turns[-1].decisions == {"a": False}

    play(scene)


def test_a_decision_without_a_pipeline_waits_for_one() -> None:
    async def scene() -> None:
        journal, agent = MemoryJournal(), Agent("a")
        async with asked(agent, journal=journal):
            pass
        await journal.open()
        clock = ManualClock()
        async with greenroom.Runtime(journal=journal, clock=clock, idle_s=60.0) as mute:
            session = mute.session("s")
            assert (await session.decide("ann", {"a": True})).decisions == {"a": True}
            with pytest.raises(NoApproval):
                await session.decide("ann", {"a": False})
            assert (await session.info()).running_turn == 1
            await leave_the_stage(mute, clock)
        await journal.open()
        async with greenroom.Runtime(agent, journal=journal) as able:
            assert (await able.session("s").result(1)).status == "completed"
            assert agent.turns[-1].decisions == {"a": True}
            assert agent.turns[-1].saved == {"why": SECRET}

    play(scene)


@pytest.mark.parametrize("attempts", [1, 2])
def test_a_crash_of_a_resumed_run_begins_again_where_it_was_resumed(
    attempts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        script = Script()
        async with asked(script, turn_attempts=attempts) as (_, session, clock):
            leap = RequestApproval(calls=[ToolCall(name="leap", id="a")], saved=[1])
            script.cue("s", 1, "first ", leap)
            await settle()
            await session.decide("ann", {"a": True})
            script.cue("s", 1, "half ", ToolResult(id="a", value="half"))
            await settle()
            assert await results(session) == {"a": "half"}

            crash_once(monkeypatch)
            session.post("ann", "boom")
            script.cue("s", 1, ToolResult(id="a", value="whole"), "then", None)
            await clock.advance(1.0)

            result = await session.result(1)
            if attempts == 1:
                assert result.status == "lost"
                return
            assert (result.status, result.text) == ("completed", "first then")
            assert await results(session) == {"a": "whole"}
            again = script.turns[-1]
            assert (again.attempt, again.decisions, again.saved) == (2, {"a": True}, [1])

    play(scene)


def test_a_crash_while_it_is_suspended_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        journal, agent = GatedJournal(), Agent("a", expires_s=60.0)
        async with asked(agent, journal=journal) as (_, session, clock):
            journal.fail(greenroom.JournalFailed("no answer"))
            with pytest.raises(greenroom.OutcomeUnknown):
                await session.post("ann", "hello")
            await clock.advance(1.0)

            assert await session.approval("ann") is not None
            await clock.advance(60.0)
            assert agent.turns[-1].decisions == {"a": False}
            assert len(await happenings(session, happened.ApprovalDecided)) == 1

    play(scene)


def test_p07_nobody_hears_of_a_decision_before_it_is_durable() -> None:
    async def scene() -> None:
        journal, agent = GatedJournal(), Agent("a", expires_s=60.0)
        async with asked(agent, journal=journal) as (_, session, clock):
            journal.holding = True
            reply = session.decide("ann", {"a": True})
            await clock.advance(61.0)
            assert not reply.done
            assert len(agent.turns) == 1

            journal.let()
            await settle()

            assert (await reply).decisions == {"a": True}
            assert len(await happenings(session, happened.ApprovalDecided)) == 1
            assert "done" in texts(await session.transcript("ann"))

    play(scene)
