"""What is recorded of a session, by its rules alone (spec S05, S06, S14-S18)."""

from __future__ import annotations

from typing import Any

import pytest
from session.cast import do, refuse, room

from greenroom.actors.errors import InvalidInput, NotAllowed, NotMember, SessionEnded
from greenroom.actors.session.commands import (
    Command,
    Compact,
    End,
    FinishTurn,
    Join,
    Post,
    RecordInteraction,
    Send,
    SetGraphState,
    SetLanguage,
    SetMetadata,
    SetTitle,
    Undo,
)
from greenroom.actors.session.events import InteractionRecorded, TitleSet
from greenroom.actors.session.fork import forked
from greenroom.actors.session.records import Records, records_of, title_of
from greenroom.actors.session.rules import records as rules
from greenroom.actors.session.state import State, decode_state, encode_state


def interaction(feedback: str | None = None, user: str = "ann", **fields: Any) -> RecordInteraction:
    given = {"action": "feedback", "metadata": {}} | fields
    return RecordInteraction(user=user, feedback=feedback, **given)


EVERY: list[Command] = [
    interaction("correct", user="bob"),
    SetGraphState(user="bob", value={"nodes": []}),
    SetLanguage(user="bob", language="tr"),
    SetMetadata(user="bob", patch={"a": 1}),
    SetTitle(user="bob", title="a title"),
]
ALL = pytest.mark.parametrize("command", EVERY, ids=lambda command: type(command).__name__)


def test_s05_feedback_that_is_known_is_counted_and_any_other_is_kept() -> None:
    state = room()
    given = ["correct", "partial", "correct", "incorrect", "so-so", "", None, "Correct"]

    events = [event for feedback in given for event in do(state, interaction(feedback))]

    assert [event.feedback for event in events if isinstance(event, InteractionRecorded)] == given
    records = records_of(state)
    assert records.feedback == {"correct": 2, "incorrect": 1, "partial": 1}
    assert records.interactions == len(given)


def test_s05_a_state_does_not_grow_with_what_is_recorded() -> None:
    state = room()
    do(state, interaction("correct", content="x" * 1000))
    before = len(encode_state(state))

    for _ in range(20):
        do(state, interaction("correct", content="x" * 1000))

    assert len(encode_state(state)) <= before


def test_s05_a_session_that_records_nothing_has_no_records() -> None:
    state = room("bob")
    do(state, Post(user="bob", text="hi"))

    assert state.records is None
    assert records_of(state).feedback == {"correct": 0, "incorrect": 0, "partial": 0}
    assert (records_of(state).language, records_of(state).metadata) == ("en", {})


@ALL
def test_s14_whatever_is_recorded_stamps_the_session(command: Command) -> None:
    state = room("bob")

    do(state, command, at_ms=7000)

    assert (state.updated_ms, state.revision) == (7000, 2)
    assert state.participants["bob"].acted_ms == 7000


@ALL
def test_s05_who_may_not_record_is_refused(command: Command) -> None:
    state = room(roles={"mute": ["speak"], "judge": ["record"]})
    refuse(state, command, NotMember)
    for role, allowed in (("observer", False), ("mute", False), ("judge", True)):
        state = room(roles={"mute": ["speak"], "judge": ["record"]})
        do(state, Join(user="bob", name="Bob", role=role))
        if allowed:
            assert do(state, command)
        else:
            assert refuse(state, command, NotAllowed).permission == "record"


@ALL
@pytest.mark.parametrize("started", [True, False])
def test_s05_it_is_recorded_until_the_session_ends(command: Command, started: bool) -> None:
    state = room("bob", started=started)
    assert do(state, command)

    do(state, End(by="ann"))

    refuse(state, command, SessionEnded)


# --- title ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "title"),
    [
        ("hi", "hi"),
        ("", ""),
        ("x" * 35, "x" * 35),
        ("x" * 36, "x" * 35 + "..."),
        ("\N{GRINNING FACE}" * 35, "\N{GRINNING FACE}" * 35),
        ("\N{GRINNING FACE}" * 36, "\N{GRINNING FACE}" * 35 + "..."),
        ("line\nbreak", "line\nbreak"),
    ],
)
def test_s06_a_session_is_called_by_its_first_message(said: str, title: str) -> None:
    state = room("bob")
    assert title_of(state) == "New Chat"

    do(state, Post(user="bob", text=said))
    do(state, Post(user="ann", text="and then"))

    assert title_of(state) == title == state.index_row().title
    assert len(title) <= 38


