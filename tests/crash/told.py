"""What processes have said before they were killed: from then on it has to be there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any


class Told:
    """What was said about one journal by all who wrote it: from then on it has to be there."""

    def __init__(self) -> None:
        self.heard: dict[str, dict[int, int]] = defaultdict(dict)
        """Session, revision: a digest of the durable event that was published."""
        self.sent: dict[str, dict[int, int]] = defaultdict(dict)
        """Session, turn: a digest of the message that was accepted."""
        self.newest: dict[str, int] = defaultdict(int)
        """Session: the last revision that anybody was told."""
        self.taps: set[tuple[str, str]] = set()
        self.tapped: set[tuple[str, str]] = set()
        """Sessions and keys: what was tried, and what was acknowledged."""
        self.positions: dict[tuple[str, int], int] = defaultdict(int)
        """Session, epoch: the last position at which a durable event was published."""
        self.done: set[str] = set()
        self.touched: set[str] = set()
        """The sessions that anything was said of since the last look."""
        self.acknowledged = 0

    def note(self, line: Sequence[Any]) -> None:
        match line:
            case ["heard", name, revision, epoch, position, digest]:
                self._see(name, revision)
                before = self.heard[name].setdefault(revision, digest)
                assert before == digest, f"{name}: two events of revision {revision} were published"
                self.positions[name, epoch] = position
            case ["sent", name, turn, digest, revision]:
                self._acknowledge(name, revision)
                assert turn not in self.sent[name], f"{name}: turn {turn} was given twice"
                self.sent[name][turn] = digest
            case ["ack", name, revision, key]:
                self._acknowledge(name, revision)
                if key:
                    self.tapped.add((name, key))
            case ["tap", name, key]:
                self.taps.add((name, key))
            case ["done", name]:
                self.done.add(name)
            case ["failed", why]:
                raise AssertionError(why)
            case _:
                raise AssertionError(f"what is {line}?")

    def _see(self, name: str, revision: int) -> None:
        self.newest[name] = max(self.newest[name], revision)
        self.touched.add(name)

    def _acknowledge(self, name: str, revision: int) -> None:
        self.acknowledged += 1
        self._see(name, revision)
