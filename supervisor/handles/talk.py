"""The handle's part on messages and turns, and the handle of a turn."""

from __future__ import annotations

from functools import partial

from ...actors.errors import InvalidInput
from ...actors.kernel.reply import Reply
from ...actors.ports import Policy, UserId
from ...actors.session import values
from ...actors.session.answers import CancelReceipt, Receipt, StopFact, TurnTicket
from ...actors.session.commands import Interrupt, PlaceAnswer, Post, Send
from ...actors.session.info import TurnResult
from ...actors.session.messages import AwaitStopped, AwaitTurn, Delivered
from ...actors.session.outputs import check_output
from ...actors.session.settings import POLICIES
from ...actors.session.transcript import Message
from .base import Handle


class Talk(Handle):
    """What is said, and how the pipeline answers."""

    __slots__ = ()

    def post(self, user: UserId, text: str, *, key: str | None = None) -> Reply[Receipt]:
        """Say something that needs no answer. Refused: NotMember, NotAllowed, WrongState."""
        post = Post(user=values.name(user, "user"), text=values.text(text, "text"))
        return self._do(post, key)

    def send(
        self,
        user: UserId,
        text: str,
        *,
        policy: Policy | None = None,
        answer_key: str = "",
        key: str | None = None,
    ) -> Reply[Turn]:
        """Say something and have the pipeline answer. The reply: the turn is accepted, durably.

        `policy`, if a turn is running; without one it is as the session's settings say:

        - `enqueue` waits for it;
        - `reject` is refused with `TurnBusy`;
        - `interrupt` ends it as superseded and goes first;
        - `rollback` also takes what it was asked and has said out of the transcript;
        - `steer` is handed to it at its next safe point; if it ends before, this is the next turn;
        - `merge` joins the user's last turn that waits, or else waits;
        - `latest` waits in the place of all the user's turns that wait.

        `answer_key` names the answer: if the turn is interrupted, a late answer with this key is
        still placed in it. Refused: NotMember, NotAllowed (also: to end somebody else's turn, or
        by the session's `policies`), WrongState, SessionEnded, TurnQueueFull, NoPipeline.
        """
        if policy is not None and policy not in POLICIES:
            raise InvalidInput("policy", policy, f"of {', '.join(POLICIES)}")
        send = Send(
            user=values.name(user, "user"),
            text=values.text(text, "text"),
            policy=policy,
            answer_key=values.text(answer_key, "answer_key", values.MAX_NAME),
        )
        return self._do(send, key, partial(Turn, self, send.user))

    def interrupt(self, user: UserId, turn: int | None = None) -> Reply[CancelReceipt]:
        """Cancel a running or queued turn; without `turn`, the one that is running.

        The receipt tells who was first. After `won`, nothing more of the turn is seen anywhere.
        Refused: NotMember, NotAllowed.
        """
        if turn is not None and (type(turn) is not int or turn < 1):
            raise InvalidInput("turn", turn, "a turn's number, from 1")
        return self._ask(Interrupt(user=values.name(user, "user"), turn=turn))

    def stopped(self, turn: int) -> Reply[StopFact]:
        """Whether the pipeline of an ended turn has stopped, when that is known.

        `abandoned`: it has ignored its cancellation for longer than `pipeline_grace_s`, or waits in
        a thread that cannot be stopped. Nobody hears what it still does. Told by the activation
        that ran it: for a turn of an older one the answer is `stopped`.
        """
        return self._ask(AwaitStopped(turn))

    def delivered(self, user: UserId, turn: int, chars: int) -> None:
        """Say that `user` has seen, or heard, the first `chars` characters of a running answer.

        If the turn is interrupted, its message keeps how much the furthest reader had seen; with
        `cut_undelivered` later turns see no more of it. Ignored of somebody who is no participant,
        or for a turn that does not run. No activity, and not journaled before an interruption.
        """
        if type(chars) is not int or not 0 <= chars < 2**63:
            raise InvalidInput("chars", chars, "a number of characters, from 0")
        self._runtime.tell_resident(self.id, Delivered(values.name(user, "user"), turn, chars))

    def late_answer(self, key: str, text: str, *, at_ms: int = 0) -> Reply[Receipt]:
        """Place the answer that an interrupted turn did not come to give, in that turn.

        For programs whose model goes on after a barge-in: `key` is the `answer_key` that the turn
        was sent with. Once for each turn, also after a restart. Refused: AnswerNotExpected.
        """
        key = values.name(key, "key")
        answer = check_output(Message(text=text, key=key, at_ms=at_ms))
        assert isinstance(answer, Message)
        return self._ask(PlaceAnswer(answer=answer))

    def result(self, turn: int) -> Reply[TurnResult]:
        """How a turn ended, when it has. Refused: TurnNotFound (also if it ended long ago)."""
        return self._ask(AwaitTurn(turn))


class Turn:
    """A turn that was accepted: `id` counts a session's turns from 1.

    `ahead` turns must end before it starts; `waits_for` is what keeps the first of them, or it.
    """

    __slots__ = ("_session", "_user", "ahead", "id", "waits_for")

    def __init__(self, session: Talk, user: UserId, ticket: TurnTicket) -> None:
        self._session = session
        self._user = user
        self.id = ticket.turn
        self.ahead = ticket.ahead
        self.waits_for = ticket.waits_for

    def __repr__(self) -> str:
        return f"<Turn {self.id} of session {self._session.id}>"

    def result(self) -> Reply[TurnResult]:
        """How the turn ended, when it has. A turn that failed is a result, not an exception."""
        return self._session.result(self.id)

    def stopped(self) -> Reply[StopFact]:
        """Whether its pipeline has stopped after the turn was ended, when that is known."""
        return self._session.stopped(self.id)

    def cancel(self) -> Reply[CancelReceipt]:
        """Cancel it in the name of its sender, running or queued."""
        return self._session.interrupt(self._user, self.id)
