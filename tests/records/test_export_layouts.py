"""The layouts of an export, as they are written (spec S08)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded import SAMPLE, host, run_at_once
from records.export_kit import chat, exported, of
from session.cast import PLAIN, TEXT, Act, acts, call, perform, room
from theatre import ManualClock, Script, play, settle

import greenroom
from greenroom.actors.errors import SessionDamaged
from greenroom.actors.session.base import Base, encode_base
from greenroom.actors.session.records import Records
from greenroom.actors.session.state import State
from greenroom.actors.session.transcript import Message, ToolCall, ToolResult
from greenroom.adapters.journals.memory import MemoryJournal
from greenroom.adapters.load.dataset import Call, Dialogue, read_dialogues
from greenroom.adapters.load.transcripts import value_of
from greenroom.supervisor.recording import read_recording


def test_s08_a_session_in_the_layout_of_the_source() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(Script(), clock=ManualClock()) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.set_language("ann", "tr")
            await session.post("ann", "naïve 日本")
            await session.record_interaction("ann", "prune", node_id="n1")
            await session.add_feedback("ann", "n2", "correct", context=[1.0, 2**64 - 1])
            await session.set_graph_state("ann", {"nodes": [{"id": None}]})
            await session.set_metadata("ann", {"never": "exported"})
            export = await exported(runtime.journal, layout="rlhf")

        at = "1970-01-01T00:16:40.000+00:00"
        assert export.written.decode() == (
            '{"session_id":"s","created_at":"' + at + '","language":"tr","interactions":['
            '{"timestamp":"' + at + '","action_type":"prune","node_id":"n1","content":null,'
            '"feedback":null,"metadata":{}},'
            '{"timestamp":"' + at + '","action_type":"feedback","node_id":"n2","content":null,'
            '"feedback":"correct","metadata":{"context":[1.0,18446744073709551615]}}],'
            '"feedback_summary":{"correct":1,"incorrect":0,"partial":0},'
            '"chat_history":[{"role":"user","content":"naïve 日本","timestamp":"' + at + '",'
            '"language":"tr"}],"graph_state":{"nodes":[{"id":null}]}}\n'
        )

    play(scene)


def test_s08_interactions_are_there_also_if_their_events_are_no_longer_kept() -> None:
    """What stands for events that were dropped has the interactions among them."""

    async def scene() -> None:
        journal = MemoryJournal()
        async with greenroom.Runtime(journal=journal) as runtime:
            session = await runtime.create(user="ann", id="s")
            for node in ("n1", "n2"):
                await session.add_feedback("ann", node, "correct")
            kept = await read_recording(journal, "s")
            base = encode_base(Base(kept.state, kept.entries))
            await journal.trim("s", base, revision=kept.state.revision)
            await session.add_feedback("ann", "n3", "partial")
            (record,) = (await exported(journal)).records

        assert [done["node_id"] for done in record["interactions"]] == ["n1", "n2", "n3"]
        assert record["feedback_summary"] == {"correct": 2, "incorrect": 0, "partial": 1}

    play(scene)


def test_chat_a_conversation_with_calls() -> None:
    assert chat(
        room(),
        Message(role="system", text="be brief"),
        Message(role="user", text="rain?", author="ann", turn=1),
        ToolCall(name="look", id="a", arguments={"in": "Çorum", "days": [1, None]}, turn=1),
        ToolResult(id="a", value={"rain": 0.5}, turn=1),
        Message(text="half", turn=1),
    ) == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "rain?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "a",
                    "type": "function",
                    "function": {"name": "look", "arguments": '{"in":"Çorum","days":[1,null]}'},
                }
            ],
        },
        {"role": "tool", "content": '{"rain":0.5}', "tool_call_id": "a"},
        {"role": "assistant", "content": "half"},
    ]


@pytest.mark.parametrize(
    ("result", "content"),
    [
        (ToolResult(id="a", value="as it is"), "as it is"),
        (ToolResult(id="a", value=""), ""),
        (ToolResult(id="a", value=None), "null"),
        (ToolResult(id="a", value=True), "true"),
        (ToolResult(id="a", value=[1, "x"]), '[1,"x"]'),
        (ToolResult(id="a", value="no such town", failed=True), '{"error":"no such town"}'),
        (ToolResult(id="a", failed=True, stub=True), '{"error":null}'),
    ],
)
def test_chat_what_a_tool_answered(result: ToolResult, content: str) -> None:
    (_, answer) = chat(room(), call(id="a"), result)

    assert answer == {"role": "tool", "content": content, "tool_call_id": "a"}


def short(messages: list[Any]) -> list[str]:
    return [_short(message) for message in messages]


def _short(message: dict[str, Any]) -> str:
    if "tool_calls" in message:
        return " ".join(["calls", *(made["id"] for made in message["tool_calls"])])
    return f"tool {message['tool_call_id']}" if message["role"] == "tool" else message["content"]


def test_chat_calls_that_overlap_are_one_message() -> None:
    a, b, c = (call(id=name) for name in "abc")
    at, bt, ct = (ToolResult(id=name) for name in "abc")

    assert short(chat(room(), a, b, bt, at)) == ["calls a b", "tool b", "tool a"]
    assert short(chat(room(), a, at, b, bt)) == ["calls a", "tool a", "calls b", "tool b"]
    assert short(chat(room(), a, b, at, c, bt, ct, Message(text="so"))) == [
        *("calls a b c", "tool a", "tool b", "tool c", "so")
    ]


def test_chat_a_session_in_which_nobody_has_spoken_has_none() -> None:
    assert of(room(), "chat") == []


def test_chat_a_transcript_that_no_model_takes_is_damaged() -> None:
    with pytest.raises(SessionDamaged, match="line 0 of its transcript: call a of turn 0"):
        chat(room(), call(id="a"), Message(text="so"))


def require_valid(messages: list[Any]) -> None:
    """As a model's interface checks it: every call is answered, once, before anything else."""
    open_calls: set[str] = set()
    for message in messages:
        assert isinstance(message["content"], str) or message.get("tool_calls")
        if message["role"] == "tool":
            open_calls.remove(message["tool_call_id"])
            continue
        assert not open_calls
        for made in message.get("tool_calls", ()):
            assert isinstance(json.loads(made["function"]["arguments"]), dict)
            open_calls.add(made["id"])
    assert not open_calls


