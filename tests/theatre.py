"""What a test needs to hold a whole runtime: a clock, a journal that waits, a lottery."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any, TypeVar

import pytest
from house import GUARD_S

import greenroom
from greenroom.actors.session import actor as session_actor
from greenroom.adapters.journals.memory import MemoryJournal
from greenroom.testing import FaultyJournal, ManualClock, Script, settle
from greenroom.testing import SeededDispatcher as LotteryDispatcher

__all__ = ["GatedJournal", "LotteryDispatcher", "ManualClock", "Script", "settle"]

T = TypeVar("T")


def play(scene: Callable[[], Coroutine[Any, Any, T]], guard_s: float = GUARD_S) -> T:
    """Run `scene` on a loop of its own; fail, by name, if it hangs."""

    async def guarded() -> T:
        try:
            return await asyncio.wait_for(scene(), guard_s)
        except TimeoutError:
            raise AssertionError(f"{scene.__qualname__}: its end never came") from None

    return asyncio.run(guarded())


class GatedJournal(FaultyJournal):
    """A memory journal whose writes wait for the test while `holding`, and fail when told to."""

    def __init__(self) -> None:
        super().__init__(MemoryJournal())

    @property
    def _records(self) -> dict[str, Any]:
        """What the memory journal keeps, by session."""
        kept: Any = self.journal
        return kept._records  # type: ignore[no-any-return]


class Boom(BaseException):
    """Worse than an Exception: nothing in between may catch it."""


def crash_on_boom(
    patch: pytest.MonkeyPatch, error: BaseException | type[BaseException] = Boom
) -> None:
    """Have each command whose text begins with "boom" crash its session, whenever it is run."""
    decide = session_actor.decide

    def crashing(state: Any, command: Any, moment: Any) -> Any:
        if getattr(command, "text", "").startswith("boom"):
            raise error
        return decide(state, command, moment)

    patch.setattr(session_actor, "decide", crashing)


def crash_once(patch: pytest.MonkeyPatch) -> None:
    """Have each message "boom" crash its session once; run again, it is refused."""
    decide, crashed = session_actor.decide, []

    def crashing(state: Any, command: Any, moment: Any) -> Any:
        if getattr(command, "text", "") != "boom":
            return decide(state, command, moment)
        if any(command is other for other in crashed):
            raise greenroom.NotAllowed(state.id, command.user, "host", "crash")
        crashed.append(command)
        raise RuntimeError("boom")

    patch.setattr(session_actor, "decide", crashing)


async def echo(turn: greenroom.Turn) -> AsyncIterator[str]:
    """A pipeline that says what it was told, word by word."""
    for word in turn.input.text.split():
        yield word + " "


def texts(history: Sequence[Any]) -> list[str]:
    """What was said, in order."""
    return [line.text for line in history if isinstance(line, greenroom.Message)]


async def take(subscription: greenroom.Subscription, count: int) -> list[Any]:
    """The next `count` items."""
    return [await anext(subscription) for _ in range(count)]
