"""An agent to try a server with: no key, no network, and something to see of everything."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any, Final

from ...actors.session.pipeline import Turn
from ...actors.session.transcript import RequestApproval, ToolCall, ToolResult

HELP: Final = (
    'I only repeat what you say, but I do it word by word. Say "count to 30" and interrupt me, '
    '"book a table for two" to be asked for approval, or "time" to see me use a tool.'
)
MOST: Final = 1_000
"""How far it counts."""

_COUNT: Final = re.compile(r"\bcount to (\d{1,4})\b", re.IGNORECASE)
_BOOK: Final = re.compile(r"\b(?:book|order|delete|pay|send)\b", re.IGNORECASE)
_HELP: Final = re.compile(r"\b(?:help|what can you do)\b|^\W*(?:hello|hi|hey)\b", re.IGNORECASE)
_TIME: Final = re.compile(r"\btime\b", re.IGNORECASE)


class DemoAgent:
    """Answers by rules, one word each `word_s` seconds."""

    def __init__(self, word_s: float = 0.04) -> None:
        self._word_s = word_s

    async def __call__(self, turn: Turn) -> AsyncIterator[Any]:
        text = turn.input.text
        if turn.decisions is not None:
            outputs = self._book(turn)
        elif count := _COUNT.search(text):
            outputs = self._count(min(int(count[1]), MOST))
        elif _BOOK.search(text):
            outputs = self._ask(text)
        elif _TIME.search(text):
            outputs = self._use_tool(turn)
        else:
            outputs = self._say(HELP if _HELP.search(text) else f"You said: {text}")
        async for output in outputs:
            yield output

    async def _say(self, text: str) -> AsyncIterator[Any]:
        for word in re.findall(r"\S+\s*", text):
            yield word
            await asyncio.sleep(self._word_s)

    async def _count(self, end: int) -> AsyncIterator[Any]:
        for number in range(1, end + 1):
            yield f"{number} "
            await asyncio.sleep(5 * self._word_s)

    async def _ask(self, text: str) -> AsyncIterator[Any]:
        async for word in self._say("I can do that, if you let me. "):
            yield word
        call = ToolCall(name="act", arguments={"request": text}, id="act")
        yield RequestApproval(calls=[call], saved=text)

    async def _book(self, turn: Turn) -> AsyncIterator[Any]:
        assert turn.decisions is not None
        if turn.decisions["act"]:
            yield ToolResult(id="act", value={"done": turn.saved})
            text = "It is done."
        else:
            yield ToolResult(id="act", value="refused", failed=True)
            text = "Then I will leave it."
        async for word in self._say(text):
            yield word

    async def _use_tool(self, turn: Turn) -> AsyncIterator[Any]:
        yield ToolCall(name="turns_so_far", id="count")
        await asyncio.sleep(5 * self._word_s)
        yield ToolResult(id="count", value=turn.id)
        async for word in self._say(f"By my clock it is turn {turn.id} of this session."):
            yield word
