"""Pipelines, a compactor, resources and an end hook that do all that a program may do wrong."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final

from ....actors.session.backstage import EndReason
from ....actors.session.pipeline import Turn
from ....actors.session.resources import Opening
from ....actors.session.transcript import (
    Message,
    PhaseChange,
    RequestApproval,
    TextDelta,
    ToolCall,
    ToolResult,
)
from ..settling import settle

EXPIRIES_S: Final = (0.5, 3.0, 12.0)
FLOOD: Final = 70


class Players:
    """Whoever is called by one process. `faults` are what they found wrong with what they got.

    Each draws from a seed of its own, so that it does the same whatever else is in the workload.
    """

    def __init__(self, house: Any, run: int) -> None:
        self.house, self.run = house, run
        self.curtain = asyncio.Event()  # what hangs, and ignores that it is told to stop, ends
        self.runtime: Any = None
        self.opened: list[int] = []
        self.closed: Counter[int] = Counter()
        self.broken: set[int] = set()
        self.hooks: list[tuple[str, str]] = []
        self.under_way: Counter[str] = Counter()
        self.calls: Counter[tuple[Any, ...]] = Counter()

    def _rng(self, *what: Any) -> random.Random:
        self.calls[what] += 1
        return random.Random(f"{self.house.script.seed} {what} {self.calls[what]}")

    # --- turns ---

    async def answer(self, turn: Turn) -> AsyncIterator[Any]:
        """Do up to six things, in any order, and end in any way."""
        self._check(turn)
        rng = self._rng("turn", turn.session_id, turn.id, turn.attempt)
        if turn.decisions is not None and rng.random() < 0.7:
            for call in turn.decisions:
                yield ToolResult(id=call, value=turn.decisions[call])
        for number in range(rng.randrange(7)):
            await settle(rng.randrange(5))
            doing = self._do(turn, rng, f"{turn.id}.{turn.attempt}.{number} ")
            async with aclosing(doing) as outputs:
                async for output in outputs:
                    yield output

    async def _do(  # noqa: C901
        self, turn: Turn, rng: random.Random, text: str
    ) -> AsyncGenerator[Any, None]:
        """Say something, or call a tool, or do what is harder to get right."""
        match rng.randrange(20):
            case 0 | 1 | 2 | 3 | 4 | 5:
                yield _said(turn, rng, text)
            case 6 | 7:
                yield ToolCall(name="look", id=rng.choice(("", "x", text)), arguments={"at": text})
                await settle(rng.randrange(3))
                if rng.random() < 0.4:
                    yield ToolResult(value={"saw": [text]})
            case 8 | 9 | 10:
                await settle(rng.randrange(15))
                for message in await turn.steering():
                    yield f"[{message.text}] "
            case 11 | 12:
                async with aclosing(self._hang(turn, rng)) as outputs:
                    async for output in outputs:
                        yield output
            case 13:
                await asyncio.sleep(rng.choice((0.01, 1.0, 4.0)))
            case 14:
                for _ in range(FLOOD):
                    yield TextDelta("~", key=turn.answer_key)
            case 15 | 16 | 17:
                yield self._request(turn, rng)
            case 18:
                raise rng.choice((ValueError("a tool broke"), SystemExit(1), TimeoutError()))
            case _:
                yield object()

    async def _hang(self, turn: Turn, rng: random.Random) -> AsyncGenerator[Any, None]:
        """Wait for ever, and take it well, or not, to be told to stop."""
        how = rng.randrange(4)
        try:
            await self.curtain.wait()
        except asyncio.CancelledError:
            if how == 0:
                raise
            await settle(rng.randrange(4))
            if how == 1:
                yield Message(text="after all", key=turn.answer_key)
            while how == 2 and not self.curtain.is_set():
                try:
                    await self.curtain.wait()
                except asyncio.CancelledError:
                    continue
        if how == 3:
            yield "never mind"

    def _request(self, turn: Turn, rng: random.Random) -> RequestApproval:
        saved = [turn.id, {"n": rng.randrange(1000)}]
        calls = [
            ToolCall(name="leap", id=rng.choice(("", f"{number}", f"{turn.attempt}-{number}")))
            for number in range(rng.randrange(1, 4))
        ]
        keep = rng.choice((saved, saved, None, b"\x00blob"))
        self.house.saved[turn.session_id, turn.id].append(keep)
        return RequestApproval(calls=calls, saved=keep, expires_s=rng.choice((None, *EXPIRIES_S)))

    def _check(self, turn: Turn) -> None:
        faults = self.house.faults
        saved = self.house.saved[turn.session_id, turn.id]  # the last may never have been durable
        if turn.decisions is not None and turn.saved not in saved:
            faults.append(f"{turn!r}: saved {turn.saved!r}")
        if turn.kind == "answer" and turn.input.role != "user":
            faults.append(f"{turn!r}: nobody has said {turn.input!r}")
        if self.closed[turn.resources] and turn.resources not in self.broken:
            faults.append(f"{turn!r}: its resources are closed")

    async def summarise(self, turn: Turn) -> AsyncIterator[str]:
        """A compactor that says what it was given, slowly, or fails, or hangs."""
        rng = self._rng("summary", turn.session_id, turn.id, turn.attempt)
        yield f"{len(turn.history)} "
        await settle(rng.randrange(6))
        match rng.randrange(8):
            case 0:
                raise ValueError("no summary")
            case 1:
                await self.curtain.wait()
            case _:
                pass
        yield "lines"

    # --- resources and the hook ---

    @asynccontextmanager
    async def resources(self, opening: Opening) -> AsyncIterator[int]:
        """Resources that are slow, break, hang, and die while they are used."""
        rng = self._rng("resources", opening.session_id)
        await settle(rng.randrange(6))
        match rng.randrange(20):
            case 0 if self.opened:
                raise OSError("away")
            case 1 if self.opened:
                await self.curtain.wait()
            case _:
                pass
        number = len(self.opened)
        self.opened.append(number)
        task = asyncio.current_task()
        if rng.random() < 0.06 and task is not None:
            self.broken.add(number)  # soon
            asyncio.get_running_loop().call_soon(task.cancel)
        try:
            yield number
        finally:
            self.closed[number] += 1
            await settle(rng.randrange(6))
            match rng.randrange(10):
                case 0:
                    raise OSError("broken")
                case 1:
                    await self.curtain.wait()
                case _:
                    pass

    async def hook(self, snapshot: Any, reason: EndReason) -> None:
        """A hook that is slow, raises, hangs, and asks or uses the runtime."""
        name = snapshot.info.id if snapshot is not None else "?"
        self.hooks.append((name, str(reason)))
        if name == "?":
            return
        rng = self._rng("hook", name)
        self.under_way[name] += 1
        # A runtime that has no time left calls those that are still to be called all at once.
        if self.under_way[name] > 1 and self.runtime._supervisor._drain is None:
            self.house.faults.append(f"two hooks of {name} at once")
        try:
            await settle(rng.randrange(6))
            await self._use(rng, name, snapshot.info.owner)
        finally:
            self.under_way[name] -= 1

    async def _use(self, rng: random.Random, name: str, user: str) -> None:
        session = self.runtime.session(name)
        match rng.randrange(10):
            case 0:
                raise OSError("broken")
            case 1:
                await self.curtain.wait()
            case 2:
                await session.info()
            case 3:
                await session.transcript(user)
            case 4 if not self.house.quiet:  # or it is never idle
                await session.post(user, "from the hook")
            case _:
                pass


def _said(turn: Turn, rng: random.Random, text: str) -> Any:
    key = turn.answer_key
    return rng.choice(
        (
            text,
            TextDelta(text, key=rng.choice((key, key, "other"))),
            Message(text=text, key=rng.choice(("", key))),
            f"{len(turn.frames())} ",
            PhaseChange(rng.choice(("connected", "listening", "processing", "speaking"))),
        )
    )


def saved_by_turn() -> defaultdict[tuple[str, int], list[Any]]:
    """What the pipelines of each turn have saved, over all processes."""
    return defaultdict(list)
