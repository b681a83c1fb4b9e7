from __future__ import annotations

import string
import urllib.parse
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenroom.actors.errors import InvalidCursor, WrongSession
from greenroom.actors.ports import SESSION_ID
from greenroom.actors.session.cursor import START, Cursor, parse

U64 = 2**64 - 1
IDS = st.from_regex(SESSION_ID, fullmatch=True)
NUMBERS = st.integers(0, U64) | st.sampled_from([0, 1, 9, 10, U64])
CURSORS = st.builds(
    Cursor,
    session=IDS,
    incarnation=st.text("0123456789abcdef", max_size=8),
    epoch=NUMBERS,
    revision=NUMBERS,
    position=NUMBERS,
)


@settings(max_examples=150, deadline=None)
@given(cursor=CURSORS)
def test_l03_a_cursor_is_what_its_text_says(cursor: Cursor) -> None:
    assert parse(str(cursor), cursor.session) == cursor


@settings(max_examples=100, deadline=None)
@given(cursor=CURSORS)
def test_l03_a_cursor_needs_no_quoting_in_a_url(cursor: Cursor) -> None:
    token = str(cursor)

    assert urllib.parse.quote(token, safe=":@~") == token


@settings(max_examples=200, deadline=None)
@given(cursor=CURSORS, data=st.data())
def test_l03_a_cursor_has_one_spelling(cursor: Cursor, data: st.DataObject) -> None:
    token = str(cursor)
    at = data.draw(st.integers(0, len(token)))
    cut = data.draw(st.integers(at, min(at + 2, len(token))))
    other = token[:at] + data.draw(st.text("01.+-_ \u0663\uff11gr\n", max_size=2)) + token[cut:]

    try:
        taken = parse(other, cursor.session)
    except (InvalidCursor, WrongSession):
        return

    assert str(taken) == other


@pytest.mark.parametrize("session", ["a.b", "a:b:c", "1.2.3.4.5", "gr1.0.0.0.x", "a..b", "a@~-_"])
def test_l03_a_session_id_may_hold_what_separates_the_parts(session: str) -> None:
    cursor = Cursor(session, "cafe", 3, 2, 1)

    assert parse(str(cursor), session) == cursor


def test_start_is_the_cursor_before_everything_and_can_be_spelled_out() -> None:
    start = parse(START, "s")

    assert start == Cursor("s", "", 0, 0, 0)
    assert parse(str(start), "s") == start


@pytest.mark.parametrize("what", ["epoch", "revision", "position"])
@pytest.mark.parametrize(
    "number",
    ["", " ", "x", "\uff11\uff12", "\u0663", "\xb2", "1_0", "01", "00", "+1", "-1", "-0", " 7",
     "7 ", "7\n", "1e3", "0x1", str(U64 + 1), "9" * 20, "9" * 5000],
)  # fmt: skip
def test_l04_only_plain_decimals_below_2_64_are_taken(what: str, number: str) -> None:
    parts = {"epoch": "1", "revision": "2", "position": "3", what: number}

    with pytest.raises(InvalidCursor) as refusal:
        parse(f"gr1.{'.'.join(parts.values())}.cafe.s", "s")

    assert what in refusal.value.limit


def test_l04_the_greatest_numbers_are_taken() -> None:
    assert parse(f"gr1.{U64}.{U64}.{U64}.cafe.s", "s").position == U64


@pytest.mark.parametrize(
    ("token", "limit"),
    [
        ("", "beginning with gr1."),
        ("gr1", "beginning with gr1."),
        ("gr2.1.2.3.cafe.s", "beginning with gr1."),
        ("GR1.1.2.3.cafe.s", "beginning with gr1."),
        (" gr1.1.2.3.cafe.s", "beginning with gr1."),
        ("Start", "beginning with gr1."),
        ("gr1.", "session id is missing"),
        ("gr1.1.2.3", "session id is missing"),
        ("gr1.1.2.3.cafe", "session id is missing"),
        ("gr1.1.2.3.cafe.", "session id is missing"),
        (None, "beginning with gr1."),
        (b"gr1.1.2.3.cafe.s", "beginning with gr1."),
        (7, "beginning with gr1."),
        (["start"], "beginning with gr1."),
    ],
)
def test_l04_a_malformed_cursor_says_what_is_wrong_with_it(token: Any, limit: str) -> None:
    with pytest.raises(InvalidCursor) as refusal:
        parse(token, "s")

    assert refusal.value.field == "cursor"
    assert limit in refusal.value.limit


@pytest.mark.parametrize("actual", ["other", "s2", "s.s", "S", "s\n", "s ", "../s"])
def test_l05_a_cursor_of_another_session_names_both(actual: str) -> None:
    with pytest.raises(WrongSession) as refusal:
        parse(f"gr1.1.2.3.cafe.{actual}", "s")

    assert (refusal.value.expected, refusal.value.actual) == ("s", actual)


@settings(max_examples=200, deadline=None)
@given(token=st.text(string.printable) | st.text())
def test_no_text_makes_the_parser_fail_otherwise(token: str) -> None:
    with suppress(InvalidCursor, WrongSession):
        parse(token, "s")
