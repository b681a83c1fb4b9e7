"""What has happened in a session, and what becomes of it: read, taken back, compacted, forked."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias
from urllib.parse import urlencode

import msgspec
from msgspec import Meta

from ....actors.ports import UserId
from ....actors.session.answers import CutReceipt
from ....actors.session.info import SessionInfo, SessionSnapshot
from ....actors.session.transcript import Line
from ....actors.session.values import MAX_NAME
from ..call import Call
from ..endpoint import Endpoint, endpoint
from ..streams.frames import EventFrame, Told, frame
from .messages import TurnReceipt

TAG: Final = "history"

EDITING: Final = ("ended", "idempotency_conflict", "not_allowed", "not_found", "rejected")

Since: TypeAlias = Annotated[
    int, Meta(ge=0, le=2**63 - 1, description="Events after this revision.")
]

Limit: TypeAlias = Annotated[int, Meta(ge=1, le=1000, description="Events on one page.")]

Number: TypeAlias = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class History(msgspec.Struct, frozen=True, kw_only=True):
    """A page of events, oldest first, as streams send them; `next` is the `since` of the next one.

    `truncated`: events that were asked for are no longer retained; the oldest one that is has
    revision `oldest`. `last` is the newest there is. `seen`: what each participant acknowledged.
    """

    events: list[EventFrame]
    truncated: bool
    oldest: int
    last: int
    seen: dict[UserId, int]
    next: int | None = None


class Transcript(msgspec.Struct, frozen=True, kw_only=True):
    """What was said and called, oldest first, as a model must see it."""

    lines: tuple[Line, ...]


class Flaw(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong, and with which line of the transcript, counted from 0."""

    line: int
    what: str


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a transcript of so many `lines` is valid, and what is wrong with it, in order."""

    valid: bool
    lines: int
    problems: list[Flaw]


class Truncation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first message that goes: the messages of people are counted from 0."""

    message: Number


class Compaction(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many of the last messages of people are kept, and what the compactor is told."""

    keep: Number = 2
    prompt: str = "Summarise the conversation so far."


class Forking(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the new session begins: at revision `at`, or now. With an `id` it is made once."""

    at: Number | None = None
    id: str | None = None
    name: Annotated[str, Meta(max_length=MAX_NAME * 4)] | None = None


@endpoint("GET", "/v1/sessions/{id}/history", tag=TAG, raises=("not_found",), gives=("Link",))
async def get_history(
    call: Call,
    id: str,  # noqa: A002
    since: Since = 0,
    limit: Limit = 100,
) -> History:
    """The durable events, page by page. For participants."""
    page = await call.session(id).history(call.user, since=since, limit=limit)
    full = len(page.events) == limit and page.events[-1].revision < page.last
    follows = page.events[-1].revision if full else None
    if follows is not None:
        query = urlencode({"since": follows, "limit": limit})
        call.headers["link"] = f'<{call.path(f"/v1/sessions/{id}/history")}?{query}>; rel="next"'
    return History(
        events=[_event(frame(each)) for each in page.events],
        truncated=page.truncated,
        oldest=page.oldest,
        last=page.last,
        seen=page.seen,
        next=follows,
    )


def _event(told: Told) -> EventFrame:
    assert isinstance(told, EventFrame)  # a history has no gaps
    return told


@endpoint("GET", "/v1/sessions/{id}/transcript", tag=TAG, raises=("not_found",))
async def get_transcript(call: Call, id: str) -> Transcript:  # noqa: A002
    """The conversation. For participants."""
    return Transcript(lines=await call.session(id).transcript(call.user))


@endpoint("GET", "/v1/sessions/{id}/snapshot", tag=TAG, raises=("not_found",))
async def get_snapshot(call: Call, id: str) -> SessionSnapshot:  # noqa: A002
    """The whole state, and exactly the cursor from which a stream goes on. For participants."""
    return await call.session(id).snapshot(call.user)


@endpoint("POST", "/v1/sessions/{id}/undo", tag=TAG, raises=EDITING, takes=("Idempotency-Key",))
async def undo(call: Call, id: str) -> CutReceipt:  # noqa: A002
    """Take back the last message of a person, and everything that follows it.

    Turns that lose a line are cancelled. Shared context, and what tools did, stay as they are.
    """
    session = await call.membership(id)
    return await session.undo(call.user, key=call.key)


@endpoint("POST", "/v1/sessions/{id}/truncate", tag=TAG, raises=EDITING, takes=("Idempotency-Key",))
async def truncate(call: Call, id: str, body: Truncation) -> CutReceipt:  # noqa: A002
    """Cut the transcript before a message of a person; what goes and stays is as for `undo`."""
    session = await call.membership(id)
    return await session.truncate(call.user, body.message, key=call.key)


@endpoint(
    "POST",
    "/v1/sessions/{id}/compact",
    tag=TAG,
    status=202,
    raises=(
        *EDITING,
        "no_compactor",
        "no_pipeline",
        "nothing_to_compact",
        "turn_queue_full",
        "wrong_state",
    ),
    takes=("Idempotency-Key",),
    gives=("Location",),
)
async def compact(call: Call, id: str, body: Compaction) -> TurnReceipt:  # noqa: A002
    """Have a summary put in the place of older messages, by a turn: `Location` is its result."""
    session = await call.membership(id)
    turn = await session.compact(call.user, keep=body.keep, prompt=body.prompt, key=call.key)
    call.headers["location"] = call.path(f"/v1/sessions/{id}/turns/{turn.id}")
    return TurnReceipt(turn=turn.id, ahead=turn.ahead, waits_for=turn.waits_for)


@endpoint(
    "POST",
    "/v1/sessions/{id}/fork",
    tag=TAG,
    status=201,
    raises=("capacity", "damaged", "exists", "not_found", "not_kept", "rejected"),
    gives=("Location",),
)
async def fork(call: Call, id: str, body: Forking) -> SessionInfo:  # noqa: A002
    """Make a new session of the caller's that goes on from this one, which is not changed."""
    made = await call.session(id).fork(call.user, at=body.at, id=body.id, name=body.name)
    call.headers["location"] = call.path(f"/v1/sessions/{made.id}")
    return await made.info()


@endpoint("GET", "/v1/sessions/{id}/verify", tag=TAG, raises=("not_found",))
async def verify(call: Call, id: str) -> Verified:  # noqa: A002
    """Whether the transcript is one that a model takes, and if not, why. For participants."""
    report = await call.session(id).verify(call.user)
    flaws = [Flaw(line=problem.line, what=problem.what) for problem in report.problems]
    return Verified(valid=report.valid, lines=report.lines, problems=flaws)


ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    get_history,
    get_transcript,
    get_snapshot,
    undo,
    truncate,
    compact,
    fork,
    verify,
)
