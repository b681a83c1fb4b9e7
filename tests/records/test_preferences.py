"""Preferences derived from what people did, in sessions on a whole runtime."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis.strategies import integers
from theatre import LotteryDispatcher, ManualClock, Script, play, settle, texts

import greenroom
from greenroom import Message, RequestApproval, ToolCall, ToolResult
from greenroom.actors.ports import Beginning
from greenroom.actors.session import events as happened
from greenroom.actors.session.audit import audit
from greenroom.actors.session.base import Base, encode_base
from greenroom.actors.session.settings import POLICIES
from greenroom.adapters.export.chat_wire import chat_wire
from greenroom.adapters.export.preferences import Preference, preference_wire, preferences_of
from greenroom.supervisor.recording import Recording, read_recording


class Actor(Script):
    """Notes what stands before each thing it is about to say, as it is given to it."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[int, tuple[Any, ...]] = {}

    async def __call__(self, turn: greenroom.Turn) -> AsyncIterator[Any]:
        self.seen[turn.id] = (*turn.history, *turn.inputs, *turn.progress)
        async for output in super().__call__(turn):
            yield output


class Scene:
    """Ann's and bob's session `s`, its script, and what a reader of its journal derives."""

    def __init__(self, runtime: greenroom.Runtime, session: Any, script: Actor) -> None:
        self.runtime, self.session, self.script = runtime, session, script

    @property
    def seen(self) -> dict[int, tuple[Any, ...]]:
        return self.script.seen

    async def said(self, text: str, *outputs: Any, user: str = "ann", **how: Any) -> int:
        """A message, and all of the answer to it."""
        turn = await self.said_first(text, *outputs, None, user=user, **how)
        await self.session.result(turn)
        return turn

    async def said_first(self, text: str, *outputs: Any, user: str = "ann", **how: Any) -> int:
        """A message, and the beginning of the answer to it."""
        turn: greenroom.TurnHandle = await self.session.send(user, text, **how)
        await settle()
        self.script.cue("s", turn.id, *outputs)
        await settle()
        return turn.id

    async def preferences(self) -> list[Preference]:
        return list(preferences_of(await read_recording(self.runtime.journal, "s")))


@asynccontextmanager
async def scene(**options: Any) -> AsyncIterator[Scene]:
    script = Actor()
    create = {"settings": options.pop("session")} if "session" in options else {}
    runtime = greenroom.Runtime(script, clock=ManualClock(), **options)
    async with runtime:
        session = await runtime.create(user="ann", id="s", **create)
        await session.join("bob")
        try:
            yield Scene(runtime, session, script)
        finally:
            await session.end("ann")  # nobody moves the clock while a turn is waited for


def said(lines: Sequence[Any] | None) -> list[str] | None:
    return None if lines is None else texts(lines)


async def the_only(at: Scene) -> Preference:
    (preference,) = await at.preferences()
    assert not audit(preference.context)
    return preference


async def acted(at: Scene, kind: Any) -> Any:
    """The last event of that kind, and its revision."""
    recording = await read_recording(at.runtime.journal, "s")
    pairs = enumerate(recording.entries, recording.first)
    return [(revision, e) for revision, e in pairs if isinstance(e.event, kind)][-1]


# --- nothing ---


def test_people_who_only_talk_prefer_nothing() -> None:
    async def play_it() -> None:
        async with scene(compactor=summarise) as at:
            await at.said("one", "hm ", ToolCall(name="look", id="a"), ToolResult(id="a"), "1")
            await at.said("one", "again, but nobody took anything back")
            await at.session.post("bob", "by the way")
            await at.said_first("three", ValueError("broken"))
            await (await at.session.compact("ann", keep=1)).result()
            await at.session.record_interaction("ann", "view", content="looked", node_id="1")
            await at.session.record_interaction("ann", "prune", feedback="meh")
            await at.session.add_feedback("ann", "1", "partial")
            await at.session.set_title("ann", "talk")
            await at.session.truncate("ann", 0)

            assert await at.preferences() == []

    play(play_it)


async def summarise(turn: greenroom.Turn) -> str:
    return f"{len(turn.history)} lines"


