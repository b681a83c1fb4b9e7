"""The starred promises when everything goes wrong, under schedules that a seed draws.

Mailboxes, tasks, commits, crashes, journal faults, passivation and readers interleave.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

import pytest
from company import SESSIONS, Company, is_durable
from hypothesis import given, settings
from hypothesis.strategies import integers
from theatre import crash_on_boom, play

import greenroom
from greenroom.actors.session.live import LiveLog
from greenroom.actors.session.view import is_input

SEEDS = integers(0, 2**32 - 1)
SCHEDULES = settings(max_examples=80, deadline=None, derandomize=True)
ACTS = 80


@pytest.fixture(scope="module", autouse=True)
def trouble() -> Any:
    """A handler that crashes on "boom", and a record of all that was ever published."""
    with pytest.MonkeyPatch.context() as patch:
        publish = LiveLog.publish

        def noting(self: LiveLog, *args: Any, **kwargs: Any) -> None:
            publish(self, *args, **kwargs)
            end = self.end
            PUBLISHED[self.session][end.epoch] = end.position

        crash_on_boom(patch)
        patch.setattr(LiveLog, "publish", noting)
        yield


PUBLISHED: dict[str, dict[int, int]] = defaultdict(dict)
"""Session, epoch: the last position published in it."""


async def run(seed: int) -> Company:
    PUBLISHED.clear()
    company = Company(seed)
    await company.runtime.start()
    for _ in range(ACTS):
        await company.act()
        company.check()
    await company.come_to_rest()
    company.check()
    return company


async def end(company: Company) -> None:
    for reader in company.readers:
        await reader.detach()
    await company.runtime.stop()
    assert company.runtime.resident == 0


@SCHEDULES
@given(seed=SEEDS)
def test_p04_p06_p11_p14_p21_every_command_has_one_outcome(seed: int) -> None:
    async def scene() -> None:
        company = await run(seed)

        for name in SESSIONS:
            check_outcomes(company, name)

        await end(company)

    play(scene)


@SCHEDULES
@given(seed=SEEDS)
def test_p15_readers_miss_no_durable_event_and_hear_of_every_loss(seed: int) -> None:
    async def scene() -> None:
        company = await run(seed)

        for name in SESSIONS:
            check_reader(company, name)

        await end(company)

    play(scene)


def check_outcomes(company: Company, name: str) -> None:
    """P4: answered. P1, P6, P11: what was acknowledged is there, once, in the order sent."""
    sent = company.sent[name]
    assert all(reply.done for _, reply in sent), "a command was never answered"
    state = company.state(name)
    if state is None:
        assert all(reply.error is not None for _, reply in sent)
        return
    found = [line.text for line in state.history if is_input(line)]
    counted = Counter(found)
    acknowledged = [text for text, reply in sent if reply.error is None]
    refused = [text for text, reply in sent if isinstance(reply.error, greenroom.Refused)]
    assert all(counted[text] == 1 for text in acknowledged)
    assert not any(counted[text] for text in refused)
    assert found == [text for text, _ in sent if counted[text]], "out of order, or doubled"
    check_transcript(state.history)


def check_transcript(history: list[Any]) -> None:
    """P19: each tool call has its result, in its turn, unless the turn runs still."""
    calls = [(line.turn, line.id) for line in history if isinstance(line, greenroom.ToolCall)]
    results = [(line.turn, line.id) for line in history if isinstance(line, greenroom.ToolResult)]
    assert sorted(calls) == sorted(results)


def check_reader(company: Company, name: str) -> None:
    """P15: durable events once each, in order; nothing missing between two items but a gap."""
    items = company.reader(name).items
    state = company.state(name)
    durable = [item.revision for item in items if is_durable(item)]
    assert durable == list(range(1, (state.revision if state else 0) + 1))
    for before, after in pairwise(items):
        if not isinstance(before, greenroom.Gap) and not isinstance(after, greenroom.Gap):
            assert follows(name, before, after), f"{before.cursor} then {after.cursor}"


def follows(name: str, before: Any, after: Any) -> bool:
    """Whether nothing was published between the two."""
    if before.healed and before.epoch == 0:
        return bool(after.healed)  # what lies between is what the gap announced
    if before.epoch == after.epoch:
        return bool(after.position == before.position + 1)
    published = PUBLISHED[name]
    between = [epoch for epoch in published if before.epoch < epoch < after.epoch]
    is_last = published.get(before.epoch, before.position) == before.position
    return is_last and not between and after.position == 1
