"""Which sessions belong together: of one user, or of one tenant."""

from __future__ import annotations

from ..actors.ports import SessionId


class Groups:
    """Sessions by the name of their group. A group that nobody belongs to is not there.

    Most users have one session: it is held bare, as a set of one costs 216 B.
    """

    def __init__(self) -> None:
        self._held: dict[str, SessionId | set[SessionId]] = {}

    def __len__(self) -> int:
        return len(self._held)

    def add(self, group: str, session: SessionId) -> None:
        """Have the session, which is in no group of this kind, belong to `group`."""
        held = self._held.get(group)
        if held is None:
            self._held[group] = session
        elif isinstance(held, set):
            held.add(session)
        else:
            self._held[group] = {held, session}

    def remove(self, group: str, session: SessionId) -> None:
        """Take the session out of `group`. Raises KeyError if it is not in it."""
        held = self._held[group]
        if isinstance(held, set):
            held.remove(session)
            if len(held) == 1:
                self._held[group] = held.pop()
        elif held == session:
            del self._held[group]
        else:
            raise KeyError(session)

    def of(self, group: str) -> frozenset[SessionId]:
        """The sessions of `group`."""
        held = self._held.get(group, ())
        return frozenset((held,) if isinstance(held, str) else held)

    def count(self, group: str) -> int:
        """How many sessions `group` has."""
        return _size(self._held.get(group))

    def counts(self) -> dict[str, int]:
        """How many sessions each group has. From any thread."""
        return {group: _size(held) for group, held in list(self._held.items())}


def _size(held: SessionId | set[SessionId] | None) -> int:
    if held is None:
        return 0
    return 1 if isinstance(held, str) else len(held)
