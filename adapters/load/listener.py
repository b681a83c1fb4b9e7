"""A subscriber that follows the turns of one session."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ...actors.errors import SessionClosed
from ...actors.session.events import ApprovalRequested, TextStreamed, TurnEnded, TurnStarted
from ...actors.session.items import Gap
from ...supervisor.subscription import Subscription
from .report import Counters


class Listener:
    """Hears a session as its user does: what is streamed, where it is missing, when a turn ends."""

    def __init__(
        self,
        session: str,
        events: Subscription,
        counters: Counters,
        approve: Callable[[ApprovalRequested], Awaitable[None]],
    ) -> None:
        self._session, self._events, self._counters = session, events, counters
        self._approve = approve

    async def hear(self, turn: int, *, words_only: int | None = None) -> str | None:
        """What is streamed of `turn`, once it has ended; None if it was not heard completely.

        With `words_only`, only so many pieces are waited for. Whatever the turn asks approval for
        is approved. A turn that is run again begins anew. Raises SessionClosed if the subscription
        ends before.
        """
        counters, words = self._counters, None
        async for item in self._events:
            if isinstance(item, Gap):
                counters.gaps += 1
                words = None
                if words_only is not None:
                    return None
                continue
            event = item.event
            if type(event) is TextStreamed:
                counters.deltas += 1
                if words is not None and event.turn == turn:
                    words.append(event.text)
            elif type(event) is TurnStarted and event.turn == turn:
                words = None if item.healed else list[str]()
            elif type(event) is ApprovalRequested and event.turn == turn:
                await self._approve(event)
            elif type(event) is TurnEnded and event.turn == turn:
                return None if words is None else "".join(words)
            if words is not None and words_only is not None and len(words) >= words_only:
                return "".join(words)
        raise SessionClosed(self._session)

    def hang_up(self) -> None:
        """Stop listening; a `hear` that is under way ends."""
        self._events.close()
