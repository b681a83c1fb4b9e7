"""A process that serves a runtime on the network until the operating system asks it to stop."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog
import uvicorn
from starlette.types import ASGIApp

from ...actors.errors import ConfigError
from ...supervisor.messages import DrainReport
from .hall import CLOSING_S, Hall

BACKLOG: Final = 2048

log = structlog.get_logger()


class Server(uvicorn.Server):
    """A uvicorn server that drains: the runtime first, while streams still tell of it, and then
    the connections. By itself uvicorn waits for open streams before it tells anybody that it stops
    (its issue 451), and they for it.

    `/readyz` fails from the first moment, and what comes in meanwhile is answered 503, `draining`.
    """

    def __init__(
        self,
        app: ASGIApp,
        hall: Hall,
        *,
        budget_s: float | None = None,
        on_started: Callable[[], None] = lambda: None,
    ) -> None:
        # Its own defaults believe whoever connects from this machine, or is in FORWARDED_ALLOW_IPS.
        proxies = list(hall.settings.trusted_proxies)
        super().__init__(
            uvicorn.Config(
                app,
                ws="websockets-sansio",
                ws_per_message_deflate=False,
                ws_max_size=hall.settings.max_message_bytes,
                # Heartbeats are the streams' own.
                ws_ping_interval=None,
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                proxy_headers=bool(proxies),
                forwarded_allow_ips=proxies,
                timeout_graceful_shutdown=CLOSING_S,  # type: ignore[arg-type]
            )
        )
        self._hall = hall
        self._budget_s = budget_s
        self._on_started = on_started
        self._hurrying: asyncio.Task[DrainReport] | None = None
        self.report: DrainReport | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Take connections, and say so: signals are heeded by then."""
        await super().startup(sockets)
        if self.started:
            self._on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell every stream, stop the runtime within the budget, and let go of the connections.

        If an operator has said how long it may take, that is what holds.
        """
        hall = self._hall
        self.report = await hall.drain(float("inf") if hall.stopping else self._budget_s)
        await super().shutdown(sockets)

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second; an operator may have asked it to drain."""
        return await super().on_tick(counter) or self._hall.stopping

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The first SIGTERM or SIGINT drains, a second one stops now."""
        loop, signals = asyncio.get_running_loop(), (signal.SIGTERM, signal.SIGINT)
        for number in signals:
            loop.add_signal_handler(number, self._on_signal, number)
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)

    def _on_signal(self, number: int) -> None:
        log.info("signal_received", signal=signal.Signals(number).name, again=self.should_exit)
        if self.should_exit and self._hurrying is None:
            self.force_exit = True
            self._hurrying = asyncio.get_running_loop().create_task(self._hall.drain(0))
        self._hall.begin_drain()
        self.should_exit = True


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on `host`; port 0 is a free one. Raises OSError, ConfigError.

    What is sent on its connections is not held back. asyncio sees to that only for sockets whose
    protocol is named, which those of `create_server` and uvicorn are not. An answer is written in
    two pieces, its head and its body: the second one waited for the other end to acknowledge the
    first, which delays that, so that each request took 44 ms on loopback, and takes 1.5 ms now.
    """
    if not 0 <= port <= 65535:
        raise ConfigError("port", port, "0 to 65535")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, port), family=family, backlog=BACKLOG)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # connections inherit it
    return listening


def address_of(listening: socket.socket) -> str:
    """`http://host:port` of a socket."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
