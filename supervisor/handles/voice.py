"""The handle's part on voice sessions: phases, the greeting, dialog context, and waiting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ...actors.errors import InvalidInput
from ...actors.kernel.reply import Reply
from ...actors.ports import UserId
from ...actors.session import values
from ...actors.session.answers import PhaseReceipt, Receipt, TurnTicket
from ...actors.session.commands import Greet, SetDialog
from ...actors.session.events import Exchange
from ...actors.session.messages import AwaitSettled, GetDialog, SetPhase, Touch
from ...actors.session.phases import Phase, settable
from .talk import Talk, Turn

MAX_EXCHANGES: Final = 256
"""Pairs of a dialog context."""

MAX_DIALOG_BYTES: Final = 1 << 20
"""Of all the texts of a dialog context, as UTF-8."""


class Voice(Talk):
    """What a voice session adds to turns."""

    __slots__ = ()

    def set_phase(
        self, user: UserId, phase: Phase, *, turn: int | None = None
    ) -> Reply[PhaseReceipt]:
        """Move the session to a phase; those who listen hear `phase.changed`, if it is another one.

        From `init` it goes to `connected`, and from there to `listening`, `processing` and
        `speaking`, which follow each other as they come, but a session is not `processing` or
        `speaking` and `connected` next. In these three a turn moves it by itself: to `processing`
        when it starts, `speaking` with its first text, and `listening` when it has ended and no
        other one follows. The end of the session closes it.

        With `turn` nothing happens, and the receipt says so, unless that turn is current: it runs,
        or was the last to end, and by itself. So nobody overwrites the phase of a later turn.

        It is activity. Phases are never journaled: after a passivation or a crash the session is
        at `init` again. `info` tells the phase. Refused: NotMember, NotAllowed, SessionEnded,
        WrongPhase.
        """
        if turn is not None and (type(turn) is not int or turn < 0):
            raise InvalidInput("turn", turn, "a turn's number, or 0, which is none")
        return self._ask(SetPhase(values.name(user, "user"), settable(phase), turn))

    def touch(self, user: UserId) -> Reply[Receipt]:
        """Show that `user` is there: this is activity, and nobody hears of it.

        Refused: NotMember, SessionEnded.
        """
        return self._ask(Touch(values.name(user, "user")))

    def greet(
        self, user: UserId, prompt: str = "", *, key: str | None = None
    ) -> Reply[Turn | None]:
        """Have the pipeline greet, once: the first caller in the life of the session gets the turn.

        Everybody else gets None, also after a restart, and also if the greeting has failed: that is
        the result of its turn. The turn waits for others as with `enqueue`. The pipeline finds the
        `prompt` in `turn.input`, as a system message, and `turn.kind` is `greeting`; only what it
        says goes into the transcript.

        Refused, without using it up: NotMember, NotAllowed, WrongState, SessionEnded,
        TurnQueueFull, NoPipeline.
        """
        user = values.name(user, "user")

        def turn(ticket: TurnTicket) -> Turn | None:
            return Turn(self, user, ticket) if ticket.turn else None

        return self._do(Greet(user=user, prompt=values.text(prompt, "prompt")), key, turn)

    def set_dialog(
        self, user: UserId, dialog: Sequence[Exchange | tuple[str, str]], *, key: str | None = None
    ) -> Reply[Receipt]:
        """Replace the dialog context: up to 256 pairs of what was asked and answered, 1 MiB in all.

        It is copied, durable, and given to every turn that starts after it as `turn.dialog`.
        Refused: NotMember, NotAllowed, SessionEnded.
        """
        user = values.name(user, "user")
        return self._do(SetDialog(user=user, dialog=_exchanges(dialog)), key)

    def dialog(self, user: UserId) -> Reply[tuple[Exchange, ...]]:
        """The dialog context. Until it is set: the pairs of question and answer in the transcript,
        of those of the last 32 turns that have completed. Refused: NotMember.
        """
        return self._ask(GetDialog(values.name(user, "user")))

    def settled(self, timeout_s: float | None = None) -> Reply[bool]:
        """Whether the turn that runs now is over, however it ends: True when it is, at once if none
        runs. False when `timeout_s` seconds have passed.

        What the turn has said is in the transcript by then. A turn that waits for an approval is
        not over. Nothing else waits meanwhile.
        """
        if timeout_s is None:
            return self._ask(AwaitSettled(None))
        if type(timeout_s) not in (int, float) or not 0 <= timeout_s < float("inf"):
            raise InvalidInput("timeout_s", timeout_s, "a number of seconds from 0, or None")
        return self._ask(AwaitSettled(self._runtime.clock.monotonic() + timeout_s))


def _exchanges(dialog: Any) -> list[Exchange]:
    """A copy of the pairs. Raises InvalidInput."""
    if type(dialog) not in (list, tuple):
        raise InvalidInput("dialog", type(dialog).__name__, "a list or tuple of pairs")
    if len(dialog) > MAX_EXCHANGES:
        raise InvalidInput("dialog", f"{len(dialog)} pairs", f"at most {MAX_EXCHANGES} pairs")
    pairs = [_exchange(pair, f"dialog[{index}]") for index, pair in enumerate(dialog)]
    size = sum(len(pair.user.encode()) + len(pair.assistant.encode()) for pair in pairs)
    if size > MAX_DIALOG_BYTES:
        raise InvalidInput("dialog", f"{size} bytes", f"at most {MAX_DIALOG_BYTES} bytes of UTF-8")
    return pairs


def _exchange(pair: Any, field: str) -> Exchange:
    match pair:
        case Exchange(user=user, assistant=assistant) | (user, assistant):
            return Exchange(
                user=values.text(user, f"{field}.user"),
                assistant=values.text(assistant, f"{field}.assistant"),
            )
        case _:
            limit = "an Exchange or a pair of texts"
            raise InvalidInput(field, type(pair).__name__, limit)
