"""A session over a WebSocket: its events come out, and commands go in."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any, Final, cast

from starlette.requests import HTTPConnection
from starlette.types import Message, Receive, Scope, Send

from ....actors.errors import InvalidInput
from ....actors.kernel.reply import Reply
from ....actors.session.items import Gap, Published
from ....supervisor.handles.talk import Turn
from ..errors import Malformed, TooLarge
from ..problems import problem_of
from ..refusing import refuse
from . import codes
from .commands import Command, TurnAccepted, decode_json, decode_msgpack, decode_shown, id_of
from .follower import Follower, Out, pieces
from .frames import JSON, MSGPACK, PROTOCOLS, Ack, CommandId, Error, encode_json, encode_msgpack
from .hub import Hub
from .opening import Opening, opening

IN_FLIGHT: Final = 64
"""Commands without an answer, and answers not yet on their way, with which no more is read."""

TURNS: Final = 16
"""Messages taken in one go: what has come in one packet may be thousands."""

HASTY: Final = 64
"""Commands in a row beyond the limit of the principal: so many are answered, and no more."""

ANSWER_S: Final = 1.0
"""How long a stream that is to end waits for what its commands are answered."""


class Socket:
    """`/v1/sessions/{id}/ws`, as a raw ASGI application.

    The query is that of the server-sent events; so are the frames, several of which come together
    in one message, an array. Subprotocols are `greenroom.v1.json` (also if none is asked for) and
    `greenroom.v1.msgpack`. A message from the client is one command (`commands.py`), in JSON as
    text and in msgpack as bytes; bytes in the JSON protocol are a visual frame. Each command is
    answered by `ack` or `error` under its `id`, in the order of the commands. What is no command,
    or larger than `max_message_bytes`, is answered by an `error`, and the next one is read; so is
    what is beyond the limit of its principal, unless that is too often.

    What is wrong before the socket is open is an HTTP problem, where the server can answer so, and
    403 otherwise. How it closes: `codes.py`.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        with ExitStack() as place:
            try:
                stream = await self._opened(scope, receive, send, place)
            except Exception as error:
                problem = problem_of(error, scope["path_params"]["id"])
                await refuse(problem, scope, receive, send)
                return
            await stream.run()

    async def _opened(
        self, scope: Scope, receive: Receive, send: Send, place: ExitStack
    ) -> _Stream:
        hub = self._hub
        protocol = _protocol(scope["subprotocols"])
        asked = await opening(hub.hall, HTTPConnection(scope))
        place.enter_context(hub.hall.admit(asked.principal, asked.session.id))
        stream = _Stream(hub, asked, receive, send, protocol)
        await stream.follow(asked.after, asked.kinds)
        return stream


