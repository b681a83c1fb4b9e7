"""What a client may have done over its WebSocket: one object for each command, tagged by `do`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any, Final, TypeAlias

import msgspec

from ....actors.kernel.reply import Reply
from ....actors.ports import Policy
from ....actors.session.frames import Frame
from ....actors.session.phases import Phase
from ....supervisor.session import Session
from ..errors import Malformed, WrongShape
from .frames import CommandId

_Id: TypeAlias = (
    Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
    | Annotated[str, msgspec.Meta(max_length=128)]
    | None
)


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="do"):
    """The part that all commands share: `id` comes back with the ack, or the error."""

    id: _Id = None

    def perform(self, session: Session, user: str) -> Reply[Any] | None:
        """Have it done in the name of `user`; None: there is nothing to wait for.

        Raises InvalidInput; the reply is refused as the method of the handle says.
        """
        raise NotImplementedError


class Post(Asked, frozen=True, kw_only=True, tag="post"):
    text: str
    key: str | None = None

    def perform(self, session: Session, user: str) -> Reply[Any] | None:
        return session.post(user, self.text, key=self.key)


class Send(Asked, frozen=True, kw_only=True, tag="send"):
    text: str
    policy: Policy | None = None
    answer_key: str = ""
    key: str | None = None

    def perform(self, session: Session, user: str) -> Reply[Any] | None:
        return session.send(
            user, self.text, policy=self.policy, answer_key=self.answer_key, key=self.key
        )


class Interrupt(Asked, frozen=True, kw_only=True, tag="interrupt"):
    turn: int | None = None

    def perform(self, session: Session, user: str) -> Reply[Any] | None:
        return session.interrupt(user, self.turn)


class Decide(Asked, frozen=True, kw_only=True, tag="decide"):
    decisions: dict[str, bool]
    approval: str | None = None
    key: str | None = None

    def perform(self, session: Session, user: str) -> Reply[Any] | None:
        return session.decide(user, self.decisions, self.approval, key=self.key)


class Join(Asked, frozen=True, kw_only=True, tag="join"):
    name: str | None = None
    role: str = "participant"
    key: str | None = None

    def perform(self, session: Session, user: str) -> Reply[Any] | None:
        return session.join(user, name=self.name, role=self.role, key=self.key)


class Leave(Asked, frozen=True, kw_only=True, tag="leave"):
    def perform(self, session: Session, user: str) -> Reply[Any] | None:
        return session.leave(user)


class Present(Asked, frozen=True, kw_only=True, tag="present"):
    active: bool = True
    cursor: str | None = None
    focus: str | None = None

    def perform(self, session: Session, user: str) -> Reply[Any] | None:
        session.present(user, active=self.active, cursor=self.cursor, focus=self.focus)
        return None


class Act(Asked, frozen=True, kw_only=True, tag="act"):
    action: str
    data: dict[str, Any] = {}
    key: str | None = None

    def perform(self, session: Session, user: str) -> Reply[Any] | None:
        return session.act(user, self.action, self.data, key=self.key)


class Acknowledge(Asked, frozen=True, kw_only=True, tag="acknowledge"):
    revision: int

    def perform(self, session: Session, user: str) -> Reply[Any] | None:
        return session.acknowledge(user, self.revision)


class Delivered(Asked, frozen=True, kw_only=True, tag="delivered"):
    turn: int
    chars: int

    def perform(self, session: Session, user: str) -> Reply[Any] | None:
        session.delivered(user, self.turn, self.chars)
        return None


class Start(Asked, frozen=True, kw_only=True, tag="start"):
    def perform(self, session: Session, user: str) -> Reply[Any] | None:
        return session.start(user)


class Pause(Asked, frozen=True, kw_only=True, tag="pause"):
    def perform(self, session: Session, user: str) -> Reply[Any] | None:
        return session.pause(user)


class Resume(Asked, frozen=True, kw_only=True, tag="resume"):
    def perform(self, session: Session, user: str) -> Reply[Any] | None:
        return session.resume(user)


class End(Asked, frozen=True, kw_only=True, tag="end"):
    def perform(self, session: Session, user: str) -> Reply[Any] | None:
        return session.end(user)


class Touch(Asked, frozen=True, kw_only=True, tag="touch"):
    def perform(self, session: Session, user: str) -> Reply[Any] | None:
        return session.touch(user)


class SetPhase(Asked, frozen=True, kw_only=True, tag="phase"):
    phase: Phase
    turn: int | None = None

    def perform(self, session: Session, user: str) -> Reply[Any] | None:
        return session.set_phase(user, self.phase, turn=self.turn)


class StartVisual(Asked, frozen=True, kw_only=True, tag="visual_start"):
    source: str

    def perform(self, session: Session, user: str) -> Reply[Any] | None:
        return session.start_visual(user, self.source)


class StopVisual(Asked, frozen=True, kw_only=True, tag="visual_stop"):
    source: str = ""

    def perform(self, session: Session, user: str) -> Reply[Any] | None:
        return session.stop_visual(user, self.source)


class Show(Asked, frozen=True, kw_only=True, tag="frame"):
    """A visual frame. In JSON `data` is base64; a binary message spares that."""

    data: bytes
    mime: str
    width: int
    height: int
    source: str
    timestamp_ms: int = 0
    frame_seq: int = 0

    @property
    def frame(self) -> Frame:
        """As a session is shown it."""
        return Frame(
            data=self.data,
            mime=self.mime,
            width=self.width,
            height=self.height,
            source=self.source,
            timestamp_ms=self.timestamp_ms,
            frame_seq=self.frame_seq,
        )

    def perform(self, session: Session, user: str) -> Reply[Any] | None:
        return session.offer_frame(user, self.frame)


Command: TypeAlias = (
    Post
    | Send
    | Interrupt
    | Decide
    | Join
    | Leave
    | Present
    | Act
    | Acknowledge
    | Delivered
    | Start
    | Pause
    | Resume
    | End
    | Touch
    | SetPhase
    | StartVisual
    | StopVisual
    | Show
)


class TurnAccepted(msgspec.Struct, frozen=True, kw_only=True, tag="turn"):
    """What a `send` is acknowledged with: the turn is accepted, and `ahead` others go first."""

    turn: int
    ahead: int
    waits_for: str | None


class _Named(msgspec.Struct, frozen=True):
    """What may be told of a command that cannot be read: whose answer the error is."""

    id: _Id = None


class Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes before the image in a binary message: all of a visual frame but its data."""

    mime: str
    width: int
    height: int
    source: str
    id: _Id = None
    timestamp_ms: int = 0
    frame_seq: int = 0


