"""P16, P17: what has stopped leaves nothing behind, and nothing fails but what was made to."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from ....actors.errors import Fenced, JournalFailed, NotWritten, Rejected
from ..simulation.bomb import Boom
from .base import Promise

CRASHES: Final = (Boom, NotWritten, JournalFailed, Rejected, Fenced)
EXPECTED: Final = frozenset(
    {
        "end_hook_failed",
        "pipeline_abandoned",
        "resources_not_closed",
        "runtime_stopped",
        "session_not_opened",
        "session_parked",
        "session_restarts",
        "sessions_expired",
        "turn_failed",
    }
)
"""What may be logged, beside crashes that the workload has made."""


class NothingElseFails(Promise):
    code = "P17"

    def logged(self, line: Any) -> None:
        if line["event"] == "session_crashed":
            error = line["exc_info"]
            made = isinstance(error, CRASHES) or str(error) == "a bug in the journal"
            self.require(made, f"{line['session']} crashed of {error!r}")
        else:
            self.require(line["event"] in EXPECTED, f"logged: {line}")

    def step(self) -> None:
        self.require(not self.house.faults, str(self.house.faults))


class NothingIsLeftBehind(Promise):
    code = "P16"

    def stopped(self, process: Any) -> None:
        backstage = process.runtime._stage.backstage
        quiet = backstage is None or not (backstage.leaving or backstage.hooks)
        self.require(quiet, "something goes on behind the stage")
        activated = process.runtime.stats.activated
        self.require(len(process.players.hooks) <= activated, "an activation had two hooks")

    def end(self) -> None:
        for process in self.house.dead:
            players = process.players
            whole = process.dead or players.closed == Counter(players.opened)
            self.require(whole, "resources were left open, or closed twice")
        self.require(all(task.done() for _, task in self.house.watches), "a watch goes on")
