"""Which recorded turns are interrupted, and which calls are put to approval."""

from __future__ import annotations

from typing import Final
from zlib import crc32

import msgspec

from .dataset import Dialogue


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """The shares, from 0 to 1, of turns that are interrupted by the next message, and of tool calls
    that people must approve.

    Drawn by the place of each in its dialogue: a run that goes on after a kill, the pipeline and
    the check afterwards all draw the same. The last turn of a dialogue is never interrupted.
    """

    barge_in: float = 0.0
    approve: float = 0.0

    def interrupts(self, dialogue: Dialogue, place: int) -> bool:
        """Whether the answer of exchange `place` is interrupted by the next message."""
        more = place + 1 < dialogue.exchanges
        return more and _draw(dialogue, "interrupt", place) < self.barge_in

    def words_before(self, dialogue: Dialogue, place: int, words: int) -> int:
        """How many of its words an answer that is interrupted says before."""
        return int(_draw(dialogue, "words", place) * (words + 1))

    def approves(self, dialogue: Dialogue, place: int, call: int) -> bool:
        """Whether call number `call` of exchange `place` is put to approval."""
        return _draw(dialogue, f"approve {call}", place) < self.approve


NONE: Final = Trouble()
"""Every dialogue is played as it was recorded."""


def _draw(dialogue: Dialogue, what: str, place: int) -> float:
    """A number from 0 up to, but not, 1 that is always the same."""
    return crc32(f"{dialogue.dialogue_id} {what} {place}".encode()) / 2**32
