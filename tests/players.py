"""Pipelines, a compactor, resources and an end hook that do all that a program may do wrong."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

from theatre import settle

import greenroom
from greenroom import Message, PhaseChange, RequestApproval, TextDelta, ToolCall, ToolResult

EXPIRIES_S = (0.5, 3.0, 12.0)
FLOOD = 150


class Players:
    """Whoever is called by a runtime. `faults` are what they found wrong with what they got."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.runtimes: dict[int, Any] = {}
        self.faults: list[str] = []
        self.quiet = False
        self.curtain = asyncio.Event()  # what hangs, and ignores that it is told to stop, ends
        self.saved: dict[tuple[str, int], list[Any]] = defaultdict(list)
        self.opened: list[int] = []
        self.closed: Counter[int] = Counter()
        self.broken: set[int] = set()
        self.hooks: list[tuple[str, str]] = []
        self.under_way: Counter[Any] = Counter()

    # --- turns ---

    async def answer(self, turn: greenroom.Turn) -> AsyncIterator[Any]:
        """Do up to six things, in any order, and end in any way."""
        self._check(turn)
        if turn.decisions is not None and self.rng.random() < 0.7:
            for call in turn.decisions:
                yield ToolResult(id=call, value=turn.decisions[call])
        for number in range(self.rng.randrange(7)):
            await settle(self.rng.randrange(5))
            doing = self._do(turn, f"{turn.id}.{turn.attempt}.{number} ")
            async with aclosing(doing) as outputs:
                async for output in outputs:
                    yield output

    async def _do(self, turn: greenroom.Turn, text: str) -> AsyncGenerator[Any, None]:  # noqa: C901
        """Say something, or call a tool, or do what is harder to get right."""
        rng = self.rng
        match rng.randrange(20):
            case 0 | 1 | 2 | 3 | 4 | 5:
                yield self._say(turn, text)
            case 6:
                yield ToolCall(name="look", id=rng.choice(("", text)), arguments={"at": [text]})
                await settle(rng.randrange(3))
                if rng.random() < 0.6:
                    yield ToolResult(value={"saw": [text]})
            case 7:
                yield ToolCall(name="look", id=rng.choice(("x", text)))
            case 8 | 9 | 10:
                await settle(rng.randrange(15))
                for message in await turn.steering():
                    yield f"[{message.text}] "
            case 11 | 12 | 13:
                async with aclosing(self._hang(turn)) as outputs:
                    async for output in outputs:
                        yield output
            case 14:
                for _ in range(FLOOD):
                    yield TextDelta("~", key=turn.answer_key)
            case 15 | 16 | 17:
                yield self._request(turn)
            case 18:
                raise rng.choice((ValueError("a tool broke"), SystemExit(1), TimeoutError()))
            case 19:
                yield object()

    def _say(self, turn: greenroom.Turn, text: str) -> Any:
        rng, key = self.rng, turn.answer_key
        return rng.choice(
            (
                text,
                TextDelta(text, key=rng.choice((key, key, "other"))),
                Message(text=text, key=rng.choice(("", key))),
                f"{len(turn.frames())} ",
                PhaseChange(rng.choice(("connected", "listening", "processing", "speaking"))),
            )
        )

    async def _hang(self, turn: greenroom.Turn) -> AsyncGenerator[Any, None]:
        """Wait for ever, and take it well, or not, to be told to stop."""
        how = self.rng.randrange(4)
        try:
            await self.curtain.wait()
        except asyncio.CancelledError:
            if how == 0:
                raise
            await settle(self.rng.randrange(4))
            if how == 1:
                yield Message(text="after all", key=turn.answer_key)
            while how == 2 and not self.curtain.is_set():
                try:
                    await self.curtain.wait()
                except asyncio.CancelledError:
                    continue
        if how == 3:
            yield "never mind"

    def _request(self, turn: greenroom.Turn) -> RequestApproval:
        rng, saved = self.rng, [turn.id, {"n": self.rng.randrange(1000)}]
        calls = [
            ToolCall(name="leap", id=rng.choice(("", f"{number}", f"{turn.attempt}-{number}")))
            for number in range(rng.randrange(1, 4))
        ]
        keep = rng.choice((saved, saved, None, b"\x00blob"))
        self.saved[turn.session_id, turn.id].append(keep)
        return RequestApproval(calls=calls, saved=keep, expires_s=rng.choice((None, *EXPIRIES_S)))

    def _check(self, turn: greenroom.Turn) -> None:
        saved = self.saved[turn.session_id, turn.id]  # the last one may never have been durable
        if turn.decisions is not None and turn.saved not in saved:
            self.faults.append(f"{turn!r}: saved {turn.saved!r}")
        if turn.kind == "answer" and turn.input.role != "user":
            self.faults.append(f"{turn!r}: nobody has said {turn.input!r}")
        if self.closed[turn.resources] and turn.resources not in self.broken:
            self.faults.append(f"{turn!r}: its resources are closed")

    async def summarise(self, turn: greenroom.Turn) -> AsyncIterator[str]:
        """A compactor that says what it was given, slowly, or fails, or hangs."""
        yield f"{len(turn.history)} "
        await settle(self.rng.randrange(6))
        match self.rng.randrange(8):
            case 0:
                raise ValueError("no summary")
            case 1:
                await self.curtain.wait()
        yield "lines"

    # --- resources and the hook ---

    @asynccontextmanager
    async def resources(self, opening: greenroom.Opening) -> AsyncIterator[int]:
        await settle(self.rng.randrange(6))
        match self.rng.randrange(20):
            case 0 if self.opened:
                raise OSError("away")
            case 1 if self.opened:
                await self.curtain.wait()
        number = len(self.opened)
        self.opened.append(number)
        task = asyncio.current_task()
        if self.rng.random() < 0.06 and task is not None:
            self.broken.add(number)  # soon
            asyncio.get_running_loop().call_soon(task.cancel)
        try:
            yield number
        finally:
            self.closed[number] += 1
            await settle(self.rng.randrange(6))
            match self.rng.randrange(10):
                case 0:
                    raise OSError("broken")
                case 1:
                    await self.curtain.wait()

    async def hook(self, run: int, snapshot: Any, reason: greenroom.EndReason) -> None:
        """A hook that is slow, raises, hangs, and asks or uses the runtime."""
        name = snapshot.info.id if snapshot is not None else "?"
        self.hooks.append((name, str(reason)))
        if name == "?":
            return
        runtime = self.runtimes[run]
        self.under_way[runtime, name] += 1
        # A runtime that has no time left calls those that are still to be called all at once.
        if self.under_way[runtime, name] > 1 and runtime._supervisor._drain is None:
            self.faults.append(f"two hooks of {name} at once")
        try:
            await settle(self.rng.randrange(6))
            await self._use(runtime.session(name), snapshot.info.owner)
        finally:
            self.under_way[runtime, name] -= 1

    async def _use(self, session: greenroom.Session, user: str) -> None:
        match self.rng.randrange(10):
            case 0:
                raise OSError("broken")
            case 1:
                await self.curtain.wait()
            case 2:
                await session.info()
            case 3:
                await session.transcript(user)
            case 4 if not self.quiet:  # or it is never idle
                await session.post(user, "from the hook")
