"""Lines broken on purpose, each of which `greenroom sim` must find.

    python tests/sim/mutations.py [--jobs 2] [--seeds 10000] [name ...]

Each is made in a copy of the package of its own, and looked for until a promise breaks.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]


class Mutation(NamedTuple):
    """`old` becomes `new` in `file`: once, and nothing else."""

    name: str
    file: str
    old: str
    new: str


class Found(NamedTuple):
    """The first seed that broke a promise; None if none did."""

    seed: int | None
    promise: str
    why: str
    seconds: float


MUTATIONS = (
    Mutation(
        "the mailbox does not look a second time",
        "actors/kernel/mailbox.py",
        "self._scheduled = self._has_work()\n                return self._scheduled",
        "self._scheduled = False\n                return bool(self._system)",
    ),
    Mutation(
        "a reservation is not released when a place is closed",
        "supervisor/admission.py",
        "        self.ledger.free(session)\n",
        "        if place.new is None:\n            self.ledger.free(session)\n",
    ),
    Mutation(
        "events are published before their commit",
        "actors/session/outbox.py",
        "if not self._held and (commit is None or (commit.done and commit.error is None)):",
        "if not self._held:",
    ),
    Mutation(
        "a command is answered before its commit",
        "actors/session/outbox.py",
        "        if self._held is None:\n            self._held = deque()\n",
        "        if self._held is None:\n            self._held = deque()\n"
        "        if held.reply is not None and not isinstance(held.answer, Exception | Later):\n"
        "            held.reply.set(held.answer)\n",
    ),
    Mutation(
        "a command is answered twice",
        "actors/session/outbox.py",
        "            else:\n                reply.set(answer)",
        "            else:\n                reply.set(answer)\n                reply.set(answer)",
    ),
    Mutation(
        "the journal ignores the fence",
        "adapters/journals/memory.py",
        "if record is None or record.epoch != epoch:",
        "if record is None:",
    ),
    Mutation(
        "a reader resumes one past its cursor",
        "actors/subscriber.py",
        "            self._index = where\n",
        "            self._index = min(where + (cursor is not None), self._live.next_index)\n",
    ),
    Mutation(
        "a gap is healed from one past the cursor",
        "actors/subscriber.py",
        "after = cursor.revision if live.knows(cursor) else 0\n",
        "after = cursor.revision + 1 if live.knows(cursor) and cursor.revision else 0\n",
    ),
    Mutation(
        "a gap is not announced",
        "actors/subscriber.py",
        "                await self._hand([self._gap(cursor, latest, healed)])\n",
        "",
    ),
    Mutation(
        "idempotency keys are forgotten at a restart",
        "actors/session/fold.py",
        "        remember(state, entry.done, entry.at_ms)",
        "        pass",
    ),
    Mutation(
        "a key is good for any body",
        "actors/session/idempotency.py",
        "if done.digest != digest(command):",
        "if False:",
    ),
    Mutation(
        "a session leaves without looking for mail",
        "actors/kernel/mailbox.py",
        "            if self._user or any(map(_is_question, self._system or ())) "
        "or not self._take_off():\n"
        "                return False\n            self._closed = True",
        "            self._user = None\n            self._closed = True",
    ),
    Mutation(
        "mail that comes while a session leaves is put back last",
        "actors/kernel/mailbox.py",
        "            self._user.appendleft(mail)",
        "            self._user.append(mail)",
    ),
    Mutation(
        "a crash closes the mailbox",
        "actors/session/leaving.py",
        "        self.actor_inbox.detach()\n",
        "        self.actor_inbox.detach()\n"
        "        if how is Departure.CRASHED:\n"
        "            self.actor_inbox.close()\n",
    ),
    Mutation(
        "the restart window admits one too many",
        "supervisor/restarts.py",
        "return len(kept) <= self.limit,",
        "return len(kept) <= self.limit + 1,",
    ),
    Mutation(
        "the restart window is open",
        "supervisor/restarts.py",
        "if time >= now - self.window_s)",
        "if time > now - self.window_s)",
    ),
    Mutation(
        "a session that has left begins a new restart window",
        "supervisor/supervisor.py",
        "        elif how is Departure.PASSIVATED:\n",
        "        elif how is Departure.PASSIVATED:\n"
        "            self._restarts._windows.pop(session, None)\n",
    ),
    Mutation(
        "a failed commit voids nothing",
        "actors/session/actor.py",
        "            self._outbox.void(error)\n            fenced",
        "            self._outbox._held = None\n            fenced",
    ),
    Mutation(
        "an activation goes on after a failed commit",
        "actors/session/actor.py",
        "            self._crash(Departure.FENCED if fenced else Departure.CRASHED, error)\n",
        "            if fenced:\n                self._crash(Departure.FENCED, error)\n",
    ),
    Mutation(
        "a turn that was ended before its start was durable is begun all the same",
        "actors/session/lane.py",
        "        if running is None or (running.turn, running.attempt) != "
        "(event.turn, event.attempt):\n            return\n",
        "        if running is None:\n            return\n",
    ),
    Mutation(
        "the outputs of a run that was stopped are recorded for the one that runs",
        "actors/session/lane.py",
        "        run, self.run, self.waiting = self.run, None, None\n        if run is None:\n"
        "            return\n        run.stop()\n",
        "        run, self.waiting = self.run, None\n        if run is None:\n"
        "            return\n        run.stop()\n",
    ),
    Mutation(
        "a run whose turn has ended is heard on",
        "actors/session/lane.py",
        "                self.stop()\n                return\n",
        "                return\n",
    ),
    Mutation(
        "open tool calls are not closed",
        "actors/session/rules/turns.py",
        "    return (*said, *stubs, TurnEnded(",
        "    return (*said, TurnEnded(",
    ),
    Mutation(
        "what was deferred is lost",
        "supervisor/admission.py",
        "        for mail in place.deferred:\n            self.process(mail)\n",
        "",
    ),
    Mutation(
        "a slot that becomes free is not counted",
        "supervisor/capacity.py",
        "        self._passivating -= slot is Slot.PASSIVATING\n",
        "",
    ),
    Mutation(
        "a slot is freed and its owner still counted",
        "supervisor/capacity.py",
        "        self._passivating -= slot is Slot.PASSIVATING\n        self.disown(session)\n",
        "        self._passivating -= slot is Slot.PASSIVATING\n",
    ),
    Mutation(
        "a session that stays is not on stage again",
        "supervisor/supervisor.py",
        "        self.ledger.move(session, Slot.RESIDENT)\n        self._watch(",
        "        self._watch(",
    ),
    Mutation(
        "who waits for a slot is not served when one is free",
        "supervisor/queueing.py",
        "        while ledger.full(None) is None and (mail := line.take()) is not None:",
        "        while line is None and (mail := line.take()) is not None:",
    ),
    Mutation(
        "a place for a turn that is given back goes to nobody",
        "actors/session/permits.py",
        "            self._count(permit.user, -1)\n            self._serve()\n",
        "            self._count(permit.user, -1)\n",
    ),
    Mutation(
        "a place for a turn that has run is not given back",
        "actors/session/permits.py",
        "        elif hold is not Hold.NOTHING:\n            self._count(permit.user, -1)",
        "        elif hold is Hold.GRANTED:\n            self._count(permit.user, -1)",
    ),
    Mutation(
        "a turn that a crash has interrupted is not found",
        "actors/session/actor.py",
        "        if not self._opening:\n            self.recover(self._stage.turn_attempts)\n",
        "",
    ),
    Mutation(
        "questions of an activation that crashes are dropped",
        "actors/session/leaving.py",
        "            for mail in waiting:\n                self._hand_over(mail)\n",
        "            pass\n",
    ),
    Mutation(
        "an event is applied, and not journaled",
        "actors/session/actor.py",
        "            held.commit = outbox.append(bodies, row, after=before)\n",
        "            held.commit = outbox.append(bodies[:1], row, after=before)\n",
    ),
    Mutation(
        "a parting takes the mailbox of its successor",
        "actors/session/parting.py",
        "        return self._go_on is not None and (owner is self or owner is self._leaving)",
        "        return self._go_on is not None",
    ),
)


@contextmanager
def broken(mutation: Mutation) -> Iterator[Path]:
    """A copy of the package with the mutation in it; where to import it from."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "greenroom"
        unwanted = shutil.ignore_patterns(".*", "tests", "build", "__pycache__")
        shutil.copytree(ROOT, copy, ignore=unwanted)
        file = copy / mutation.file
        text = file.read_text(encoding="utf-8")
        if text.count(mutation.old) != 1:
            raise ValueError(f"{mutation.name}: {mutation.file} has changed")
        file.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")
        yield Path(folder)


