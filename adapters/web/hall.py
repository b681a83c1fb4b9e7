"""What all requests and streams of one web application share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Final

import structlog
from starlette.requests import HTTPConnection

from ...actors.ports import SessionId
from ...supervisor.messages import DrainReport
from ...supervisor.runtime import Runtime
from .auth.credentials import shown
from .auth.tickets import Tickets
from .board import Board
from .connections import Connections
from .errors import Forbidden, TooManyRequests, Unauthenticated
from .exporting import Export
from .following import Follow
from .limits import Buckets
from .principal import Authenticator, Credentials, Principal
from .results import Results
from .settings import WebSettings

CLOSING_S: Final = 2.0
"""How long streams may take to close after everything has stopped."""

log = structlog.get_logger()


class Hall:
    """The runtime, who may come in, and the limits of the house.

    `draining` is set once, by `begin_drain`: streams say so, and `drain` ends them. `refused`
    counts what was refused before it was looked at: for its `credentials`, the `rate`, or too many
    `streams`.
    """

    def __init__(
        self,
        runtime: Runtime,
        authenticators: Sequence[Authenticator],
        settings: WebSettings,
        *,
        export: Export | None = None,
        follow: Follow | None = None,
    ) -> None:
        self.runtime = runtime
        self.settings = settings
        clock = runtime.clock
        self.tickets = Tickets(clock, settings.ticket_ttl_s, settings.ticket_secret)
        self._authenticators: tuple[Authenticator, ...] = (self.tickets, *authenticators)
        self._requests = Buckets(clock, settings.requests_per_s, settings.request_burst)
        self._failures = Buckets(clock, settings.failures_per_s, settings.failure_burst)
        self.export = export
        self.follow = follow
        self.results = Results(runtime)
        self.refused: Counter[str] = Counter()
        self.connections = Connections(settings, self.refused)
        self.board = Board(runtime, self.connections)
        self.stopping = False
        """Whether somebody has had it drained."""

    @property
    def draining(self) -> bool:
        """Whether the server is about to stop."""
        return self.connections.draining

    def begin_drain(self) -> None:
        """The server is about to stop: streams say so, and none is opened any more.

        Doing so twice changes nothing. Requests are answered as long as the runtime takes them.
        """
        self.connections.begin_drain()

    async def drain(self, budget_s: float | None = None) -> DrainReport:
        """Tell every stream, stop the runtime, and have the streams end.

        They go on until the last turn has ended or was handed back, so that who looks on sees how.
        `budget_s` is that of the runtime's config, if it is not given; it may be drained again, to
        hurry it. Raises RuntimeClosed before its start.
        """
        self.begin_drain()
        self.stopping = True
        try:
            return await self.runtime.stop(budget_s=budget_s)
        finally:
            await self.connections.end(CLOSING_S)

    def admit(self, principal: Principal, session: SessionId) -> AbstractContextManager[None]:
        """The place of one stream that `principal` opens, while it is open.

        It counts as a request, too. Raises TooManyRequests; entering it raises the same, and
        RuntimeClosed while draining.
        """
        self.spend(principal)
        return self.connections.admit(principal.user, session)

    async def principal(self, connection: HTTPConnection, *, stream: bool = False) -> Principal:
        """Who has sent this. Tickets are good for streams only.

        Raises Unauthenticated; TooManyRequests, if that was so too often for this address;
        Forbidden, if a ticket is for another session than that of the path.
        """
        credentials = shown(connection, stream=stream)
        try:
            principal = await self._identified(credentials)
        except Unauthenticated as error:
            self._failed(credentials.host, error)
            raise
        if principal.session not in (None, connection.path_params.get("id")):
            raise Forbidden("this ticket is for another session")
        return principal

    def spend(self, principal: Principal) -> None:
        """Count a request of `principal`, or a command. Raises TooManyRequests."""
        wait_s = self._requests.take(principal.user)
        if wait_s:
            self.refused["rate"] += 1
            most = self.settings.requests_per_s
            raise TooManyRequests("requests per second", most, wait_s)

    async def _identified(self, credentials: Credentials) -> Principal:
        for authenticator in self._authenticators:
            principal = await authenticator.authenticate(credentials)
            if principal is not None:
                return principal
        raise Unauthenticated("nothing was shown that is understood")

    def _failed(self, host: str | None, error: Unauthenticated) -> None:
        """Count a failure of an address: who comes from there with valid credentials is let in."""
        self.refused["credentials"] += 1
        wait_s = self._failures.take(host or "")
        if wait_s:
            most = self.settings.failures_per_s
            what = "failed attempts per second"
            raise TooManyRequests(what, most, wait_s, of="one address") from None
        log.info("unauthenticated", host=host, why=error.why)
