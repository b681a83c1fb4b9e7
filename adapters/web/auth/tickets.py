"""Stream tickets: what a browser shows where it cannot set a header."""

from __future__ import annotations

import secrets
from collections import deque
from typing import Any, Final

import msgspec
from itsdangerous import BadData, URLSafeSerializer

from ....actors.ports import Clock
from ....actors.session.secret import Secret
from ..errors import Unauthenticated
from ..principal import Credentials, Principal

MAX_TICKET: Final = 8192
"""Characters; longer ones are not looked at. A token of that length may be full of scopes."""


class _Ticket(msgspec.Struct, frozen=True, array_like=True):
    nonce: str
    until_ms: int
    principal: Principal


class Tickets:
    """Gives tickets to those who are known, and believes them once, for streams only.

    An `EventSource` and a browser's `WebSocket` cannot say who they are, and an address that does
    is found in logs and histories: so a ticket is good for `ttl_s` seconds and for one stream. It
    is signed with `secret`; without one, with a random one of this process. Where several processes
    share a secret, each of them takes a ticket once.

    Times are the clock's UTC milliseconds: the library's own would be whole seconds of the machine.
    """

    def __init__(self, clock: Clock, ttl_s: float, secret: Secret | None = None) -> None:
        self._clock, self._ttl_ms = clock, int(ttl_s * 1000)
        key = secrets.token_bytes(32) if secret is None else secret.reveal().encode()
        self._signed = URLSafeSerializer(key, salt="greenroom.stream")
        self._used: set[str] = set()
        self._until: deque[tuple[int, str]] = deque()  # when each may be forgotten, oldest first

    def __len__(self) -> int:
        """Tickets that are remembered as used."""
        return len(self._used)

    def issue(self, principal: Principal, session: str | None = None) -> str:
        """A ticket for a stream of `principal`; with `session`, only for one of that session."""
        shown = msgspec.structs.replace(principal, session=session)
        until_ms = self._clock.now_ms() + self._ttl_ms
        ticket = _Ticket(secrets.token_urlsafe(9), until_ms, shown)
        return self._signed.dumps(msgspec.to_builtins(ticket)).strip()

    async def authenticate(self, credentials: Credentials) -> Principal | None:
        """Whose the ticket is, which is spent by that. Raises Unauthenticated."""
        if credentials.ticket is None:
            return None
        if len(credentials.ticket) > MAX_TICKET:
            raise Unauthenticated("a ticket that is too long")
        try:
            given: Any = self._signed.loads(credentials.ticket)
            ticket = msgspec.convert(given, _Ticket)
        except (BadData, msgspec.ValidationError, ValueError):
            raise Unauthenticated("a ticket that is not ours") from None
        self._spend(ticket)
        return ticket.principal

    def _spend(self, ticket: _Ticket) -> None:
        now_ms = self._clock.now_ms()
        if ticket.until_ms <= now_ms:
            raise Unauthenticated("a ticket that is too old")
        while self._until and self._until[0][0] <= now_ms:
            self._used.discard(self._until.popleft()[1])
        if ticket.nonce in self._used:
            raise Unauthenticated("a ticket that was used")
        self._used.add(ticket.nonce)
        # Not by this clock alone: that of whoever has given it out may be ahead.
        self._until.append((max(ticket.until_ms, now_ms + self._ttl_ms), ticket.nonce))
