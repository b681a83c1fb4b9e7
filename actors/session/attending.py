"""The session actor's part on what goes on beside its turns: questions, presence, voice, sight."""

from __future__ import annotations

from collections.abc import Sequence

from ..kernel.mailbox import Mail
from .desk import Desk
from .events import Left, PresenceChanged
from .frames import Frame
from .messages import FlushPresence
from .part import Part
from .presence import Presences
from .screen import Screen
from .voice import Voice


class Attending(Part):
    """What one activation does for those who ask, look or are there. Nothing of it is journaled."""

    _presences: Presences | None
    voice: Voice | None = None  # of the class: a session that has no phase has none of its own

    # --- questions ---

    @property
    def _desk(self) -> Desk:
        """Made when the first question comes: most sessions are asked little."""
        desk = self._desk_made
        if desk is None:
            desk = Desk(self._stage, self._live, self._outbox, self._said)
            self._desk_made = desk
        return desk

    def _said(self) -> Sequence[str]:
        """What the running turn has said and is in no message yet."""
        return () if self._lane is None else self._lane.said

    def report_failure(self, mail: Mail) -> None:
        """Tell the room that a subscriber has failed."""
        self.publish_only(mail.message.failure)

    # --- presence ---

    def on_presence(self, mail: Mail) -> None:
        """Publish where a participant is, now or with the newest of the burst."""
        presence = mail.message.presence
        if presence.user not in self.state.participants:
            return
        if self._presences is None:
            self._presences = Presences(self._stage.clock, self._ask_to_flush)
        for change in self._presences.change(presence):
            self.publish_only(change)

    def _ask_to_flush(self) -> None:
        self.actor_inbox.signal(FlushPresence())

    def flush_presence(self, _: Mail) -> None:
        """The burst is over."""
        if self._presences is not None:
            for change in self._presences.flush():
                if change.user in self.state.participants:  # who is leaving is not shown after it
                    self.publish_only(change)

    def note_presence(self, event: PresenceChanged) -> None:
        """Keep what was published, for those who ask."""
        self._desk.presence[event.user] = event

    def forget_presence(self, event: Left) -> None:
        """Who has left is nowhere, and sees and shows nothing more."""
        if self._presences is not None:
            self._presences.forget(event.user)
            self._desk.presence.pop(event.user, None)
        if self._screen is not None:
            self._screen.expel(event.user)

    # --- voice ---

    def use_voice(self) -> Voice:
        """Made when a phase is first set, or somebody touches: most sessions have no use for it."""
        if self.voice is None:
            self.voice = self._desk.voice = Voice(self._stage, self._outbox)
        return self.voice

    def on_voice(self, mail: Mail) -> None:
        """A phase is set, or somebody touches: that is activity of the session."""
        self.active_s = self._stage.clock.monotonic()
        self.use_voice().take(self.state, mail)

    # --- visual input ---

    def on_shown(self, mail: Mail) -> None:
        """A source, a frame or a question about them: most sessions never have any."""
        screen = self._screen
        if screen is None:
            screen = self._screen = Screen(self._stage, self._outbox, self.state)
        if screen.handle(mail):
            self.active_s = self._stage.clock.monotonic()

    def look(self, ttl_s: float | None) -> tuple[Frame, ...]:
        """The recent frames, for a pipeline; called from any thread."""
        return () if self._screen is None else self._screen.latest(ttl_s)