def test_feedback_before_anything_was_said_is_about_nothing() -> None:
    async def play_it() -> None:
        async with scene() as at:
            await at.session.add_feedback("ann", "n", "correct")
            await at.said_first("one", "running still")
            await at.session.add_feedback("ann", "1", "incorrect")
            await at.session.undo("bob")
            await at.said("two", "2")
            await at.session.undo("ann")
            await at.session.add_feedback("ann", "n", "correct")
            await at.session.add_feedback("ann", "2", "correct")

            assert [each.reason for each in await at.preferences()] == ["edit", "undo"]

    play(play_it)


# --- interrupt ---


@pytest.mark.parametrize("how", ["message", "cancel"])
def test_an_answer_that_was_interrupted_is_rejected(how: str) -> None:
    async def play_it() -> None:
        async with scene() as at:
            await at.said("one", "1")
            turn = await at.said_first("two", "so ", "far")
            at.session.delivered("ann", turn, 3)
            await settle()
            if how == "cancel":
                await at.session.interrupt("bob")
                revision, entry = await acted(at, happened.TurnEnded)
            await at.said("three", "3", user="bob", policy="interrupt")
            if how == "message":
                revision, entry = (await acted(at, happened.MessagePosted))[0] - 2, None

            found = await the_only(at)
            assert (found.reason, found.user, found.session) == ("interrupt", "bob", "s")
            assert found.revision == revision
            assert entry is None or found.at_ms == entry.at_ms
            assert found.context == at.seen[2]
            assert said(found.context) == ["one", "1", "two"]
            assert (found.chosen, said(found.rejected)) == (None, ["so far"])
            assert found.detail == {
                "turn": 2,
                "status": "superseded" if how == "message" else "cancelled",
                "by": how,
                "chars": 6,
                "delivered": 3,
            }

    play(play_it)


def test_what_was_ended_before_it_said_anything_is_not_judged() -> None:
    async def play_it() -> None:
        async with scene() as at:
            await at.said_first("one")
            await at.session.interrupt("ann")
            await at.said_first("two")
            await at.said_first("three", "3", policy="rollback")
            await at.session.send("ann", "waits")
            await at.session.send("ann", "latest", policy="latest")
            await at.session.interrupt("ann", 5)

            assert await at.preferences() == []

    play(play_it)


@pytest.mark.parametrize("end", ["close", "end", "timeout"])
def test_what_no_person_has_interrupted_is_not_judged(end: str) -> None:
    async def play_it() -> None:
        async with scene(turn_timeout_s=5.0) as at:
            await at.said_first("one", "so far")
            clock: Any = at.runtime.clock
            if end == "timeout":
                await clock.advance(6.0)
            elif end == "end":
                await at.session.end("ann")
            else:
                await at.session.shutdown("ann", grace_s=1.0)
                await clock.advance(2.0)

            assert (await acted(at, happened.TurnEnded))[1].event.status != "completed"
            assert await at.preferences() == []

    play(play_it)


def test_an_interrupted_call_is_rejected_with_its_stub() -> None:
    async def play_it() -> None:
        async with scene() as at:
            await at.said_first("one", "wait ", ToolCall(name="look", id="a", arguments={"n": 1}))
            await at.said("stop", "2", policy="interrupt")

            found = await the_only(at)
            assert found.context == at.seen[1]
            text, call, result = found.rejected or ()
            assert (text.text, call.name, result.stub) == ("wait ", "look", True)
            assert found.detail["chars"] == 0

    play(play_it)


@pytest.mark.parametrize("answers", [True, False])
def test_the_cut_answer_to_who_steered_is_judged_in_their_context(*, answers: bool) -> None:
    async def play_it() -> None:
        gate = asyncio.Event()

        async def steered(turn: greenroom.Turn) -> AsyncIterator[Any]:
            yield "one "
            await gate.wait()
            (more,) = await turn.steering()
            if answers:
                yield f"and {more.text}"
            await asyncio.Event().wait()

        runtime = greenroom.Runtime(steered)
        async with runtime:
            session = await runtime.create(user="ann", id="s")
            await session.send("ann", "count")
            await settle()
            await session.send("ann", "two", policy="steer")
            gate.set()
            await settle()
            await session.interrupt("ann")

            found = list(preferences_of(await read_recording(runtime.journal, "s")))
            await session.end("ann")
            assert [said(each.context) for each in found] == [["count", "one ", "two"]] * answers
            assert [said(each.rejected) for each in found] == [["and two"]] * answers

    play(play_it)


