"""P22: free-form values come back exactly as given, also after a restart, or are refused."""

from __future__ import annotations

import math
from typing import Any

import pytest
from rooms.hall import room
from theatre import play

import greenroom


class Text(str):
    __slots__ = ()


class Number(int):
    pass


def nested(depth: int) -> Any:
    value: Any = "deep"
    for level in range(depth):
        value = [value] if level % 2 else {"in": value}
    return value


def endless() -> Any:
    value: list[Any] = []
    value.append(value)
    return value


EXACT: dict[str, Any] = {
    "true": True,
    "one": 1,
    "one point zero": 1.0,
    "zero": 0,
    "minus zero": -0.0,
    "smallest": -(2**63),
    "largest": 2**64 - 1,
    "beyond doubles": 2**53 + 1,
    "a third": 1 / 3,
    "tiny": 5e-324,
    "huge": 1.7976931348623157e308,
    "": "a key may be empty",
    "empty text": "",
    "empty list": [],
    "empty dict": {},
    "text": "naïve \U0001f600 \x00 \u2028 e\u0301 \u00e9",
    "number as text": "1",
    "mixed": [None, True, 1, 1.0, "1", [], {}, [[None]], {"null in a list": None}],
    "order": {"z": 1, "a": 2, "m": 3},
    "deep": nested(60),
    "\u00e9": "composed",
    "e\u0301": "not composed",
}

REFUSED: dict[str, Any] = {
    "tuple": (1, 2),
    "set": {1},
    "bytes": b"x",
    "nan": math.nan,
    "inf": math.inf,
    "too large": 2**64,
    "too small": -(2**63) - 1,
    "complex": 1j,
    "object": object(),
    "int key": {1: "x"},
    "none key": {None: "x"},
    "lone surrogate": "\ud800",
    "surrogate key": {"\udfff": 1},
    "kind of text": Text("x"),
    "kind of int": Number(1),
    "too deep": nested(64),
    "endless": endless(),
    "long": "x" * (256 * 1024 + 1),
}


def same(given: Any, found: Any) -> bool:
    """Equal, of the same types throughout, and in the same order."""
    if type(given) is not type(found):
        return False
    if isinstance(given, dict):
        pairs = zip(given.items(), found.items(), strict=True)
        return len(given) == len(found) and all(
            one == other and same(value, back) for (one, value), (other, back) in pairs
        )
    if isinstance(given, list):
        return len(given) == len(found) and all(map(same, given, found))
    if isinstance(given, float):
        return given.hex() == found.hex()
    return bool(given == found)


def test_p22_shared_context_comes_back_exactly(store: Any) -> None:
    async def scene() -> None:
        async with room(journal=store(), context={"at first": EXACT, "null": None}) as session:
            await session.update_context("ann", EXACT)
            await session.act("ann", "show", EXACT)
            before = (await session.snapshot("ann")).context
        async with greenroom.Runtime(journal=store()) as runtime:
            session = runtime.session("s")
            after = (await session.snapshot("ann")).context
            events = (await session.history("ann")).events

            whole = {"at first": EXACT, "null": None, **EXACT}
            assert same(whole, before)
            assert same(whole, after)
            assert same(EXACT, events[0].event.patch)
            assert same(EXACT, events[1].event.data)

    play(scene)


def test_p22_shared_context_comes_back_exactly_from_a_snapshot_of_the_state() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(snapshot_bytes=1, max_sessions=1) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.update_context("ann", EXACT)
            await runtime.create(user="bob")  # takes its slot
            assert runtime.stats.passivated == 1

            assert same(EXACT, (await session.snapshot("ann")).context)

    play(scene)


@pytest.mark.parametrize("what", REFUSED)
def test_p22_what_would_not_come_back_is_refused_when_given(what: str) -> None:
    async def scene() -> None:
        value = REFUSED[what]
        async with room() as session:
            for call in (
                lambda: session.update_context("ann", {"key": value}),
                lambda: session.update_context("ann", {"key": [{"in": value}]}),
                lambda: session.act("ann", "show", {"key": value}),
                lambda: session._runtime.create(user="ann", context={"key": value}),
            ):
                with pytest.raises(greenroom.InvalidInput, match="key"):
                    call()

            assert (await session.info()).revision == 0

    play(scene)


def test_p22_null_removes_and_only_that() -> None:
    """RFC 7396: nulls in a patch are instructions. In a list they are values, and stay."""

    async def scene() -> None:
        async with room(context={"a": 1, "b": {"c": 1, "d": 2}}) as session:
            await session.update_context("ann", {"a": None, "b": {"c": None}, "e": [None]})

            context = (await session.snapshot("ann")).context
            assert same({"b": {"d": 2}, "e": [None]}, context)

    play(scene)
