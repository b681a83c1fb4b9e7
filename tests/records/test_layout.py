"""The layout in which sessions are stored and exported, both ways (spec S01-S09, SX15, SX16)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from session.cast import PLAIN, TEXT, do, room

from greenroom.actors.errors import InvalidInput
from greenroom.actors.session.commands import Post, RecordInteraction, SetGraphState, SetMetadata
from greenroom.actors.session.events import InteractionRecorded
from greenroom.actors.session.record_reading import (
    ms_of,
    read_interaction,
    read_message,
    read_session,
)
from greenroom.actors.session.record_wire import (
    StoredInteraction,
    StoredMessage,
    StoredSession,
    interaction_wire,
    message_wire,
    session_wire,
    stored_interaction,
    stored_message,
    stored_session,
)
from greenroom.actors.session.transcript import Message

NO_FEEDBACK = {"correct": 0, "incorrect": 0, "partial": 0}


def test_s01_a_message_and_back() -> None:
    stored = stored_message(Message(text="hi", role="user", author="ann", at_ms=1_700_000_000_123))

    wire = message_wire(stored)

    assert list(wire.items()) == [
        ("role", "user"),
        ("content", "hi"),
        ("timestamp", "2023-11-14T22:13:20.123+00:00"),
        ("language", "en"),
    ]
    assert read_message(wire) == stored


def test_s02_an_interaction_and_back() -> None:
    event = InteractionRecorded(
        user="ann", action="prune", node="n", content="c", feedback="meh", metadata={"a": [1]}
    )
    stored = stored_interaction(event, 1000)

    wire = interaction_wire(stored)

    assert list(wire.items()) == [
        ("timestamp", "1970-01-01T00:00:01.000+00:00"),
        ("action_type", "prune"),
        ("node_id", "n"),
        ("content", "c"),
        ("feedback", "meh"),
        ("metadata", {"a": [1]}),
    ]
    assert read_interaction(wire) == stored
    wire["metadata"]["a"].append(2)
    assert (event.metadata, stored.metadata) == ({"a": [1]}, {"a": [1]})


def test_s02_what_an_interaction_may_lack() -> None:
    assert read_interaction({"action_type": "view"}) == StoredInteraction(action_type="view")
    assert interaction_wire(StoredInteraction(action_type="view"))["metadata"] == {}
    nulls = {"action_type": "view", "node_id": None, "content": None, "feedback": None}
    assert read_interaction(nulls | {"metadata": None}) == StoredInteraction(action_type="view")


def test_s03_s07_a_session_and_back() -> None:
    state = room("bob")
    do(state, Post(user="bob", text="hi"), at_ms=3000)
    acted = RecordInteraction(user="bob", action="view", feedback="partial", metadata={})
    (event,) = do(state, acted, at_ms=4000)
    do(state, SetGraphState(user="ann", value={"n": [1]}), at_ms=5000)
    do(state, SetMetadata(user="ann", patch={"m": 1}), at_ms=6000)
    assert isinstance(event, InteractionRecorded)

    stored = stored_session(state, [stored_interaction(event, 4000)])
    wire = session_wire(stored)

    assert list(wire) == [
        *("session_id", "created_at", "updated_at", "language", "chat_history", "interactions"),
        *("graph_state", "metadata", "feedback_summary"),
    ]
    assert (wire["session_id"], wire["language"]) == ("s", "en")
    assert wire["created_at"] == "1970-01-01T00:00:01.000+00:00"
    assert wire["updated_at"] == "1970-01-01T00:00:06.000+00:00"
    assert [message["content"] for message in wire["chat_history"]] == ["hi"]
    assert [done["action_type"] for done in wire["interactions"]] == ["view"]
    assert (wire["graph_state"], wire["metadata"]) == ({"n": [1]}, {"m": 1})
    assert wire["feedback_summary"] == NO_FEEDBACK | {"partial": 1}
    assert read_session(json.loads(json.dumps(wire))) == stored
    wire["graph_state"]["n"].append(2)
    assert stored.graph_state == {"n": [1]}


def test_s03_a_session_at_its_beginning() -> None:
    wire = session_wire(stored_session(room(), []))

    assert (wire["language"], wire["graph_state"], wire["metadata"]) == ("en", None, {})
    assert (wire["chat_history"], wire["interactions"]) == ([], [])
    assert wire["feedback_summary"] == NO_FEEDBACK


def test_s09_of_a_session_only_the_id_must_be_there() -> None:
    session = read_session({"session_id": "s"})

    assert session == StoredSession(session_id="s", feedback=NO_FEEDBACK)
    assert (session.language, session.metadata, session.graph_state) == ("en", {}, None)
    for lacking in ({}, {"language": "en"}, {"session_id": None}, {"session_id": 1}):
        with pytest.raises(InvalidInput) as refusal:
            read_session(lacking)
        assert refusal.value.field == "session.session_id"


def test_s09_counters_that_are_missing_are_filled_and_others_are_kept() -> None:
    session = read_session({"session_id": "s", "feedback_summary": {"correct": 2, "so-so": 3}})

    assert session.feedback == NO_FEEDBACK | {"correct": 2, "so-so": 3}
    assert read_session(session_wire(session)) == session


def test_s09_fields_that_nobody_knows_are_kept_on_every_level() -> None:
    wire = {
        "session_id": "s",
        "chat_history": [{"role": "user", "content": "hi", "mood": {"x": [1]}}],
        "interactions": [{"action_type": "view", "device": "phone"}],
        "version": 3,
    }

    session = read_session(wire)

    assert session.unknown == {"version": 3}
    assert session.messages[0].unknown == {"mood": {"x": [1]}}
    assert session.interactions[0].unknown == {"device": "phone"}
    assert read_session(session_wire(session)) == session


@pytest.mark.parametrize(
    ("wire", "field"),
    [
        ([], "session"),
        ({"language": None}, "session.language"),
        ({"chat_history": {}}, "session.chat_history"),
        ({"chat_history": [3]}, "session.chat_history[0]"),
        ({"chat_history": [{"role": "user"}]}, "session.chat_history[0].content"),
        ({"interactions": [{}]}, "session.interactions[0].action_type"),
        (
            {"interactions": [{"action_type": "x", "node_id": 7}]},
            "session.interactions[0].node_id",
        ),
        ({"metadata": [1]}, "session.metadata"),
        ({"graph_state": {"x": float("inf")}}, "session.graph_state.x"),
        ({"feedback_summary": {"correct": -1}}, "session.feedback_summary.correct"),
        ({"feedback_summary": {"correct": "1"}}, "session.feedback_summary.correct"),
        ({"new": float("nan")}, "session.new"),
    ],
)
def test_s09_what_cannot_be_read_is_refused_by_its_name(wire: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        read_session(wire if isinstance(wire, list) else {"session_id": "s"} | wire)

    assert refusal.value.field == field


TIMES = st.integers(-62_135_596_800_000, 253_402_300_799_999)
"""The years 1 to 9999."""
UNKNOWN = st.dictionaries(TEXT.map(lambda name: f"x{name}"), PLAIN, max_size=2)
MESSAGES = st.builds(
    StoredMessage, role=TEXT, content=TEXT, at_ms=TIMES, language=TEXT, unknown=UNKNOWN
)
INTERACTIONS = st.builds(
    StoredInteraction,
    action_type=TEXT,
    at_ms=TIMES,
    node_id=st.none() | TEXT,
    content=st.none() | TEXT,
    feedback=st.none() | TEXT,
    metadata=st.dictionaries(TEXT, PLAIN, max_size=2),
    unknown=UNKNOWN,
)
SESSIONS = st.builds(
    StoredSession,
    session_id=TEXT,
    created_ms=TIMES,
    updated_ms=TIMES,
    language=TEXT,
    messages=st.lists(MESSAGES, max_size=3).map(tuple),
    interactions=st.lists(INTERACTIONS, max_size=3).map(tuple),
    graph_state=PLAIN,
    metadata=st.dictionaries(TEXT, PLAIN, max_size=2),
    feedback=st.fixed_dictionaries(dict.fromkeys(NO_FEEDBACK, st.integers(0, 9))),
    unknown=UNKNOWN,
)


@given(session=SESSIONS)
def test_s03_whatever_is_written_is_read_back(session: StoredSession) -> None:
    assert read_session(json.loads(json.dumps(session_wire(session)))) == session


# --- times ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timestamp", "at_ms"),
    [
        ("2023-11-14T22:13:20.123+00:00", 1_700_000_000_123),
        ("2023-11-14T22:13:20.123Z", 1_700_000_000_123),
        ("2023-11-14T22:13:20.123999", 1_700_000_000_123),
        ("2023-11-15T03:43:20.123+05:30", 1_700_000_000_123),
        ("2023-11-14 22:13:20", 1_700_000_000_000),
        ("1969-12-31T23:59:59.999", -1),
    ],
)
def test_sx15_aware_or_not_a_time_is_read_once_as_an_instant(timestamp: str, at_ms: int) -> None:
    assert ms_of(timestamp, "updated_at") == at_ms
    assert read_session({"session_id": "s", "updated_at": timestamp}).updated_ms == at_ms


@pytest.mark.parametrize(
    "timestamp", ["", "yesterday", "2023-13-01", "1700000000", "2023-11-14T25:00", 17, 1.5, None]
)
@pytest.mark.parametrize("name", ["created_at", "updated_at"])
def test_sx15_a_time_that_is_none_is_refused_where_it_is_read(timestamp: Any, name: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        read_session({"session_id": "s", name: timestamp})

    assert refusal.value.field == f"session.{name}"
    with pytest.raises(InvalidInput):
        read_message({"role": "user", "content": "", "timestamp": timestamp})


def test_sx16_times_are_utc_wherever_the_process_runs(in_new_york: None) -> None:
    """By its local time the second would have been before the first."""
    first, second = ms_of("2023-11-05T05:30:00", "at"), ms_of("2023-11-05T06:15:00", "at")
    state = room()
    do(state, Post(user="ann", text="hi"), at_ms=first)
    wire = session_wire(stored_session(state, []))

    assert second - first == 45 * 60 * 1000
    assert first == 1_699_162_200_000
    assert wire["updated_at"] == "2023-11-05T05:30:00.000+00:00"
    assert read_session(wire).updated_ms == first
