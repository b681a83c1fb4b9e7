"""The sessions of this process at a glance: what whoever runs the house looks through."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias, get_args

import msgspec

from ..actors.errors import InvalidInput
from ..actors.ports import SessionId, UserId
from ..actors.session import values
from .explanation import Verdict
from .registry import STATES

MOST: Final = 1_000
"""Sessions that may be asked for at once."""

Sort: TypeAlias = Literal["depth", "updated", "restarts"]
"""depth: commands waiting. updated: the last event. restarts: of the window that counts. In each
the largest first, and of equals whoever came on stage first."""

HELD: Final = (
    Verdict.RESIDENT,
    Verdict.PASSIVATING,
    Verdict.RESERVED,
    Verdict.RESTARTING,
    Verdict.PARKED,
    Verdict.QUARANTINED,
)
"""What the sessions can be that this process holds something of. Who waits is in the capacity."""


class Resident(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One session that this process holds something of. Times are UTC milliseconds.

    `depth` is how many commands wait in its mailbox, `running_turn` the turn that runs or is
    suspended. `since_ms`: since when the verdict is so. `restarts` are those that count for parking
    it, `error` is what it last crashed with, was parked for, or is damaged by. None: not known, as
    it is not on stage; or there is none.
    """

    id: SessionId
    verdict: Verdict
    depth: int
    restarts: int
    owner: UserId | None = None
    name: str | None = None
    state: str | None = None
    running_turn: int | None = None
    queued_turns: int = 0
    since_ms: int | None = None
    updated_ms: int | None = None
    error: str = ""


class Residents(msgspec.Struct, frozen=True, kw_only=True):
    """The first `rows` of `matched` sessions, of the `total` that this process holds."""

    total: int
    matched: int
    rows: tuple[Resident, ...]


class ResidentQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which sessions to list, and which of them first. Raises InvalidInput.

    `state` is that of the session itself; `prefix` is what its id or its name begins with.
    """

    limit: int = 50
    sort: Sort = "depth"
    verdict: Verdict | None = None
    state: str | None = None
    owner: UserId | None = None
    prefix: str = ""

    def __post_init__(self) -> None:
        limit: Any = self.limit
        if type(limit) is not int or not 1 <= limit <= MOST:
            raise InvalidInput("limit", limit, f"1 to {MOST}")
        _one_of("sort", self.sort, get_args(Sort))
        if self.verdict is not None:
            _one_of("verdict", self.verdict, HELD)
        if self.state is not None:
            _one_of("state", self.state, STATES)
        if self.owner is not None:
            values.name(self.owner, "owner")
        values.text(self.prefix, "prefix", values.MAX_NAME * 4)


def _one_of(field: str, value: Any, names: tuple[str, ...]) -> None:
    if value not in names:
        raise InvalidInput(field, value, f"of {', '.join(names)}")
