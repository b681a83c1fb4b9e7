from __future__ import annotations

import datetime as dt
import decimal
import enum
import math
import string
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from session.cast import PLAIN, TEXT

from greenroom.actors.errors import InvalidInput
from greenroom.actors.session.values import (
    MAX_DEPTH,
    MAX_NAME,
    MAX_TEXT_BYTES,
    name,
    plain,
    session_id,
    text,
)


class Colour(enum.IntEnum):
    RED = 1


class Shout(str):
    """Text that is not quite text."""

    __slots__ = ()


class Unshowable:
    def __repr__(self) -> str:
        raise RuntimeError


OFFENDERS: dict[str, Any] = {
    "nan": math.nan,
    "infinity": math.inf,
    "minus infinity": -math.inf,
    "tuple": (1, 2),
    "set": {1},
    "frozenset": frozenset({1}),
    "bytes": b"x",
    "bytearray": bytearray(b"x"),
    "an int above 64 bits": 2**64,
    "an int below 64 bits": -(2**63) - 1,
    "an int too long to show": 10**5000,
    "a lone surrogate": "\ud800",
    "a datetime": dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    "a decimal": decimal.Decimal(1),
    "complex": 1j,
    "an enum": Colour.RED,
    "a subclass of str": Shout("x"),
    "any object": object(),
    "an object that cannot be shown": Unshowable(),
    "a class": dict,
}
KEYS: dict[str, Any] = {
    "int key": 1,
    "bool key": True,
    "None key": None,
    "bytes key": b"x",
    "float key": 1.5,
    "tuple key": (),
    "surrogate key": "\udfff",
}


def under(path: list[Any], value: Any) -> tuple[str, Any]:
    """`value` at the end of a path of keys and indexes, and how the path is spelled."""
    spelled = "arguments" + "".join(
        f"[{step}]" if isinstance(step, int) else f".{step}" for step in path
    )
    for step in reversed(path):
        value = [None] * step + [value] if isinstance(step, int) else {"": 0, step: value}
    return spelled, value


PATHS = st.lists(st.integers(0, 3) | st.text(string.ascii_letters, min_size=1), max_size=8)


# --- free-form values ----------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(value=PLAIN)
def test_p22_a_value_that_is_taken_comes_back_exactly(value: Any) -> None:
    taken = plain(value, "value")

    by_msgpack = msgspec.msgpack.decode(msgspec.msgpack.encode(taken))
    by_json = msgspec.json.decode(msgspec.json.encode(taken))

    # repr tells 1 from 1.0 and True, 0.0 from -0.0, and one order of keys from another.
    assert repr(taken) == repr(value)
    assert repr(by_msgpack) == repr(value)
    assert repr(by_json) == repr(value)


@pytest.mark.parametrize("path", [[], ["rooms", 2], [0, "a", 1, "b"]], ids=str)
@pytest.mark.parametrize("offender", OFFENDERS)
def test_p22_a_value_that_would_be_changed_is_refused_by_its_path(
    path: list[Any], offender: str
) -> None:
    field, value = under(path, OFFENDERS[offender])

    with pytest.raises(InvalidInput) as refusal:
        plain(value, "arguments")

    assert refusal.value.field == field
    assert str(refusal.value).startswith(f"{field} is ")


@pytest.mark.parametrize("path", [[], ["rooms", 2], [0, "a", 1, "b"]], ids=str)
@pytest.mark.parametrize("key", KEYS)
def test_p22_a_key_that_would_become_text_is_refused_by_its_path(path: list[Any], key: str) -> None:
    field, value = under(path, {KEYS[key]: 1})

    with pytest.raises(InvalidInput) as refusal:
        plain(value, "arguments")

    assert refusal.value.field == f"a key of {field}"


@settings(max_examples=100, deadline=None)
@given(path=PATHS)
def test_p22_the_path_of_an_offender_leads_to_it(path: list[Any]) -> None:
    field, value = under(path, math.nan)

    with pytest.raises(InvalidInput) as refusal:
        plain(value, "arguments")

    assert refusal.value.field == field


