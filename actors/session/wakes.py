"""Timers of a session: what is set, what has gone off, and what is due when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec
from msgspec.structs import replace

from ..ports import UserId
from .values import copied

if TYPE_CHECKING:
    from .state import State

MAX_WAKES: Final = 64
"""Timers that one session may have set."""

MAX_PAYLOAD_BYTES: Final = 64 * 1024
"""Of what a timer carries, as it is journaled: a session holds all of it while it is on stage."""


class Repeat(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Every `every_ms` milliseconds; or, if that is 0, as `cron` says in the time zone `zone`."""

    every_ms: int = 0
    cron: str = ""
    zone: str = ""


class Wake(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A timer that is set: it goes off at `due_ms` (UTC milliseconds), for the first or next time.

    `user` has set it. With `turn` a turn follows when it goes off, and otherwise only the event.
    """

    name: str
    due_ms: int
    user: UserId
    payload: Any = None
    turn: bool = True
    repeat: Repeat | None = None


class Firing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a turn was begun for: the timer `name` went off that was due at `due_ms`.

    `id` is made of both, so it is the same however often it is told. `missed` further instants have
    no turn of their own: nothing ran then, or an earlier turn of the timer had not begun yet.
    """

    id: str
    name: str
    due_ms: int
    missed: int = 0
    payload: Any = None


class WakeReceipt(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag="wake"):
    """The timer goes off at `due_ms` (UTC milliseconds), or would have, if it was cancelled.

    None: there was none to cancel, or it has gone off already.
    """

    name: str
    due_ms: int | None
    revision: int


class WakeSet(msgspec.Struct, frozen=True, kw_only=True, tag="wake.set", omit_defaults=True):
    """`user` has set a timer, in the place of an earlier one with this name."""

    user: UserId
    name: str
    due_ms: int
    payload: Any = None
    turn: bool = True
    repeat: Repeat | None = None


class WakeCancelled(
    msgspec.Struct, frozen=True, kw_only=True, tag="wake.cancelled", omit_defaults=True
):
    """A timer goes off no more. `user` is empty, and there is a `reason`, if nobody did that."""

    user: UserId
    name: str
    due_ms: int
    reason: str = ""


class WakeFired(msgspec.Struct, frozen=True, kw_only=True, tag="wake.fired", omit_defaults=True):
    """A timer has gone off that was due at `due_ms`. `id` is made of its name and that instant.

    `missed` later instants of a repeat are covered by it, as they were over by then, too; the next
    one is `next_ms`, and there is none if that is None. `turn` is the turn that is told; 0: none.
    """

    id: str
    name: str
    due_ms: int
    next_ms: int | None = None
    missed: int = 0
    turn: int = 0
    payload: Any = None


WakeEvent: TypeAlias = WakeSet | WakeCancelled | WakeFired


class Wakes(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the state keeps of timers: a session that has none has none of this.

    `timers` by their names, and what each turn that has not ended yet was begun for.
    """

    timers: dict[str, Wake] = {}
    firings: dict[int, Firing] = {}


NONE: Final = Wakes()


def fire_id(name: str, due_ms: int) -> str:
    """What names one instant of a timer, always in the same way."""
    return f"{name}@{due_ms}"


# --- the fold ---


def noted(wakes: Wakes | None, event: WakeEvent) -> Wakes | None:
    """`wakes` with `event` folded in; nothing that can be changed is shared with the event."""
    known = NONE if wakes is None else wakes
    timers = dict(known.timers)
    match event:
        case WakeSet(name=name):
            timers.pop(name, None)
            timers[name] = Wake(
                name=name,
                due_ms=event.due_ms,
                user=event.user,
                payload=copied(event.payload),
                turn=event.turn,
                repeat=event.repeat,
            )
            return _kept(replace(known, timers=timers))
        case WakeCancelled(name=name):
            timers.pop(name, None)
            return _kept(replace(known, timers=timers))
        case WakeFired(name=name, next_ms=next_ms):
            timer = timers.pop(name)
            if next_ms is not None:
                timers[name] = replace(timer, due_ms=next_ms)
            return _kept(replace(known, timers=timers, firings=_told(known.firings, event)))


def _told(firings: dict[int, Firing], event: WakeFired) -> dict[int, Firing]:
    """A turn that has not begun yet is told of the newest instant, and how many it stands for."""
    if not event.turn:
        return firings
    earlier = firings.get(event.turn)
    before = 0 if earlier is None else earlier.missed + 1
    told = Firing(
        id=event.id,
        name=event.name,
        due_ms=event.due_ms,
        missed=before + event.missed,
        payload=copied(event.payload),
    )
    return {**firings, event.turn: told}


def without(wakes: Wakes, turn: int) -> Wakes | None:
    """`wakes` when `turn` has ended."""
    if turn not in wakes.firings:
        return wakes
    firings = {other: told for other, told in wakes.firings.items() if other != turn}
    return _kept(replace(wakes, firings=firings))


def _kept(wakes: Wakes) -> Wakes | None:
    return wakes if wakes.timers or wakes.firings else None


# --- the questions ---


def wants_ms(state: State) -> int:
    """When something is due by itself, in UTC milliseconds: the pending approval's expiry, or the
    earliest timer, which waits while no message would be taken. 0: never."""
    approval, wakes = state.approval, state.wakes
    expires_ms = 0 if approval is None or approval.decisions is not None else approval.expires_ms
    if wakes is None or not wakes.timers or not is_running(state):
        return expires_ms
    due_ms = min(timer.due_ms for timer in wakes.timers.values())
    return min(due_ms, expires_ms) if expires_ms else due_ms


def due_by(state: State, now_ms: int) -> list[Wake]:
    """The timers that are due by `now_ms`, the earliest first."""
    if state.wakes is None or not is_running(state):
        return []
    due = [timer for timer in state.wakes.timers.values() if timer.due_ms <= now_ms]
    return sorted(due, key=lambda timer: timer.due_ms)


def is_running(state: State) -> bool:
    """Whether timers go off: they wait for a session to be started or resumed."""
    return state.lifecycle == "active" and state.closing is None


def timers_of(state: State) -> tuple[Wake, ...]:
    """The timers that are set, the earliest first, copied out of the state."""
    timers = () if state.wakes is None else state.wakes.timers.values()
    copies = (replace(timer, payload=copied(timer.payload)) for timer in timers)
    return tuple(sorted(copies, key=lambda timer: timer.due_ms))