_decode_json: Final = msgspec.json.Decoder(Command).decode
_decode_msgpack: Final = msgspec.msgpack.Decoder(Command).decode
_decode_header: Final = msgspec.json.Decoder(Header).decode
_name_json: Final = msgspec.json.Decoder(_Named).decode
_name_msgpack: Final = msgspec.msgpack.Decoder(_Named).decode

_LENGTH: Final = 4


def decode_json(text: str) -> Command:
    """A command in JSON. Raises Malformed and WrongShape."""
    command: Command = _decoded(_decode_json, text)
    return command


def decode_msgpack(data: bytes) -> Command:
    """A command in msgpack. Raises Malformed and WrongShape."""
    command: Command = _decoded(_decode_msgpack, data)
    return command


def decode_shown(data: bytes) -> Show:
    """A binary message: the length of a JSON header (4 bytes, big-endian), that, and the image.

    Raises Malformed and WrongShape.
    """
    size = int.from_bytes(data[:_LENGTH], "big")
    if len(data) < _LENGTH + size:
        raise Malformed("the message ends before its header does")
    header: Header = _decoded(_decode_header, data[_LENGTH : _LENGTH + size])
    return Show(**msgspec.structs.asdict(header), data=data[_LENGTH + size :])


def id_of(data: str | bytes) -> CommandId:
    """What a command that cannot be read is called, if so much can be read."""
    with suppress(msgspec.DecodeError, ValueError, RecursionError):
        return (_name_json(data) if isinstance(data, str) else _name_msgpack(data)).id
    return None


def _decoded(decode: Callable[[Any], Any], data: str | bytes) -> Any:
    try:
        return decode(data)
    except msgspec.ValidationError as error:
        why, _, where = str(error).partition(" - at `$")
        raise WrongShape(where.strip(".`") or "command", why) from None
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Malformed(str(error)) from None
