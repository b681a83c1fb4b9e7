"""Playing one script, and what came of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from typing import Any

import msgspec

from ..loop import Stuck, VirtualLoop
from ..promises.base import Broken
from ..settling import settle
from ..tasks import cancel_all
from .coverage import states
from .house import House
from .observe import observed
from .perform import perform
from .steps import Fault, Script


class Outcome(msgspec.Struct, kw_only=True):
    """What came of one script. `broken` names the promise that did not hold, `why` how.

    `at` is the step after which that was seen (None: when all had come to rest). The `digest` of
    all that happened is the same whenever the same script is played. `draws` is how many messages
    the schedule has put in order.
    """

    seed: int
    steps: int
    draws: int = 0
    events: int = 0
    broken: str = ""
    why: str = ""
    at: int | None = None
    digest: str = ""
    counts: dict[str, int] = {}


def rehearse(script: Script) -> Outcome:
    """Play a script, and check every promise after every step, at rest, and at the end."""
    house = House(script)
    outcome = Outcome(seed=script.seed, steps=len(script.steps))
    loop = VirtualLoop(house.clock)
    loop.set_exception_handler(lambda _, context: _trouble(house, context))
    try:
        with observed(house.hear, house.log):
            loop.run_until_complete(_play(house, outcome))
    except Broken as broken:
        outcome.broken, outcome.why = broken.code, broken.why
    except Stuck as stuck:
        outcome.broken, outcome.why = "P4", str(stuck)
    finally:
        _clear(house, loop)
    outcome.draws = sum(process.dispatcher.draws for process in (*house.dead, *house.live))
    outcome.events = sum(len(tale.events) for tale in house.tales.values())
    outcome.digest = house.digest
    outcome.counts = dict(house.counts + _steps(script))
    return outcome


async def _play(house: House, outcome: Outcome) -> None:
    me = asyncio.current_task()
    await house.open()
    for number, step in enumerate(house.script.steps, 1):
        outcome.at = number
        house.trace("step", number)
        await perform(house, step)
        house.read_all()
        house.tell("step")
        house.check()
        house.counts.update(f"state {state}" for state in states(house))
    outcome.at = None
    await house.come_to_rest()
    house.read_all()
    house.tell("step")
    house.check()
    await house.close()
    await settle()
    house.check()
    left = asyncio.all_tasks() - {me}
    if left:
        raise Broken("P16", f"tasks that have not ended: {sorted(map(str, left))}")


def _trouble(house: House, context: dict[str, Any]) -> None:
    if not house.muted:
        error = context.get("exception")
        house.broken = house.broken or Broken("P17", f"{context['message']}: {error!r}")


def _clear(house: House, loop: VirtualLoop) -> None:
    """Leave nothing behind, however it went."""
    house.muted = True
    for process in (*house.live, *house.dead):
        process.dispatcher.stop()
        process.players.curtain.set()
    with observed(lambda *_: None, lambda _: None), suppress(Stuck):
        loop.run_until_complete(cancel_all())
        loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


def _steps(script: Script) -> Counter[str]:
    counts: Counter[str] = Counter()
    for step in script.steps:
        counts[f"step {step.__struct_config__.tag}"] += 1
        if isinstance(step, Fault):
            counts[f"fault {step.kind}"] += 1
    return counts
