"""What the journal of a server records of a session, for those who run the house."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx

from ...actors.session.events import SessionEnded
from ...actors.session.items import Published
from ..web.streams.frames import EventFrame, decode_data, item
from . import problems
from .link import Link, told_to_wait, tries_again

_DATA = "data: "


async def recorded(link: Link, session: str, since: int) -> AsyncIterator[Published]:
    """The durable events after revision `since`, and those that follow, until the session ends.

    Over as many connections as it takes. The session is neither woken nor kept awake by it.
    Raises Forbidden, SessionNotFound, Unreachable.
    """
    backoff = link.backoff()
    while True:
        least_s = 0.0
        path = f"/v1/admin/sessions/{session}/events"
        try:
            async with link.stream(path, {"after": since}) as response:
                if response.is_success:
                    backoff.reset()  # nothing need happen for a long time
                    async for event in _events(response):
                        since = event.revision
                        yield event
                        if isinstance(event.event, SessionEnded):
                            return
                    why = "the stream has ended"
                else:
                    told = problems.read(await response.aread(), response.status_code)
                    after = response.headers.get("retry-after", "")
                    if not tries_again(told, after, may_repeat=True):
                        raise link.error_of(told)
                    why, least_s = told.detail, told_to_wait(told, after)
        except httpx.TransportError as error:
            why = f"{type(error).__name__} {error}".strip()
        if backoff.is_over:
            raise link.unreachable(why)
        await backoff.pause(least_s)


async def _events(response: httpx.Response) -> AsyncIterator[Published]:
    async for line in response.aiter_lines():
        if not line.startswith(_DATA):
            continue
        frame = decode_data(line.removeprefix(_DATA))
        if isinstance(frame, EventFrame):
            told = item(frame)
            assert isinstance(told, Published)
            yield told
