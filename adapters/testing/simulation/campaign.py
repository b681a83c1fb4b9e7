"""Many seeds, in several processes."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from .rehearsal import Outcome, rehearse
from .workload import draw

CHUNK: Final = 25
"""Seeds that a process is given at once."""


class Campaign(msgspec.Struct, kw_only=True):
    """What came of many seeds. `failed` are those in which a promise was broken, in order.

    `counts` says how often each kind of step was made, each answer was given and each line was
    logged; `shortest` and `longest` are of the schedules, in messages that were put in order.
    """

    schedules: int = 0
    seconds: float = 0.0
    steps: int = 0
    draws: int = 0
    events: int = 0
    shortest: int = 0
    longest: int = 0
    failed: list[Outcome] = []
    counts: dict[str, int] = {}

    @property
    def schedules_per_s(self) -> float:
        return self.schedules / max(self.seconds, 1e-9)

    @property
    def steps_per_s(self) -> float:
        """Steps of workloads, each with all the checks that follow it."""
        return self.steps / max(self.seconds, 1e-9)

    @property
    def draws_per_s(self) -> float:
        """Messages that a schedule has put in order and an actor has handled."""
        return self.draws / max(self.seconds, 1e-9)


def run(
    seeds: Sequence[int],
    *,
    steps: int,
    jobs: int = 1,
    until_failed: int = 0,
    progress: Callable[[Campaign], None] = lambda _: None,
) -> Campaign:
    """Play the workloads of `seeds`, and say what came of them.

    With `until_failed` it ends after so many that broke a promise. `progress` is told now and then.
    """
    campaign, counts, began = Campaign(), Counter[str](), time.monotonic()
    for outcomes in _played([(seed, steps) for seed in seeds], jobs):
        for outcome in outcomes:
            _add(campaign, outcome)
            counts.update(outcome.counts)
        campaign.seconds = time.monotonic() - began
        progress(campaign)
        if until_failed and len(campaign.failed) >= until_failed:
            break
    campaign.counts = dict(sorted(counts.items()))
    campaign.failed.sort(key=lambda outcome: outcome.seed)
    return campaign


def _played(work: list[tuple[int, int]], jobs: int) -> Iterator[list[Outcome]]:
    chunks = [work[at : at + CHUNK] for at in range(0, len(work), CHUNK)]
    if jobs == 1:
        yield from map(_play, chunks)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap_unordered(_play, chunks)


def _play(work: list[tuple[int, int]]) -> list[Outcome]:
    return [rehearse(draw(seed, steps)) for seed, steps in work]


def _add(campaign: Campaign, outcome: Outcome) -> None:
    campaign.schedules += 1
    campaign.steps += outcome.steps
    campaign.draws += outcome.draws
    campaign.events += outcome.events
    campaign.longest = max(campaign.longest, outcome.draws)
    shortest = campaign.shortest or outcome.draws
    campaign.shortest = min(shortest, outcome.draws)
    if outcome.broken:
        campaign.failed.append(outcome)