def test_s06_the_longest_title_is_a_parameter() -> None:
    state = room()
    do(state, Post(user="ann", text="x" * 100))

    assert [len(title_of(state, longest)) for longest in (5, 99, 100)] == [8, 102, 100]


def test_s06_what_a_pipeline_says_is_no_title() -> None:
    state = room()
    do(state, Send(user="ann", text="first"))
    do(state, Undo(user="ann"))
    assert title_of(state) == "New Chat"

    do(state, Post(user="ann", text="second"))

    assert title_of(state) == "second"


def test_s06_a_title_that_was_set_comes_first_and_listings_cut_it() -> None:
    state = room()
    do(state, Post(user="ann", text="hello"))
    (event,) = do(state, SetTitle(user="ann", title="t" * 40))

    assert event == TitleSet(user="ann", title="t" * 40)
    assert records_of(state).title == "t" * 40
    assert state.index_row().title == "t" * 35 + "..."
    assert do(state, SetTitle(user="ann", title="t" * 40)) == ()
    do(state, SetTitle(user="ann", title=None))
    assert state.index_row().title == records_of(state).title == "hello"


def test_s06_a_compaction_leaves_the_title() -> None:
    state = room()
    do(state, Post(user="ann", text="what this is about"))
    for text in ("more", "and more"):
        do(state, Compact(user="ann", keep=0, prompt="in short"))
        do(state, FinishTurn(turn=state.last_turn, status="completed"), said=("a summary",))
        do(state, Post(user="ann", text=text))

    assert [line.turn for line in state.history if line.turn] == []
    assert "what this is about" not in str(state.history)
    assert title_of(state) == "what this is about"
    assert title_of(decode_state(encode_state(state))) == "what this is about"


# --- the rest ------------------------------------------------------------------------------------


def test_s15_the_graph_state_is_replaced_and_may_be_taken_away() -> None:
    state = room()
    do(state, SetGraphState(user="ann", value={"n": 1}))
    assert do(state, SetGraphState(user="ann", value={"n": True}))
    assert records_of(state).graph_state == {"n": True}
    assert records_of(state).graph_state["n"] is True

    do(state, SetGraphState(user="ann", value=None))

    assert records_of(state).graph_state is None


def test_s16_a_language_that_it_has_already_changes_nothing() -> None:
    state = room()

    assert do(state, SetLanguage(user="ann", language="en")) == ()
    do(state, SetLanguage(user="ann", language="tr"))
    assert do(state, SetLanguage(user="ann", language="tr")) == ()

    assert (records_of(state).language, state.index_row().language) == ("tr", "tr")


def test_metadata_is_merged_and_bounded_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MAX_METADATA_BYTES", 60)
    state = room()
    do(state, SetMetadata(user="ann", patch={"a": {"x": 1, "y": 2}, "b": 1}))
    do(state, SetMetadata(user="ann", patch={"a": {"x": None}, "c": "x" * 30}))
    assert records_of(state).metadata == {"a": {"y": 2}, "b": 1, "c": "x" * 30}

    refusal = refuse(state, SetMetadata(user="ann", patch={"d": "x" * 30}), InvalidInput)

    assert refusal.field == "patch"
    assert do(state, SetMetadata(user="ann", patch={"c": None, "d": "x" * 30}))


def test_a_fork_has_the_records_but_for_what_was_done_with_the_other() -> None:
    state = room()
    do(state, interaction("correct"))
    for command in EVERY[1:]:
        do(state, Join(user="bob", name="Bob"))
        do(state, command)

    begun = State.at_creation(
        forked(state, id="f", incarnation="f", owner="ann", owner_name="A", name=None, created_ms=1)
    )

    assert begun.records == Records(
        language="tr", title="a title", metadata={"a": 1}, graph_state={"nodes": []}
    )
    assert state.index_row().interactions == 1
    assert begun.index_row().interactions == 0
