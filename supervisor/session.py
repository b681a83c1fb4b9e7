"""The handle a program holds of a session: one method per command."""

from __future__ import annotations

from .handles.awake import Awake
from .handles.people import People
from .handles.reading import Reading
from .handles.records import Records
from .handles.sharing import Sharing
from .handles.submissions import Submissions
from .handles.visual import Visual
from .handles.voice import Voice
from .handles.wakes import Wakes


class Session(Awake, People, Submissions, Voice, Wakes, Sharing, Records, Reading, Visual):
    """A session, wherever it is just now: on stage, or passivated and woken by the next call.

    Every method queues its command at once, from any thread, and returns a `Reply`: `await` it
    on the loop, or `get()` it from another thread. Commands of one caller are handled in the order
    of its calls. A reply comes when what it tells is durable.

    Every reply may raise `SessionNotFound`, `CapacityError` (no slot to wake it), `Overloaded`,
    `RuntimeClosed`, `SessionClosed`, `SessionParked` and `OutcomeUnknown`, beside the refusals
    named with each method. `InvalidInput` is raised by the call itself.

    A command that takes a `key` may be sent again under the same one, when its outcome is not
    known: it is done once, and gives its first answer, for `key_ttl_ms`, also after a restart.
    Another command under the same key is refused with `IdempotencyConflict`. A command that was
    refused, or has changed nothing, leaves its key unused.
    """

    __slots__ = ()