# --- undo, edited prompts ---


def test_an_answer_that_was_taken_back_is_rejected() -> None:
    async def play_it() -> None:
        async with scene() as at:
            await at.said("one", "1")
            await at.said("two", "hm", ToolCall(name="look", id="a"), ToolResult(id="a"), "2")
            await at.session.undo("bob")
            revision, entry = await acted(at, happened.TranscriptCut)

            found = await the_only(at)
            assert (found.reason, found.user) == ("undo", "bob")
            assert (found.revision, found.at_ms) == (revision, entry.at_ms)
            assert found.context == at.seen[2]
            assert said(found.context) == ["one", "1", "two"]
            assert (found.chosen, said(found.rejected)) == (None, ["hm", "2"])
            assert found.detail == {"turn": 2, "status": "completed"}

    play(play_it)


def test_what_is_taken_back_further_and_further_is_rejected_one_by_one() -> None:
    async def play_it() -> None:
        async with scene() as at:
            await at.said("one", "1")
            await at.said("two", "2")
            await at.said_first("three", "so far")
            for _ in range(4):
                await at.session.undo("ann")

            found = await at.preferences()
            assert [said(each.rejected) for each in found] == [["so far"], ["2"], ["1"]]
            assert [each.context for each in found] == [at.seen[3], at.seen[2], at.seen[1]]
            assert {each.reason for each in found} == {"undo"}

    play(play_it)


@pytest.mark.parametrize("by", ["undo", "rollback"])
def test_another_text_after_taking_back_is_an_edited_prompt(by: str) -> None:
    async def play_it() -> None:
        async with scene() as at:
            await at.said("one", "1")
            if by == "undo":
                await at.said("two", "2")
                await at.session.undo("ann")
                await at.said("two, please", "2!", user="bob")
            else:
                await at.said_first("two", "2")
                await at.said("two, please", "2!", user="bob", policy="rollback")
            await at.said("three", "3")

            found = await the_only(at)
            assert (found.reason, found.user) == ("edit", "bob")
            assert found.context == at.seen[2]
            assert (found.chosen, said(found.rejected)) == (None, ["2"])
            status = "completed" if by == "undo" else "superseded"
            detail = {"of": "prompt", "by": by, "text": "two, please"}
            assert found.detail == {"turn": 2, "status": status, **detail}

    play(play_it)


def test_truncating_judges_nothing_of_what_it_takes_back() -> None:
    async def play_it() -> None:
        async with scene() as at:
            for text in ("one", "two", "three"):
                await at.said(text, f"to {text}")
            await at.session.truncate("ann", 1)
            await at.said("other", "to other")

            assert await at.preferences() == []

    play(play_it)


# --- regenerate ---


@pytest.mark.parametrize("by", ["undo", "truncate", "rollback"])
def test_the_same_text_after_taking_back_asks_for_another_answer(by: str) -> None:
    async def play_it() -> None:
        async with scene() as at:
            await at.said("one", "1")
            if by == "rollback":
                await at.said_first("two", "2")
                new = await at.said("two", "2!", policy="rollback")
            else:
                await at.said("two", "2")
                if by == "truncate":
                    await at.said("three", "3")
                    await at.session.truncate("ann", 1)
                else:
                    await at.session.undo("ann")
                new = await at.said("two", "2!", user="bob")
            revision = (await acted(at, happened.TurnStarted))[0] - 1

            found = await the_only(at)
            assert (found.reason, found.revision) == ("regenerate", revision)
            assert found.user == ("ann" if by == "rollback" else "bob")
            assert found.context == at.seen[2]
            assert chat_wire(found.context) == chat_wire(at.seen[new])
            assert (said(found.chosen), said(found.rejected)) == (["2!"], ["2"])
            assert found.detail["by"] == by
            assert (found.detail["chosen_turn"], found.detail["same_context"]) == (new, True)

    play(play_it)


