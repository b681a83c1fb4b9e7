"""What keeps one activation on stage at this moment, for whoever asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ..ports import Clock
from .pins import Pin, PinKind

if TYPE_CHECKING:
    from .actor import SessionActor


def in_utc(clock: Clock) -> Callable[[float], int]:
    """From monotonic seconds of this process to UTC milliseconds, as the clocks stand now."""
    now_ms, now_s = clock.now_ms(), clock.monotonic()
    return lambda at_s: now_ms + round((at_s - now_s) * 1000)


def pins_of(actor: SessionActor) -> tuple[Pin, ...]:
    """All of them; of those that are over, none but open scopes and readers."""
    return (*_work(actor), *_others(actor))


def _work(actor: SessionActor) -> Iterator[Pin]:
    works, runs = actor.works, actor.runs
    if runs:
        yield _running(actor)
    waiting = len(actor.state.queued) if works else 0
    if waiting or (works and not runs):  # one that was decided on waits to go on
        yield Pin(kind=PinKind.QUEUED_TURN, count=max(waiting, 1))
    if actor.stops:
        yield Pin(kind=PinKind.PIPELINE)
    if depth := actor.actor_inbox.depth:
        yield Pin(kind=PinKind.MAIL, count=depth)
    if actor._outbox:
        yield Pin(kind=PinKind.COMMIT)


def _running(actor: SessionActor) -> Pin:
    run = None if actor._lane is None else actor._lane.run
    if run is None:  # its pipeline is about to be invoked
        return Pin(kind=PinKind.RUNNING_TURN)
    ms, wall_s = in_utc(actor._stage.clock), actor._stage.watchdog.limits.wall_s
    began_s = run.began_s
    return Pin(kind=PinKind.RUNNING_TURN, since_ms=ms(began_s), until_ms=ms(began_s + wall_s))


def _others(actor: SessionActor) -> Iterator[Pin]:
    pins, readers, ms = actor._stage.pins, len(actor._live.readers), in_utc(actor._stage.clock)
    for scope in pins.scopes(actor.state.id):
        yield Pin(
            kind=PinKind.KEEP_AWAKE,
            reason=scope.reason,
            since_ms=ms(scope.since_s),
            until_ms=ms(scope.until_s),
        )
    if readers and pins.subscriber_s:
        since_s = actor.active_s
        yield Pin(
            kind=PinKind.SUBSCRIBER,
            since_ms=ms(since_s),
            until_ms=ms(since_s + pins.subscriber_s),
            count=readers,
        )
