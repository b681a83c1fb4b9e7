"""Calling what a program gives us: on the loop if it is made for it, and else beside it."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable
from typing import Any


def blocks(function: Callable[..., Any]) -> bool:
    """Whether calling `function` may take long: it is neither a coroutine function nor one that
    `contextlib.asynccontextmanager` has made."""
    called = function if inspect.isroutine(function) else getattr(function, "__call__", function)  # noqa: B004
    return not any(
        inspect.iscoroutinefunction(one) or inspect.isasyncgenfunction(inspect.unwrap(one))
        for one in (function, called)
    )


async def call(function: Callable[..., Any], *args: Any) -> Any:
    """What `function` returns, awaited if need be."""
    result = await begin(function, *args)
    return await result if inspect.isawaitable(result) else result


async def begin(function: Callable[..., Any], *args: Any) -> Any:
    """What calling `function` returns: of a coroutine function, a coroutine. One that `blocks` has
    a thread of its own until it returns, which never outlives the process."""
    return await _in_a_thread(function, *args) if blocks(function) else function(*args)


async def _in_a_thread(function: Callable[..., Any], *args: Any) -> Any:
    name = getattr(function, "__name__", "call")
    result, error = await in_a_thread(lambda: function(*args), name)
    if error is not None:
        raise error
    return result


def in_a_thread(
    work: Callable[[], Any], name: str
) -> asyncio.Future[tuple[Any, BaseException | None]]:
    """Do `work` in a thread of its own, which never outlives the process: what it returned, or
    what it raised. A pool would let a few calls that block for ever starve all others."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()

    def settle(outcome: tuple[Any, BaseException | None]) -> None:
        if not done.done():
            done.set_result(outcome)

    def run() -> None:
        outcome: tuple[Any, BaseException | None]
        try:
            outcome = work(), None
        except BaseException as error:  # nothing it raises may end the thread unheard
            outcome = None, error
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, outcome)

    threading.Thread(target=run, name=name, daemon=True).start()
    return done
