"""A stored session as one of greenroom's, both ways, without a loop (spec S07, S09, SX4)."""

from __future__ import annotations

import copy
import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from records.test_layout import SESSIONS
from session.cast import PLAIN, TEXT, do, written_out

from greenroom.actors.errors import InvalidInput
from greenroom.actors.session.audit import audit
from greenroom.actors.session.commands import Post, RecordInteraction, SetLanguage, Truncate, Undo
from greenroom.actors.session.entry import decode_entry, encode_entry
from greenroom.actors.session.events import InteractionRecorded
from greenroom.actors.session.fold import fold_entry
from greenroom.actors.session.fork import forked
from greenroom.actors.session.importing import Plan, plan_of
from greenroom.actors.session.info import snapshot
from greenroom.actors.session.record_reading import read_session
from greenroom.actors.session.record_wire import (
    StoredInteraction,
    StoredSession,
    session_wire,
    stored_interaction,
    stored_session,
)
from greenroom.actors.session.records import records_of
from greenroom.actors.session.state import State, decode_genesis, encode_genesis
from greenroom.actors.session.transcript import ImportedMessage, Message
from greenroom.actors.session.view import is_input
from greenroom.actors.session.voice_wire import voice_message

NOW_MS = 1_800_000_000_000


def planned(stored: StoredSession) -> Plan:
    return plan_of(stored, incarnation="cafe", owner="ann", owner_name="Ann", now_ms=NOW_MS)


def imported(stored: StoredSession) -> tuple[State, list[StoredInteraction]]:
    """The session as it comes out of a journal, and its interactions."""
    plan, interactions = planned(stored), list[StoredInteraction]()
    state = State.at_creation(decode_genesis(encode_genesis(plan.genesis)))
    for entry in map(decode_entry, map(encode_entry, plan.entries)):
        fold_entry(state, entry)
        if isinstance(entry.event, InteractionRecorded):
            interactions.append(stored_interaction(entry.event, entry.at_ms))
    return written_out(state), interactions


def said(*messages: dict[str, Any], **fields: Any) -> StoredSession:
    return read_session({"session_id": "s", "chat_history": list(messages)} | fields)


def exported(stored: StoredSession) -> dict[str, Any]:
    return session_wire(stored_session(*imported(stored)))


IMPORTABLE = SESSIONS.filter(lambda session: 0 not in (session.created_ms, session.updated_ms))
WITH_OTHER_COUNTERS = st.builds(
    lambda session, others: read_session(
        session_wire(session) | {"session_id": "s", "feedback_summary": others | session.feedback}
    ),
    IMPORTABLE,
    st.dictionaries(TEXT, PLAIN, max_size=2),
)


@given(session=WITH_OTHER_COUNTERS)
def test_s07_s09_sx4_what_is_imported_is_exported_exactly(session: StoredSession) -> None:
    before = json.dumps(session_wire(session))

    state, interactions = imported(session)

    assert stored_session(state, interactions) == session
    assert json.dumps(session_wire(stored_session(state, interactions))) == before
    assert (state.messages, len(state.history)) == (len(session.messages),) * 2
    assert (state.index_row().interactions, state.last_turn) == (len(interactions), 0)
    assert state.lifecycle == "active"
    assert audit(state.history) == ()


def test_s09_times_that_are_missing_are_those_of_what_happened() -> None:
    spoke = {"role": "user", "content": "hi", "timestamp": "1970-01-01T00:00:02Z"}
    acted = {"action_type": "view", "timestamp": "1970-01-01T00:00:03Z"}
    silent = {"role": "user", "content": "when was that?"}

    def times(stored: StoredSession) -> tuple[int, int]:
        state, _ = imported(stored)
        return state.created_ms, state.updated_ms

    both = said(spoke, silent, interactions=[acted])
    assert times(both) == (2000, 3000)
    assert times(said(spoke, created_at="1970-01-01T00:00:01Z")) == (1000, 2000)
    assert times(said(spoke, updated_at="1970-01-01T00:00:09Z")) == (2000, 9000)
    assert times(said(updated_at="1970-01-01T00:00:09Z")) == (9000, 9000)
    assert times(said(silent)) == (NOW_MS, NOW_MS)
    wire = exported(both)
    assert [line["timestamp"][:19] for line in wire["chat_history"]] == [
        "1970-01-01T00:00:02",
        "1970-01-01T00:00:00",
    ]


