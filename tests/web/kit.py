"""A web application in a test: a runtime, who may come in, and a client of each user."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import uvicorn
from theatre import echo
from web.leaving import Leaving

import greenroom
from greenroom.adapters.web.app import application
from greenroom.adapters.web.hall import Hall
from greenroom.adapters.web.principal import Authenticator, Credentials, Principal
from greenroom.adapters.web.server import listen
from greenroom.adapters.web.settings import WebSettings


class Named:
    """Believes whoever says who they are: `Bearer ann`, and `Bearer ann+operator`."""

    async def authenticate(self, credentials: Credentials) -> Principal | None:
        scheme, _, name = (credentials.authorization or "").partition(" ")
        if scheme != "Bearer":
            return None
        user, *scopes = name.split("+")
        return Principal(user=user, name=user.title(), scopes=frozenset(scopes))


class Expiring:
    """Whoever comes has credentials until 1,060 s after the epoch."""

    async def authenticate(self, _: Credentials) -> Principal | None:
        return Principal(user="ann", expires_s=1060.0)


class Ticket:
    """Whoever comes may follow the session `s1` only."""

    async def authenticate(self, _: Credentials) -> Principal | None:
        return Principal(user="ann", session="s1")


class House:
    """A runtime and the web application around it."""

    def __init__(
        self, runtime: greenroom.Runtime, authenticators: Sequence[Authenticator], settings: Any
    ) -> None:
        self.runtime = runtime
        self.hall = Hall(
            runtime,
            authenticators,
            WebSettings(**settings),
            export=greenroom.export_sessions,
        )
        self.app = application(self.hall, "dev")

    def client(
        self, user: str | None = None, *, leaves: bool = False, **headers: str
    ) -> httpx.AsyncClient:
        """A client in this process: no socket, no server. If it `leaves`, streams end for it."""
        if user is not None:
            headers["authorization"] = f"Bearer {user}"
        transport = Leaving(self.app) if leaves else httpx.ASGITransport(self.app)
        return httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers)


@asynccontextmanager
async def house(
    pipeline: Any = echo,
    *,
    web: dict[str, Any] | None = None,
    who: Sequence[Authenticator] = (Named(),),
    **options: Any,
) -> AsyncIterator[House]:
    """An application in this process."""
    # A turn that still runs when the test is over is nobody's.
    if "config" not in options:
        options.setdefault("stop_budget_s", 0.0)
    async with greenroom.Runtime(pipeline, **options) as runtime:
        yield House(runtime, who, web or {})


@asynccontextmanager
async def served(house: House, **options: Any) -> AsyncIterator[str]:
    """The address (`127.0.0.1:port`) of a real server, which is stopped at the end."""
    config = uvicorn.Config(
        house.app,
        host="127.0.0.1",
        port=0,
        lifespan="off",
        log_config=None,
        access_log=False,
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        **options,
    )
    server = uvicorn.Server(config)
    sockets = [listen("127.0.0.1", 0)]
    host, port = sockets[0].getsockname()[:2]
    serving = asyncio.create_task(server.serve(sockets))
    try:
        yield f"{host}:{port}"
    finally:
        server.should_exit = server.force_exit = True
        await serving