def test_asking_again_instead_of_listening_is_asking_for_another_answer() -> None:
    async def play_it() -> None:
        async with scene() as at:
            await at.said_first("one", "so far")
            await at.said("one", "1", policy="interrupt")

            found = await the_only(at)
            assert (found.reason, found.detail["by"]) == ("regenerate", "message")
            assert found.context == at.seen[1]
            assert (said(found.chosen), said(found.rejected)) == (["1"], ["so far"])
            assert found.detail["same_context"] is False

    play(play_it)


def test_of_several_answers_the_one_that_stood_is_chosen() -> None:
    async def play_it() -> None:
        async with scene() as at:
            await at.said("one", "a")
            for answer in ("b", "c"):
                await at.session.undo("ann")
                await at.said("one", answer)
            await at.said("two", "2")

            found = await at.preferences()
            sides = [(said(each.chosen), said(each.rejected)) for each in found]
            assert sides == [(None, ["a"]), (["c"], ["b"])]
            assert [each.context for each in found] == [at.seen[1], at.seen[2]]

    play(play_it)


@pytest.mark.parametrize("end", ["failed", "interrupted", "running", "judged", "other context"])
def test_an_answer_that_is_none_or_answers_something_else_is_not_chosen(end: str) -> None:
    async def play_it() -> None:
        async with scene() as at:
            await at.said("one", "1")
            await at.session.undo("ann")
            if end == "other context":
                await at.session.post("bob", "by the way")
            await at.said_first("one", "1!")
            match end:
                case "failed":
                    at.script.cue("s", 2, ValueError("broken"))
                case "interrupted":
                    await at.session.interrupt("ann")
                case "judged" | "other context":
                    at.script.cue("s", 2, None)
            await settle()
            if end == "judged":
                await at.session.add_feedback("ann", "2", "incorrect")

            found, *others = await at.preferences()
            assert (found.reason, found.chosen) == ("regenerate", None)
            assert said(found.rejected) == ["1"]
            assert found.context == at.seen[1]
            then = {"interrupted": ["interrupt"], "judged": ["feedback"]}.get(end, [])
            assert [each.reason for each in others] == then

    play(play_it)


def test_the_interaction_regenerate_is_one_with_what_follows_it() -> None:
    async def play_it() -> None:
        async with scene() as at:
            await at.said("one", "1")
            await at.session.record_interaction("ann", "regenerate")
            await at.session.undo("ann")
            await at.said("one", "1!")
            await at.said("two", "2")
            await at.session.record_interaction("bob", "regenerate", content="2!")
            await at.session.record_interaction("bob", "regenerate", node_id="turn:3")

            pair, given, alone = await at.preferences()
            assert [each.reason for each in (pair, given, alone)] == ["regenerate"] * 3
            assert (said(pair.chosen), said(pair.rejected)) == (["1!"], ["1"])
            assert (said(given.chosen), said(given.rejected)) == (["2!"], ["2"])
            assert (said(alone.chosen), said(alone.rejected)) == (None, ["2"])
            assert [pair.context, given.context, alone.context] == [
                at.seen[1],
                at.seen[3],
                at.seen[3],
            ]

    play(play_it)


# --- edited answers ---


def test_an_answer_that_a_person_has_corrected_is_a_pair() -> None:
    async def play_it() -> None:
        async with scene() as at:
            await at.said("one", "a ", ToolCall(name="look", id="a"), ToolResult(id="a"), "b")
            await at.said("two", "2")
            await at.session.record_interaction("ann", "edit", content="2")
            await at.session.record_interaction("ann", "edit", content="2!", feedback="incorrect")
            revision, entry = await acted(at, happened.InteractionRecorded)
            named = {"turn": 1, "why": "wrong"}
            await at.session.record_interaction("bob", "edit", content="B", metadata=named)
            await at.session.record_interaction("bob", "edit", content="?", node_id="turn:9")

            last, first = await at.preferences()
            assert (last.reason, last.user, last.at_ms) == ("edit", "ann", entry.at_ms)
            assert last.revision == revision
            assert last.context == at.seen[2]
            assert (said(last.chosen), said(last.rejected)) == (["2!"], ["2"])
            assert (last.detail["of"], last.detail["feedback"]) == ("answer", "incorrect")
            assert (said(first.chosen), said(first.rejected)) == (["B"], ["b"])
            text, call, result = first.context[len(at.seen[1]) :]
            assert first.context[: len(at.seen[1])] == at.seen[1]
            assert (text.text, call.id, result.id) == ("a ", "a", "a")
            assert first.detail["metadata"] == named

    play(play_it)


