"""The history of a session again, at the pace at which it happened."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from msgspec import Meta
from starlette.responses import Response

from ....actors.session.cursor import parse
from ....supervisor.replay import Replay
from ..call import Call
from ..endpoint import SSE, Endpoint, endpoint
from ..paced import Paced
from ..problems import problem_of
from ..streams.frames import Draining, Error, encode_json, frame, kind
from .history import TAG, Since

NDJSON: Final = "application/x-ndjson"

RETRY_MS: Final = 1_000
"""What a client is told to wait when the server stops."""

Speed: TypeAlias = Annotated[
    float, Meta(gt=0, description="How many times as fast as it happened; 2 s of pause at most.")
]


class Complete(msgspec.Struct, frozen=True, tag="complete"):
    """The last frame of a replay: nothing is missing."""


@endpoint(
    "GET",
    "/v1/sessions/{id}/replay",
    tag=TAG,
    raises=("invalid_cursor", "not_found", "too_many_requests", "wrong_session"),
    takes=("Last-Event-ID",),
    produces=(NDJSON, SSE),
)
async def replay(
    call: Call,
    id: str,  # noqa: A002
    speed: Speed = 1.0,
    since: Since = 0,
) -> Response:
    """The events that the history holds now, as frames of a stream, paced. For participants.

    A frame is a line, or a server-sent event if `Accept` names `text/event-stream` first. The last
    one is `complete`; or `error` with a problem, if the caller is a participant no more; or
    `draining`, when the server stops. With `Last-Event-ID` it goes on after that event.
    """
    session = await call.membership(id)
    if (last := call.request.headers.get("last-event-id")) is not None:
        since = max(since, parse(last, id).revision)
    events = session.replay(call.user, speed=speed, since=since)
    as_sse = call.request.headers.get("accept", "").strip().lower().startswith(SSE)
    encode = _as_sse if as_sse else _as_line
    with ExitStack() as entered:
        entered.enter_context(call.hall.admit(call.principal, id))
        return Paced(
            _pieces(events, encode, id),
            SSE if as_sse else NDJSON,
            notice=encode(Draining(retry_ms=RETRY_MS), None),
            connections=call.hall.connections,
            place=entered.pop_all(),
            clock=call.runtime.clock,
            expires_s=call.principal.expires_s,
        )


_Encode: TypeAlias = Callable[[Any, str | None], bytes]


async def _pieces(events: Replay, encode: _Encode, session: str) -> AsyncGenerator[bytes, None]:
    try:
        async for event in events:
            yield encode(frame(event), event.cursor)
    except Exception as error:
        yield encode(Error(id=None, problem=problem_of(error, session)), None)
    else:
        yield encode(Complete(), None)


def _as_line(told: Any, _: str | None) -> bytes:
    return encode_json(told) + b"\n"


def _as_sse(told: Any, cursor: str | None) -> bytes:
    named = "" if cursor is None else f"id: {cursor}\n"
    return f"{named}event: {kind(told)}\ndata: ".encode() + encode_json(told) + b"\n\n"


ENDPOINTS: Final[tuple[Endpoint, ...]] = (replay,)
