"""A session that holds a slot."""

from __future__ import annotations

from ..actors.kernel.mailbox import Mail, Mailbox
from ..actors.ports import NewSession
from ..actors.session.actor import SessionActor
from ..actors.session.legacy import Legacy
from ..actors.session.reasons import ActivationReason


class Place:
    """What the supervisor knows of a session that holds a slot."""

    __slots__ = (
        "actor",
        "asked_ms",
        "box",
        "deferred",
        "legacy",
        "lived",
        "mail",
        "new",
        "opens_s",
        "since_ms",
        "why",
    )

    def __init__(
        self,
        box: Mailbox,
        new: NewSession | None,
        mail: Mail | None,
        *,
        why: ActivationReason,
        since_ms: int,
    ) -> None:
        self.box = box
        self.new = new  # while it is being created
        self.mail = mail  # whoever asked to create it
        self.why = why  # it comes, or has come, on stage
        self.since_ms = since_ms  # it is on stage; or, without an actor, since it is not
        self.asked_ms: int | None = None  # when it was asked to leave
        self.actor: SessionActor | None = None
        self.legacy: Legacy | None = None  # from one activation to the next
        self.lived = False  # whether there was an actor in this place already
        self.opens_s = 0.0  # after a crash: when it is started again, in monotonic seconds
        self.deferred: list[Mail] = []  # about the same id, until it is found or gone