# --- approvals ---


class Agent(Actor):
    """Asks about three calls; one was made, and answered, before."""

    async def __call__(self, turn: greenroom.Turn) -> AsyncIterator[Any]:
        self.seen[turn.id] = (*turn.history, *turn.inputs)
        if turn.decisions is None:
            yield "first a look "
            yield ToolCall(name="look", id="l")
            yield ToolResult(id="l", value="edge")
            yield "may I "
            asked = [ToolCall(name="leap", arguments={"to": to}, id=to) for to in "abc"]
            yield RequestApproval(calls=asked, expires_s=10.0)
        self.seen[turn.id] = (*turn.history, *turn.inputs, *turn.progress)
        yield "done"


@pytest.mark.parametrize("decisions", [{"a": True, "c": True}, {"a": True, "b": True, "c": True}])
def test_calls_are_chosen_or_rejected_by_who_decides_on_them(decisions: dict[str, bool]) -> None:
    async def play_it() -> None:
        agent, clock = Agent(), ManualClock()
        async with greenroom.Runtime(agent, clock=clock) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.join("bob")
            turn = await session.send("ann", "leap")
            await settle()
            at = Scene(runtime, session, agent)
            assert await at.preferences() == []
            approval = await session.approval("ann")
            await session.decide("bob", decisions)
            await turn.result()

            revision, entry = await acted(at, happened.ApprovalDecided)
            approve, *deny = await at.preferences()
            assert (approve.reason, approve.user) == ("approve", "bob")
            assert (approve.revision, approve.at_ms) == (revision, entry.at_ms)
            assert approval is not None
            assert approve.detail == {"turn": 1, "approval": approval.id}
            progress = agent.seen[1]
            before = progress.index(approval.calls[0])
            assert approve.context == progress[:before]
            assert said(approve.context) == ["leap", "first a look ", "may I "]
            assert not audit(approve.context)
            by_id = {call.id: call for call in approval.calls}
            assert (approve.chosen, approve.rejected) == (
                tuple(by_id[call] for call in decisions),
                None,
            )
            left = tuple(by_id[call] for call in by_id if call not in decisions)
            assert [each.rejected for each in deny] == ([left] if left else [])
            for each in deny:
                assert (each.reason, each.chosen, each.context) == ("deny", None, approve.context)

    play(play_it)


def test_an_approval_that_expires_judges_nothing() -> None:
    async def play_it() -> None:
        agent, clock = Agent(), ManualClock()
        async with greenroom.Runtime(agent, clock=clock) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.send("ann", "leap")
            await clock.advance(11.0)

            at = Scene(runtime, session, agent)
            assert (await acted(at, happened.ApprovalDecided))[1].event.by is None
            assert await at.preferences() == []

    play(play_it)


# --- feedback ---


@pytest.mark.parametrize(("word", "side"), [("correct", "chosen"), ("incorrect", "rejected")])
@pytest.mark.parametrize("names", ["nothing", "node", "number", "context"])
def test_feedback_chooses_or_rejects_the_answer_it_is_about(
    word: str, side: str, names: str
) -> None:
    async def play_it() -> None:
        async with scene() as at:
            await at.said("one", "hm", ToolCall(name="look", id="a"), ToolResult(id="a"), "1")
            await at.said("two", "2")
            await at.said_first("three", "not over")
            node = {"node": "turn:1", "number": "1"}.get(names, "n-7")
            context = {"turn": 1} if names == "context" else {"why": "it is"}
            await at.session.add_feedback("bob", node, word, context=context)
            revision, entry = await acted(at, happened.InteractionRecorded)

            found = await the_only(at)
            turn = 2 if names == "nothing" else 1
            assert (found.reason, found.user) == ("feedback", "bob")
            assert (found.revision, found.at_ms) == (revision, entry.at_ms)
            assert found.context == at.seen[turn]
            sides = {"chosen": said(found.chosen), "rejected": said(found.rejected)}
            other = "rejected" if side == "chosen" else "chosen"
            assert sides == {side: ["2"] if turn == 2 else ["hm", "1"], other: None}
            assert found.detail == {
                "turn": turn,
                "status": "completed",
                "node": node,
                "feedback": word,
                "metadata": {"context": context},
            }

    play(play_it)


