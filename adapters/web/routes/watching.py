"""What the dashboard follows: the house, and one session as its journal has it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import ExitStack, aclosing
from typing import Annotated, Final

from msgspec import Meta
from starlette.responses import Response

from ....actors.ports import Clock, Journal, UserId
from ....actors.session.items import stored
from ....actors.session.state import decode_genesis
from ....supervisor.explanation import Verdict
from ....supervisor.residents import ResidentQuery, Sort
from ...pauses import pause
from ..call import Call
from ..endpoint import SSE, Endpoint, endpoint
from ..paced import Paced
from ..streams.frames import Draining, encode_json, frame
from .admin import TAG, Held, Prefix, Top

PAGE: Final = 256
"""Events read from the journal at once."""

LOOK_S: Final = 0.5
"""How often the journal is looked at for new events."""

RETRY_MS: Final = 2_000
HOUSE: Final = "*"
"""Among the open streams of sessions, the name of those that follow the house: no session's id."""


@endpoint(
    "GET",
    "/v1/admin/overview",
    tag=TAG,
    operator=True,
    raises=("too_many_requests",),
    produces=(SSE,),
)
async def watch_house(
    call: Call,
    limit: Top = 40,
    sort: Sort = "depth",
    verdict: Held | None = None,
    owner: UserId | None = None,
    prefix: Prefix = "",
) -> Response:
    """How full the house is and what it does, every second, with the first sessions by `sort`.

    Each server-sent event is called `overview`; the last one `draining`, when the server stops.
    """
    query = ResidentQuery(
        limit=limit,
        sort=sort,
        verdict=None if verdict is None else Verdict(verdict),
        owner=owner,
        prefix=prefix,
    )
    return _stream(call, HOUSE, _named(call.hall.board.watch(query), b"overview"))


@endpoint(
    "GET",
    "/v1/admin/sessions/{id}/events",
    tag=TAG,
    operator=True,
    raises=("not_found", "too_many_requests"),
    produces=(SSE,),
)
async def watch_session(
    call: Call,
    id: str,  # noqa: A002
    after: Annotated[int, Meta(ge=0, le=2**53, description="A revision.")] = 0,
) -> Response:
    """The durable events of a session after a revision, and those that follow.

    They are read from the journal: the session is neither woken nor kept awake, and it makes no
    difference whether it is on stage. New ones are there within half a second. Each server-sent
    event is called `frame`, and holds one.
    """
    call.session(id)
    journal = call.runtime.journal
    genesis = decode_genesis((await journal.beginning(id)).genesis)
    frames = _recorded(journal, call.runtime.clock, id, genesis.incarnation, after)
    return _stream(call, id, _named(frames, b"frame"))


def _stream(call: Call, place: str, pieces: AsyncIterator[bytes]) -> Response:
    with ExitStack() as entered:
        entered.enter_context(call.hall.admit(call.principal, place))
        return Paced(
            pieces,
            SSE,
            notice=b"event: draining\ndata: " + encode_json(Draining(retry_ms=RETRY_MS)) + b"\n\n",
            connections=call.hall.connections,
            place=entered.pop_all(),
        )


async def _named(told: AsyncGenerator[bytes, None], name: bytes) -> AsyncIterator[bytes]:
    async with aclosing(told):
        async for each in told:
            yield b"event: " + name + b"\ndata: " + each + b"\n\n"


async def _recorded(
    journal: Journal, clock: Clock, session: str, incarnation: str, after: int
) -> AsyncGenerator[bytes, None]:
    while True:
        page = await journal.read(session, after=after, limit=PAGE)
        for revision, body in enumerate(page.events, page.first):
            yield encode_json(frame(stored(body, revision, session, incarnation, healed=False)))
            after = revision
        if not page.events:
            await pause(clock, LOOK_S)


ENDPOINTS: Final[tuple[Endpoint, ...]] = (watch_house, watch_session)
