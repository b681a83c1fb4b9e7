"""The wire: every event comes back as it was published, and is encoded once for all."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import msgspec
import pytest
from recorded import environment
from session.test_wire import OTHERS, WIRE

from greenroom.actors.session import events as happened
from greenroom.actors.session.cursor import parse
from greenroom.actors.session.events import KINDS, Event
from greenroom.actors.session.items import Gap, Published
from greenroom.adapters.web.streams import encodings, frames
from greenroom.adapters.web.streams.encodings import Encodings
from greenroom.adapters.web.streams.follower import PIECE, pieces

EVENTS = [*(event for event, *_ in WIRE), *OTHERS]

GAP = Gap(
    session="s1",
    reason="trimmed",
    requested="gr1.1.2.3.cafe.s1",
    latest="gr1.2.9.0.cafe.s1",
    latest_revision=9,
    healed=True,
)


def published(event: Event, **place: Any) -> Published:
    given: dict[str, Any] = {"revision": 7, "epoch": 2, "position": 3, **place}
    return Published(event=event, at_ms=5, session="s1", incarnation="cafe", **given)


def streamed(position: int, text: str = "word ") -> Published:
    return published(happened.TextStreamed(1, text), position=position)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_every_event_comes_back_in_both_protocols(event: Event) -> None:
    item = published(event)

    [text] = frames.decode_json(b"[" + frames.encode_json(frames.frame(item)) + b"]")
    [pack] = frames.decode_msgpack(b"\x91" + frames.encode_msgpack(frames.frame(item)))

    assert text == pack
    assert isinstance(text, frames.EventFrame)
    back = frames.item(text)
    assert isinstance(back, Published)
    assert back.cursor == text.cursor == item.cursor
    assert (back.turn, back.durable) == (text.turn, text.durable) == (item.turn, item.durable)
    if not isinstance(event, happened.DialogSet) and not getattr(event, "prompt", ""):
        assert back == item


def test_no_kind_of_event_is_left_out() -> None:
    assert {type(event) for event in EVENTS} == set(KINDS.values())
    assert {frames.kind(published(event)) for event in EVENTS} == set(KINDS)


def test_a_gap_comes_back() -> None:
    [told] = frames.decode_json(b"[" + frames.encode_json(frames.frame(GAP)) + b"]")

    assert isinstance(told, frames.GapFrame)
    assert told.cursor == GAP.requested
    assert frames.item(told) == GAP
    assert frames.kind(GAP) == frames.kind(told) == "gap"


@pytest.mark.parametrize(
    "event",
    [
        happened.TurnQueued(turn=1, user="ann", kind="compaction", prompt="a secret"),
        happened.TurnStarted(turn=1, user="ann", kind="greeting", prompt="a secret"),
        happened.DialogSet(
            user="ann", dialog=[happened.Exchange(user="a secret", assistant="a secret")]
        ),
    ],
)
def test_what_is_for_pipelines_only_is_left_out(event: Event) -> None:
    item = published(event)

    assert b"secret" not in frames.encode_json(frames.frame(item))
    assert b"secret" not in frames.encode_msgpack(frames.frame(item))
    assert "secret" in repr(item.event)


def test_the_layout_of_an_event() -> None:
    """What clients in other languages rely on."""
    told = msgspec.json.decode(frames.encode_json(frames.frame(streamed(3))))

    assert told == {
        "type": "event",
        "session": "s1",
        "cursor": "gr1.2.7.3.cafe.s1",
        "revision": 7,
        "epoch": 2,
        "position": 3,
        "incarnation": "cafe",
        "at_ms": 5,
        "turn": 1,
        "durable": False,
        "healed": False,
        "event": {"type": "text.streamed", "turn": 1, "text": "word "},
    }
    assert str(parse(told["cursor"], "s1")) == told["cursor"]


def test_each_event_is_encoded_once_for_all_who_read_it() -> None:
    shared, item = Encodings(), streamed(1)

    texts = {shared.text(item) for _ in range(1000)}
    chunks = {shared.chunk(item) for _ in range(1000)}

    assert shared.made == 1
    assert texts == {frames.encode_json(frames.frame(item)).decode()}
    assert chunks == {f"id: {item.cursor}\nevent: text.streamed\ndata: {texts.pop()}\n\n".encode()}
    assert {shared.pack(item) for _ in range(1000)} == {frames.encode_msgpack(frames.frame(item))}
    assert shared.made == 2


def test_equal_events_of_two_readers_are_not_taken_for_each_other() -> None:
    """Read back from the journal, each reader has objects of its own, and ids come again."""
    shared = Encodings()

    texts = [shared.text(streamed(number)) for number in range(3 * encodings.MOST_ITEMS)]

    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("text", ["word ", "x" * 100_000])
def test_what_is_kept_of_encodings_is_bounded(text: str) -> None:
    shared = Encodings()
    count = 3 * encodings.MOST_ITEMS if len(text) < 100 else 300

    for number in range(count):
        shared.chunk(streamed(number, text))

    kept = [*shared._young.values(), *shared._old.values()]
    assert len(kept) <= 2 * encodings.MOST_ITEMS
    size = sum(len(each.text or "") + len(each.chunk or b"") for each in kept)
    assert size <= 2 * (encodings.MOST_BYTES + 2 * len(text) + 1000)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([1], [[1]]),
        ([PIECE * 2], [[PIECE * 2]]),
        ([10, 20, 30], [[10, 20, 30]]),
        ([PIECE, 1], [[PIECE], [1]]),
        ([1, PIECE, 1], [[1], [PIECE], [1]]),
        ([PIECE // 2, PIECE // 2, 1], [[PIECE // 2, PIECE // 2], [1]]),
    ],
)
def test_no_piece_is_large_only_because_much_has_gathered(
    sizes: list[int], expected: list[list[int]]
) -> None:
    parts = [bytes(size) for size in sizes]

    assert [[len(part) for part in piece] for piece in pieces(parts)] == expected


def test_a_client_needs_no_server_for_it() -> None:
    code = (
        "import sys, greenroom.adapters.web.streams.frames; "
        "print([name for name in ('starlette', 'uvicorn') if name in sys.modules])"
    )

    ran = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True
    )

    assert ran.stdout.strip() == "[]"


def test_an_unknown_frame_is_told_from_a_broken_one() -> None:
    with pytest.raises(msgspec.ValidationError):
        frames.decode_json('[{"type":"from the future"}]')
    with pytest.raises(msgspec.DecodeError):
        frames.decode_json("[")