# --- contexts ---


def test_the_context_is_what_the_model_saw_whatever_became_of_it() -> None:
    async def play_it() -> None:
        async with scene(compactor=summarise) as at:
            await at.said("one", "1")
            await at.said("two", "2")
            await (await at.session.compact("ann", keep=0)).result()
            await at.session.add_feedback("ann", "turn:2", "correct")
            await at.said("three", "3")
            await at.session.add_feedback("ann", "n", "correct")

            before, after = await at.preferences()
            assert before.context == at.seen[2]
            assert said(before.context) == ["one", "1", "two"]
            assert after.context == at.seen[4]
            assert said(after.context) == ["4 lines", "three"]
            assert after.context[0].role == "system"  # type: ignore[union-attr]

    play(play_it)


def test_a_late_answer_is_in_no_context_of_who_was_answering_by_then() -> None:
    async def play_it() -> None:
        async with scene() as at:
            await at.said_first("one", "so f", answer_key="k")
            await at.said_first("two", policy="interrupt")
            await at.session.late_answer("k", "so far so good")
            at.script.cue("s", 2, "2", None)
            await settle()
            await at.session.add_feedback("ann", "turn:2", "correct")
            await at.session.add_feedback("ann", "turn:1", "correct")
            await at.said("three", "3")
            await at.session.undo("ann")

            _, two, one, three = await at.preferences()
            assert two.context == at.seen[2]
            assert said(two.context) == ["one", "so f", "two"]
            assert said(one.chosen) == ["so f", "so far so good"]
            assert three.context == at.seen[3]
            assert said(three.context) == ["one", "so f", "so far so good", "two", "2", "three"]

    play(play_it)


def test_with_cut_undelivered_the_context_ends_where_readers_had_come_to() -> None:
    async def play_it() -> None:
        async with scene(session=greenroom.Settings(cut_undelivered=True)) as at:
            turn = await at.said_first("one", "so far")
            at.session.delivered("ann", turn, 2)
            await settle()
            await at.said("one", "1", policy="interrupt")
            await at.said("two", "2")
            await at.session.undo("ann")

            again, undone = await at.preferences()
            assert (said(again.rejected), said(again.chosen)) == (["so far"], ["1"])
            assert undone.context == at.seen[3]
            assert said(undone.context) == ["one", "so", "one", "1", "two"]

    play(play_it)


def test_a_fork_goes_on_from_what_it_has() -> None:
    async def play_it() -> None:
        async with scene() as at:
            await at.said("one", "1")
            await at.said("two", "2")
            fork = await at.session.fork("bob", id="f")
            await fork.undo("bob")
            new = await fork.send("bob", "two")
            at.script.cue("f", new.id, "2!", None)
            await new.result()

            (found,) = preferences_of(await read_recording(at.runtime.journal, "f"))
            assert found.context == at.seen[2]
            assert (said(found.chosen), said(found.rejected)) == (["2!"], ["2"])
            assert await at.preferences() == []

    play(play_it)


def test_of_events_that_are_no_longer_kept_what_they_have_left_is_the_context() -> None:
    async def play_it() -> None:
        async with scene() as at:
            await at.said("one", "1")
            await at.session.add_feedback("ann", "n", "correct")
            await at.said_first("two", "2")
            journal: Any = at.runtime.journal
            base = await read_recording(journal, "s")
            at.script.cue("s", 2, None)
            await settle()
            await at.session.add_feedback("ann", "turn:1", "incorrect")
            await at.session.undo("ann")
            whole = await read_recording(journal, "s")
            kept = whole.entries[base.state.revision :]
            encoded = encode_base(Base(base.state, [base.entries[-1]]))
            beginning = Beginning(genesis=b"", base=(base.state.revision, encoded))
            first = base.state.revision + 1

            found = list(preferences_of(Recording(whole.state, first, kept, [], beginning)))

            assert found == list(preferences_of(whole))[1:]
            assert [each.context for each in found] == [at.seen[1], at.seen[2]]

    play(play_it)


