"""The end of all tasks."""

from __future__ import annotations

import asyncio
from typing import Any

from .settling import settle


async def cancel_all() -> None:
    """Cancel every task of the loop but this one, until each has ended: also who swallows it."""
    me = asyncio.current_task()
    while tasks := sorted(asyncio.all_tasks() - {me}, key=_age):
        for task in tasks:
            task.cancel()
        await settle()


def _age(task: asyncio.Task[Any] | None) -> tuple[int, str]:
    """Tasks in the order in which they were made: a set of them has none."""
    name = "" if task is None else task.get_name()
    return (len(name), name)
