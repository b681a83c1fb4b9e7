"""What you need to test your own pipelines: a runtime without threads and without real time.

    from greenroom.testing import Stage, scripted

    with Stage(my_agent, seed=7) as stage:
        session = stage.do(stage.runtime.create(user="ann"))
        turn = stage.do(session.send("ann", "what is new?"))
        assert stage.do(turn.result()).status == "completed"

A seed draws the schedule of the actors, and the same seed draws the same one again; time stands
still until it is moved; the journal fails when it is told to; the process dies and comes back by
`stage.crash`. adapters/examples/tested_agent.py is an agent with its tests. `greenroom sim` runs
thousands of such schedules against the promises that greenroom makes itself.
"""

from __future__ import annotations

from .adapters.testing.clock import ManualClock, ManualTimer
from .adapters.testing.dispatcher import SeededDispatcher
from .adapters.testing.faults import FaultyJournal
from .adapters.testing.gate import Gate
from .adapters.testing.loop import Stuck, VirtualLoop
from .adapters.testing.probe import Probe
from .adapters.testing.script import Deaf, Hang, Script, scripted
from .adapters.testing.settling import settle
from .adapters.testing.stage import Stage
from .adapters.testing.torn import torn_copy

__all__ = [
    "Deaf",
    "FaultyJournal",
    "Gate",
    "Hang",
    "ManualClock",
    "ManualTimer",
    "Probe",
    "Script",
    "SeededDispatcher",
    "Stage",
    "Stuck",
    "VirtualLoop",
    "scripted",
    "settle",
    "torn_copy",
]
