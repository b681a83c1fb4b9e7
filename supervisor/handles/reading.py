"""The handle's part on reading: the state, the history, and what happens from now on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final

from ...actors.errors import InvalidInput
from ...actors.kernel.reply import Reply
from ...actors.ports import Sink, UserId
from ...actors.session import values
from ...actors.session.cursor import Cursor, parse
from ...actors.session.events import KINDS, DeliveryFailed
from ...actors.session.info import HistoryPage, SessionInfo, SessionSnapshot
from ...actors.session.items import Item
from ...actors.session.messages import (
    GetHistory,
    GetInfo,
    GetSnapshot,
    GetTranscript,
    ReportFailure,
    RequireMember,
    Subscribe,
)
from ...actors.session.transcript import Line
from ...actors.sinks import CallbackSink, IteratorSink
from ...actors.subscriber import SubscriberActor
from ..replay import Replay, pace
from ..subscription import Subscription
from .base import Handle, revision_of

MAX_PAGE: Final = 1000
"""Events of history that may be asked for at once."""


class Reading(Handle):
    """What there is to read, for those who take part."""

    __slots__ = ()

    def info(self) -> Reply[SessionInfo]:
        """The session at a glance."""
        return self._ask(GetInfo())

    def transcript(self, user: UserId) -> Reply[tuple[Line, ...]]:
        """What was said and called, oldest first, as a model must see it. Refused: NotMember."""
        return self._ask(GetTranscript(values.name(user, "user")))

    def snapshot(self, user: UserId) -> Reply[SessionSnapshot]:
        """The whole state, and exactly the cursor from which to go on. Refused: NotMember."""
        return self._ask(GetSnapshot(values.name(user, "user")))

    def history(self, user: UserId, *, since: int = 0, limit: int = 100) -> Reply[HistoryPage]:
        """Up to `limit` (at most 1,000) events of room history after number `since`, oldest first.

        The page says when what was asked for is no longer retained. Refused: NotMember.
        """
        revision_of(since, "since")
        if type(limit) is not int or not 0 <= limit <= MAX_PAGE:
            raise InvalidInput("limit", limit, f"0 to {MAX_PAGE}")
        return self._ask(GetHistory(values.name(user, "user"), since, limit))

    def replay(self, user: UserId, *, speed: float = 1.0, since: int = 0) -> Replay:
        """The room history after number `since` again, paced as it happened, as an async iterator.

        It begins with the oldest event that is retained and ends with the newest there is when the
        first one is asked for, whatever the room cuts meanwhile. Between two events it waits for
        the time that lay between them, divided by `speed`, and 2 s at most. Raises NotMember at the
        next event if the user is, or has become, no participant.
        """
        return Replay(
            self._ask,
            values.name(user, "user"),
            clock=self._runtime.clock,
            speed=pace(speed),
            since=revision_of(since, "since"),
        )

    def require_member(self, user: UserId) -> Reply[None]:
        """Whether `user` takes part: None, or refused with NotMember."""
        return self._ask(RequireMember(values.name(user, "user")))

    def events(
        self, user: UserId, *, after: str | None = None, kinds: Iterable[str] | None = None
    ) -> Subscription:
        """What happens in the session, as an async (or, off the loop, plain) iterator of items.

        `after` is a cursor, `START`, or None for what is published from now on: reading begins
        with this call, not with the first item. Each item is `Published`, or a `Gap` where
        something is missing; its `cursor` goes on after it. A slow reader costs no memory, and
        finds a gap when it falls too far behind. The iterator ends when the session does, or when
        the user leaves it; `close` it (or use `async with`) to stop earlier. With `kinds`, such as
        `("message.posted", "turn.ended")`, only these events are given, and all gaps; cursors are
        the same.

        Raises InvalidCursor and WrongSession; the first item raises NotMember.
        """
        user = values.name(user, "user")
        cursor = self._cursor(after)
        sink = IteratorSink(self._runtime.dispatcher)
        return Subscription(self._ask(Subscribe(user, sink, cursor, _kinds(kinds))), sink)

    def subscribe(
        self,
        user: UserId,
        callback: Callable[[Item], Any],
        *,
        after: str | None = None,
        kinds: Iterable[str] | None = None,
        on_close: Callable[[Exception | None], None] = lambda _: None,
    ) -> Reply[SubscriberActor]:
        """Call `callback` with each item, on the loop, in order; awaited if it returns awaitables.

        It is called with one item at a time; if it raises, that is logged, the room hears of it
        once (`error.delivery`), and the next item follows. `on_close` hears of the end, with the
        error if there was one. The reply's `close()` stops it. Cursors, kinds, gaps and refusals
        as for `events`.
        """
        user = values.name(user, "user")
        sink = CallbackSink(callback, on_close, partial(self._report_failure, user))
        return self._ask(Subscribe(user, sink, self._cursor(after), _kinds(kinds)))

    def feed(
        self,
        user: UserId,
        sink: Sink,
        *,
        after: str | None = None,
        kinds: Iterable[str] | None = None,
    ) -> Reply[SubscriberActor]:
        """Have a sink of your own fed: for adapters that hand batches on, each at its own pace.

        The first batch may come before the reply is looked at. The reply's `close()` stops it.
        Cursors, kinds, gaps and refusals as for `events`.
        """
        user = values.name(user, "user")
        return self._ask(Subscribe(user, sink, self._cursor(after), _kinds(kinds)))

    def _report_failure(self, user: UserId, reason: str) -> None:
        failure = DeliveryFailed(user=user, reason=reason)
        self._runtime.tell_resident(self.id, ReportFailure(failure))

    def _cursor(self, after: str | None) -> Cursor | None:
        return None if after is None else parse(after, self.id)


def _kinds(names: Iterable[str] | None) -> frozenset[type] | None:
    """The kinds of events with these names. Raises InvalidInput."""
    if names is None:
        return None
    wanted = [names] if isinstance(names, str) else list(names)
    for kind in wanted:
        if kind not in KINDS:
            raise InvalidInput("kinds", kind, f"of {', '.join(sorted(KINDS))}")
    return frozenset(KINDS[kind] for kind in wanted)
