"""A line in which users take turns."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T", bound=Hashable)


class FairQueue(Generic[K, T]):
    """Round robin over users, first in first out within each of them.

    Who has been served goes behind all others that wait. A user that may not be served just now
    keeps its place. Joining, leaving, and serving whoever is first cost the same, however many
    wait; each user that may not be served costs one more look.
    """

    def __init__(self) -> None:
        self._ring: OrderedDict[K, OrderedDict[T, None]] = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __contains__(self, user: K) -> bool:
        """Whether something of `user` waits."""
        return user in self._ring

    def waiting(self) -> dict[K, int]:
        """How many wait, by user."""
        return {user: len(items) for user, items in list(self._ring.items())}

    def add(self, user: K, item: T) -> None:
        """Let `item` wait, once, behind all that `user` waits with already."""
        items = self._ring.setdefault(user, OrderedDict())
        self._size += item not in items
        items[item] = None

    def remove(self, user: K, item: T) -> bool:
        """Let `item` wait no more. False: it does not."""
        items = self._ring.get(user)
        if items is None or item not in items:
            return False
        del items[item]
        self._size -= 1
        if not items:
            del self._ring[user]
        return True

    def next_user(self, may: Callable[[K], bool]) -> K | None:
        """Whose turn it is among the users that `may` be served; None: nobody's."""
        return next((user for user in self._ring if may(user)), None)

    def take(self, may: Callable[[K], bool]) -> T | None:
        """Take out the next item of a user that `may` be served; None if there is none."""
        for user, items in self._ring.items():
            if may(user):
                item, _ = items.popitem(last=False)
                self._size -= 1
                if items:
                    self._ring.move_to_end(user)
                else:
                    del self._ring[user]
                return item
        return None
