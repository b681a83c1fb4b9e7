"""What a promise is to the simulation."""

from __future__ import annotations

from typing import Any, ClassVar, Final

HOOKS: Final = (
    "asked",
    "answered",
    "answered_twice",
    "journaled",
    "folded",
    "published",
    "read",
    "logged",
    "claimed",
    "written",
    "scheduled_twice",
    "step",
    "rest",
    "rested",
    "stopped",
    "end",
)
"""What a promise may look at."""


class Broken(AssertionError):
    """A promise that did not hold: its `code`, and `why` it says so."""

    def __init__(self, code: str, why: str) -> None:
        self.code, self.why = code, why
        super().__init__(f"{code}: {why}")


class Promise:
    """Looks at what happens in a house, and raises `Broken`.

    A promise defines those of these that it needs; the house calls no others:

    asked(asked), answered(asked): somebody has asked for something; he was told.
    answered_twice(asked): he was told again.
    journaled(tale, entry), folded(tale, entry): what is durable, before and after it is folded.
    published(session, item): a live log takes an event.
    read(reader, before, item): a reader gets an item, after another one or first.
    logged(line): a line is logged.
    claimed(session, epoch), written(session, epoch): what the journal has let somebody do.
    scheduled_twice(box): a mailbox stands in the dispatcher's line already.
    step(): after every step of the workload.
    rest(reader, state): a reader had every opportunity to read all of a session.
    rested(): nobody has asked for anything for long, and nothing goes on.
    stopped(process): a process has drained.
    end(): nothing runs any more.
    """

    code: ClassVar[str]

    def __init__(self, house: Any) -> None:
        self.house = house

    def require(self, holds: Any, why: str) -> None:
        """Raises Broken, unless it `holds`."""
        if not holds:
            raise Broken(self.code, why)