def test_s05_the_counters_are_those_that_were_stored_and_go_on_from_there() -> None:
    """The source loses counts, and so a file may say less, or more, than its interactions."""
    judged = [{"action_type": "feedback", "feedback": "correct"}] * 3
    stored = said(interactions=judged, feedback_summary={"correct": 1, "partial": 7, "so-so": 4})

    state, _ = imported(stored)

    counters = {"correct": 1, "incorrect": 0, "partial": 7}
    assert records_of(state).feedback == counters
    assert (state.index_row().interactions, state.index_row().feedback) == (3, 8)
    for feedback in ("correct", "so-so"):
        acted = RecordInteraction(user="ann", action="feedback", feedback=feedback, metadata={})
        do(state, acted)
    assert records_of(state).feedback == counters | {"correct": 2}
    wire = session_wire(stored_session(state, []))
    assert wire["feedback_summary"] == counters | {"correct": 2, "so-so": 4}


def test_sx4_what_stood_beside_the_counters_is_kept_whatever_it_is() -> None:
    summary = {"correct": 1, "average": 0.5, "notes": ["a", None]}

    wire = exported(said(feedback_summary=summary))

    assert wire["feedback_summary"] == {"correct": 1, "incorrect": 0, "partial": 0} | summary


@pytest.mark.parametrize("count", [-1, 2**53 + 1, 1.0, True, None])
def test_s09_a_counter_that_is_none_is_refused(count: Any) -> None:
    with pytest.raises(InvalidInput) as refusal:
        said(feedback_summary={"correct": count})

    assert refusal.value.field == "session.feedback_summary.correct"


def test_sx4_a_message_keeps_its_language_whatever_the_session_speaks() -> None:
    stored = said(
        {"role": "user", "content": "merhaba", "language": "tr"},
        {"role": "user", "content": "hi", "language": "en"},
        language="en",
    )
    state, _ = imported(stored)

    do(state, SetLanguage(user="ann", language="de"))
    do(state, Post(user="ann", text="hallo"))

    wire = session_wire(stored_session(state, []))
    assert [line["language"] for line in wire["chat_history"]] == ["tr", "en", "de"]


def test_sx4_another_role_is_kept_and_has_no_authority() -> None:
    """It is no person's message, which would be undone and be the title, and no instruction."""
    stored = said({"role": "tool", "content": "42"}, {"role": "", "content": ""})

    state, _ = imported(stored)

    assert [line.role for line in state.history if isinstance(line, Message)] == ["assistant"] * 2
    assert state.index_row().title == "New Chat"
    assert [line["role"] for line in exported(stored)["chat_history"]] == ["tool", ""]


def test_s06_an_imported_session_is_called_by_what_a_person_said_first() -> None:
    stored = said({"role": "system", "content": "be brief"}, {"role": "user", "content": "x" * 36})

    assert imported(stored)[0].index_row().title == "x" * 35 + "..."


def test_what_was_imported_is_undone_and_cut_like_anything_else() -> None:
    stored = said(
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "1"},
        {"role": "user", "content": "two"},
        {"role": "assistant", "content": "2"},
    )
    state, _ = imported(stored)

    do(state, Undo(user="ann"))
    assert [
        line["content"] for line in session_wire(stored_session(state, []))["chat_history"]
    ] == [
        "be brief",
        "one",
        "1",
    ]
    do(state, Truncate(user="ann", message=0))
    assert state.messages == len(state.history) == 1