def test_the_wire_has_lines_as_chats_and_is_a_copy() -> None:
    async def play_it() -> None:
        async with scene() as at:
            arguments = {"deep": {"n": 1}}
            call = ToolCall(name="look", id="a", arguments=arguments)
            await at.said("one", "hm", call, ToolResult(id="a", value={"x": None}), "1")
            context: Any = {"why": ["it is"]}
            await at.session.add_feedback("ann", "n", "correct", context=context)
            recording = await read_recording(at.runtime.journal, "s")

            (found,) = preferences_of(recording)
            wire = preference_wire(found)
            assert found.chosen is not None
            assert wire == {
                "session_id": "s",
                "revision": found.revision,
                "timestamp": "1970-01-01T00:16:40.000+00:00",
                "user_id": "ann",
                "reason": "feedback",
                "context": [{"role": "user", "content": "one"}],
                "chosen": chat_wire(found.chosen),
                "rejected": None,
                "detail": found.detail,
            }
            assert [line["role"] for line in wire["chosen"]] == [
                *("assistant", "assistant", "tool", "assistant")
            ]
            wire["detail"]["metadata"]["context"]["why"].append("changed")
            found.chosen[1].arguments["deep"]["n"] = 2  # type: ignore[union-attr]
            found.detail["metadata"]["context"]["why"].append("changed")
            (again,) = preferences_of(recording)
            assert again.detail["metadata"] == {"context": {"why": ["it is"]}}
            assert again.chosen is not None
            assert again.chosen[1].arguments == arguments  # type: ignore[union-attr]

    play(play_it)


@pytest.mark.parametrize(
    ("lines", "grouped"),
    [
        ("a b ra rb", "ab:ra:rb"),
        ("a ra b rb", "a:ra:b:rb"),
        ("a b ra c rb rc", "abc:ra:rb:rc"),
        ("m a", "m:a"),
    ],
)
def test_calls_that_follow_each_other_are_one_message(lines: str, grouped: str) -> None:
    kinds: Any = {"m": lambda _: Message(text="m"), "r": lambda name: ToolResult(id=name[1:])}
    made = [kinds.get(name[0], lambda n: ToolCall(name=n, id=n))(name) for name in lines.split()]

    chat = chat_wire(made)

    def shown(message: dict[str, Any]) -> str:
        if "tool_calls" in message:
            return "".join(call["id"] for call in message["tool_calls"])
        return f"r{message['tool_call_id']}" if message["role"] == "tool" else "m"

    assert ":".join(map(shown, chat)) == grouped


# --- any schedule ---


