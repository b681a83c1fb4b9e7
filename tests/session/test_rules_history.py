"""Undo, truncate and compact: what they remove, which turns they end, and what follows."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from session.cast import Act, acts, call, do, lines, perform, record, refuse, room

from greenroom.actors.errors import (
    InvalidInput,
    NotAllowed,
    NothingToCompact,
    NotMember,
    SessionEnded,
    TurnQueueFull,
    WrongState,
)
from greenroom.actors.session import events as happened
from greenroom.actors.session.answers import CutReceipt, TurnTicket, answer
from greenroom.actors.session.audit import report
from greenroom.actors.session.commands import (
    Compact,
    End,
    FinishTurn,
    HandBack,
    Interrupt,
    Join,
    Pause,
    Post,
    Recover,
    Resume,
    Send,
    Steer,
    Truncate,
    Undo,
)
from greenroom.actors.session.fold import apply, save
from greenroom.actors.session.info import snapshot
from greenroom.actors.session.pipeline import Turn
from greenroom.actors.session.state import State
from greenroom.actors.session.transcript import Message, ToolResult


def undo(user: str = "ann") -> Undo:
    return Undo(user=user)


def compact(keep: int = 1, user: str = "ann") -> Compact:
    return Compact(user=user, keep=keep, prompt="in short")


def done(turn: int, status: str = "completed") -> FinishTurn:
    return msgspec.convert({"turn": turn, "status": status, "type": "finish_turn"}, FinishTurn)


def talk(*texts: str, **chosen: object) -> State:
    """A room in which each of these was asked and answered."""
    state = room("bob", **chosen)
    for text in texts:
        do(state, Send(user="ann", text=text))
        turn = state.last_turn
        do(state, record(turn, f"re {text}")[0])
        do(state, done(turn))
    return state


def suspended() -> State:
    """A turn that waits for the approval of a call, and one that waits for it."""
    state = talk("one")
    do(state, Send(user="ann", text="two"))
    do(state, record(2, call(id="c"))[0])
    asks = happened.ApprovalRequested(turn=2, approval="2-1", calls=["c"], expires_ms=9000)
    apply(state, asks, 2000)
    save(state, {"step": 3})
    return state


def waiting(state: State) -> tuple[int | None, list[int]]:
    return state.running and state.running.turn, [turn.turn for turn in state.queued]


# --- undo ----------------------------------------------------------------------------------------


def test_a22_undo_drops_everything_back_to_and_including_the_last_user_message() -> None:
    state = talk("one", "two")

    events = do(state, undo())

    assert events == (happened.TranscriptCut(by="ann", why="undo", keep=2, removed=2),)
    assert lines(state) == ["ann:one", "re one"]
    assert answer(state, undo(), events) == CutReceipt(removed=2, ended=[], revision=state.revision)
    do(state, undo())
    assert lines(state) == []


def test_a22_an_empty_transcript_still_answers() -> None:
    state = room()

    events = do(state, undo())

    assert events == (happened.TranscriptCut(by="ann", why="undo", keep=0, removed=0),)


def test_a22_undo_never_drops_a_system_message() -> None:
    state = talk("one")
    note = Message(role="system", text="note")
    apply(state, happened.MessagePosted(message=note), 2000)

    events = do(state, undo())

    assert events[-1] == happened.TranscriptCut(by="ann", why="undo", keep=0, removed=2)
    assert state.history == [note]
    assert state.messages == 1
    assert do(state, undo())[-1] == happened.TranscriptCut(by="ann", why="undo", keep=1, removed=0)
    assert state.history == [note]


def test_a22_an_answer_that_nobody_asked_for_is_not_taken_back() -> None:
    state = room()
    greets = happened.TurnStarted(turn=1, user="ann", kind="greeting", prompt="greet")
    apply(state, greets, 2000)
    for command in (*record(1, "welcome"), done(1)):
        do(state, command)

    do(state, undo())

    assert lines(state) == ["welcome"]


def test_a22_undo_ends_the_running_turn_with_all_it_has_done() -> None:
    state = talk("one")
    do(state, Send(user="bob", text="two"))
    do(state, record(2, call(id="c"))[0])

    events = do(state, undo(), said=("half a",))

    assert [type(event).__name__ for event in events] == [
        "MessagePosted", "ToolReturned", "TurnEnded", "TranscriptCut",
    ]  # fmt: skip
    assert events[2] == happened.TurnEnded(
        turn=2, status="cancelled", reason="undone by ann", cause="user"
    )
    assert events[3] == happened.TranscriptCut(by="ann", why="undo", keep=2, removed=4)
    assert lines(state) == ["ann:one", "re one"]
    assert (waiting(state), state.open_calls) == ((None, []), {})


def test_undo_of_a_message_that_waits_leaves_the_running_turn_alone() -> None:
    state = room()
    for text in ("one", "two", "three"):
        do(state, Send(user="ann", text=text))

    events = do(state, undo(), said=("half",))

    assert events == (
        happened.TurnEnded(turn=3, status="cancelled", reason="undone by ann", cause="user"),
        happened.TranscriptCut(by="ann", why="undo", keep=2, removed=1),
    )
    assert waiting(state) == (1, [2])


def test_undo_of_a_message_that_needs_no_answer_ends_no_turn() -> None:
    state = room("bob")
    do(state, Send(user="ann", text="one"))
    do(state, record(1, call(id="c"))[0])
    do(state, Post(user="bob", text="by the way"))

    do(state, undo("bob"))

    assert waiting(state) == (1, [])
    do(state, record(1, ToolResult())[0])
    assert lines(state) == ["ann:one", "call c", "result c"]
    assert report(state).valid


def test_after_an_undo_the_next_turn_follows() -> None:
    state = room()
    for text in ("one", "two"):
        do(state, Send(user="ann", text=text))
    steered = Send(user="ann", text="first this", policy="steer")
    do(state, steered)
    do(state, done(1))
    assert waiting(state) == (3, [2])

    events = do(state, undo())

    assert events[-1] == happened.TurnStarted(turn=2, user="ann")
    assert lines(state) == ["ann:one", "ann:two"]


def test_an_undo_that_ends_several_turns_starts_none_of_them() -> None:
    state = room()
    for text in ("one", "two", "three"):
        do(state, Send(user="ann", text=text))

    events = do(state, Truncate(user="ann", message=0))

    assert [event.turn for event in events if isinstance(event, happened.TurnEnded)] == [1, 2, 3]
    assert not any(isinstance(event, happened.TurnStarted) for event in events)
    assert waiting(state) == (None, [])
    assert lines(state) == []


def test_an_undo_while_the_session_closes_lets_it_end() -> None:
    state = room()
    for text in ("one", "two"):
        do(state, Send(user="ann", text=text))
    apply(state, happened.SessionClosing(by="ann"), 2000)

    events = do(state, Truncate(user="ann", message=0))

    ends = [event.turn for event in events if isinstance(event, happened.TurnEnded)]
    assert ends == [1, 2]
    assert events[-1] == happened.SessionEnded(by="ann")


def test_a_turn_that_was_merged_ends_though_only_one_of_its_messages_goes() -> None:
    state = room()
    for text, policy in (("one", None), ("two", None), ("and", "merge")):
        do(state, Send(user="ann", text=text, policy=policy))  # type: ignore[arg-type]

    do(state, undo())

    assert waiting(state) == (1, [])
    assert lines(state) == ["ann:one", "ann:two"]


def test_an_undone_answer_does_not_come_back_late() -> None:
    state = talk("one")
    do(state, Send(user="ann", text="two", answer_key="k"))

    do(state, undo())

    assert state.aborted == {}


# --- approvals -----------------------------------------------------------------------------------


def test_ax17_a_pending_approval_goes_with_the_calls_it_points_to() -> None:
    state = suspended()

    events = do(state, undo())

    assert state.approval is None
    assert (waiting(state), state.open_calls) == ((None, []), {})
    assert [type(event).__name__ for event in events] == [
        "ToolReturned", "TurnEnded", "TranscriptCut",
    ]  # fmt: skip
    assert lines(state) == ["ann:one", "re one"]


def test_ax17_truncating_into_a_suspended_turn_clears_its_approval() -> None:
    state = suspended()
    do(state, Send(user="ann", text="three"))

    do(state, Truncate(user="ann", message=1))

    assert state.approval is None
    assert waiting(state) == (None, [])


def test_ax17_an_approval_whose_calls_stay_stays() -> None:
    state = suspended()
    do(state, Send(user="ann", text="three"))

    do(state, undo())

    assert state.approval is not None
    assert state.approval.calls == list(state.open_calls) == ["c"]
    assert waiting(state) == (2, [])


def test_ax17_a_compaction_waits_for_the_turn_that_is_suspended() -> None:
    state = suspended()

    do(state, compact())

    assert state.approval is not None
    assert waiting(state) == (2, [3])


# --- truncate ------------------------------------------------------------------------------------


def test_truncate_cuts_before_the_nth_user_message() -> None:
    state = talk("one", "two", "three")

    events = do(state, Truncate(user="bob", message=1))

    assert events == (happened.TranscriptCut(by="bob", why="truncate", keep=2, removed=4),)
    assert lines(state) == ["ann:one", "re one"]


@pytest.mark.parametrize("message", [2, 3, 2**62])
def test_truncating_out_of_range_is_refused_with_the_field_and_the_limit(message: int) -> None:
    refusal = refuse(talk("one", "two"), Truncate(user="ann", message=message), InvalidInput)

    assert refusal.field == "message"
    assert refusal.limit == "the number of a message, from 0, of 2"


def test_a_truncated_turn_says_so() -> None:
    state = room()
    do(state, Send(user="ann", text="one"))

    events = do(state, Truncate(user="ann", message=0))

    assert events[0] == happened.TurnEnded(
        turn=1, status="cancelled", reason="truncated by ann", cause="user"
    )


# --- who, and when -------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [undo, compact, lambda user: Truncate(user=user, message=0)])
def test_only_who_may_edit_edits_and_never_after_the_end(make: object) -> None:
    assert callable(make)
    state = talk("one", "two")
    do(state, Join(user="eve", name="Eve", role="observer"))

    refuse(state, make(user="mallory"), NotMember)
    assert refuse(state, make(user="eve"), NotAllowed).permission == "edit"
    do(state, End(by="ann"))
    refuse(state, make(user="ann"), SessionEnded)


def test_a_paused_session_lets_its_transcript_be_edited() -> None:
    state = talk("one", "two")
    do(state, Pause(by="ann"))

    do(state, undo())
    do(state, compact(keep=0))

    assert waiting(state) == (None, [3])
    resumed = happened.TurnStarted(turn=3, user="ann", kind="compaction")
    assert do(state, Resume(by="ann"))[-1] == resumed


def test_a_session_that_was_not_started_has_nothing_to_undo() -> None:
    state = room(started=False)

    assert do(state, undo())[-1] == happened.TranscriptCut(by="ann", why="undo", keep=0, removed=0)
    refuse(state, compact(), WrongState)


# --- compact -------------------------------------------------------------------------------------


def test_a_summary_takes_the_place_of_what_is_older_than_the_last_messages() -> None:
    state = talk("one", "two", "three")

    events = do(state, compact(keep=2))

    assert events == (
        happened.TurnStarted(turn=4, user="ann", kind="compaction", prompt="in short", keep=2),
    )
    ticket = answer(state, compact(keep=2), events)
    assert isinstance(ticket, TurnTicket)
    assert (ticket.turn, ticket.ahead) == (4, 0)
    ended = do(state, done(4), said=("they ", "met"), at_ms=7000)
    assert ended == (
        happened.Compacted(turn=4, lines=2, summary="they met"),
        happened.TurnEnded(turn=4, status="completed"),
    )
    assert lines(state) == ["None:they met", "ann:two", "re two", "ann:three", "re three"]
    assert state.history[0] == Message(role="system", text="they met", at_ms=7000)
    assert state.messages == 5


def test_its_pipeline_is_shown_exactly_what_it_is_to_summarise() -> None:
    state = talk("one", "two", "three")
    do(state, compact(keep=1))
    assert state.running is not None

    turn = Turn(state, state.running)
    do(state, Post(user="bob", text="meanwhile"))

    assert [line.text for line in turn.history if isinstance(line, Message)] == [
        "one", "re one", "two", "re two",
    ]  # fmt: skip
    assert (turn.kind, turn.input.role, turn.input.text) == ("compaction", "system", "in short")


def test_a_compaction_includes_an_earlier_summary() -> None:
    state = talk("one", "two")
    do(state, compact(keep=1))
    do(state, done(3), said=("first",))
    do(state, Send(user="ann", text="three"))
    do(state, done(4))

    do(state, compact(keep=1))
    assert state.running is not None
    assert state.running.kept == 3
    do(state, done(5), said=("second",))

    assert lines(state) == ["None:second", "ann:three"]


def test_nothing_but_a_summary_is_nothing_to_compact() -> None:
    state = talk("one", "two")
    do(state, compact(keep=1))
    do(state, done(3), said=("first",))

    refuse(state, compact(keep=1), NothingToCompact)
    refuse(room(), compact(keep=0), NothingToCompact)
    refuse(talk("one"), compact(keep=1), NothingToCompact)
    refuse(talk("one"), compact(keep=2), NothingToCompact)


def test_a_compaction_waits_its_turn_and_leaves_those_that_wait_for_it_alone() -> None:
    state = talk("one")
    do(state, Send(user="ann", text="two"))
    events = do(state, compact(keep=0))
    do(state, Send(user="bob", text="three"))
    assert events == (
        happened.TurnQueued(turn=3, user="ann", kind="compaction", prompt="in short"),
    )
    assert waiting(state) == (2, [3, 4])

    do(state, record(2, "re two")[0])
    do(state, done(2))
    do(state, Post(user="bob", text="by the way"))
    do(state, done(3), said=("sum",))

    assert lines(state) == ["None:sum", "bob:three", "bob:by the way"]
    assert waiting(state) == (4, [])
    assert state.running is not None
    assert Turn(state, state.running).input.text == "three"


def test_messages_that_wait_for_an_answer_do_not_count_as_kept() -> None:
    state = talk("one")
    do(state, Send(user="ann", text="two"))
    do(state, compact(keep=1))
    do(state, Send(user="ann", text="three"))
    do(state, done(2))

    do(state, done(3), said=("sum",))

    assert lines(state) == ["None:sum", "ann:two", "ann:three"]


def test_a_compaction_is_refused_when_no_more_turns_may_wait() -> None:
    state = talk("one", "two", max_queued_turns=1)
    do(state, Send(user="ann", text="three"))
    do(state, Send(user="ann", text="four"))

    refuse(state, compact(), TurnQueueFull)


@pytest.mark.parametrize("way", ["failed", "silent", "cancelled", "superseded", "lost", "ended"])
def test_a_compaction_that_comes_to_nothing_leaves_the_view_as_it_was(way: str) -> None:
    state = talk("one", "two")
    before = list(state.history)
    do(state, compact())

    match way:
        case "failed":
            events = do(state, done(3, "failed"), said=("half",))
        case "silent":
            events = do(state, done(3), said=(" ", "\n"))
        case "cancelled":
            events = do(state, Interrupt(user="ann"), said=("half",))
        case "superseded":
            rollback = Send(user="bob", text="wait", policy="rollback")
            events = do(state, rollback, said=("half",))
        case "lost":
            events = do(state, Recover(attempts=1))
        case _:
            events = do(state, End(by="ann"), said=("half",))

    ended = next(event for event in events if isinstance(event, happened.TurnEnded))
    assert ended.turn == 3
    assert ended.status == {"silent": "failed", "ended": "cancelled"}.get(way, way)
    assert not any(isinstance(event, happened.Compacted) for event in events)
    assert state.history[: len(before)] == before
    assert lines(state)[len(before) :] == (["bob:wait"] if way == "superseded" else [])


def test_a_compaction_found_running_is_run_again_on_what_stands_there() -> None:
    state = talk("one", "two", "three")
    do(state, compact(keep=1))

    do(state, Recover(attempts=2))

    assert state.running is not None
    assert (state.running.attempt, state.running.kept) == (2, 4)
    do(state, done(4), said=("sum",))
    assert lines(state) == ["None:sum", "ann:three", "re three"]


@pytest.mark.parametrize("cut", [undo(), Truncate(user="ann", message=0)])
def test_a_cut_cancels_the_compaction_that_runs(cut: Undo | Truncate) -> None:
    state = talk("one", "two", "three")
    do(state, compact(keep=1))

    events = do(state, cut, said=("half",))

    assert isinstance(events[0], happened.TurnEnded)
    assert (events[0].turn, events[0].status, events[0].cause) == (4, "cancelled", "user")
    assert state.running is None
    assert not any("half" in line for line in lines(state))


def test_a_compaction_that_waits_survives_a_cut() -> None:
    state = talk("one", "two")
    do(state, Send(user="ann", text="three"))
    do(state, compact(keep=1))

    do(state, undo())

    assert waiting(state) == (4, [])
    assert state.running is not None
    assert state.running.kept == 2


def test_a_late_answer_among_what_is_summarised_undoes_the_compaction_not_the_answer() -> None:
    state = talk("one", "two", "three")
    do(state, compact(keep=1))
    late = Message(text="late", turn=1, key="k")
    apply(state, happened.MessagePosted(message=late), 2000)

    events = do(state, done(4), said=("sum",))

    assert events == (
        happened.TurnEnded(
            turn=4, status="failed", reason="what it summarised is no longer the same"
        ),
    )
    assert lines(state)[:3] == ["ann:one", "re one", "late"]


def test_a_late_answer_behind_what_is_summarised_does_no_harm() -> None:
    state = talk("one", "two", "three")
    do(state, compact(keep=1))
    late = Message(text="late", turn=3, key="k")
    apply(state, happened.MessagePosted(message=late), 2000)

    do(state, done(4), said=("sum",))

    assert lines(state) == ["None:sum", "ann:three", "re three", "late"]


def test_a_summarised_turn_takes_no_late_answer_any_more() -> None:
    state = talk("one")
    do(state, Send(user="ann", text="two", answer_key="k"))
    do(state, Interrupt(user="ann"))
    do(state, Send(user="ann", text="three", answer_key="l"))
    do(state, Interrupt(user="ann"))
    assert state.aborted == {"k": 2, "l": 3}

    do(state, compact(keep=1))
    do(state, done(4), said=("sum",))

    assert state.aborted == {"l": 3}


def test_nobody_reads_what_a_compactor_says_before_it_is_done() -> None:
    state = talk("one", "two")
    do(state, compact())

    assert snapshot(state, ("half",)).saying == ""
    do(state, Interrupt(user="ann"), said=("half",))
    do(state, Send(user="ann", text="three"))
    assert snapshot(state, ("half",)).saying == "half"


@pytest.mark.parametrize("policy", ["merge", "latest", "steer", "interrupt"])
def test_a_message_is_not_mixed_up_with_a_compaction_that_waits(policy: str) -> None:
    state = talk("one", "two")
    do(state, Send(user="bob", text="three"))
    do(state, compact(keep=1))

    do(state, Send(user="ann", text="four", policy=policy))  # type: ignore[arg-type]

    compaction = next(turn for turn in state.queued if turn.turn == 4)
    assert compaction.kind == "compaction"
    assert state.history[-1] == Message(role="user", author="ann", text="four", turn=5, at_ms=2000)


def test_nobody_steers_a_compaction() -> None:
    state = talk("one", "two")
    do(state, compact())
    do(state, Send(user="ann", text="three", policy="steer"))

    assert do(state, Steer(turn=3), said=("half",)) == ()

    do(state, done(3), said=("sum",))
    assert waiting(state) == (4, [])
    assert lines(state) == ["None:sum", "ann:two", "re two", "ann:three"]


def test_a_compaction_that_is_handed_back_leaves_nothing_of_what_it_said() -> None:
    state = talk("one", "two")
    do(state, compact())

    events = do(state, HandBack(cause="drain"), said=("half",))

    assert events == (happened.TurnHandedBack(turn=3, cause="drain"),)
    ended = do(state, Recover(attempts=1))[0]
    assert isinstance(ended, happened.TurnEnded)
    assert (ended.status, ended.cause) == ("lost", "drain")


# --- for any script ------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(script=acts())
def test_every_turn_that_is_to_be_answered_has_its_message_in_view(script: list[Act]) -> None:
    state = room("bob")

    for act in script:
        perform(state, act)
        live = [turn for turn in (state.running, *state.queued) if turn is not None]
        asked = {line.turn for line in state.history if isinstance(line, Message)}
        assert {turn.turn for turn in live if turn.kind == "answer"} <= asked


@settings(max_examples=200, deadline=None)
@given(script=acts())
def test_a_cut_removes_as_many_lines_as_it_says(script: list[Act]) -> None:
    state = room("bob")

    for act in script:
        before, events = len(state.history), perform(state, act)
        for event in events:
            if isinstance(event, happened.TranscriptCut):
                added = sum(
                    isinstance(other, happened.MessagePosted | happened.ToolReturned)
                    for other in events
                )
                assert len(state.history) == before + added - event.removed
