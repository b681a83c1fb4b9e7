"""What one activation leaves to the next one of its session, in memory only."""

from __future__ import annotations

import msgspec

from .events import TurnStarted


class Legacy(msgspec.Struct, frozen=True, kw_only=True):
    """Handed over by the supervisor, if the session is started again at once. Not across a
    passivation, nor a restart of the process: then the journal alone says what was.

    `unbegun`: by the state this turn runs, but its pipeline was not invoked. `abandoned`: the turns
    whose pipelines did not stop. `suspect`: the session crashed over what this turn had yielded;
    `condemned`: and did so once more. 0: none.
    """

    unbegun: TurnStarted | None = None
    abandoned: frozenset[int] = frozenset()
    suspect: int = 0
    condemned: int = 0


NOTHING = Legacy()
