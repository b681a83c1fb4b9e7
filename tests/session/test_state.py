from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from session.cast import (
    PLAIN,
    TEXT,
    Act,
    acts,
    call,
    do,
    genesis,
    lines,
    perform,
    record,
    room,
    written_out,
)

from greenroom.actors.errors import SessionDamaged
from greenroom.actors.ports import Claim
from greenroom.actors.session import events as happened
from greenroom.actors.session.commands import End, FinishTurn, Join, Leave, Pause, Post, Send
from greenroom.actors.session.entry import Entry, decode_entry, encode_entry
from greenroom.actors.session.events import Durable
from greenroom.actors.session.fold import apply, restore, save
from greenroom.actors.session.state import (
    REMEMBERED_TURNS,
    State,
    decode_state,
    encode_genesis,
    encode_state,
)
from greenroom.actors.session.transcript import Message, ToolCall, ToolResult
from greenroom.actors.session.view import outputs_of, start_of


def said(text: str, turn: int = 0, role: Any = "assistant") -> happened.MessagePosted:
    return happened.MessagePosted(message=Message(text=text, turn=turn, role=role))


def claim(bodies: list[bytes], snapshot: tuple[int, bytes] | None = None, **settings: Any) -> Claim:
    """What a journal answers that holds `bodies`, and perhaps a snapshot."""
    return Claim(
        epoch=2,
        revision=len(bodies),
        genesis=encode_genesis(genesis(**settings)),
        snapshot=snapshot,
        events=bodies[snapshot[0] if snapshot else 0 :],
        end=None,
    )


def played(script: list[Act], state: State) -> tuple[list[bytes], list[bytes]]:
    """Every event of the script and the state after each, encoded; `[0]` of both is the start."""
    bodies: list[bytes] = []
    states = [encode_state(state)]
    for act in script:
        replayed = copy.deepcopy(state)
        for event in perform(state, act):
            asked = state.approval if isinstance(event, happened.ApprovalRequested) else None
            saved = asked.saved if asked else None
            bodies.append(encode_entry(Entry(state.updated_ms, event, saved=saved)))
            apply(replayed, event, state.updated_ms)
            if saved is not None:
                save(replayed, saved)
            states.append(encode_state(replayed))
    return bodies, states


# --- where a line stands -------------------------------------------------------------------------


def test_v16_an_answer_stands_after_the_last_line_of_its_own_turn() -> None:
    state = room()
    for text in ("one", "two"):
        do(state, Send(user="ann", text=text))
    do(state, Post(user="ann", text="by the way"))

    for command in record(1, "a", call(id="c"), ToolResult(), "b"):
        do(state, command)

    assert lines(state) == [
        "ann:one", "a", "call c", "result c", "b", "ann:two", "ann:by the way",
    ]  # fmt: skip


def test_v16_an_answer_of_a_turn_that_has_no_line_is_appended() -> None:
    state = room()
    apply(state, said("one", turn=1, role="user"), 1)

    apply(state, said("lost", turn=7), 1)

    assert lines(state) == ["None:one", "lost"]


@pytest.mark.parametrize("role", ["user", "system"])
def test_v17_what_is_no_answer_is_appended_even_if_its_turn_is_old(role: str) -> None:
    state = room()
    for turn in (1, 2):
        apply(state, said(f"question {turn}", turn, role="user"), 1)

    apply(state, said("late", turn=1, role=role), 1)
    apply(state, said("of no turn", turn=0), 1)

    assert [line.text for line in state.history if isinstance(line, Message)] == [
        "question 1", "question 2", "late", "of no turn",
    ]  # fmt: skip


def test_the_input_and_the_outputs_of_a_turn_are_found() -> None:
    state = room()
    for text in ("one", "two"):
        do(state, Send(user="ann", text=text))
    for command in record(1, "a", "b"):
        do(state, command)
    do(state, Post(user="ann", text="of no turn"))

    assert [start_of(state.history, turn) for turn in (1, 2, 3)] == [0, 3, 5]
    assert outputs_of(state.history, 1) == state.history[1:3]
    assert outputs_of(state.history, 2) == []


# --- what is remembered --------------------------------------------------------------------------


def test_every_event_is_one_revision_and_dates_the_state() -> None:
    state = room()

    do(state, Send(user="ann", text="hi"), at_ms=5000)

    assert (state.revision, state.updated_ms) == (2, 5000)


def test_the_outcomes_of_the_last_turns_are_remembered() -> None:
    state = room()

    for turn in range(1, REMEMBERED_TURNS + 4):
        do(state, Send(user="ann", text="?"))
        do(state, FinishTurn(turn=turn, status="completed"))

    assert list(state.outcomes) == list(range(4, REMEMBERED_TURNS + 4))


def test_a_pipeline_that_still_reads_the_history_is_not_disturbed_by_a_second_attempt() -> None:
    state = room()
    do(state, Send(user="ann", text="one"))
    do(state, record(1, "half")[0])
    read = state.history

    apply(state, happened.TurnStarted(turn=1, user="ann", attempt=2), 1)

    assert len(read) == 2
    assert lines(state) == ["ann:one"]
    assert state.messages == 1


