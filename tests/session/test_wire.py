from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest

from greenroom.actors.session import events as happened
from greenroom.actors.session.events import KINDS, Event
from greenroom.actors.session.items import Published
from greenroom.actors.session.transcript import Message, ToolCall, ToolResult
from greenroom.actors.session.wire import EventType, RoomEvent, iso, room_event

ASKED: dict[str, Any] = {"turn": 2, "approval": "2-7"}
BOB = {"user": "bob", "name": "Bob"}
SAYS = Message(text="hi", role="user", author="bob", turn=2, at_ms=1)
ANSWERS = Message(text="hello", turn=2, at_ms=1)


def published(event: Event, revision: int = 7, **place: Any) -> Published:
    return Published(
        event=event,
        at_ms=1_700_000_000_123,
        revision=revision,
        **{"epoch": 2, "position": 9, "session": "s", "incarnation": "cafe", **place},
    )


WIRE: list[tuple[Event, EventType, str, str, dict[str, Any]]] = [
    (happened.MessagePosted(message=SAYS), "message", "bob", "hi", {"role": "user", "turn": 2}),
    (
        happened.MessagePosted(message=ANSWERS),
        *("message", "", "hello", {"role": "assistant", "turn": 2}),
    ),
    (
        happened.JoinRequested(**BOB, role="observer", host="ann"),
        *("user_join", "bob", "Bob is requesting to join", {"user_id": "bob", "pending": True}),
    ),
    (
        happened.Joined(**BOB, role="participant"),
        *("user_join", "bob", "Bob joined the session", {}),
    ),
    (
        happened.JoinDenied(user="bob", by="ann"),
        *("state_change", "ann", "Join request denied", {"user_id": "bob"}),
    ),
    (happened.Left(**BOB), "user_leave", "bob", "Bob left the session", {}),
    (
        happened.HostChanged(host="bob", previous="ann"),
        *("state_change", "", "bob is now the host", {"host": "bob", "was": "ann"}),
    ),
    (
        happened.ActionTaken(user="bob", action="wave", data={"to": "ann"}),
        *("action", "bob", "Action: wave", {"to": "ann", "action_type": "wave"}),
    ),
    (
        happened.ContextUpdated(user="bob", patch={"z": 1, "a": None}),
        *("state_change", "bob", "Context updated", {"updates": ["z", "a"]}),
    ),
    (
        happened.ApprovalRequested(**ASKED, calls=["a"], expires_ms=9000),
        *("action", "", "Approval requested"),
        {**ASKED, "calls": ["a"], "expires_ms": 9000, "action_type": "approval.requested"},
    ),
    (
        happened.ApprovalDecided(**ASKED, by="bob", decisions={"a": True}),
        *("action", "bob", "Approval decided"),
        {**ASKED, "by": "bob", "decisions": {"a": True}, "action_type": "approval.decided"},
    ),
    (
        happened.ApprovalDecided(**ASKED, by=None, decisions={"a": False}),
        *("action", "", "Approval expired"),
        {**ASKED, "by": None, "decisions": {"a": False}, "action_type": "approval.decided"},
    ),
    (
        happened.MemoryAdded(user="bob", memory="m"),
        *("memory_update", "bob", "Memory added to session", {"memory_id": "m"}),
    ),
    (
        happened.Acknowledged(user="bob", upto=3),
        *("action", "bob", "Action: event.acknowledged"),
        {"user": "bob", "upto": 3, "action_type": "event.acknowledged"},
    ),
    (
        happened.InteractionRecorded(user="bob", action="prune", node="n", feedback="correct"),
        *("action", "bob", "Action: interaction.recorded"),
        {
            "user": "bob",
            "action": "prune",
            "node": "n",
            "feedback": "correct",
            "action_type": "interaction.recorded",
        },
    ),
    (
        happened.GraphStateSet(user="bob", value={"nodes": [1]}),
        *("action", "bob", "Action: graph.set"),
        {"user": "bob", "value": {"nodes": [1]}, "action_type": "graph.set"},
    ),
    (
        happened.LanguageSet(user="bob", language="tr"),
        *("action", "bob", "Action: language.set"),
        {"user": "bob", "language": "tr", "action_type": "language.set"},
    ),
    (
        happened.MetadataUpdated(user="bob", patch={"a": None}),
        *("action", "bob", "Action: metadata.updated"),
        {"user": "bob", "patch": {"a": None}, "action_type": "metadata.updated"},
    ),
    (
        happened.TitleSet(user="bob", title=None),
        *("action", "bob", "Action: title.set"),
        {"user": "bob", "title": None, "action_type": "title.set"},
    ),
    (
        happened.ExportSet(user="bob", allowed=False),
        *("action", "bob", "Action: export.set"),
        {"user": "bob", "allowed": False, "action_type": "export.set"},
    ),
    (
        happened.SessionStarted(by="ann"),
        *("state_change", "ann", "Session started", {"new_state": "active"}),
    ),
    (
        happened.SessionPaused(by="ann"),
        *("state_change", "ann", "Session paused", {"new_state": "paused"}),
    ),
    (
        happened.SessionResumed(by="ann"),
        *("state_change", "ann", "Session resumed", {"new_state": "active"}),
    ),
    (
        happened.SessionEnded(by="ann"),
        *("state_change", "ann", "Session ended", {"new_state": "ended"}),
    ),
    (
        happened.TurnEnded(turn=2, status="failed", reason="Boom"),
        *("error", "", "Boom", {"turn": 2, "status": "failed"}),
    ),
    (
        happened.TurnEnded(turn=2, status="lost", reason="crash"),
        *("error", "", "crash", {"turn": 2, "status": "lost"}),
    ),
    (
        happened.TranscriptCut(by="bob", why="undo", keep=2, removed=3),
        *("action", "bob", "Action: undo_complete"),
        {"removed": 3, "action_type": "undo_complete"},
    ),
    (
        happened.TranscriptCut(by="bob", why="truncate", keep=2, removed=3),
        *("action", "bob", "Action: truncate_complete"),
        {"removed": 3, "action_type": "truncate_complete"},
    ),
    (
        happened.SessionEnded(by="", reason="no tools"),
        *("state_change", "", "Session ended", {"new_state": "ended", "reason": "no tools"}),
    ),
    (
        happened.SessionReady(message="Agent initialized"),
        *("action", "", "Agent initialized"),
        {"action_type": "ready", "message": "Agent initialized"},
    ),
    (
        happened.ResourcesFailed(reason="no tools"),
        *("error", "", "no tools", {"resources": True}),
    ),
    (
        happened.DeliveryFailed(user="bob", reason="Boom"),
        *("error", "bob", "Boom", {"delivery": True}),
    ),
]


