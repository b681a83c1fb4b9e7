"""An agent that asks before it acts, and its tests: no threads, no sleeping, no real time.

Run them with `pytest`, or with `python -m greenroom.adapters.examples.tested_agent`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from ...actors.session.pipeline import Turn
from ...actors.session.transcript import Message, RequestApproval, ToolCall, ToolResult
from ..testing.stage import Stage


async def agent(turn: Turn) -> AsyncIterator[Any]:
    """Ask whether to delete the files, think for three seconds, and say what came of it."""
    if turn.decisions is None:
        yield "Let me see. "
        yield RequestApproval(calls=[ToolCall(name="delete", id="a")], saved={"files": 3})
        return
    await asyncio.sleep(3)
    if turn.decisions["a"]:
        yield ToolResult(id="a", value=turn.saved["files"])
        yield "Done."
    else:
        yield ToolResult(id="a", value="refused")
        yield "Then not."


def test_it_acts_when_it_may() -> None:
    with Stage(agent) as stage:
        session = stage.do(stage.runtime.create(user="ann"))
        turn = stage.do(session.send("ann", "clean up"))
        stage.settle()

        stage.do(session.decide("ann", {"a": True}))

        assert stage.do(turn.result()).text.endswith("Done.")
        assert stage.clock.now_s == 1003.0


def test_it_waits_for_the_decision_also_when_the_process_dies() -> None:
    with Stage(agent, approval_expires_s=3600.0) as stage:
        session = stage.do(stage.runtime.create(user="ann"))
        turn = stage.do(session.send("ann", "clean up"))
        stage.settle()

        stage.crash()

        session = stage.runtime.session(session.id)
        stage.do(session.decide("ann", {"a": False}))
        assert stage.do(session.result(turn.id)).text.endswith("Then not.")


def test_what_it_has_said_is_kept_under_every_schedule() -> None:
    for seed in range(20):
        with Stage(agent, seed=seed) as stage:
            session = stage.do(stage.runtime.create(user="ann"))
            probe = stage.watch(session.id, "ann")
            session.send("ann", "clean up")
            session.interrupt("ann")
            stage.settle()

            lines = stage.do(session.transcript("ann"))
            said = [line.text for line in lines if isinstance(line, Message)]
            assert said == probe.texts


def main() -> None:
    """Run every test of this file."""
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test()


if __name__ == "__main__":
    main()
