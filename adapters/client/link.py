"""The way to a server and back: one request, tried until the server has answered."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import httpx
import msgspec
from httpx import Response

from ...actors.errors import GreenroomError, OutcomeUnknown
from ...actors.ports import Clock
from . import problems
from .backoff import Backoff
from .errors import Unreachable
from .problems import Told
from .request import Answer, Request

CONNECT_S: Final = 10.0

ANSWER_S: Final = 60.0
"""How long an answer may take, beyond what the server was asked to wait."""

_UNSENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)

_ABSENT: Final = (502, 503, 504)
"""What a proxy answers by itself for a server that is away."""

_encode = msgspec.json.Encoder().encode


class Link:
    """Sends requests to the server at `address` in the name of whom `token` shows.

    What certainly has not been done is sent again, for `patience_s` seconds: when no connection
    could be made, and when the server was stopping, or had answered too many requests. So is what
    may have been done, if sending it twice does no harm: what only reads, and what has a key.
    Everything else is OutcomeUnknown then.
    """

    def __init__(
        self,
        address: str,
        token: str | None,
        *,
        clock: Clock,
        draw: Callable[[], float],
        patience_s: float,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.address = address.rstrip("/")
        self.headers = {} if token is None else {"authorization": f"Bearer {token}"}
        self.clock, self.draw, self.patience_s = clock, draw, patience_s
        self.user = ""
        self._http = httpx.AsyncClient(
            base_url=self.address,
            headers=self.headers,
            transport=transport,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
        )

    def backoff(self) -> Backoff:
        """The pauses between the tries of one thing."""
        return Backoff(self.clock, self.draw, self.patience_s)

    def unreachable(self, why: str) -> Unreachable:
        """What is told when it was tried for long enough."""
        return Unreachable(self.address, patience_s=self.patience_s, why=why)

    def error_of(self, told: Told) -> GreenroomError:
        """The error that a problem tells of."""
        return problems.error_of(told, self.user)

    async def close(self) -> None:
        """Let go of its connections."""
        await self._http.aclose()

    def stream(self, path: str, query: dict[str, Any]) -> AbstractAsyncContextManager[Response]:
        """One answer that has no end, read as it comes; one that is silent for long is lost."""
        timeout = httpx.Timeout(ANSWER_S, connect=CONNECT_S)
        return self._http.stream("GET", path, params=query, timeout=timeout)

    async def ask(self, request: Request, session: str = "") -> Any:
        """What comes of a request about `session`.

        Raises what the server refuses it with, OutcomeUnknown, Unreachable, ServerFailed.
        """
        backoff = self.backoff()
        while True:
            try:
                response = await self._send(request)
            except _UNSENT as error:
                why, least_s = _why(error), 0.0
            except httpx.TransportError as error:
                why, least_s = _why(error), 0.0
                if not request.may_repeat:
                    raise OutcomeUnknown(session, why=why) from None
            else:
                if response.is_success:
                    return request.to(Answer(response.status_code, response.content))
                told = problems.read(response.content, response.status_code)
                after = response.headers.get("retry-after", "")
                if backoff.is_over or not tries_again(told, after, may_repeat=request.may_repeat):
                    raise self.error_of(told)
                why, least_s = told.detail, told_to_wait(told, after)
            if backoff.is_over:
                raise self.unreachable(why)
            await backoff.pause(least_s)

    async def _send(self, request: Request) -> httpx.Response:
        headers = dict(request.headers)
        content = request.content
        if request.json is not msgspec.UNSET:
            content = _encode(request.json)
        if content is not None:
            headers["content-type"] = request.content_type
        if request.key is not None:
            headers["idempotency-key"] = request.key
        query = {name: value for name, value in request.query.items() if value is not None}
        return await self._http.request(
            request.method,
            request.path,
            content=content,
            params=query,
            headers=headers,
            timeout=httpx.Timeout(ANSWER_S + request.wait_s, connect=CONNECT_S),
        )


def tries_again(told: Told, after: str, *, may_repeat: bool) -> bool:
    """Whether the answer says that nothing was done, and will be later.

    `after` is its header `Retry-After`: who has as much open as they may have is not told when.
    """
    if told.code is None:
        return told.status in _ABSENT and may_repeat
    if told.code == "too_many_requests":
        return told.retry_after_s is not None or after != ""
    return told.code == "draining"


def told_to_wait(told: Told, after: str) -> float:
    """For how many seconds, at least."""
    if told.retry_after_s is not None:
        return told.retry_after_s
    return float(after) if after.isdecimal() and len(after) < 6 else 0.0


def _why(error: Exception) -> str:
    return f"{type(error).__name__} {error}".strip()
