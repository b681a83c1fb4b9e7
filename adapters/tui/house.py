"""A running server, as the terminal view follows it and acts on it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import quote

import httpx
import msgspec

from ...actors.errors import ConfigError
from ...actors.session.stage import Stats
from ...supervisor.occupancy import Occupancy
from ...supervisor.residents import Resident, Sort

Action: TypeAlias = Literal["evict", "park", "revive", "end"]

ROWS: Final = 100
SILENCE_S: Final = 15.0
"""A server that tells nothing for so long, though it would each second, is gone."""

_BODIES: Final[Mapping[Action, dict[str, Any] | None]] = {
    "evict": {"force": True},
    "park": {"reason": "set aside by an operator"},
    "revive": None,
    "end": {"reason": "ended by an operator"},
}


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """One look at the house, as `GET /v1/admin/overview` tells it."""

    at_ms: int
    ready: bool
    sessions: Occupancy
    turns: Occupancy
    streams: int
    deepest: int
    stats: Stats
    matched: int
    rows: tuple[Resident, ...]


class Problem(msgspec.Struct, frozen=True):
    """What an answer says went wrong."""

    code: str = ""
    detail: str = ""


class Lost(Exception):
    """The server is not there, or does not answer as it should: try again later."""


class Denied(Exception):
    """The server does not let us in: trying again changes nothing."""


_tick: Final = msgspec.json.Decoder(Tick).decode
_problem: Final = msgspec.json.Decoder(Problem).decode


class House:
    """A server's address and who asks. An async context manager.

    `token` is an access token or an API key of an operator, or any name in the dev mode. Raises
    ConfigError: no address.
    """

    def __init__(self, server: str, token: str) -> None:
        url = server if "://" in server else f"http://{server}"
        try:
            headers = {"authorization": f"Bearer {token}"} if token else {}
            timeout = httpx.Timeout(SILENCE_S)
            self._client = httpx.AsyncClient(base_url=url, headers=headers, timeout=timeout)
        except (httpx.InvalidURL, UnicodeError) as error:
            raise ConfigError(
                "server", server, "an address such as http://localhost:8000"
            ) from error
        self.address = url

    async def __aenter__(self) -> House:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def ticks(self, sort: Sort, prefix: str) -> AsyncGenerator[Tick, None]:
        """Each look at the house, until the server ends the stream. Raises Lost and Denied."""
        asked = {"limit": str(ROWS), "sort": sort, "prefix": prefix}
        try:
            async with self._client.stream("GET", "/v1/admin/overview", params=asked) as answer:
                if not answer.is_success:
                    await answer.aread()
                    _refuse(answer)
                async with aclosing(_events(answer)) as events:
                    async for name, data in events:
                        if name == "overview":
                            yield _tick(data)
        except (httpx.HTTPError, msgspec.DecodeError) as error:
            raise Lost(str(error) or type(error).__name__) from None

    async def order(self, action: Action, session: str) -> str:
        """Have something done to a session: what came of it, in words."""
        path = f"/v1/admin/sessions/{quote(session, safe='')}/{action}"
        try:
            answer = await self._client.post(path, json=_BODIES[action])
        except httpx.HTTPError as error:
            return f"{action} {session}: {error}"
        if not answer.is_success:
            return f"{action} {session}: {_why(answer)}"
        done = answer.json().get("done", True)
        return f"{action} {session}: {'done' if done else 'there was nothing to do'}"


async def _events(answer: httpx.Response) -> AsyncGenerator[tuple[str, str], None]:
    """Server-sent events: their names and their data, which are one line each here."""
    name, lines = "", answer.aiter_lines()
    async for line in lines:
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, value


def _refuse(answer: httpx.Response) -> None:
    if answer.status_code in (401, 403, 404):
        raise Denied(_why(answer))
    raise Lost(_why(answer))


def _why(answer: httpx.Response) -> str:
    try:
        problem = _problem(answer.content)
    except msgspec.DecodeError:  # not ours: a proxy's
        problem = Problem()
    return problem.detail or problem.code or f"status {answer.status_code}"