@pytest.mark.parametrize(("event", "kind", "user", "content", "data"), WIRE)
def test_r02_r13_to_r24_each_event_has_its_words(
    event: Event, kind: EventType, user: str, content: str, data: dict[str, Any]
) -> None:
    wire = room_event(published(event))

    assert (wire.event_type, wire.user_id, wire.content) == (kind, user, content)
    assert wire.data == data
    assert list(wire.data) == list(data)


OTHERS: list[Event] = [
    happened.TurnQueued(turn=2, user="bob"),
    happened.TurnStarted(turn=2, user="bob"),
    happened.TurnEnded(turn=2, status="completed"),
    happened.ToolCalled(call=ToolCall(name="look", id="a")),
    happened.ToolReturned(result=ToolResult(value={"x": [1]}, id="a")),
    happened.TextStreamed(2, "hel"),
    happened.PresenceChanged(user="bob", cursor="x"),
    happened.TurnSteered(turn=3, into=2),
    happened.TurnHandedBack(turn=2, cause="drain"),
    happened.TurnStopped(turn=2, attempt=1, how="stopped"),
    happened.TurnRolledBack(turn=2, by="bob", removed=3),
    happened.Compacted(turn=2, lines=4, summary="in short"),
    happened.DialogSet(user="bob", dialog=[happened.Exchange(user="hi", assistant="ho")]),
    happened.SessionClosing(by="bob"),
    happened.PhaseChanged(phase="listening", turn=2, user="bob"),
    happened.VisualStarted(source="camera", user="bob"),
    happened.VisualStopped(source="camera", user="bob"),
    happened.WakeSet(user="bob", name="tea", due_ms=5, payload={"cups": 2}),
    happened.WakeCancelled(user="bob", name="tea", due_ms=5),
    happened.WakeFired(id="tea@5", name="tea", due_ms=5, turn=2, payload={"cups": 2}),
]


