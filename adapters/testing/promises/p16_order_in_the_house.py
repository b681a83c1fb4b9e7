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
        "command_set_aside",
        "end_hook_failed",
        "pipeline_abandoned",
        "resources_not_closed",
        "runtime_stopped",
        "session_not_opened",
        "session_parked",
        "session_renewed",
        "session_restarts",
        "sessions_expired",
        "turn_failed",
    }
)
"""What may be logged, beside crashes that the workload has made."""

OF_NOBODY: Final = frozenset({"_after", "stop", "close", "due"})
"""Timers that outlive a drain: of its budget, and of programs that take no notice of its end."""

OF_RUNTIMES: Final = OF_NOBODY | {"_sweep", "_begin", "_arm", "_ring"}
"""... and those of a runtime on whose stage nobody is."""


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

    def rested(self) -> None:
        left = _timers(self.house.clock) - OF_RUNTIMES
        self.require(not left, f"timers of sessions that are gone: {sorted(left)}")

    def end(self) -> None:
        left = _timers(self.house.clock) - OF_NOBODY
        self.require(not left, f"timers of runtimes that have stopped: {sorted(left)}")
        for process in self.house.dead:
            players = process.players
            whole = process.dead or players.closed == Counter(players.opened)
            self.require(whole, "resources were left open, or closed twice")
        self.require(all(task.done() for _, task in self.house.watches), "a watch goes on")


def _timers(clock: Any) -> set[str]:
    """The functions that the clock is still to call, by the last named one around each."""
    calls = [getattr(call, "func", call) for call in clock.pending]
    names = [call.__qualname__.replace(".<locals>.<lambda>", "") for call in calls]
    return {name.split(".")[-1] for name in names}
