"""A WebSocket that is not opened."""

from __future__ import annotations

import asyncio

from starlette.types import Receive, Scope, Send

from .problems import Problem, response
from .streams import codes


async def refuse(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer the upgrade with a problem, where the server can, or with 403 and nothing else.

    `websocket.connect` has been received.
    """
    if "websocket.http.response" in scope.get("extensions", {}):
        await response(problem)(scope, receive, send)
        for _ in range(2):
            # uvicorn 0.54 logs an error if an application returns before the connection is lost,
            # which it is in the next turn of the loop.
            await asyncio.sleep(0)
        return
    code = codes.EXPIRED if problem.status == 401 else codes.FAILED
    if problem.retryable:
        code = codes.BROKEN
    await send({"type": "websocket.close", "code": code, "reason": problem.code})
