"""The handle's part on timers: how a session is woken at some time, once or again and again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any, Final

import msgspec

from ...actors.errors import InvalidInput
from ...actors.kernel.reply import Reply
from ...actors.ports import UserId
from ...actors.session import values
from ...actors.session.approvals import MAX_EXPIRES_S
from ...actors.session.commands import CancelWake, SetWake
from ...actors.session.messages import GetWakes
from ...actors.session.values import MAX_TIME_MS
from ...actors.session.wakes import MAX_PAYLOAD_BYTES, Repeat, Wake, WakeReceipt
from .base import Handle

MIN_EVERY_S: Final = 1.0
"""Each instant of a repeat is an event that is kept."""

MAX_CRON_BYTES: Final = 128

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Wakes(Handle):
    """Durable timers. What is set goes off, though the session has left the stage, or the process
    has ended: then late, when a runtime has its journal again.
    """

    __slots__ = ()

    def wake_at(
        self,
        user: UserId,
        at: datetime | int | None = None,
        *,
        name: str,
        after_s: float | None = None,
        every: float | str | None = None,
        zone: str | None = None,
        payload: Any = None,
        turn: bool = True,
        key: str | None = None,
    ) -> Reply[WakeReceipt]:
        """Set the timer `name`, in the place of an earlier one with this name.

        It goes off `at` that instant (an aware datetime, or UTC milliseconds), or `after_s` seconds
        from now; at once, if that is over. With `every` it goes off again: every so many seconds
        (1 at least), or as a cron expression of five fields says (six: the first is the second) in
        the time zone `zone` (`UTC` without one); then it need not be said when first. As Debian's
        cron has it, what falls into the hour that a clock is put forward by runs right after it,
        and what falls into one that comes twice runs once, unless its minute or hour is a `*`.

        When it goes off, the room hears `wake.fired`, with `payload` (a plain value of at most
        64 KiB, which is copied), and unless `turn` is False a turn of the kind `wake` begins or
        waits, as for a message, if the runtime has a pipeline: `turn.wake` tells the timer. Without
        a pipeline there is the event only. While a turn of the same timer waits, it is told of the
        newest instant, and no other one is added.

        Each instant is one event, in one step with its turn's beginning, and its id (the name and
        the instant) is always the same. Setting an instant again that has been tells it again. Of
        a repeat, all instants that were missed while nothing ran are told by one event, which
        counts them (of a cron expression up to 100). Timers wait while the session is paused or not
        started, and are dropped when it ends. A session that was passivated is woken; if there is
        no room, as soon as there is. A fork has none of them. A timer keeps no session from being
        deleted because nobody has touched it.

        Raises InvalidInput, and ExtraMissing for a cron expression without `greenroom[cron]`.
        Refused: TooManyWakes (64 in one session), NotMember, NotAllowed, WrongState, SessionEnded.
        """
        repeat = self._repeat(every, zone)
        if at is not None and after_s is not None:
            raise InvalidInput("after_s", after_s, "left out when at is given")
        if at is None and after_s is None and repeat is None:
            raise InvalidInput("at", None, "given, or after_s, or every")
        if type(turn) is not bool:
            raise InvalidInput("turn", turn, "True or False")
        wake = SetWake(
            user=values.name(user, "user"),
            name=values.name(name, "name"),
            at_ms=None if at is None else _instant(at),
            after_ms=None if after_s is None else _milliseconds(after_s, "after_s", 0),
            repeat=repeat,
            payload=_payload(payload),
            turn=turn,
        )
        return self._do(wake, key)

    def cancel_wake(self, user: UserId, name: str, *, key: str | None = None) -> Reply[WakeReceipt]:
        """Have a timer go off no more. The receipt's `due_ms` is None if there was none (any more).

        A turn that it has begun already is no timer: cancel that by itself. Refused: NotMember,
        NotAllowed, SessionEnded.
        """
        return self._do(
            CancelWake(user=values.name(user, "user"), name=values.name(name, "name")), key
        )

    def wakes(self, user: UserId) -> Reply[tuple[Wake, ...]]:
        """The timers that are set, the earliest first: copies. Refused: NotMember."""
        return self._ask(GetWakes(values.name(user, "user")))

    def _repeat(self, every: Any, zone: Any) -> Repeat | None:
        if type(every) is str:
            cron = values.text(every, "every", MAX_CRON_BYTES)
            zone = "UTC" if zone is None else values.name(zone, "zone")
            self._runtime.calendar.check(cron, zone)
            return Repeat(cron=cron, zone=zone)
        if zone is not None:
            raise InvalidInput("zone", zone, "left out unless every is a cron expression")
        if every is None:
            return None
        return Repeat(every_ms=_milliseconds(every, "every", MIN_EVERY_S))


def _instant(at: Any) -> int:
    """UTC milliseconds, not before the instant."""
    if isinstance(at, datetime) and at.utcoffset() is not None:
        at_ms = -((_EPOCH - at) // timedelta(milliseconds=1))
    else:
        at_ms = at
    if type(at_ms) is not int or not 0 < at_ms <= MAX_TIME_MS:
        raise InvalidInput("at", at, "a datetime with a time zone, or UTC milliseconds, after 1970")
    return at_ms


def _milliseconds(seconds: Any, field: str, least_s: float) -> int:
    if type(seconds) not in (int, float) or not least_s <= seconds <= MAX_EXPIRES_S:
        limit = f"between {least_s:g} and {MAX_EXPIRES_S:.0f} seconds"
        raise InvalidInput(field, seconds, limit)
    after_ms: int = ceil(seconds * 1000)
    return after_ms


def _payload(payload: Any) -> Any:
    copied = values.plain(payload, "payload")
    size = len(msgspec.msgpack.encode(copied))
    if size > MAX_PAYLOAD_BYTES:
        limit = f"at most {MAX_PAYLOAD_BYTES} bytes, encoded"
        raise InvalidInput("payload", f"{size} bytes", limit)
    return copied