class _Stream(Follower):
    """One socket."""

    __slots__ = ("_ending", "_hasty", "_protocol", "_room", "_unanswered")

    def __init__(
        self, hub: Hub, asked: Opening, receive: Receive, send: Send, protocol: str | None
    ) -> None:
        super().__init__(hub, asked, receive, send)
        self._protocol = protocol
        self._unanswered: deque[tuple[CommandId, Reply[Any] | Error | None]] = deque()
        self._room: asyncio.Future[None] | None = None  # what the reader waits for
        self._ending = False
        self._hasty = 0

    # --- what goes out ---

    async def begin(self) -> None:
        await self._send({"type": "websocket.accept", "subprotocol": self._protocol})

    def message(self, each: Out) -> Message:
        if self._protocol != MSGPACK and isinstance(each, Published):
            return cast("Message", self._hub.encodings.alone(each))
        [message] = self.messages([each])
        return message

    def messages(self, out: Sequence[Out]) -> Iterator[Message]:
        if self._protocol == MSGPACK:
            for packs in pieces([self._pack(each) for each in out]):
                yield {"type": "websocket.send", "bytes": _array(len(packs)) + b"".join(packs)}
        else:
            for texts in pieces([self._text(each) for each in out]):
                yield {"type": "websocket.send", "text": f"[{','.join(texts)}]"}

    def written(self) -> None:
        if self._room is not None:
            self._make_room()

    async def shut(self) -> None:
        await self._send({"type": "websocket.close", "code": self._code, "reason": ""})

    def _text(self, each: Out) -> str:
        if isinstance(each, Published | Gap):
            return self._hub.encodings.text(each)
        return encode_json(each).decode()

    def _pack(self, each: Out) -> bytes:
        if isinstance(each, Published | Gap):
            return self._hub.encodings.pack(each)
        return encode_msgpack(each)

    # --- what comes in ---

    async def listen(self) -> None:
        count = 0
        while True:
            while self._is_full:
                if len(self._out) > self._held:
                    self._wake()  # it waits for answers that wait to be sent
                self._room = asyncio.get_running_loop().create_future()
                await self._room
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                return
            if self._code is None and not self._ending:
                self._take(message)
            count += 1
            if count % TURNS == 0:
                await asyncio.sleep(0)

    @property
    def _is_full(self) -> bool:
        """Whether the other end has to wait until it has been answered."""
        if self._code is not None:
            return False
        return len(self._unanswered) + len(self._out) - self._held >= IN_FLIGHT

    def _make_room(self) -> None:
        room = self._room
        if room is not None and not room.done() and not self._is_full:
            room.set_result(None)

    def _take(self, message: Message) -> None:
        text = message.get("text")
        content: str | bytes = message.get("bytes") or b"" if text is None else text
        name: CommandId = None
        answer: Reply[Any] | Error | None
        try:
            self._spend()
            command = self._command(content)
            name = command.id
            answer = command.perform(self._session, self._principal.user)
        except Exception as error:
            if name is None and not isinstance(error, TooLarge):
                name = self._name(content)
            answer = self._error(name, error)
        self._unanswered.append((name, answer))
        if isinstance(answer, Reply) and not answer.done:
            answer.on_done(self._answered)
        else:
            self._answer()
        if self._hasty >= HASTY:
            self.finish(codes.TOO_MANY)

    def _spend(self) -> None:
        """Count a command. Raises TooManyRequests."""
        self._hasty += 1
        self._hub.hall.spend(self._principal)
        self._hasty = 0

    def _command(self, content: str | bytes) -> Command:
        limit = self._hub.hall.settings.max_message_bytes
        if len(content) > limit or (isinstance(content, str) and _size(content) > limit):
            raise TooLarge(limit)
        if isinstance(content, str):
            if self._protocol == MSGPACK:
                raise Malformed(f"text, where {MSGPACK} is spoken")
            return decode_json(content)
        return decode_msgpack(content) if self._protocol == MSGPACK else decode_shown(content)

    def _name(self, content: str | bytes) -> CommandId:
        """What a command that cannot be read is called."""
        is_command = isinstance(content, str) or self._protocol == MSGPACK
        return id_of(content) if is_command else None

    def _answered(self, _: Reply[Any]) -> None:
        self._answer()

    def _answer(self) -> None:
        """Answer as many commands as are done, none before those that came before it."""
        unanswered = self._unanswered
        while unanswered:
            name, answer = unanswered[0]
            if isinstance(answer, Reply) and not answer.done:
                break
            unanswered.popleft()
            self.say(self._told(name, answer))
        if self._ending and not unanswered:
            super().end()
        self._make_room()

    def _told(self, name: CommandId, answer: Reply[Any] | Error | None) -> Ack | Error:
        if isinstance(answer, Error):
            return answer
        if answer is None:
            return Ack(id=name, result=None)
        if isinstance(answer.error, Exception):
            return self._error(name, answer.error)
        return Ack(id=name, result=_result(answer.result()))

    def end(self) -> None:
        """Read no more commands, and end when those that were read have been answered."""
        if not self._unanswered:
            super().end()
        elif not self._ending:
            self._ending = True
            self._hub.clock.call_later(ANSWER_S, super().end)


def _result(result: Any) -> Any:
    if isinstance(result, Turn):
        return TurnAccepted(turn=result.id, ahead=result.ahead, waits_for=result.waits_for)
    return result


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _array(length: int) -> bytes:
    """The head of a msgpack array."""
    return bytes([0x90 | length]) if length < 16 else b"\xdc" + length.to_bytes(2, "big")


def _protocol(asked: Sequence[str]) -> str | None:
    """The first that both ends know; None if none is asked for. Raises InvalidInput."""
    if not asked:
        return None
    known = next((each for each in asked if each in PROTOCOLS), None)
    if known is None:
        raise InvalidInput("subprotocol", asked[0], f"{JSON} or {MSGPACK}")
    return known