@given(script=acts())
def test_chat_is_valid_whatever_has_happened_and_whenever(script: list[Act]) -> None:
    state = room("bob", require_approval=False)
    for act in script:
        perform(state, act)
        for record in of(state, "chat"):
            require_valid(record["messages"])


def test_chat_of_a_turn_that_runs_has_a_stub_for_its_open_call() -> None:
    async def scene() -> None:
        script = Script()
        async with greenroom.Runtime(script) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.send("ann", "go")
            script.cue("s", 1, call(id="a"), call(id="b"), ToolResult(id="b", value=1))
            await settle()

            (record,) = (await exported(runtime.journal, layout="chat")).records

            script.cue("s", 1, ToolResult(id="a", value=2), "done", None)
            await settle()
        require_valid(record["messages"])
        assert [message["content"] for message in record["messages"]] == [
            *("go", None, "1", '{"error":null}')
        ]

    play(scene)


# --- free-form values are exact ------------------------------------------------------------------


@given(value=PLAIN, key=TEXT)
def test_s08_free_form_values_come_back_as_they_are(value: Any, key: str) -> None:
    state = room()
    _set(state, {key: [value]})

    (record,) = of(state)

    assert exact(record["graph_state"]) == exact({key: [value]})
    (message, _) = chat(state, call(id="a", x=value), ToolResult(id="a", stub=True))
    arguments = json.loads(message["tool_calls"][0]["function"]["arguments"])
    assert exact(arguments) == exact({"x": value})


@given(value=PLAIN.filter(lambda value: type(value) is not str))
def test_chat_results_come_back_as_they_are(value: Any) -> None:
    (_, answer) = chat(room(), call(id="a"), ToolResult(id="a", value=value))

    assert exact(json.loads(answer["content"])) == exact(value)


def exact(value: Any) -> str:
    """1, 1.0 and True are equal, and are not the same."""
    return repr(value)


def _set(state: State, graph: Any) -> None:
    state.records = Records(graph_state=graph)


# --- real dialogues ------------------------------------------------------------------------------


def test_s08_real_dialogues_come_out_as_they_were_recorded() -> None:
    shown = read_dialogues(SAMPLE, limit=25)
    journal = MemoryJournal()

    async def run() -> tuple[list[Any], list[Any], list[Any]]:
        await host(shown, journal)
        await journal.open()
        layouts = ("rlhf", "chat", "preferences")
        rlhf, chats, likes = [(await exported(journal, layout=one)).records for one in layouts]
        return rlhf, chats, likes

    rlhf, chats, likes = run_at_once(run())

    # Both layouts come in the same order: that of the ids.
    by_id = sorted(shown, key=lambda dialogue: dialogue.dialogue_id)
    assert [record["session_id"] for record in rlhf] == [d.dialogue_id for d in by_id]
    for dialogue, record, conversation in zip(by_id, rlhf, chats, strict=True):
        said = [turn.text for turn in dialogue.turns]
        assert [message["content"] for message in record["chat_history"]] == said
        roles = [message["role"] for message in record["chat_history"]]
        assert roles == ["user", "assistant"] * dialogue.exchanges
        require_valid(conversation["messages"])
        assert list(told(conversation["messages"])) == list(recorded(dialogue))
    assert likes == []


def recorded(dialogue: Dialogue) -> Any:
    for turn in dialogue.turns:
        for made in turn.calls:
            yield made.name, made.parameters, value_of(made)
        yield turn.text


def told(messages: list[Any]) -> Any:
    """The same, out of a conversation in which each call is a message of its own."""
    made: Call | Any = None
    for message in messages:
        if "tool_calls" in message:
            ((made,),) = (message["tool_calls"],)
        elif message["role"] == "tool":
            name, arguments = made["function"]["name"], made["function"]["arguments"]
            yield name, json.loads(arguments), json.loads(message["content"])
        else:
            yield message["content"]


@given(marker=st.sampled_from(["x", "é"]), layout=st.sampled_from(["rlhf", "chat"]))
def test_rendering_changes_nothing_of_the_session(marker: str, layout: str) -> None:
    state = room()
    _set(state, {"a": {"b": [marker]}})
    state.history = [call(id="a", x=[marker]), ToolResult(id="a", value={"y": marker})]

    of(state, layout, lambda text, _: f"{text}!")

    assert state.records is not None
    assert state.records.graph_state == {"a": {"b": [marker]}}
    assert state.history == [call(id="a", x=[marker]), ToolResult(id="a", value={"y": marker})]