class Pair:
    """Two people who do anything at all with one session, and what its pipeline was given."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.clock = ManualClock()
        self.seen: dict[int, list[Any]] = {}
        self.replies: list[Any] = []
        cut = self.rng.random() < 0.3
        self.settings = greenroom.Settings(cut_undelivered=cut)
        self.runtime = greenroom.Runtime(
            self._answer,
            compactor=summarise,
            clock=self.clock,
            dispatcher=LotteryDispatcher(seed),
            idle_s=5.0,
            approval_expires_s=3.0,
        )

    async def play(self) -> None:
        session = await self.runtime.create(user="ann", id="s", settings=self.settings)
        await session.join("bob")
        for _ in range(60):
            await self._act(session)
        for _ in range(20):
            await self.clock.advance(1.0)
        assert all(reply.done for reply in self.replies)

    async def _act(self, session: greenroom.Session) -> None:
        rng, user = self.rng, self.rng.choice(("ann", "bob"))
        match rng.randrange(16):
            case 0 | 1 | 2 | 3:
                policy: Any = rng.choice((*POLICIES, "rollback", "interrupt"))
                key = rng.choice(("", "k"))
                text = f"m{rng.randrange(2)}"
                reply: Any = session.send(user, text, policy=policy, answer_key=key)
            case 4:
                reply = session.post(user, "by the way")
            case 5 | 6:
                reply = session.undo(user)
            case 7:
                reply = session.truncate(user, rng.randrange(3))
            case 8:
                reply = session.compact(user, keep=rng.randrange(3))
            case 9:
                reply = session.interrupt(user)
            case 10:
                reply = session.decide(user, {"a": rng.random() < 0.5, "b": rng.random() < 0.5})
            case 11:
                words = ("correct", "incorrect", "partial")
                named = f"turn:{rng.randrange(1, 9)}"
                reply = session.add_feedback(user, rng.choice(("n", named)), rng.choice(words))
            case 12:
                action = rng.choice(("edit", "regenerate"))
                content = rng.choice((None, "corrected"))
                reply = session.record_interaction(user, action, content=content)
            case 13:
                session.delivered(user, rng.randrange(1, 9), rng.randrange(6))
                reply = rng.choice((session.late_answer, session.late_answer))("k", "late, by hand")
            case 14:
                await self.clock.advance(rng.choice((0.01, 6.0)))
                return
            case _:
                await settle(rng.randrange(1, 20))
                return
        self.replies.append(reply)

    async def _answer(self, turn: greenroom.Turn) -> AsyncIterator[Any]:
        given = (*turn.history, *turn.inputs)
        self.seen.setdefault(turn.id, []).append(given)
        if turn.decisions is not None:
            for call in turn.decisions:
                yield ToolResult(id=call, value=1)
            yield f"decided {turn.id}"
            return
        yield f"hm {turn.id} "
        yield ToolCall(name="look", id="l")
        await settle(self.rng.randrange(6))
        if self.rng.random() < 0.1:
            raise ValueError("a tool broke")
        yield ToolResult(value=1, id="l")
        steered = await turn.steering()
        yield f"done {turn.id} {len(steered)}"
        if self.rng.random() < 0.3:
            yield RequestApproval(calls=[ToolCall(name="leap", id=name) for name in "ab"])


@settings(max_examples=150, deadline=None, derandomize=True)
@given(seed=integers(0, 2**32 - 1))
def test_whatever_people_do_contexts_are_what_was_given_and_sides_what_was_said(seed: int) -> None:
    async def play_it() -> None:
        pair = Pair(seed)
        async with pair.runtime:
            await pair.play()
            recording = await read_recording(pair.runtime.journal, "s")
            for found in preferences_of(recording):
                check(found, recording, pair)

    play(play_it)


SIDES: Final = {
    "interrupt": {"rejected"},
    "undo": {"rejected"},
    "deny": {"rejected"},
    "approve": {"chosen"},
}


def check(found: Preference, recording: Any, pair: Pair) -> None:
    """Its context was given to the turn; its sides were said, or are what a person has written."""
    events = [entry.event for entry in recording.entries]
    said_ever = {e.message.text for e in events if isinstance(e, happened.MessagePosted)}
    said_ever |= {e.content for e in events if isinstance(e, happened.InteractionRecorded)}
    sides = {"chosen": found.chosen, "rejected": found.rejected}
    assert {side for side, lines in sides.items() if lines} in (
        [SIDES[found.reason]]
        if found.reason in SIDES
        else [{"chosen"}, {"rejected"}, {"chosen", "rejected"}]
    )
    for lines in sides.values():
        if lines:
            assert set(texts(lines)) <= said_ever
            assert not any(isinstance(line, Message) and line.role != "assistant" for line in lines)
            assert not audit((*found.context, *lines), live=lines[-1].turn)
    assert not audit(found.context)
    given = pair.seen.get(found.detail["turn"])
    if given is None:  # it was ended before its pipeline was invoked, and answered by hand
        assert "late, by hand" in texts(found.chosen or ()) + texts(found.rejected or ())
    else:
        assert any(begins_with(found.context, one) for one in given), "it was given something else"
    if found.detail.get("same_context"):
        chosen = [chat_wire(one) for one in pair.seen[found.detail["chosen_turn"]]]
        assert chat_wire(found.context)[: len(chosen[-1])] in chosen
    assert found.user in ("ann", "bob")
    assert recording.entries[found.revision - 1].at_ms == found.at_ms
    preference_wire(found)


def begins_with(context: Sequence[Any], given: Sequence[Any]) -> bool:
    """Whether the history that the turn was given is there, and then only what is its own.

    A turn that goes on is given all its inputs together, what it has said between them apart.
    """
    turn = given[-1].turn
    history = [line for line in given if line.turn != turn]
    asked, *own = context[len(history) :]
    return (
        list(context[: len(history)]) == history
        and asked == given[len(history)]
        and all(line.turn == turn for line in own)
    )
