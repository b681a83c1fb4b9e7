"""Those who wait for a turn to be over, each for so long (spec V14, VX4, VX5)."""

from __future__ import annotations

from typing import Any

from ..kernel.mailbox import Mail
from ..kernel.reply import Reply
from ..ports import Clock, Timer
from .messages import AwaitSettled


class Settling:
    """Waits beside the mailbox, for the end of a turn or the time.

    That the time is up follows from no event, so it is told at once.
    """

    __slots__ = ("_clock", "_waiting")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: dict[Mail, Timer | None] = {}

    def wait(self, mail: Mail, turn: int) -> None:
        """Answer `mail` with False when its time is up, unless it is taken out before."""
        until_s = mail.message.until_s
        waiting = Mail(AwaitSettled(until_s, turn), mail.reply_to)
        if until_s is None:
            self._waiting[waiting] = None
        elif (left_s := until_s - self._clock.monotonic()) > 0:
            timer = self._clock.call_later(left_s, lambda: self._time_up(waiting))
            self._waiting[waiting] = timer
            reply: Any = mail.reply_to
            reply.on_done(lambda _: timer.cancel())  # also if another activation answers
        else:
            _time_is_up(waiting)

    def take(self, turn: int) -> list[Mail]:
        """Take out those who wait for `turn`."""
        taken = [mail for mail in self._waiting if mail.message.turn == turn]
        for mail in taken:
            timer = self._waiting.pop(mail)
            if timer is not None:
                timer.cancel()
        return taken

    def hand_over(self) -> list[Mail]:
        """All who wait, for the next activation: each knows its turn by now.

        Their timers go on: the time may be up before there is one.
        """
        waiting = list(self._waiting)
        self._waiting.clear()
        return waiting

    def _time_up(self, mail: Mail) -> None:
        self._waiting.pop(mail, None)
        _time_is_up(mail)


def _time_is_up(mail: Mail) -> None:
    reply: Any = mail.reply_to
    if isinstance(reply, Reply):
        reply.set(False)
