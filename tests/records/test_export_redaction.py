"""Redaction runs on everything that is exported, before anything is written (SX27)."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from records.export_kit import chat, exported, of
from session.cast import TEXT, call, room
from theatre import Script, play, settle

import greenroom
from greenroom.actors.session.entry import Entry
from greenroom.actors.session.events import InteractionRecorded
from greenroom.actors.session.records import Foreign, Records
from greenroom.actors.session.state import State
from greenroom.actors.session.transcript import ImportedMessage, Message, ToolCall, ToolResult
from greenroom.adapters.export.layouts import LAYOUTS, rendered
from greenroom.supervisor.recording import Recording

MARKER = 'Zoë "Q"\n'
"""In a JSON text it is escaped: nothing that looks for it there finds it."""


def hide(text: str, where: str) -> str:
    assert where
    return text.replace(MARKER, "[name]")


def strings(value: Any) -> Iterator[str]:
    """All strings in `value`, also in those that are JSON themselves."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif isinstance(value, str):
        yield value
        if value[:1] in '{["':
            yield from strings(json.loads(value)) if _is_json(value) else ()


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


PLANTED = st.tuples(TEXT, TEXT).map(MARKER.join)
VALUES = st.recursive(
    st.none() | st.integers(0, 9) | PLANTED | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PLANTED | TEXT, inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.dictionaries(PLANTED, VALUES, max_size=2)
SAID = st.builds(Message, text=PLANTED, author=PLANTED, role=st.sampled_from(["user", "assistant"]))
IMPORTED = st.builds(
    ImportedMessage, text=PLANTED, source_role=PLANTED, language=PLANTED, unknown=FIELDS
)
CALLED = st.builds(
    lambda id, name, arguments, value, failed: [  # noqa: A006
        ToolCall(name=name, id=id, arguments=arguments),
        ToolResult(id=id, value=value, failed=failed),
    ],
    *(PLANTED, PLANTED, FIELDS, VALUES, st.booleans()),
)
LINES = st.lists(SAID.map(lambda one: [one]) | IMPORTED.map(lambda one: [one]), max_size=3)
ACTS = st.builds(
    InteractionRecorded,
    user=PLANTED,
    action=PLANTED,
    node=PLANTED,
    content=PLANTED,
    feedback=PLANTED,
    metadata=FIELDS,
    unknown=FIELDS,
)
RECORDS = st.builds(
    Records,
    language=PLANTED,
    title=PLANTED,
    metadata=FIELDS,
    graph_state=VALUES,
    foreign=st.builds(Foreign, unknown=FIELDS, feedback=FIELDS),
)


@st.composite
def recordings(draw: st.DrawFn) -> Recording:
    """A session with the marker wherever a string can be."""
    state = room()
    state.id, state.name = draw(PLANTED), draw(PLANTED)
    state.records = draw(RECORDS)
    state.history = [line for lines in [*draw(LINES), draw(CALLED)] for line in lines]
    done = [Entry(1, event) for event in draw(st.lists(ACTS, max_size=2))]
    return Recording(state, 1, [], done, None)  # type: ignore[arg-type]


@given(recording=recordings(), layout=st.sampled_from(["rlhf", "chat"]))
def test_sx27_what_the_hook_takes_out_never_comes_out(recording: Recording, layout: str) -> None:
    plain = rendered(recording, LAYOUTS[layout], None)
    hidden = rendered(recording, LAYOUTS[layout], hide)

    assert any(MARKER in text for record in plain for text in strings(json.loads(record.body)))
    for record in hidden:
        assert [text for text in strings(json.loads(record.body)) if MARKER in text] == []
        assert "Zoë".encode() not in record.body


def test_sx27_the_hook_is_told_where_each_string_stands() -> None:
    state = room()
    state.records = Records(graph_state={"a": [{"b": "text"}]}, foreign=Foreign(unknown={"k": "v"}))
    state.history = [Message(text="hi", role="user")]
    seen: list[tuple[str, str]] = []

    of(state, "rlhf", lambda text, where: seen.append((where, text)) or f"<{text}>")
    rlhf = list(seen)
    seen.clear()
    state.history = [call("look", id="i", a="b"), ToolResult(id="i", value={"error": "x", "c": 1})]
    of(state, "chat", lambda text, where: seen.append((where, text)) or f"<{text}>")

    assert rlhf == [
        ("session_id", "s"),
        ("created_at", "1970-01-01T00:00:01.000+00:00"),
        ("language", "en"),
        ("chat_history[0].role", "user"),
        ("chat_history[0].content", "hi"),
        ("chat_history[0].timestamp", "1970-01-01T00:00:00.000+00:00"),
        ("chat_history[0].language", "en"),
        ("a key of graph_state", "a"),
        ("a key of graph_state.<a>[0]", "b"),
        ("graph_state.<a>[0].<b>", "text"),
        ("a key", "k"),
        ("<k>", "v"),
    ]
    assert seen == [
        ("messages[0].tool_calls[0].id", "i"),
        ("messages[0].tool_calls[0].function.name", "look"),
        ("a key of messages[0].tool_calls[0].function.arguments", "a"),
        ("messages[0].tool_calls[0].function.arguments.<a>", "b"),
        ("messages[1].content.error", "x"),
        ("a key of messages[1].content", "c"),
        ("messages[1].tool_call_id", "i"),
    ]


def test_sx27_keys_that_come_back_alike_lose_no_value() -> None:
    state = room()
    state.records = Records(
        graph_state={"a": 1, "x": 2, "b": 3, "x~2": 4},
        foreign=Foreign(unknown={"a": "unknown", "b": "too"}),
    )

    (record,) = of(state, "rlhf", lambda _, where: "x" if "graph" in where else "session_id")

    assert record["graph_state"] == {"x": 1, "x~2": 2, "x~3": 3, "x~4": 4}
    assert record["session_id"] == "session_id"
    assert list(record)[-2:] == ["session_id~2", "session_id~3"]


def no_zoe(text: str, where: str) -> str:
    return text.replace("Zoë", "-")


def test_sx27_preferences_are_redacted_too() -> None:
    async def scene() -> bytes:
        script = Script()
        async with greenroom.Runtime(script) as runtime:
            session = await runtime.create(user="Zoë", id="s")
            await session.send("Zoë", f"I am {MARKER}")
            asked = call("look", id="Zoë", **{MARKER: {MARKER: [MARKER]}})
            answer = ToolResult(id="Zoë", value={MARKER: MARKER})
            script.cue("s", 1, asked, answer, f"hello {MARKER}", None)
            await settle()
            context = {"turn": 1, MARKER: MARKER}
            await session.add_feedback("Zoë", MARKER, "incorrect", context=context)
            plain = await exported(runtime.journal, layout="preferences")
            hidden = await exported(runtime.journal, layout="preferences", redact=no_zoe)
        assert len(plain.records) == len(hidden.records) == 1
        assert "Zoë".encode() in plain.written
        return hidden.written

    written: list[bytes] = []

    async def run() -> None:
        written.append(await scene())

    play(run)
    assert "Zoë".encode() not in written[0]
    assert "Zo\\u" not in written[0].decode()


def _raise(error: BaseException) -> str:
    raise error


FAILING: dict[str, tuple[Callable[[], Any], str]] = {
    "raises": (lambda: _raise(ValueError("boom")), "ValueError: boom"),
    "exits": (lambda: _raise(SystemExit(3)), "SystemExit: 3"),
    "none": (lambda: None, "redaction returned a NoneType"),
    "bytes": (lambda: b"x", "redaction returned a bytes"),
    "surrogate": (lambda: "\ud800", "JSON cannot hold it"),
}


@pytest.mark.parametrize(("fail", "why"), FAILING.values(), ids=list(FAILING))
@pytest.mark.parametrize("format", ["jsonl", "json", "parquet"])
def test_sx27_nothing_is_exported_of_a_session_that_the_hook_fails_on(
    fail: Callable[[], Any],
    why: str,
    format: str,  # noqa: A002
) -> None:
    """Though it fails on the last string of all."""

    async def scene() -> None:
        async with greenroom.Runtime() as runtime:
            for name in ("a", "b", "c"):
                session = await runtime.create(user="ann", id=name)
                await session.post("ann", f"said in {name}")
                await session.set_graph_state("ann", {"last": f"last of {name}"})

            def hook(text: str, where: str) -> Any:
                return fail() if text == "last of b" else text

            export = await exported(runtime.journal, redact=hook, format=format)

        assert export.failed == {"b": "not_exportable"}
        assert why in export.exported.failures[0].why
        assert "JSON" in why or "graph_state.last" in export.exported.failures[0].why
        assert export.exported.sessions == export.exported.records == 2
        if format == "parquet":
            table = pq.read_table(io.BytesIO(export.written))
            assert table.column("session_id").to_pylist() == ["a", "c"]
        else:
            assert b"said in b" not in export.written
            assert b"said in c" in export.written

    play(scene)


# --- what JSON cannot hold -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        *(float("nan"), float("inf"), b"x", (1,), {1}, {1: "x"}, {None: 1}, 1j, "\ud800"),
        *({"x": {"\ud800": 1}}, [[b""]]),
    ],
)
@pytest.mark.parametrize("redact", [None, hide])
def test_what_no_session_takes_and_json_cannot_hold_is_reported_not_changed(
    value: Any, redact: Any
) -> None:
    """Only a journal that was written by something else can have it."""
    state: State = room()
    state.records = Records(graph_state=value)
    with pytest.raises(Exception, match="JSON"):
        of(state, "rlhf", redact)
    with pytest.raises(Exception, match="JSON"):
        chat(room(), call(id="a", x=value), ToolResult(id="a"))
