"""How timers are set and cancelled, and what happens when one goes off."""

from __future__ import annotations

from typing import Final

from ...errors import InvalidInput, TooManyWakes
from ...ports import Calendar
from ..commands import CancelWake, Fire, SetWake
from ..events import Durable, TurnQueued, TurnStarted, WakeCancelled, WakeFired, WakeSet
from ..state import State
from ..values import MAX_TIME_MS, copied
from ..wakes import MAX_WAKES, Repeat, Wake, fire_id, is_running
from .checks import require, require_open, require_state
from .moment import Moment
from .rooms import OPEN

COUNTED: Final = 100
"""Instants of a calendar that were missed: further ones are not counted, each takes its time."""


def set_wake(state: State, command: SetWake, moment: Moment) -> tuple[Durable, ...]:
    """An instant that is over is due at once: whoever asks may have been late."""
    require_open(state, command.user)
    timers = {} if state.wakes is None else state.wakes.timers
    if command.name not in timers and len(timers) >= MAX_WAKES:
        raise TooManyWakes(state.id, limit=MAX_WAKES)
    first = WakeSet(
        user=command.user,
        name=command.name,
        due_ms=_first_ms(command, moment),
        payload=command.payload,
        turn=command.turn,
        repeat=command.repeat,
    )
    return (first,)


def cancel_wake(state: State, command: CancelWake) -> tuple[Durable, ...]:
    """Nothing, if there is no such timer (any more)."""
    require(state, command.user, "speak")
    require_state(state, *OPEN)
    timer = None if state.wakes is None else state.wakes.timers.get(command.name)
    if timer is None:
        return ()
    return (WakeCancelled(user=command.user, name=command.name, due_ms=timer.due_ms),)


def fire(state: State, command: Fire, moment: Moment) -> tuple[Durable, ...]:
    """Once for each instant: nothing, if the timer was set anew or cancelled, or is not due."""
    timer = None if state.wakes is None else state.wakes.timers.get(command.name)
    if timer is None or timer.due_ms != command.due_ms or not is_running(state):
        return ()
    if timer.due_ms > moment.at_ms:
        return ()
    next_ms, missed = _following(timer, moment)
    begun = _begun(state, timer, moment) if command.turns and timer.turn else None
    turn = 0 if begun is None else begun[0]
    fired = WakeFired(
        id=fire_id(timer.name, timer.due_ms),
        name=timer.name,
        due_ms=timer.due_ms,
        next_ms=next_ms,
        missed=missed,
        turn=turn,
        payload=copied(timer.payload),
    )
    events: tuple[Durable, ...] = (fired,) if begun is None else (fired, *begun[1])
    if timer.repeat is not None and next_ms is None:
        why = f"no next instant is known of {timer.repeat.cron!r} in {timer.repeat.zone}"
        over = WakeCancelled(user="", name=timer.name, due_ms=timer.due_ms, reason=why)
        return (*events, over)
    return events


def _begun(state: State, timer: Wake, moment: Moment) -> tuple[int, tuple[Durable, ...]]:
    """The turn that is told, and how it begins or waits.

    One of the same timer that waits already is told of this instant, too: so a timer has at most
    two turns open, and needs no place among those that may wait.
    """
    firings = {} if state.wakes is None else state.wakes.firings
    for waiting in state.queued:
        told = firings.get(waiting.turn)
        if told is not None and told.name == timer.name:
            return waiting.turn, ()
    turn, user = state.last_turn + 1, timer.user
    if moment.held or state.running is not None or state.queued:
        return turn, (TurnQueued(turn=turn, user=user, kind="wake"),)
    return turn, (TurnStarted(turn=turn, user=user, kind="wake"),)


def _first_ms(command: SetWake, moment: Moment) -> int:
    repeat, at_ms = command.repeat, command.at_ms
    if command.after_ms is not None:
        at_ms = moment.at_ms + command.after_ms
    if repeat is not None and repeat.cron:
        after_ms = moment.at_ms if at_ms is None else at_ms - 1
        found = _next_ms(repeat, after_ms, moment.calendar)
        if found is None:
            raise InvalidInput("every", repeat.cron, "a schedule that has a next instant")
        return found
    if at_ms is None:
        assert repeat is not None
        at_ms = moment.at_ms + repeat.every_ms
    return min(at_ms, MAX_TIME_MS)


def _following(timer: Wake, moment: Moment) -> tuple[int | None, int]:
    """The first instant of a repeat that is not over yet, and how many others lie before it."""
    repeat, now_ms = timer.repeat, moment.at_ms
    if repeat is None:
        return None, 0
    if not repeat.cron:
        missed = (now_ms - timer.due_ms) // repeat.every_ms
        return timer.due_ms + (missed + 1) * repeat.every_ms, missed
    missed, found = 0, _next_ms(repeat, timer.due_ms, moment.calendar)
    while found is not None and found <= now_ms and missed < COUNTED:
        missed, found = missed + 1, _next_ms(repeat, found, moment.calendar)
    if found is not None and found <= now_ms:
        found = _next_ms(repeat, now_ms, moment.calendar)
    return found, missed


def _next_ms(repeat: Repeat, after_ms: int, calendar: Calendar | None) -> int | None:
    found = None if calendar is None else calendar.next_ms(repeat.cron, repeat.zone, after_ms)
    return None if found is None or not after_ms < found <= MAX_TIME_MS else found
