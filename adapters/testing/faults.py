"""A journal that fails as stores fail, when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from ...actors.kernel.reply import Reply
from ...actors.ports import Claim, Commit, End, IndexRow, Journal, NewSession, SessionId
from .wrapped import WrappedJournal


class FaultyJournal(WrappedJournal):
    """Any journal, in front of which writes wait and fail. Implements `Journal`.

        journal = FaultyJournal(MemoryJournal())
        journal.holding = True                    # slow: writes wait until `let`
        journal.fail(NotWritten("full"))          # the next write is refused
        journal.fail(Rejected("?", size=2, limit=1))       # ... for good
        journal.fail(JournalFailed("no answer"), written=True)   # unknown: it was written
        journal.crash(keep=1)                     # torn: of what waits, the first is durable

    Writes are those of `append`, `release` and `delete`, in the order of the calls. Faults wait for
    them in a queue, first come first served; a claim fails by `fail_claim`. After `crash` nothing
    is answered any more: what the process had not heard of, it never does. A new process takes
    `successor()`, which is the same store without any fault.
    """

    def __init__(self, journal: Journal, *, closes: bool = True) -> None:
        super().__init__(journal)
        self.holding = False
        self.claims = 0
        self.dead = False
        self._closes = closes
        self._held: list[Callable[[], None]] = []
        self._failures: list[tuple[Exception, bool]] = []
        self._claim_failures: list[Exception] = []
        self._bombs: list[BaseException] = []

    # --- what a test says ---

    def fail(self, error: Exception, *, written: bool = False) -> None:
        """Let the next write fail with `error`; with `written` after it was made all the same."""
        self._failures.append((error, written))

    def fail_claim(self, error: Exception) -> None:
        """Let the next claim fail with `error`; nobody owns more or less by it."""
        self._claim_failures.append(error)

    def explode(self, error: BaseException) -> None:
        """Let the next append raise `error` in its caller's face: a bug in an adapter."""
        self._bombs.append(error)

    @property
    def waiting(self) -> int:
        """Writes that are held."""
        return len(self._held)

    @property
    def troubled(self) -> bool:
        """Whether a fault is still to come."""
        return bool(self._failures or self._claim_failures or self._bombs)

    def let(self, count: int | None = None) -> None:
        """Let `count` writes through, or all, and stop holding in that case."""
        if count is None:
            self.holding = False
        for _ in range(len(self._held) if count is None else min(count, len(self._held))):
            self._held.pop(0)()

    def heal(self) -> None:
        """Let everything through, and have no more failures."""
        self._failures.clear()
        self._claim_failures.clear()
        self._bombs.clear()
        self.let()

    def crash(self, keep: int = 0) -> None:
        """The process dies: the first `keep` held writes are made, and nobody hears of anything."""
        self.dead = True
        for write in self._held[:keep]:
            write()
        self._held.clear()

    def successor(self) -> FaultyJournal:
        """The same store, as the next process finds it."""
        return FaultyJournal(self.journal, closes=self._closes)

    # --- what a runtime asks ---

    async def close(self) -> None:
        if self._closes and not self.dead:
            await super().close()

    async def claim(self, session: SessionId, *, create: NewSession | None = None) -> Claim:
        self.claims += 1
        await self._alive()
        if self._claim_failures:
            raise self._claim_failures.pop(0)
        return await super().claim(session, create=create)

    def append(
        self, session: SessionId, events: Sequence[bytes], *, epoch: int, after: int, row: IndexRow
    ) -> Commit:
        if self._bombs:
            raise self._bombs.pop(0)
        write = super().append
        return self._gate(lambda: write(session, events, epoch=epoch, after=after, row=row))

    def release(self, session: SessionId, *, epoch: int, end: End | None) -> Commit:
        write = super().release
        return self._gate(lambda: write(session, epoch=epoch, end=end))

    async def delete(self, session: SessionId, *, epoch: int) -> None:
        await self._alive()
        error, written = self._failures.pop(0) if self._failures else (None, True)
        if written:
            await super().delete(session, epoch=epoch)
        if error is not None:
            raise error

    def _gate(self, write: Callable[[], Commit]) -> Commit:
        commit: Commit = Reply()
        if self.dead:
            return commit

        def run() -> None:
            error, written = self._failures.pop(0) if self._failures else (None, True)
            if written:
                write().on_done(lambda done: self._answer(commit, done, error))
            elif error is not None:
                self._tell(commit, error)

        if self.holding:
            self._held.append(run)
        else:
            run()
        return commit

    def _answer(self, commit: Commit, done: Commit, error: Exception | None) -> None:
        failed = error or done.error
        if failed is not None:
            self._tell(commit, failed)
        elif not self.dead:
            commit.set(done.result())

    def _tell(self, commit: Commit, error: BaseException) -> None:
        if not self.dead:
            commit.set_error(error)

    async def _alive(self) -> None:
        if self.dead:
            await asyncio.get_running_loop().create_future()
