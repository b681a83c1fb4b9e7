"""How a session's state and history are asked of a server."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from ...actors.session import messages
from ...actors.session.approvals import PendingApproval
from ...actors.session.audit import TranscriptReport
from ...actors.session.events import Exchange
from ...actors.session.info import HistoryPage, SessionInfo, SessionSnapshot
from ...actors.session.items import Published
from ...actors.session.records import SessionRecords
from ...actors.session.shared import SharedContext
from ...actors.session.transcript import Line
from ...actors.session.wakes import Wake
from ..web.streams.frames import EventFrame, item
from .request import Answer, Request, as_


class _Transcript(msgspec.Struct):
    lines: tuple[Line, ...]


class _Approvals(msgspec.Struct):
    rows: list[PendingApproval]


class _Timers(msgspec.Struct):
    wakes: tuple[Wake, ...]


class _Dialog(msgspec.Struct):
    dialog: tuple[Exchange, ...]


class _History(msgspec.Struct):
    events: list[EventFrame]
    truncated: bool
    oldest: int
    last: int
    seen: dict[str, int]


_transcript: Final = as_(_Transcript)
_approvals: Final = as_(_Approvals)
_timers: Final = as_(_Timers)
_dialog: Final = as_(_Dialog)
_history: Final = as_(_History)


def _get(where: str, to: Any) -> Any:
    """What asks for a part of a session."""

    def translate(path: str, _: Any) -> Request:
        return Request(method="GET", path=f"{path}{where}", to=to)

    return translate


def pending(answer: Answer) -> PendingApproval | None:
    """What waits for a decision, if anything does."""
    rows: list[PendingApproval] = _approvals(answer).rows
    return rows[0] if rows else None


def get_history(path: str, asked: messages.GetHistory) -> Request:
    """A page. None is asked for with room for no event at all: that one is left out here."""

    def page(answer: Answer) -> HistoryPage:
        told: _History = _history(answer)
        return HistoryPage(
            events=tuple(_published(each) for each in told.events[: asked.limit]),
            truncated=told.truncated,
            oldest=told.oldest,
            last=told.last,
            seen=told.seen,
        )

    query = {"since": asked.since, "limit": max(asked.limit, 1)}
    return Request(method="GET", path=f"{path}/history", query=query, to=page)


def _published(frame: EventFrame) -> Published:
    told = item(frame)
    assert isinstance(told, Published)
    return told


QUESTIONS: Final[dict[type, Any]] = {
    messages.GetInfo: _get("", as_(SessionInfo)),
    messages.RequireMember: _get("", lambda _: None),
    messages.GetTranscript: _get("/transcript", lambda a: _transcript(a).lines),
    messages.GetSnapshot: _get("/snapshot", as_(SessionSnapshot)),
    messages.GetHistory: get_history,
    messages.GetContext: _get("/state", as_(SharedContext)),
    messages.GetApproval: _get("/approvals", pending),
    messages.GetWakes: _get("/wakes", lambda a: _timers(a).wakes),
    messages.GetReport: _get("/verify", as_(TranscriptReport)),
    messages.GetRecords: _get("/records", as_(SessionRecords)),
    messages.GetDialog: _get("/dialog", lambda a: _dialog(a).dialog),
}
"""By the type of what a handle asks."""
