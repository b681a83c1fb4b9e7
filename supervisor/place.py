"""A session that holds a slot."""

from __future__ import annotations

from ..actors.kernel.mailbox import Mail, Mailbox
from ..actors.ports import NewSession
from ..actors.session.actor import SessionActor
from ..actors.session.legacy import Legacy


class Place:
    """What the supervisor knows of a session that holds a slot."""

    __slots__ = ("actor", "box", "deferred", "legacy", "lived", "mail", "new", "opens_s")

    def __init__(self, box: Mailbox, new: NewSession | None, mail: Mail | None) -> None:
        self.box = box
        self.new = new  # while it is being created
        self.mail = mail  # whoever asked to create it
        self.actor: SessionActor | None = None
        self.legacy: Legacy | None = None  # from one activation to the next
        self.lived = False  # whether there was an actor in this place already
        self.opens_s = 0.0  # after a crash: when it is started again, in monotonic seconds
        self.deferred: list[Mail] = []  # about the same id, until it is found or gone
