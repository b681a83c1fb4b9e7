"""The handle's part on the transcript as a whole: taking back, compacting, forking, proving."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ...actors.errors import InvalidInput
from ...actors.kernel.reply import Reply
from ...actors.ports import SessionId, UserId
from ...actors.session import values
from ...actors.session.answers import CutReceipt
from ...actors.session.audit import TranscriptReport
from ...actors.session.commands import Compact, Truncate, Undo
from ...actors.session.messages import GetReport
from .base import revision_of
from .talk import Talk, Turn

if TYPE_CHECKING:
    from ..session import Session


class History(Talk):
    """What becomes of the transcript. The journal keeps all that ever happened."""

    __slots__ = ()

    def undo(self, user: UserId, *, key: str | None = None) -> Reply[CutReceipt]:
        """Take back the last message of a person, and everything that follows it.

        Only the transcript goes back: shared context, memories, and whatever the tools have done
        stay as they are. System messages stay as well. A turn that loses a line is ended first,
        as cancelled, whether it runs, waits, or is suspended (its approval goes with it); then
        the next one starts. A compaction that runs is cancelled. If there is nothing to take back,
        nothing is, and the event `transcript.cut` tells so all the same (spec A22).

        Refused: NotMember, NotAllowed (it takes the permission to edit), SessionEnded.
        """
        return self._do(Undo(user=values.name(user, "user")), key)

    def truncate(self, user: UserId, message: int, *, key: str | None = None) -> Reply[CutReceipt]:
        """Cut the transcript before a person's message: the first one that it has is number 0.

        What goes and what stays is as for `undo`. Refused: NotMember, NotAllowed, SessionEnded,
        InvalidInput (there is no such message).
        """
        truncate = Truncate(user=values.name(user, "user"), message=_number(message, "message"))
        return self._do(truncate, key)

    def compact(
        self,
        user: UserId,
        *,
        keep: int = 2,
        prompt: str = "Summarise the conversation so far.",
        key: str | None = None,
    ) -> Reply[Turn]:
        """Put a summary in the place of all that stands before the last `keep` messages of people.

        The runtime's compactor makes it, in a turn that waits for those before it: `turn.history`
        is what it is to summarise, as that stands when the turn starts, and `turn.input.text` is
        `prompt`. Messages that come meanwhile are none of its business; undo and truncate cancel
        it. All its text is the summary, a system message at the head of the transcript, and
        nothing of it is published before. If it fails, is cancelled or lost, or says nothing, the
        transcript stays as it was. An earlier summary is part of what the next one replaces.

        Refused: NotMember, NotAllowed, WrongState, SessionEnded, TurnQueueFull, NothingToCompact,
        NoCompactor, NoPipeline.
        """
        compact = Compact(
            user=values.name(user, "user"),
            keep=_number(keep, "keep"),
            prompt=values.text(prompt, "prompt"),
        )
        return self._do(compact, key, partial(Turn, self, compact.user))

    def fork(
        self,
        user: UserId,
        *,
        at: int | None = None,
        id: SessionId | None = None,  # noqa: A002
        name: str | None = None,
    ) -> Reply[Session]:
        """Make a new session that goes on from this one as it was at revision `at`, or is now.

        `user`, who takes part here, is its owner, its host and its only participant. It has the
        transcript of then, shared context, memories and settings, and its turns are counted on
        from there; `info().origin` tells what it was forked from. A turn that was open then is cut
        off in it; messages that were still to be answered are there, and wait for nothing. This
        session is not changed, and may have ended. Room history and answers to idempotency keys
        are not taken along. With an `id` it is safe to try again: it is made once.

        Raises InvalidInput. Refused: NotMember, InvalidInput (no such revision), SessionExists,
        CapacityError, Rejected (too large to begin with), SessionDamaged, NotKept (the events up
        to `at` are no longer kept).
        """
        return self._runtime.fork(
            self.id,
            values.name(user, "user"),
            at=None if at is None else revision_of(at, "at"),
            id=None if id is None else values.session_id(id),
            name=None if name is None else values.text(name, "name", values.MAX_NAME * 4),
        )

    def verify(self, user: UserId) -> Reply[TranscriptReport]:
        """Whether the transcript is one that a model takes, and if not, why. Refused: NotMember."""
        return self._ask(GetReport(values.name(user, "user")))


def _number(value: Any, field: str) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise InvalidInput(field, value, "a number, from 0")
    return value
