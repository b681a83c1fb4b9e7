"""`greenroom sessions ls`, of a running server: the columns and filters of its dashboard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, Literal

from cyclopts import Parameter

from ...actors.errors import ConfigError
from ...actors.ports import IndexRow
from ...supervisor.explanation import Verdict
from ...supervisor.residents import Resident, ResidentQuery, Sort
from .output import when

if TYPE_CHECKING:
    from ..client.client import Client

HEAD = ("ID", "OWNER", "STATE", "MAILBOX", "TURN", "RESTARTS", "SINCE")

Held = Literal["resident", "passivating", "reserved", "restarting", "parked", "quarantined"]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Filters:
    """Which sessions of a server, and which of them first: for operators."""

    verdict: Annotated[Held | None, Parameter(help="Only these (operators).")] = None
    prefix: Annotated[str, Parameter(help="Only whose id or name begins so (operators).")] = ""
    sort: Annotated[Sort | None, Parameter(help="Which go first (operators).")] = None

    @property
    def any(self) -> bool:
        """Whether anything is asked for that only operators see."""
        return bool(self.verdict or self.prefix or self.sort)


EVERY: Final = Filters()


async def residents(
    client: Client, filters: Filters, *, state: str | None, owner: str | None, limit: int
) -> list[tuple[str, ...]]:
    """What the server's process holds, in cells. Raises Forbidden."""
    if limit > 200:
        raise ConfigError("limit", limit, "at most 200, of what a server holds on stage")
    listed = await client.residents(
        ResidentQuery(
            limit=limit,
            sort=filters.sort or "depth",
            verdict=None if filters.verdict is None else Verdict(filters.verdict),
            state=state,
            owner=owner,
            prefix=filters.prefix,
        )
    )
    return [_held(row) for row in listed.rows]


async def own(client: Client, *, state: str | None, limit: int) -> list[IndexRow]:
    """The user's own sessions."""
    rows: list[IndexRow] = []
    more = True
    while more and len(rows) < limit:
        after = rows[-1] if rows else None
        page = await client.sessions(state=state, limit=min(limit - len(rows), 1000), after=after)
        rows, more = rows + page.rows, page.more
    return rows


def _held(row: Resident) -> tuple[str, ...]:
    on_stage = row.verdict is Verdict.RESIDENT
    return (
        row.id,
        row.owner or "",
        (row.state or "") if on_stage else row.verdict.value,
        str(row.depth),
        "" if row.running_turn is None else str(row.running_turn),
        str(row.restarts),
        "" if row.since_ms is None else when(row.since_ms),
    )
