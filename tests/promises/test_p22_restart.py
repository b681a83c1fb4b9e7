"""P22: any value at any door comes back exactly after a restart, or is refused when given."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from session.cast import PLAIN, TEXT, genesis
from theatre import play

import greenroom
from greenroom.actors.errors import InvalidInput
from greenroom.actors.session.state import decode_genesis, encode_genesis
from greenroom.actors.session.values import plain
from greenroom.adapters.journals.sqlite import SqliteJournal


def endless_list() -> Any:
    value: list[Any] = [1]
    value.append({"again": value})
    return value


def deep(levels: int) -> Any:
    value: Any = None
    for _ in range(levels):
        value = [value]
    return value


ODD = st.one_of(
    st.sampled_from([math.nan, math.inf, -math.inf, -0.0, 2**63, 2**64, -(2**63) - 1]),
    st.integers(),
    st.integers(10**19, 10**30),
    st.binary(max_size=4),
    st.floats(),
    st.text(st.characters(), max_size=3),
    st.sampled_from(["\ud800", "a\udfffb", "\x00", "\u202e", "e\u0301"]),
    st.tuples(st.integers(0, 3)),
    st.frozensets(st.integers(0, 3), max_size=2),
    st.builds(endless_list),
    st.builds(deep, st.integers(50, 80)),
    st.builds(pow, st.just(10), st.just(5000)),  # too long to be shown
    st.builds(object),
)
KEYS = TEXT | st.integers(0, 3) | st.none() | st.booleans() | st.just("\ud800") | st.tuples()
VALUES: st.SearchStrategy[Any] = PLAIN | st.recursive(
    ODD | PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
"""Plain values and all that is not quite plain, at any depth."""


def is_plain(value: Any) -> bool:
    try:
        plain(value, "value")
    except InvalidInput:
        return False
    return True


def same(given: Any, found: Any) -> bool:
    """Equal, of the same types and in the same order. repr tells 1 from 1.0, True and -0.0."""
    return repr(given) == repr(found)


class Tools:
    """A pipeline that calls a tool, hands back what it returned, and asks for an approval."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.saved: list[Any] = []

    async def __call__(self, turn: greenroom.Turn) -> AsyncIterator[Any]:
        match turn.input.text:
            case "call":
                yield greenroom.ToolCall(name="tool", arguments={"in": self.value})
                yield greenroom.ToolResult(value=1)
            case "result":
                yield greenroom.ToolCall(name="tool")
                yield greenroom.ToolResult(value=self.value)
            case "ask" if turn.saved is None:
                calls = [greenroom.ToolCall(name="tool", arguments={"in": 1})]
                yield greenroom.RequestApproval(calls=calls, saved=[self.value])
            case "ask":
                self.saved.append(turn.saved)
                yield greenroom.ToolResult(value=2)


async def knock(session: greenroom.Session, value: Any, taken: bool) -> None:
    """Try the value at every door for callers; each takes it, or refuses it."""
    for door in (
        lambda: session.act("ann", "show", {"in": value}),
        lambda: session.update_context("ann", {"in": [value]}),
    ):
        if taken:
            await door()
        else:
            with pytest.raises(InvalidInput):
                door()


async def fill(store: Path, tools: Tools, taken: bool) -> int:
    """One session into which the value was put by every door; how many turns have run."""
    async with greenroom.Runtime(tools, journal=SqliteJournal(store), snapshot_bytes=1) as runtime:
        if taken:
            session = await runtime.create(user="ann", id="s", context={"first": [tools.value]})
        else:
            with pytest.raises(InvalidInput):
                runtime.create(user="ann", id="s", context={"first": [tools.value]})
            session = await runtime.create(user="ann", id="s")
        await knock(session, tools.value, taken)
        for text in ("call", "result"):
            result = await (await session.send("ann", text)).result()
            assert result.status == ("completed" if taken else "failed")
        asked = await session.send("ann", "ask")
        if not taken:
            assert (await asked.result()).status == "failed"
        else:
            while await session.approval("ann") is None:
                pass
        return asked.id


async def find(store: Path, tools: Tools, asked: int) -> None:
    """What a later process finds, from the snapshot and from the events."""
    value = tools.value
    async with greenroom.Runtime(tools, journal=SqliteJournal(store)) as runtime:
        session = runtime.session("s")
        shared = (await session.snapshot("ann")).context
        events = [item.event for item in (await session.history("ann")).events]
        lines = await session.transcript("ann")
        await session.decide("ann", {f"{asked}.1": True})
        await session.result(asked)

    assert same({"first": [value], "in": [value]}, shared)
    assert same({"in": value}, next(e.data for e in events if hasattr(e, "data")))
    assert same({"in": [value]}, next(e.patch for e in events if hasattr(e, "patch")))
    calls = [line for line in lines if isinstance(line, greenroom.ToolCall)]
    results = [line for line in lines if isinstance(line, greenroom.ToolResult)]
    assert same({"in": value}, calls[0].arguments)
    assert same(value, results[1].value)
    assert same([[value]], tools.saved)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(value=VALUES)
@example(value=[{"a": -0.0, "b": [2**64 - 1, None, "\x00"]}])
@example(value={1: 2})
@example(value=(1, 2))
def test_p22_any_value_at_any_door_comes_back_after_a_restart_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, value: Any
) -> None:
    store, tools = tmp_path_factory.mktemp("p22") / "j.db", Tools(value)
    taken = is_plain({"in": [value]})

    async def scene() -> None:
        asked = await fill(store, tools, taken)
        if taken:
            await find(store, tools, asked)

    play(scene)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(pair=st.tuples(VALUES | TEXT, TEXT))
def test_p22_a_dialog_comes_back_after_a_restart_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, pair: tuple[Any, str]
) -> None:
    store = tmp_path_factory.mktemp("p22") / "j.db"

    async def scene() -> None:
        async with greenroom.Runtime(journal=SqliteJournal(store)) as runtime:
            session = await runtime.create(user="ann", id="s")
            try:
                setting = session.set_dialog("ann", [pair])
            except InvalidInput:
                return
            await setting
        async with greenroom.Runtime(journal=SqliteJournal(store)) as runtime:
            (found,) = await runtime.session("s").dialog("ann")
            assert same(pair, (found.user, found.assistant))

    play(scene)


FIELDS = greenroom.Settings.__struct_fields__


@settings(max_examples=1000, deadline=None, derandomize=True)
@given(field=st.sampled_from(FIELDS), value=VALUES)
@example(field="policies", value=None)
@example(field="policies", value={"host": None})
@example(field="roles", value=["x"])
@example(field="roles", value={"x": None})
@example(field="roles", value={"x": [[]]})
@example(field="policy", value=[])
@example(field="max_events", value=True)
def test_p22_a_setting_comes_back_or_is_refused_by_name(field: str, value: Any) -> None:
    try:
        chosen = greenroom.Settings(**{field: value})
    except (greenroom.ConfigError, InvalidInput):
        return

    given = genesis()
    kept = encode_genesis(msgspec.structs.replace(given, settings=chosen))

    assert same(chosen, decode_genesis(kept).settings)
