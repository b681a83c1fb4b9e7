from __future__ import annotations

from theatre import ManualClock, play

from greenroom.actors.session.events import PresenceChanged
from greenroom.actors.session.presence import WINDOW_S, Presences


def at(cursor: str, user: str = "bob") -> PresenceChanged:
    return PresenceChanged(user=user, cursor=cursor)


class Room:
    """Presences, and what was published of them when."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.presences = Presences(self.clock, self.flush)
        self.begin_s = self.clock.now_s
        self.published: list[tuple[float, str, str | None]] = []

    def change(self, presence: PresenceChanged) -> None:
        self.note(self.presences.change(presence))

    def flush(self) -> None:
        self.note(self.presences.flush())

    def note(self, changes: list[PresenceChanged]) -> None:
        now_s = round(self.clock.now_s - self.begin_s, 3)
        self.published += [(now_s, change.user, change.cursor) for change in changes]


def test_the_first_change_is_published_at_once() -> None:
    room = Room()

    room.change(at("1"))

    assert room.published == [(0.0, "bob", "1")]


def test_what_follows_within_the_window_is_published_at_its_end_as_the_newest_of_each() -> None:
    async def scene() -> None:
        room = Room()
        room.change(at("1"))
        await room.clock.advance(WINDOW_S / 2)
        for presence in (at("2"), at("7", "cem"), at("3"), at("8", "cem")):
            room.change(presence)
        await room.clock.advance(WINDOW_S)

        assert room.published[1:] == [(WINDOW_S, "bob", "3"), (WINDOW_S, "cem", "8")]

    play(scene)


def test_a_steady_stream_is_published_once_a_window() -> None:
    async def scene() -> None:
        room = Room()
        for number in range(100):  # one second
            room.change(at(str(number)))
            await room.clock.advance(0.01)
        await room.clock.advance(1.0)

        assert len(room.published) <= 2 + 1.0 / WINDOW_S
        assert room.published[-1][2] == "99"
        assert room.clock._timers == []  # silence costs nothing

    play(scene)


def test_what_is_no_change_is_not_published() -> None:
    async def scene() -> None:
        room = Room()
        for _ in range(5):
            room.change(at("1"))
            await room.clock.advance(1.0)

        assert len(room.published) == 1

    play(scene)


def test_who_has_left_is_forgotten_also_by_the_window() -> None:
    async def scene() -> None:
        room = Room()
        room.change(at("1"))
        room.change(at("2"))
        room.presences.forget("bob")
        room.presences.forget("nobody")
        await room.clock.advance(1.0)

        assert room.published == [(0.0, "bob", "1")]
        assert room.presences.latest == {}

    play(scene)
