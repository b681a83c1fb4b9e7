"""What those who run the house ask of it by way of a client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec

from ...actors.kernel.reply import Reply
from ...actors.ports import SessionId
from ...actors.session import values
from ...actors.session.answers import Receipt
from ...actors.session.items import Published
from ...supervisor.explanation import Explanation
from ...supervisor.handles.base import revision_of
from ...supervisor.residents import ResidentQuery, Residents
from .host import RemoteHost
from .recorded import recorded
from .request import Answer, Request, as_


class _Done(msgspec.Struct):
    done: bool


_done: Final = as_(_Done)


def _is_done(answer: Answer) -> bool:
    done: bool = _done(answer).done
    return done


class House(RemoteHost):
    """For operators: the methods that a runtime has for them. Everybody else gets `Forbidden`."""

    def explain(self, session: SessionId) -> Reply[Explanation]:
        """Why a session is, or is not, on stage, since when, and what keeps it there."""
        path = f"/v1/admin/explain/{values.session_id(session)}"
        request = Request(method="GET", path=path, to=as_(Explanation))
        return self._requested(session, request, None)

    async def residents(self, query: ResidentQuery | None = None) -> Residents:
        """The sessions that the server's process holds something of, the most conspicuous first.

        200 of them at most.
        """
        asked = msgspec.to_builtins(query or ResidentQuery())
        query_ = {**asked, "prefix": asked["prefix"] or None}
        request = Request(method="GET", path="/v1/admin/sessions", query=query_, to=as_(Residents))
        listed: Residents = await self._requested("", request, None, apart=True)
        return listed

    def recorded(self, session: SessionId, *, since: int = 0) -> AsyncIterator[Published]:
        """The durable events of any session after revision `since`, and those that follow, until
        it ends: read from the server's journal, so the session is neither woken nor kept awake.
        """
        return recorded(self._link, values.session_id(session), revision_of(since, "since"))

    def passivate(self, session: SessionId, *, force: bool = False) -> Reply[bool]:
        """Have a session leave the stage now, if it is idle, or with `force`: whether it has."""
        return self._order(session, "evict", {"force": force})

    def park(self, session: SessionId, reason: str) -> Reply[bool]:
        """Set a session aside, until it is revived."""
        return self._order(session, "park", {"reason": values.name(reason, "reason")})

    def revive(self, session: SessionId) -> Reply[bool]:
        """Let a parked session on stage again."""
        return self._order(session, "revive", msgspec.UNSET)

    def end(self, session: SessionId, reason: str = "operator") -> Reply[Receipt]:
        """End a session for good, without taking part in it."""
        body = {"reason": values.name(reason, "reason")}
        return self._order(session, "end", body, as_(Receipt))

    def _order(self, session: SessionId, what: str, body: Any, to: Any = _is_done) -> Reply[Any]:
        path = f"/v1/admin/sessions/{values.session_id(session)}/{what}"
        request = Request(method="POST", path=path, json=body, to=to, is_safe=what == "end")
        return self._requested(session, request, None)
