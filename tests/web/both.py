"""The same program on a runtime of its own, and by a client of a server: one line apart."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeAlias

import pytest
from theatre import echo
from web.kit import house, served

import greenroom
from greenroom.client import Client

Enter: TypeAlias = Callable[[str], Awaitable[Any]]
"""Gives the runtime in which somebody is."""

WAYS = ("embedded", "client")

both_ways = pytest.mark.parametrize("way", WAYS)


@asynccontextmanager
async def entered(way: str, pipeline: Any = echo, **options: Any) -> AsyncIterator[Enter]:
    """A runtime, and how each user comes into it."""
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(house(pipeline, **options))
        if way == "embedded":

            async def embedded(_: str) -> greenroom.Runtime:
                return place.runtime

            yield embedded
            return
        address = await stack.enter_async_context(served(place))
        clients: dict[str, Client] = {}

        async def client(user: str) -> Client:
            if user not in clients:
                made = Client(f"http://{address}", token=user)
                clients[user] = await stack.enter_async_context(made)
            return clients[user]

        yield client