@pytest.mark.parametrize("event", OTHERS)
def test_r02_all_else_is_an_action_that_names_its_kind(event: Event) -> None:
    wire = room_event(published(event))

    assert wire.event_type == "action"
    assert KINDS[wire.data["action_type"]] is type(event)
    assert wire.content == f"Action: {wire.data['action_type']}"
    assert wire.user_id == getattr(event, "user", "")


def test_v01_a_phase_that_a_turn_has_moved_is_nobodys_act() -> None:
    wire = room_event(published(happened.PhaseChanged(phase="speaking", turn=2)))

    assert wire.user_id == ""
    assert (wire.data["phase"], wire.data["turn"]) == ("speaking", 2)


@pytest.mark.parametrize(
    "event",
    [
        happened.DialogSet(user="bob", dialog=[happened.Exchange(user="secret", assistant="")]),
        happened.TurnQueued(turn=2, user="bob", kind="greeting", prompt="secret"),
        happened.TurnStarted(turn=2, user="bob", kind="greeting", prompt="secret"),
    ],
)
def test_v05_what_is_told_to_pipelines_only_is_not_in_the_wire_form(event: Event) -> None:
    assert "secret" not in str(room_event(published(event)))


def test_r02_no_kind_of_event_is_left_out() -> None:
    shown = {type(event) for event, *_ in WIRE} | {type(event) for event in OTHERS}

    assert shown == set(KINDS.values())
    assert {room_event(published(event)).event_type for event, *_ in WIRE} == set(
        get_args(EventType)
    )


def test_r04_the_keys_in_their_order() -> None:
    wire = msgspec.to_builtins(room_event(published(happened.Left(**BOB))))

    assert list(wire) == [
        *("id", "session_id", "event_type", "user_id", "timestamp"),
        *("content", "data", "sequence"),
    ]
    assert RoomEvent.__struct_fields__ == tuple(wire)
    assert wire["timestamp"] == iso(1_700_000_000_123) == "2023-11-14T22:13:20.123+00:00"
    assert wire["sequence"] == 7


def test_r26_the_id_of_a_durable_event_is_that_of_its_revision_wherever_it_is_read() -> None:
    left = happened.Left(**BOB)
    live = room_event(published(left))
    stored = room_event(published(left, epoch=0, position=0))
    healed = room_event(published(left, epoch=0, position=0, healed=True))

    assert live.id == stored.id == healed.id
    assert live.id != room_event(published(left, revision=8)).id
    assert live.id != room_event(published(left, incarnation="beef")).id
    assert live.id != room_event(published(left, session="t")).id


def test_r26_the_id_of_an_ephemeral_event_is_that_of_its_place() -> None:
    piece = happened.TextStreamed(2, "hel")
    ids = {
        room_event(published(piece, **place)).id
        for place in ({}, {"position": 10}, {"epoch": 3}, {"revision": 8})
    }

    assert len(ids) == 4
    assert room_event(published(happened.Left(**BOB))).id not in ids