def find(mutation: Mutation, *, seeds: int, jobs: int = 1) -> Found:
    """Play until a promise breaks, or all seeds are played."""
    began = time.monotonic()
    command = ["sim", "--seeds", str(seeds), "--jobs", str(jobs), "--stop", "--json", "--no-shrink"]
    with broken(mutation) as place:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "greenroom", *command],
            env={**os.environ, "PYTHONPATH": str(place)},
            capture_output=True,
            text=True,
            check=False,
        )
    seconds = time.monotonic() - began
    try:
        failed: list[Any] = json.loads(done.stdout)["failed"]
    except ValueError:
        raise AssertionError(f"{mutation.name}: {done.stderr}") from None
    if not failed:
        return Found(None, "", "", seconds)
    return Found(failed[0]["seed"], failed[0]["broken"], failed[0]["why"], seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--seeds", type=int, default=10_000)
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    missed = 0
    for mutation in MUTATIONS:
        if options.names and not any(name in mutation.name for name in options.names):
            continue
        found = find(mutation, seeds=options.seeds, jobs=options.jobs)
        missed += found.seed is None
        where = "NOT FOUND" if found.seed is None else f"seed {found.seed}, {found.promise}"
        print(
            f"| {mutation.name} | {where} | {found.seconds:.1f} s | {found.why[:70]} |", flush=True
        )
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
