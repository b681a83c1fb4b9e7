"""Acts whose meaning the next message tells: what was ended, taken back, or asked for again."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec.structs import replace

from ...actors.ports import UserId
from ...actors.session.entry import Entry
from ...actors.session.state import State
from ...actors.session.transcript import Line, Message
from ...actors.session.view import delivered, is_input
from .answers import Answers, Piece
from .chat_wire import chat_wire
from .preference import Preference, Reason

How: TypeAlias = Literal["message", "cancel", "rollback", "undo", "truncate", "interaction"]
"""A message that interrupted, a cancelled turn; what was taken back; an interaction."""


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody did not want `piece`, the answer to what was `asked`.

    Of a `message`, and of a rollback, what follows tells who it was, and when: the message itself.
    """

    how: How
    piece: Piece
    asked: str
    revision: int = 0
    at_ms: int = 0
    user: UserId = ""


class Acts:
    """The acts that wait to be understood.

    One is `_open` until the next message. If that asks the same again, it waits for the new turn
    to answer, and then until the answer has stood: until the message after it, or the end.
    """

    def __init__(self, state: State, answers: Answers) -> None:
        self._session = state.id
        self._cut = state.settings.cut_undelivered
        self._answers = answers
        self._open: Act | None = None
        self._asked_again: dict[int, Act] = {}
        self._stands: dict[int, tuple[Act, Piece]] = {}

    def made(
        self, how: How, piece: Piece, asked: str, state: State, entry: Entry, user: UserId
    ) -> Act:
        """An act of which `entry` tells; `state` is the one before it."""
        revision = state.revision + 1
        return Act(
            how=how, piece=piece, asked=asked, revision=revision, at_ms=entry.at_ms, user=user
        )

    def begin(self, act: Act) -> Iterator[Preference]:
        """An act; what is open is understood as it stands, or is the same: stop, then take back."""
        before, self._open = self._open, act
        if before is not None and before.piece.turn != act.piece.turn:
            yield from self._alone(before)

    def roll_back(self, turn: int) -> None:
        """The turn that was just ended by a message is taken back with it."""
        act = self._open
        if act is not None and act.piece.turn == turn:
            self._open = replace(act, how="rollback")

    def go_on(self, state: State, message: Message) -> Iterator[Preference]:
        """A person says something that is to be answered; all that still stands is accepted."""
        yield from self._accept()
        act, self._open = self._open, None
        if act is None:
            return
        author = message.author or ""
        now = replace(act, revision=state.revision + 1, at_ms=message.at_ms, user=author)
        if message.text == act.asked:
            self._asked_again[message.turn] = now
        elif act.how in ("undo", "rollback"):
            detail = {"of": "prompt", "by": act.how, "text": message.text}
            yield self._rejected(now, "edit", detail)
        else:
            yield from self._alone(now if act.how == "message" else act)

    def answered(self, turn: int, status: str) -> Iterator[Preference]:
        """A turn is over: what was asked again in it has another answer, or not."""
        act = self._asked_again.pop(turn, None)
        if act is None:
            return
        pieces = self._answers.pieces(turn)
        if status == "completed" and len(pieces) == 1 and self._compares(act, pieces[0]):
            self._stands[turn] = (act, pieces[0])
        else:
            yield self._rejected(act, "regenerate", {"by": act.how})

    def give_up(self, turn: int) -> Iterator[Preference]:
        """A turn that waited is over without an answer of its own."""
        yield from self.answered(turn, "cancelled")

    def refute(self, turns: Collection[int]) -> Iterator[Preference]:
        """What the turns have answered does not stand: nobody has chosen it."""
        for turn in [turn for turn in self._stands if turn in turns]:
            act, _ = self._stands.pop(turn)
            yield self._rejected(act, "regenerate", {"by": act.how})

    def end(self) -> Iterator[Preference]:
        """There are no more events."""
        yield from self._accept()
        for act in self._asked_again.values():
            yield self._rejected(act, "regenerate", {"by": act.how})
        if self._open is not None and self._open.user:
            yield from self._alone(self._open)

    def _accept(self) -> Iterator[Preference]:
        for turn, (act, piece) in self._stands.items():
            same = self._is_same(act, piece)
            detail = {"by": act.how, "chosen_turn": turn, "same_context": same}
            rejected = self._rejected(act, "regenerate", detail)
            yield replace(rejected, chosen=piece.said)
        self._stands.clear()

    def _alone(self, act: Act) -> Iterator[Preference]:
        """What an act tells by itself. A rollback is never without its message."""
        match act.how:
            case "message" | "cancel":
                yield self._rejected(act, "interrupt", _heard(act))
            case "undo":
                yield self._rejected(act, "undo", {})
            case "interaction":
                yield self._rejected(act, "regenerate", {"by": act.how})
            case "truncate" | "rollback":
                pass

    def _rejected(self, act: Act, reason: Reason, detail: dict[str, Any]) -> Preference:
        piece = act.piece
        return Preference(
            session=self._session,
            revision=act.revision,
            at_ms=act.at_ms,
            user=act.user,
            reason=reason,
            context=piece.context(cut=self._cut),
            rejected=piece.said,
            detail={"turn": piece.turn, "status": piece.status, **detail},
        )

    def _compares(self, act: Act, piece: Piece) -> bool:
        """Whether `piece` answers the same in the same context, or in one that only goes on."""
        if self._is_same(act, piece):
            return True
        old, new = act.piece, piece.context(cut=self._cut)
        again = [line for line in piece.lines[: piece.begin] if is_input(line)]
        rejected: list[Line] = list(map(delivered, old.said)) if self._cut else list(old.said)
        longer = (*old.context(cut=self._cut), *rejected, *again)
        return chat_wire(new) == chat_wire(longer)

    def _is_same(self, act: Act, piece: Piece) -> bool:
        return chat_wire(act.piece.context(cut=self._cut)) == chat_wire(
            piece.context(cut=self._cut)
        )


def _heard(act: Act) -> dict[str, Any]:
    """How the answer was cut, and how much of its last message had been heard by then."""
    lines = act.piece.lines[act.piece.begin : act.piece.end]
    said = [line for line in lines if isinstance(line, Message)]
    last = said[-1] if said and said[-1].interrupted else None
    return {
        "by": act.how,
        "chars": 0 if last is None else len(last.text),
        "delivered": None if last is None else last.delivered,
    }
