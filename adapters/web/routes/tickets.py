"""Tickets: how a browser's streams show who reads them."""

from __future__ import annotations

from typing import Final

import msgspec

from ....actors.session import values
from ..call import Call
from ..endpoint import Endpoint, endpoint


class NewTicket(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a ticket is for: the streams of one session, or, without `session`, any stream."""

    session: str | None = None


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """A ticket, to be shown once as `?ticket=` within `expires_s` seconds."""

    ticket: str
    expires_s: float


@endpoint("POST", "/v1/tickets", tag="tickets", status=201)
async def create_ticket(call: Call, body: NewTicket) -> Ticket:
    """Get a ticket for one stream, for clients that cannot send headers with it.

    It stands for the caller, with all of the caller's scopes. Nobody looks whether there is such a
    session. A stream that is opened again needs another ticket.
    """
    session = None if body.session is None else values.session_id(body.session)
    call.headers["cache-control"] = "no-store"
    ticket = call.hall.tickets.issue(call.principal, session)
    return Ticket(ticket=ticket, expires_s=call.hall.settings.ticket_ttl_s)


ENDPOINTS: Final[tuple[Endpoint, ...]] = (create_ticket,)
