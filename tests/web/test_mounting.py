"""The application within another one, as a program of one's own has it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from starlette.applications import Starlette
from starlette.routing import Mount
from theatre import echo, play

import greenroom
import greenroom.web


def test_it_is_mounted_and_its_runtime_lives_with_the_host() -> None:
    async def scene() -> None:
        runtime = greenroom.Runtime(echo)
        mounted = greenroom.web.asgi(
            runtime, [greenroom.web.DevAuthenticator(operators=["ann"])], pages="dev"
        )

        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            async with runtime:
                yield

        app = Starlette(routes=[Mount("/agents", mounted)], lifespan=lifespan)
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(
                transport=transport,
                base_url="http://localhost",
                headers={"authorization": "Bearer ann"},
            ) as ann,
        ):
            made = await ann.post("/agents/v1/sessions", json={})
            assert made.status_code == 201
            where = made.headers["location"]
            assert where.startswith("/agents/v1/sessions/")
            said = await ann.post(f"{where}/messages", params={"wait_s": 5}, json={"text": "hi"})
            assert said.json()["status"] == "completed"
            page = await ann.get("/agents/dashboard")
            assert (page.status_code, '"/' in page.text) == (200, False)
        assert runtime.resident == 0

    play(scene)
