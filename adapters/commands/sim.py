"""`greenroom sim`: random workloads under drawn schedules, against every promise."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import msgspec
from cyclopts import Parameter
from cyclopts.validators import Number

from ...actors.errors import ConfigError
from ..testing.simulation.campaign import Campaign, run
from ..testing.simulation.rehearsal import Outcome, rehearse
from ..testing.simulation.shrink import shrink
from ..testing.simulation.steps import Script
from ..testing.simulation.workload import STEPS, draw
from .output import console, printable, table

_ONE = Number(gte=1)
PROGRESS_S: Final = 10.0


def sim(
    *,
    seeds: Annotated[int, Parameter(help="Seeds to play.", validator=_ONE)] = 1000,
    first: Annotated[int, Parameter(name="--from", help="The first of them.")] = 0,
    seed: Annotated[int | None, Parameter(help="Play this one alone, and shrink it.")] = None,
    steps: Annotated[int, Parameter(help="Steps of each workload.", validator=_ONE)] = STEPS,
    jobs: Annotated[int, Parameter(help="Processes to play in.", validator=_ONE)] = 1,
    script: Annotated[Path | None, Parameter(help="Play a script from a file.")] = None,
    stop: Annotated[
        bool, Parameter(help="Stop when the first promise is broken.", negative="")
    ] = False,
    shrunk: Annotated[
        bool, Parameter(name="--shrink", help="Look for a short script that fails the same way.")
    ] = True,
    as_json: Annotated[
        bool, Parameter(name="--json", help="Write the outcome as JSON.", negative="")
    ] = False,
) -> int:
    """Play random workloads, and check every promise after every step; exit with 1 if one breaks.

    A seed draws who asks for what, what fails, and the order in which all of it is handled: the
    same seed gives the same schedule on every machine. The first seed that breaks a promise is
    shrunk to a short script, which is printed and can be played with --script.
    """
    if script is not None:
        return _one(_read(script), as_json=as_json, shrunk=False)
    if seed is not None:
        return _one(draw(seed, steps), as_json=as_json, shrunk=shrunk)
    progress = _Progress(seeds)
    drawn = range(first, first + seeds)
    campaign = run(drawn, steps=steps, jobs=jobs, until_failed=int(stop), progress=progress)
    if as_json:
        _write(campaign)
    else:
        console().print(table(_facts(campaign)))
        for outcome in campaign.failed:
            console().print(printable(f"seed {outcome.seed}: {_told(outcome)}"), soft_wrap=True)
    if campaign.failed and shrunk:
        worst = campaign.failed[0]
        _print_shrunk(draw(worst.seed, steps), worst)
    return 1 if campaign.failed else 0


def _one(script: Script, *, as_json: bool, shrunk: bool) -> int:
    outcome = rehearse(script)
    if as_json:
        _write(outcome)
    else:
        console().print(printable(f"seed {outcome.seed}: {_told(outcome)}"), soft_wrap=True)
    if outcome.broken and shrunk:
        _print_shrunk(script, outcome)
    return 1 if outcome.broken else 0


def _print_shrunk(script: Script, outcome: Outcome) -> None:
    """On standard error, beside the progress: standard output may be JSON."""
    sys.stderr.write(f"shrinking seed {outcome.seed}\n")
    short, told = shrink(script, outcome.broken)
    sys.stderr.write(f"{len(short.steps)} of {len(script.steps)} steps: {_told(told)}\n{short}")


def _read(path: Path) -> Script:
    try:
        return Script.read(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError("script", str(path), f"a script: {error}") from None


def _write(value: msgspec.Struct) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(msgspec.json.encode(value) + b"\n")
    sys.stdout.buffer.flush()


def _told(outcome: Outcome) -> str:
    if not outcome.broken:
        return f"every promise held, {outcome.steps} steps, digest {outcome.digest}"
    where = "in the end" if outcome.at is None else f"after step {outcome.at}"
    return f"{outcome.broken} was broken {where}: {outcome.why}"


def _facts(campaign: Campaign) -> Iterator[tuple[str, str]]:
    broken = len(campaign.failed)
    yield "schedules", f"{campaign.schedules:,}, {campaign.schedules_per_s:,.1f} per second"
    yield "steps", f"{campaign.steps:,}, {campaign.steps_per_s:,.0f} per second"
    per_schedule = campaign.draws // max(campaign.schedules, 1)
    spread = f"{campaign.shortest:,} to {campaign.longest:,} in a schedule, {per_schedule:,} mean"
    yield "messages", f"{campaign.draws:,}, {campaign.draws_per_s:,.0f} per second; {spread}"
    yield "events", f"{campaign.events:,} durable"
    for group in ("step", "fault", "state", "log", "told"):
        prefix = f"{group} "
        found = {
            name.removeprefix(prefix): count
            for name, count in campaign.counts.items()
            if name.startswith(prefix)
        }
        yield group, ", ".join(f"{name} {count:,}" for name, count in found.items()) or "none"
    yield "broken", f"{broken:,} schedules" if broken else "nothing"


class _Progress:
    """A line on standard error every so often."""

    def __init__(self, seeds: int) -> None:
        self._seeds, self._told_s = seeds, 0.0

    def __call__(self, campaign: Campaign) -> None:
        if campaign.seconds - self._told_s >= PROGRESS_S:
            self._told_s = campaign.seconds
            broken = f", {len(campaign.failed)} broken" if campaign.failed else ""
            sys.stderr.write(f"sim: {campaign.schedules:,} of {self._seeds:,} schedules{broken}\n")
