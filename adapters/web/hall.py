"""What all requests and streams of one web application share."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

from starlette.requests import HTTPConnection

from ...actors.ports import SessionId
from ...supervisor.messages import DrainReport
from ...supervisor.runtime import Runtime
from .connections import Connections
from .errors import Unauthenticated
from .exporting import Export
from .principal import Authenticator, Credentials, Principal
from .results import Results
from .settings import WebSettings


class Hall:
    """The runtime, who may come in, and the limits of the house.

    `draining` is set once, by `begin_drain`: streams say so, and end.
    """

    def __init__(
        self,
        runtime: Runtime,
        authenticators: Sequence[Authenticator],
        settings: WebSettings,
        *,
        export: Export | None = None,
    ) -> None:
        self.runtime = runtime
        self.settings = settings
        self.export = export
        self.results = Results(runtime)
        self.connections = Connections(settings)
        self._authenticators = tuple(authenticators)

    @property
    def draining(self) -> bool:
        """Whether the server is about to stop."""
        return self.connections.draining

    def begin_drain(self) -> None:
        """The server is about to stop: streams say so and end, and none is opened any more.

        Doing so twice changes nothing. Requests are answered as long as the runtime takes them.
        """
        self.connections.begin_drain()

    async def drain(self, budget_s: float | None = None) -> DrainReport:
        """Have streams end, and the runtime stop; `budget_s` as of its config, if it is not given.

        Raises RuntimeClosed before its start.
        """
        self.begin_drain()
        return await self.runtime.stop(budget_s=budget_s)

    def admit(self, principal: Principal, session: SessionId) -> AbstractContextManager[None]:
        """The place of one stream that `principal` opens, while it is open.

        Entering it raises RuntimeClosed while draining, and TooManyRequests.
        """
        return self.connections.admit(principal.user, session)

    async def principal(self, connection: HTTPConnection, *, stream: bool = False) -> Principal:
        """Who has sent this. Tickets are good for streams only. Raises Unauthenticated."""
        headers, client = connection.headers, connection.client
        credentials = Credentials(
            authorization=headers.get("authorization"),
            api_key=headers.get("x-api-key"),
            ticket=connection.query_params.get("ticket") if stream else None,
            host=None if client is None else client.host,
        )
        for authenticator in self._authenticators:
            principal = await authenticator.authenticate(credentials)
            if principal is not None:
                return principal
        raise Unauthenticated
