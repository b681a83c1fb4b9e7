"""The end of all tasks."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from .settling import settle

TIMES: Final = 50
"""A task that has been told so often is left to itself."""


async def cancel_all() -> None:
    """Cancel every task of the loop but this one, and again who swallows it, up to `TIMES`."""
    me = asyncio.current_task()
    for _ in range(TIMES):
        tasks = sorted(asyncio.all_tasks() - {me}, key=_age)
        for task in tasks:
            task.cancel()
        if not tasks:
            return
        await settle()


def _age(task: asyncio.Task[Any] | None) -> tuple[int, str]:
    """Tasks in the order in which they were made: a set of them has none."""
    name = "" if task is None else task.get_name()
    return (len(name), name)
