"""`greenroom sim` in small: the same kind of workloads that the CI plays by the thousand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from greenroom.actors.session import outbox
from greenroom.adapters.cli import run
from greenroom.adapters.testing.simulation.campaign import run as campaign
from greenroom.adapters.testing.simulation.rehearsal import rehearse
from greenroom.adapters.testing.simulation.shrink import shrink
from greenroom.adapters.testing.simulation.steps import Ask, Script
from greenroom.adapters.testing.simulation.workload import STEPS, draw

SEEDS = range(100_000, 100_150)
"""Others than those of the CI."""

DIGESTS = """
from greenroom.adapters.testing.simulation.rehearsal import rehearse
from greenroom.adapters.testing.simulation.workload import draw
print(*[rehearse(draw(seed)).digest for seed in range(6)])
"""


def test_every_promise_holds_under_every_schedule() -> None:
    played = campaign(SEEDS, steps=STEPS)

    assert [(each.seed, each.broken, each.why) for each in played.failed] == []
    assert played.schedules == len(SEEDS)


def test_the_workloads_meet_what_they_are_for() -> None:
    counts = campaign(range(200_000, 200_060), steps=STEPS).counts

    wanted = ("step kill", "step drain", "log session_restarts", "log session_crashed",
              "told outcome_unknown", "told capacity", "told idempotency_conflict",
              "state mail while leaving", "state two processes", "state being woken",
              "state writes wait", "state gap", "state fenced", "state parked")  # fmt: skip
    assert [name for name in wanted if not counts.get(name)] == []


def test_a_seed_is_the_same_schedule_in_every_process() -> None:
    def digests(hash_seed: str) -> str:
        path = os.pathsep.join(str(Path(place)) for place in sys.path if place)
        done = subprocess.run(
            [sys.executable, "-c", DIGESTS],
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return done.stdout

    one, other = digests("1"), digests("2")

    assert one == other
    assert one.split() == [rehearse(draw(seed)).digest for seed in range(6)]
    assert len(set(one.split())) == 6


def test_a_script_is_read_back_as_it_was_printed() -> None:
    for seed in range(20):
        script = draw(seed)

        assert Script.read(str(script)) == script


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """An outbox that lets everything out before it is durable."""

    def put(self: Any, held: outbox.Held) -> None:
        self._let_out(held)

    monkeypatch.setattr(outbox.Outbox, "put", put)


@pytest.mark.usefixtures("hasty")
def test_a_seed_that_fails_is_shrunk_to_a_script_that_fails_the_same_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = next(seed for seed in range(100) if rehearse(draw(seed)).broken == "P7")

    short, outcome = shrink(draw(seed), "P7")

    assert len(short.steps) < 15
    assert any(isinstance(step, Ask) for step in short.steps)
    assert rehearse(short) == outcome
    path = tmp_path / "script"
    path.write_text(str(short))
    assert run(["sim", "--script", str(path), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["broken"] == "P7"


def test_sim_says_how_much_it_has_played(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sim", "--seeds", "4", "--from", "7", "--json"]) == 0

    told = json.loads(capsys.readouterr().out)
    assert (told["schedules"], told["failed"]) == (4, [])
    assert told["steps"] == 4 * STEPS
    assert run(["sim", "--seed", "7"]) == 0
    assert "every promise held" in capsys.readouterr().out


def test_sim_does_not_take_another_file_for_a_script(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "script"
    path.write_text("hello\n")

    assert run(["sim", "--script", str(path)]) == 2
    assert "script" in capsys.readouterr().err
