"""What is remembered of damaged sessions, and for how long."""

from __future__ import annotations

from greenroom.actors.errors import SessionDamaged
from greenroom.supervisor.quarantine import HOLD_S, MOST, Quarantine


def damaged(session: str = "s") -> SessionDamaged:
    return SessionDamaged(session, revision=7, why="cut")


def test_sx3_a_damaged_session_is_held_for_a_while() -> None:
    quarantine = Quarantine()
    quarantine.hold("s", damaged(), 100.0)

    error = quarantine.of("s", 100.0 + HOLD_S - 0.1)

    assert error is not None
    assert (error.session, error.revision, error.why) == ("s", 7, "cut")
    assert quarantine.of("other", 100.0) is None


def test_sx3_it_may_be_looked_at_again() -> None:
    quarantine = Quarantine()
    quarantine.hold("s", damaged(), 100.0)

    assert quarantine.of("s", 100.0 + HOLD_S) is None
    assert quarantine.of("s", 100.0) is None  # forgotten


def test_sx3_no_more_than_so_many_are_remembered_and_the_oldest_go_first() -> None:
    quarantine = Quarantine()
    for number in range(MOST + 2):
        quarantine.hold(f"s{number}", damaged(f"s{number}"), 0.0)
    quarantine.hold("s2", damaged("s2"), 1.0)

    assert [quarantine.of(f"s{n}", 0.0) is None for n in (0, 1, 2, MOST + 1)] == [
        True,
        True,
        False,
        False,
    ]


def test_each_caller_gets_an_error_of_its_own() -> None:
    quarantine = Quarantine()
    quarantine.hold("s", damaged(), 0.0)

    assert quarantine.of("s", 0.0) is not quarantine.of("s", 0.0)
