"""The whole turn engine when everything meets everything, under schedules that a seed draws."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import Any

import pytest
import structlog
from ensemble import Ensemble
from hypothesis import given, settings
from hypothesis.strategies import integers
from theatre import play, settle

import greenroom
from greenroom.actors.session import actor as session_actor
from greenroom.actors.session.live import LiveLog

ACTS = 120
EXPECTED = {
    "end_hook_failed",
    "pipeline_abandoned",
    "resources_not_closed",
    "runtime_stopped",
    "session_not_opened",
    "session_restarts",
    "sessions_expired",
    "turn_failed",
}
"""What may be logged, beside crashes that the seed has drawn."""


class Boom(BaseException):
    """Worse than an Exception: nothing in between may catch it."""


CRASHES = (Boom, greenroom.NotWritten, greenroom.JournalFailed, greenroom.Fenced)
WITNESS: list[Any] = []
LOGGED: list[dict[str, Any]] = []


@pytest.fixture(scope="module", autouse=True)
def trouble() -> Any:
    """A handler that crashes on "boom", a witness of every publication, and all that is logged."""
    before = structlog.get_config()
    with pytest.MonkeyPatch.context() as patch:
        install(patch.setattr)
        yield
    structlog.configure(**before)


def install(setattr: Any) -> None:  # noqa: A002
    """Have `decide` crash, and everything noted."""
    decide, publish = session_actor.decide, LiveLog.publish

    def crashing(state: Any, command: Any, moment: Any) -> Any:
        if getattr(command, "text", "") == "boom":
            raise Boom
        return decide(state, command, moment)

    def noting(self: LiveLog, *args: Any, **kwargs: Any) -> Any:
        item = publish(self, *args, **kwargs)
        WITNESS[-1].hear(self.session, item)
        return item

    def note(_: Any, __: str, line: Any) -> Any:
        LOGGED.append(dict(line))
        raise structlog.DropEvent

    setattr(session_actor, "decide", crashing)
    setattr(LiveLog, "publish", noting)
    everything = structlog.make_filtering_bound_logger(logging.INFO)
    structlog.configure(processors=[note], wrapper_class=everything)


async def perform(seed: int, acts: int = ACTS) -> Ensemble:
    """Do so many things, come to rest, stop, and look at what is left."""
    before, ensemble = asyncio.all_tasks(), Ensemble(seed)
    WITNESS[:], LOGGED[:] = [ensemble.witness], []
    troubles: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: troubles.append(context))
    try:
        await ensemble.open()
        await ensemble.gather()
        for _ in range(acts):
            await ensemble.act()
            ensemble.witness.check()
            check_limits(ensemble.runtime)
        await ensemble.come_to_rest()
        ensemble.witness.check()
        check_rest(ensemble)
        for reader in ensemble.readers:
            await reader.detach()
        while ensemble.others:
            await ensemble.stop(ensemble.others.pop())
        await ensemble.stop(ensemble.runtime)
        ensemble.witness.check_all()
    finally:
        ensemble.players.curtain.set()  # or asyncio waits for those that hang
    await settle(100)
    check_left(ensemble, asyncio.all_tasks() - before)
    check_logs()
    assert not troubles, troubles
    return ensemble


def check_rest(ensemble: Ensemble) -> None:
    """Nobody has called for long: all have left the stage, and taken their timers along."""
    for runtime in (ensemble.runtime, *ensemble.others):
        assert runtime.resident == 0
        check_permits(runtime)
    left = ensemble.witness.timers() - {"_sweep", "_begin", "_arm", "_ring"}
    assert not left, f"timers of sessions that are gone: {left}"


def check_limits(runtime: greenroom.Runtime) -> None:
    """No more is in use than may be, in any scope (P14)."""
    full = runtime.capacity()
    uses = (
        full.sessions,
        full.turns,
        *full.sessions_by_user.values(),
        *full.turns_by_user.values(),
    )
    assert all(use.limit is None or use.in_use <= use.limit for use in uses), full


def check_permits(runtime: greenroom.Runtime) -> None:
    """Nobody has, or waits for, a slot or a place for a turn (P14)."""
    full = runtime.capacity()
    assert (full.sessions.in_use, full.sessions.waiting) == (0, 0), full
    assert (full.turns.in_use, full.turns.waiting) == (0, 0), full


def check_left(ensemble: Ensemble, tasks: set[asyncio.Task[Any]]) -> None:
    """Every task has ended, what was opened is closed, and no activation had two hooks."""
    players = ensemble.players
    assert not tasks, tasks
    assert players.closed == Counter(players.opened), "left open, or closed twice"
    if ensemble.with_backstage:
        activated = sum(runtime.stats.activated for runtime in players.runtimes.values())
        assert len(players.hooks) <= activated  # a session that has ended calls none when read
    left = ensemble.witness.timers() - {"_after"}
    assert not left, f"timers of a runtime that has stopped: {left}"


def check_logs() -> None:
    """Nothing has failed but what was made to fail."""
    for line in LOGGED:
        if line["event"] == "session_crashed":
            assert isinstance(line["exc_info"], CRASHES), repr(line["exc_info"])
        else:
            assert line["event"] in EXPECTED, line


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=integers(0, 2**32 - 1))
def test_whatever_meets_in_the_turn_engine_all_promises_hold(seed: int) -> None:
    play(lambda: perform(seed))
