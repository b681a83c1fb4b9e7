"""What all requests and streams of one web application share."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import HTTPConnection

from ...supervisor.runtime import Runtime
from .errors import Unauthenticated
from .principal import Authenticator, Credentials, Principal
from .results import Results
from .settings import WebSettings


class Hall:
    """The runtime, who may come in, and the limits of the house.

    `draining` is set once, when the server is about to stop: streams say so, and end.
    """

    def __init__(
        self, runtime: Runtime, authenticators: Sequence[Authenticator], settings: WebSettings
    ) -> None:
        self.runtime = runtime
        self.settings = settings
        self.results = Results(runtime)
        self._authenticators = tuple(authenticators)

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