def test_a_fork_has_what_was_imported_but_for_what_was_done_with_it() -> None:
    stored = said(
        {"role": "tool", "content": "42", "id": 7},
        version=3,
        feedback_summary={"correct": 2, "so-so": 4},
        interactions=[{"action_type": "view"}],
    )
    state, _ = imported(stored)
    options: dict[str, Any] = {"id": "f", "incarnation": "beef", "owner": "bob", "name": None}

    fork = State.at_creation(forked(state, **options, owner_name="Bob", created_ms=5))

    wire = session_wire(stored_session(fork, []))
    assert wire["version"] == 3
    assert (wire["chat_history"][0]["role"], wire["chat_history"][0]["id"]) == ("tool", 7)
    assert wire["feedback_summary"] == {"correct": 0, "incorrect": 0, "partial": 0}


def test_sx20_what_is_unknown_is_neither_taken_nor_handed_out_by_reference() -> None:
    stored = said({"role": "user", "content": "hi", "mood": ["x"]}, version=["y"])
    before = copy.deepcopy(stored)
    plan = planned(stored)
    state = State.at_creation(plan.genesis)

    out = stored_session(state, [])
    out.unknown["version"].append("changed")
    out.messages[0].unknown["mood"].append("changed")
    (line,) = snapshot(state, ()).transcript
    assert isinstance(line, ImportedMessage)
    assert line.unknown is not None
    line.unknown["mood"].append("changed")
    stored.unknown["version"].append("changed")
    stored.messages[0].unknown["mood"].append("changed")

    again = stored_session(state, [])
    assert (again.unknown, again.messages) == (before.unknown, before.messages)


@pytest.mark.parametrize(
    "session", ["../pwned", "a/b", "", ".", "..", "/etc/passwd", "a\0", "x" * 129, "a\\b", "é"]
)
def test_sx1_an_id_that_no_session_can_have_is_refused_by_its_field(session: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        planned(read_session({"session_id": session}))

    assert refusal.value.field == "session.session_id"
    assert "1 to 128" in refusal.value.limit


def test_a_language_that_no_listing_can_show_is_refused() -> None:
    assert planned(read_session({"session_id": "s", "language": "x" * 128})).genesis.records
    with pytest.raises(InvalidInput) as refusal:
        planned(read_session({"session_id": "s", "language": "x" * 129}))
    assert refusal.value.field == "session.language"


@pytest.mark.parametrize("at", ["9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+01:00"])
def test_sx15_a_time_that_no_calendar_has_is_refused_where_it_is_read(at: str) -> None:
    """It could be read, and then never be written again."""
    with pytest.raises(InvalidInput) as refusal:
        read_session({"session_id": "s", "updated_at": at})
    assert refusal.value.field == "session.updated_at"


@pytest.mark.parametrize("text", ["\ud800", "x" * (256 * 1024 + 1)])
@pytest.mark.parametrize("name", ["role", "content", "language"])
def test_sx2_a_text_that_cannot_be_kept_is_refused_where_it_is_read(name: str, text: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        said({"role": "user", "content": "", name: text})

    assert refusal.value.field == f"session.chat_history[0].{name}"


def test_p18_a_message_that_was_not_imported_is_no_larger_and_any_is_a_message() -> None:
    message = ImportedMessage(text="hi", role="user", language="tr", unknown={"x": 1}, at_ms=1)

    assert Message.__struct_fields__ == (
        *("text", "role", "author", "turn", "at_ms", "interrupted", "key", "delivered"),
    )
    assert sys.getsizeof(Message(text="hi")) < sys.getsizeof(message)
    assert isinstance(message, Message)
    assert is_input(message)
    assert voice_message(message) == {
        "role": "user",
        "content": "hi",
        "timestamp": "1970-01-01T00:00:00.001+00:00",
    }
