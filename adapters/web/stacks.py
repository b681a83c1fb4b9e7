"""What every task and thread of this process is doing just now, as text."""

from __future__ import annotations

import asyncio
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

MAX_TASKS: Final = 10_000
"""Tasks looked at: a look takes 11 us."""

MAX_FRAMES: Final = 32
"""Of one stack, the innermost."""


def stacks() -> str:
    """The stacks of all threads, and of the tasks of this loop: those alike once, with a number.

    They hold names of functions and lines of source code, and no value of a variable.
    """
    return "\n".join((*_threads(), *_tasks()))


def _threads() -> Iterator[str]:
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for ident, frame in sys._current_frames().items():
        stack = traceback.extract_stack(frame, limit=MAX_FRAMES)
        yield f"thread {names.get(ident, ident)}\n{''.join(stack.format())}"


def _tasks() -> Iterator[str]:
    tasks = asyncio.all_tasks()
    alike = Counter(_task(task) for task in islice(tasks, MAX_TASKS))
    if len(tasks) > MAX_TASKS:
        yield f"{len(tasks) - MAX_TASKS} more tasks\n"
    for text, count in alike.most_common():
        yield f"{count} {'task' if count == 1 else 'tasks'} {text}"


def _task(task: asyncio.Task[Any]) -> str:
    """Where a task waits, and in which coroutine."""
    coroutine: Any = task.get_coro()
    lines = [f"in {getattr(coroutine, '__qualname__', type(coroutine).__name__)}\n"]
    for frame in task.get_stack(limit=MAX_FRAMES):
        lines += traceback.extract_stack(frame, limit=1).format()
    return "".join(lines)