def test_a_listing_shows_what_the_session_is() -> None:
    state = room("bob")
    do(state, Send(user="bob", text="hi"), at_ms=6000)

    row = state.index_row()

    assert (row.id, row.owner, row.name, row.state) == ("s", "ann", "a room", "active")
    assert (row.participants, row.messages, row.turns) == (2, 1, 1)
    assert (row.created_ms, row.updated_ms) == (1000, 6000)


@settings(max_examples=100, deadline=None)
@given(script=acts())
def test_the_count_of_messages_is_right(script: list[Act]) -> None:
    state = room("bob")

    for act in script:
        perform(state, act)

    assert state.messages == sum(isinstance(line, Message) for line in state.history)


# --- written and read back -----------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(script=acts())
def test_a_snapshot_is_the_state(script: list[Act]) -> None:
    state = room("bob", "cem", require_approval=True)
    for act in script:
        perform(state, act)

    woken = written_out(state)

    assert woken == state
    assert list(woken.participants) == list(state.participants)
    assert list(woken.pending) == list(state.pending)
    assert list(woken.open_calls) == list(state.open_calls)
    assert list(woken.outcomes) == list(state.outcomes)


@settings(max_examples=100, deadline=None)
@given(script=acts(), cut=st.integers(0, 2**16), started=st.booleans())
def test_recovery_from_any_snapshot_or_none_gives_the_same_state(
    script: list[Act], cut: int, started: bool
) -> None:
    bodies, states = played(script, room(started=started))
    cut %= len(states)

    for snapshot in (None, (cut, states[cut])):
        restored = restore(claim(bodies, snapshot, started=started), "s")

        assert encode_state(restored) == states[-1]
        assert restored.revision == len(bodies)


@settings(max_examples=50, deadline=None)
@given(script=acts(), cut=st.integers(0, 2**16))
def test_recovery_of_any_prefix_gives_the_state_at_that_revision(
    script: list[Act], cut: int
) -> None:
    bodies, states = played(script, room())
    cut %= len(states)

    assert encode_state(restore(claim(bodies[:cut]), "s")) == states[cut]


@settings(max_examples=100, deadline=None)
@given(value=PLAIN, text=TEXT)
def test_p22_free_form_values_come_back_exactly_from_the_journal(value: Any, text: str) -> None:
    events: list[Durable] = [
        happened.ToolCalled(call=ToolCall(name=text, arguments={text: value}, id="a", turn=1)),
        happened.ToolReturned(result=ToolResult(value=value, id="a", turn=1)),
        said(text),
    ]
    state = room()

    for event in events:
        entry = decode_entry(encode_entry(Entry(1, event)))
        assert repr(entry.event) == repr(event)
        apply(state, entry.event, 1)

    assert repr(written_out(state).history) == repr(state.history)


# --- damage --------------------------------------------------------------------------------------


def journaled() -> list[bytes]:
    state, bodies = room(), []
    for command in (Join(user="bob", name="Bob"), Post(user="bob", text="hi"), Leave(user="ann")):
        bodies += [encode_entry(Entry(2000, event)) for event in do(state, command)]
    return bodies


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x90", b"not msgpack", encode_state(room())])
@pytest.mark.parametrize("at", [0, 2, 3])
def test_an_event_that_cannot_be_read_is_reported_as_damage(body: bytes, at: int) -> None:
    bodies = journaled()
    bodies[at] = body

    with pytest.raises(SessionDamaged) as damage:
        restore(claim(bodies), "s")

    assert damage.value.session == "s"


def test_a_snapshot_that_cannot_be_read_is_reported_with_its_revision() -> None:
    with pytest.raises(SessionDamaged) as damage:
        restore(claim(journaled(), (2, b"torn")), "s")

    assert damage.value.revision == 2


@pytest.mark.parametrize("missing", [0, 1, 3])
def test_a_missing_event_is_reported_as_damage(missing: int) -> None:
    bodies = journaled()
    whole = claim(bodies)
    del bodies[missing]

    with pytest.raises(SessionDamaged):
        restore(Claim(**{**_fields(whole), "events": bodies}), "s")


def test_an_event_that_cannot_be_folded_is_reported_as_damage() -> None:
    stranger = happened.HostChanged(host="nobody", previous="ann")

    with pytest.raises(SessionDamaged, match="nobody"):
        restore(claim([encode_entry(Entry(1, stranger))]), "s")


def test_a_damaged_genesis_is_reported() -> None:
    damaged = Claim(**{**_fields(claim([])), "genesis": b"\x80"})

    with pytest.raises(SessionDamaged, match="id"):
        restore(damaged, "s")


def test_a_state_has_every_field_that_the_rules_have_set() -> None:
    state = room(max_participants=3, require_approval=True)
    do(state, Join(user="cem", name="Cem"))
    do(state, Send(user="ann", text="one"))
    do(state, Send(user="ann", text="two"))
    do(state, record(1, call(id="a"))[0])
    do(state, Pause(by="ann"))

    assert decode_state(encode_state(state)) == state

    do(state, End(by="ann"))
    assert decode_state(encode_state(state)) == state


def _fields(claimed: Claim) -> dict[str, Any]:
    return {field: getattr(claimed, field) for field in Claim.__struct_fields__}
