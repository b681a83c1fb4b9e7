"""How much of its own history a room retains (spec R27, RX13)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .empty import NO_ITEMS, own_list
from .events import Durable, JoinDenied, JoinRequested

if TYPE_CHECKING:
    from .state import State


_UNCHARGED: Final = frozenset({JoinRequested, JoinDenied})


def count(state: State, event: Durable) -> None:
    """Charge the event at `state.revision` to the room, and cut the oldest when there are too many.

    More than `max_events` leave the newest half, rounded up. Requests to join are not charged: a
    stranger who asks again and again must not push out what the room has said.
    """
    if type(event) in _UNCHARGED:
        state.uncharged = own_list(state.uncharged)
        state.uncharged.append(state.revision)
        return
    state.retained += 1
    limit = state.settings.max_events
    if state.retained > limit:
        _keep_newest(state, (limit + 1) // 2)


def _keep_newest(state: State, charged: int) -> None:
    oldest = state.revision - charged + 1
    for revision in reversed(state.uncharged):
        if revision < oldest:
            break
        oldest -= 1
    state.oldest, state.retained = oldest, charged
    kept = [revision for revision in state.uncharged if revision >= oldest]
    state.uncharged = kept or NO_ITEMS


def retained(state: State) -> int:
    """How many events the room history holds, requests to join among them."""
    return state.retained + len(state.uncharged) if state.settings.record_session else 0
