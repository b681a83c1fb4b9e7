"""What goes over the wire to a reader: the same frames in both protocols, and back again.

A client may use this module, too: it needs nothing of the server.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

import msgspec
from msgspec.structs import replace

from ....actors.ports import SessionId, UserId
from ....actors.session.events import DialogSet, Event, TurnQueued, TurnStarted
from ....actors.session.items import Gap, Item, Lost, Published

JSON: Final = "greenroom.v1.json"
MSGPACK: Final = "greenroom.v1.msgpack"

PROTOCOLS: Final = (JSON, MSGPACK)
"""The subprotocols of the WebSocket. Without one it is the first."""

CommandId: TypeAlias = int | str | None
"""What a client has called its command."""


class EventFrame(msgspec.Struct, frozen=True, kw_only=True, tag="event", gc=False):
    """An event. `cursor` goes on after it; the rest is as of `Published`.

    What is told to pipelines only is left out: prompts, and the pairs of a dialog context.
    """

    session: SessionId
    cursor: str
    revision: int
    epoch: int
    position: int
    incarnation: str
    at_ms: int
    turn: int | None
    durable: bool
    healed: bool
    event: Event


class GapFrame(msgspec.Struct, frozen=True, kw_only=True, tag="gap"):
    """Something is missing, as of `Gap`; `cursor` goes on after it."""

    session: SessionId
    reason: Lost
    requested: str
    latest: str
    latest_revision: int
    healed: bool
    cursor: str


class Hello(msgspec.Struct, frozen=True, kw_only=True, tag="hello"):
    """The first frame: who reads what, and the `cursor` after which reading begins.

    Something is sent at least every `heartbeat_s` seconds; whoever hears nothing for longer may
    take the connection for lost, and go on with the last cursor.
    """

    session: SessionId
    user: UserId
    cursor: str
    heartbeat_s: float


class Ack(msgspec.Struct, frozen=True, kw_only=True, tag="ack"):
    """The command `id` is done, and what it touches is durable. Acks and errors of commands come
    in the order of the commands."""

    id: CommandId
    result: Any


class Error(msgspec.Struct, frozen=True, kw_only=True, tag="error"):
    """The command `id` has changed nothing; without `id`: something else went wrong.

    `problem` is the one that HTTP answers (RFC 9457).
    """

    id: CommandId
    problem: Any


class Alive(msgspec.Struct, frozen=True, tag="alive"):
    """Nothing has happened for a while."""


class Draining(msgspec.Struct, frozen=True, kw_only=True, tag="draining"):
    """The server stops. Connect again after `retry_ms`, and go on with the last cursor."""

    retry_ms: int


class End(msgspec.Struct, frozen=True, kw_only=True, tag="end"):
    """Nothing follows, now or later: the session has `ended`, or the user has `left` it."""

    reason: Literal["ended", "left"]


Told: TypeAlias = EventFrame | GapFrame
"""What a frame tells of the session."""

Frame: TypeAlias = Told | Hello | Ack | Error | Alive | Draining | End
"""Every frame that a server sends."""

encode_json: Final = msgspec.json.Encoder().encode
encode_msgpack: Final = msgspec.msgpack.Encoder().encode

decode_json: Final = msgspec.json.Decoder(list[Frame]).decode
decode_msgpack: Final = msgspec.msgpack.Decoder(list[Frame]).decode
"""One WebSocket message of a server: its frames. Raises msgspec.ValidationError, DecodeError."""

decode_data: Final = msgspec.json.Decoder(Frame).decode
"""The data of one server-sent event."""


def frame(item: Item) -> Told:
    """What is sent of an item."""
    if isinstance(item, Published):
        return EventFrame(
            session=item.session,
            cursor=item.cursor,
            revision=item.revision,
            epoch=item.epoch,
            position=item.position,
            incarnation=item.incarnation,
            at_ms=item.at_ms,
            turn=item.turn,
            durable=item.durable,
            healed=item.healed,
            event=_shown(item.event),
        )
    return GapFrame(
        session=item.session,
        reason=item.reason,
        requested=item.requested,
        latest=item.latest,
        latest_revision=item.latest_revision,
        healed=item.healed,
        cursor=item.cursor,
    )


def item(frame: Told) -> Item:
    """The item that a frame tells of."""
    if isinstance(frame, EventFrame):
        return Published(
            event=frame.event,
            at_ms=frame.at_ms,
            revision=frame.revision,
            epoch=frame.epoch,
            position=frame.position,
            session=frame.session,
            incarnation=frame.incarnation,
            healed=frame.healed,
        )
    return Gap(
        session=frame.session,
        reason=frame.reason,
        requested=frame.requested,
        latest=frame.latest,
        latest_revision=frame.latest_revision,
        healed=frame.healed,
    )


def kind(told: Item | Frame) -> str:
    """What an item or a frame is called as a server-sent event: of an event, that event's kind."""
    named = told.event if isinstance(told, Published | EventFrame) else told
    tag = named.__struct_config__.tag
    assert isinstance(tag, str)
    return tag


_PROMPTED: Final = (TurnQueued, TurnStarted)


def _shown(event: Event) -> Event:
    if isinstance(event, _PROMPTED) and event.prompt:
        return replace(event, prompt="")
    if isinstance(event, DialogSet):
        return replace(event, dialog=[])
    return event
