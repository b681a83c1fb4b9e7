"""From decided to heard of: the journal first, then publications and replies (promise P7)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from ..errors import (
    Fenced,
    GreenroomError,
    NotWritten,
    OutcomeUnknown,
    Rejected,
    SessionClosed,
    text_of,
)
from ..kernel.mailbox import Mailbox
from ..kernel.reply import Reply
from ..ports import Commit, IndexRow
from .events import DURABLE, Event, Left
from .live import LiveLog
from .messages import Committed
from .stage import Stage
from .state import State, encode_state


class Later:
    """An answer that is made when it is let out, after everything before it has been published."""

    __slots__ = ("make",)

    def __init__(self, make: Callable[[], object]) -> None:
        self.make = make


class Held(msgspec.Struct, eq=False):
    """One decision: let out when `commit` is durable, or at once after those before it.

    An `answer` that is an exception is a refusal.
    """

    events: Sequence[Event] = ()
    at_ms: int = 0
    commit: Reply[Any] | None = None
    reply: Reply[object] | None = None
    answer: object = None
    then: Callable[[], None] | None = None


class Speaker(Protocol):
    """Whose decisions go out."""

    def on_event(self, event: Event) -> None:
        """`event` has been let out."""
        ...


class Outbox:
    """Decisions of one activation, in the order they were made, on their way out.

    The actor goes on deciding against its newest state meanwhile, and is told of each event that
    has been let out. Nothing is held while nothing waits for a commit.
    """

    __slots__ = (
        "_claimed",
        "_commit_due",
        "_epoch",
        "_held",
        "_live",
        "_mailbox",
        "_snapshot_size",
        "_speaker",
        "_stage",
        "_unsnapped",
    )

    def __init__(
        self,
        stage: Stage,
        live: LiveLog,
        mailbox: Mailbox,
        epoch: int,
        speaker: Speaker,
        unsnapped: int = 0,
        claimed: Reply[None] | None = None,
    ) -> None:
        self._stage = stage
        self._live = live
        self._mailbox = mailbox
        self._epoch = epoch
        self._speaker = speaker  # not a method of it: that is an object of 64 B more
        self._held: deque[Held] | None = None
        self._commit_due = False
        self._unsnapped = unsnapped
        self._snapshot_size = 0
        self._claimed = claimed  # until it is durable
        if claimed is not None:
            claimed.on_done(self._on_claimed)

    def __bool__(self) -> bool:
        """Whether something waits for a commit."""
        return bool(self._held)

    def append(self, bodies: list[bytes], row: IndexRow, *, after: int) -> Commit | None:
        """Give encoded events, and what listings show after them, to the journal.

        None: they are durable already, and nothing is to be waited for.
        """
        self._unsnapped += sum(map(len, bodies))
        stage = self._stage
        commit = stage.journal.append(
            self._live.session, bodies, epoch=self._epoch, after=after, row=row
        )
        done = stage.commits_at_once = commit.done
        if not done:
            commit.on_done(self._on_done)
        return None if done and commit.error is None else commit

    def put(self, held: Held) -> None:
        """Let `held` out: now, if neither it nor anything before it waits for a commit."""
        if self._claimed is not None and held.events and held.commit is None:
            held.commit = self._claimed
        commit = held.commit
        if not self._held and (commit is None or (commit.done and commit.error is None)):
            self._let_out(held)
            return
        if self._held is None:
            self._held = deque()
        self._held.append(held)
        if commit is not None and commit.done:
            self._on_done(commit)

    def on_committed(self) -> BaseException | None:
        """Let out what is durable by now, in order. Returns the error of a commit that failed."""
        self._commit_due = False
        queue = self._held
        while queue:
            commit = queue[0].commit
            if commit is not None:
                if not commit.done:
                    return None
                if commit.error is not None:
                    return commit.error
            self._let_out(queue.popleft())
        self._held = None
        return None

    def void(self, error: BaseException) -> None:
        """Give up what is held, as a commit has failed with `error`.

        Fenced: none of it was written, and its callers may try again. Otherwise the outcome is
        unknown, but for the one write that the journal surely refused.
        """
        queue, self._held = self._held, None
        told = error if isinstance(error, NotWritten | Rejected) else None
        for held in queue or ():
            if held.reply is not None:
                held.reply.set_error(told or self._voided(error))
            told = None

    def _voided(self, error: BaseException) -> GreenroomError:
        if isinstance(error, Fenced):
            return SessionClosed(self._live.session)
        return OutcomeUnknown(self._live.session, why=text_of(error))

    def snapshot_if_due(self, state: State) -> None:
        """Write a snapshot once the events since the last one outweigh it."""
        unsnapped = self._unsnapped
        if unsnapped > self._stage.snapshot_bytes and unsnapped > self._snapshot_size:
            self.snapshot(state)

    def snapshot(self, state: State) -> None:
        """Write the state, unless it is what the journal has.

        It may be ahead of what is durable: the journal writes in order, and refuses a snapshot of
        a revision that it does not reach.
        """
        if self._unsnapped == 0:
            return
        body = encode_state(state)
        self._unsnapped, self._snapshot_size = 0, len(body)
        self._stage.journal.snapshot(
            self._live.session, body, epoch=self._epoch, revision=state.revision
        )

    def release(self) -> Commit:
        """Record the clean leave of this activation, and where it stopped publishing."""
        return self._stage.journal.release(
            self._live.session, epoch=self._epoch, end=self._live.end
        )

    def _on_claimed(self, claimed: Reply[None]) -> None:
        if claimed.error is None:
            self._claimed = None
        if self._held:
            self._on_done(claimed)

    def _on_done(self, _: Reply[Any]) -> None:
        # One message, however many commits a group has brought.
        if not self._commit_due:
            self._commit_due = True
            self._mailbox.signal(Committed(self._epoch))

    def _let_out(self, held: Held) -> None:
        """Publish, reply, and have the effects."""
        events, speaker = held.events, self._speaker
        if events:
            self._publish(events, held.at_ms)
        reply = held.reply
        if reply is not None:
            answer = held.answer
            if type(answer) is Later:
                answer = answer.make()
            if isinstance(answer, GreenroomError):
                reply.set_error(answer)
            else:
                reply.set(answer)
        if held.then is not None:
            held.then()
        for event in events:
            speaker.on_event(event)

    def _publish(self, events: Sequence[Event], at_ms: int) -> None:
        # Not the state's revision: after a failure that is ahead of what is durable, and a cursor
        # of such a place would skip events, or be taken for another session's.
        live, stage = self._live, self._stage
        revision, now = live.revision, stage.clock.monotonic()
        stage.stats.published += len(events)
        for event in events:
            revision += type(event) in DURABLE
            live.publish(event, at_ms=at_ms, revision=revision, now=now)
            if type(event) is Left:  # no effect: those come after all of the step (spec R17)
                live.expel(event.user)