def test_p22_the_copy_shares_nothing_with_what_was_given() -> None:
    inner = [1]
    given_value = {"a": inner, "b": {"c": inner}}

    taken = plain(given_value, "value")
    inner.append(2)
    given_value["b"]["d"] = 1

    assert taken == {"a": [1], "b": {"c": [1]}}
    assert taken["a"] is not taken["b"]["c"]


def test_values_as_deep_as_the_limit_are_taken_and_one_deeper_refused() -> None:
    value: Any = "leaf"
    for _ in range(MAX_DEPTH):
        value = [value]

    assert plain(value, "value") == value
    with pytest.raises(InvalidInput, match=f"at most {MAX_DEPTH} levels deep"):
        plain([value], "value")


@pytest.mark.parametrize("outer", [[], {}], ids=["list", "dict"])
def test_a_value_that_holds_itself_is_refused(outer: Any) -> None:
    if isinstance(outer, list):
        outer.extend([outer, outer])
    else:
        outer.update(a=outer, b=outer)

    with pytest.raises(InvalidInput, match="levels deep"):
        plain(outer, "value")


@pytest.mark.parametrize("value", [2**64 - 1, -(2**63), True, 0.0, -0.0, 5e-324, "", [], {}, None])
def test_values_at_the_limits_are_taken(value: Any) -> None:
    assert repr(plain(value, "value")) == repr(value)


# --- text ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("letter", "size"), [("a", 1), ("é", 2), ("€", 3), ("😀", 4)])
def test_text_is_measured_in_bytes_of_utf_8(letter: str, size: int) -> None:
    fits = letter * (12 // size)

    assert text(fits, "text", max_bytes=12) == fits
    with pytest.raises(InvalidInput, match="at most 12 bytes of UTF-8, not 13"):
        text(fits + "a", "text", max_bytes=12)


def test_text_longer_than_the_limit_is_refused_without_showing_all_of_it() -> None:
    with pytest.raises(InvalidInput) as refusal:
        text("x" * (MAX_TEXT_BYTES + 1), "text")

    assert len(str(refusal.value)) < 200
    assert text("x" * MAX_TEXT_BYTES, "text")


@pytest.mark.parametrize("value", [None, 1, b"x", ["x"], Shout("x"), "\ud800", "a\udfffb"])
def test_what_is_no_text_is_refused(value: Any) -> None:
    with pytest.raises(InvalidInput) as refusal:
        text(value, "the field")

    assert refusal.value.field == "the field"
    str(refusal.value).encode()


@settings(max_examples=50, deadline=None)
@given(value=TEXT)
def test_text_is_returned_as_it_is(value: str) -> None:
    assert text(value, "text") is value


# --- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["a", "ann", "Ann Ö. 😀", "x" * MAX_NAME, "ann@example.org"])
def test_a_name_is_up_to_128_printable_characters(value: str) -> None:
    assert name(value, "user") == value


@pytest.mark.parametrize(
    "value", ["", "x" * (MAX_NAME + 1), "a\nb", "\0", "\x7f", "\u202e", "\ud800", None, 1, b"ann"]
)
def test_what_is_no_name_is_refused(value: Any) -> None:
    with pytest.raises(InvalidInput) as refusal:
        name(value, "user")

    assert refusal.value.field == "user"


@pytest.mark.parametrize("value", ["a", "0", "room:1.2_3~x@y-z", "x" * 128])
def test_a_session_id_is_url_safe(value: str) -> None:
    assert session_id(value) == value


@pytest.mark.parametrize(
    "value",
    [
        "",
        ".",
        "..",
        "-a",
        ":a",
        "a/b",
        "a b",
        "a\n",
        "ä",
        "\uff11",
        "x" * 129,
        "a%2e",
        None,
        1,
        b"a",
    ],
)
def test_what_may_name_no_session_is_refused(value: Any) -> None:
    with pytest.raises(InvalidInput) as refusal:
        session_id(value)

    assert refusal.value.field == "session id"


@pytest.mark.parametrize("check", [session_id, lambda value: name(value, "user")])
def test_a_value_that_cannot_be_shown_is_refused_all_the_same(check: Any) -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]

    for value in (Unshowable(), 10**5000, deep):
        with pytest.raises(InvalidInput):
            check(value)
    while deep:  # else freeing it recurses as deep
        deep = deep.pop()
