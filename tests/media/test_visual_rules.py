"""What is shown, and which frames are taken: the rules alone (spec V21 to V27)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from media.pictures import frame, numbers

from greenroom.actors.session.frames import VisualSettings
from greenroom.actors.session.visual import Visual


def visual(source: str = "camera", *, floor_ms: int = 0, **limits: Any) -> Visual:
    """Half a second between frames, and `source` started."""
    given = {"min_interval_ms": 500, "max_recent": 3, **limits}
    made = Visual(VisualSettings(**given), floor_ms)
    if source:
        made.start(source)
    return made


def offer(shown: Visual, number: int, now_s: float, source: str = "camera") -> str:
    return shown.offer(frame(number, source), now_s, int(now_s * 1000))


def kept(shown: Visual, now_s: float = 100.0, ttl_s: float = 1000.0) -> list[int]:
    return numbers(shown.latest(now_s, ttl_s))


def everything(shown: Visual) -> tuple[Any, ...]:
    return shown.source, shown._recent, shown._accepted_s


# --- V21: start ----------------------------------------------------------------------------------


def test_v21_another_source_clears_the_frames_and_the_limiter() -> None:
    shown = visual()
    offer(shown, 1, 10.0)

    assert shown.start("screen") is True

    assert (shown.source, kept(shown)) == ("screen", [])
    assert offer(shown, 2, 10.0, "screen") == ""


def test_v21_the_same_source_keeps_the_frames_and_the_limiter() -> None:
    shown = visual()
    offer(shown, 1, 10.0)

    assert shown.start("camera") is False

    assert (shown.source, kept(shown)) == ("camera", [1])
    assert offer(shown, 2, 10.25) == "too_early"


# --- V22: stop -----------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["", "camera"])
def test_v22_stopping_what_is_shown_clears_everything(source: str) -> None:
    shown = visual()
    offer(shown, 1, 10.0)

    assert shown.stop(source) == "camera"

    assert everything(shown) == ("", (), None)


@pytest.mark.parametrize("source", ["", "camera"])
def test_v22_stopping_while_nothing_is_shown_leaves_nothing(source: str) -> None:
    shown = visual("")

    assert shown.stop(source) == ""

    assert everything(shown) == ("", (), None)


def test_v22_stopping_another_source_changes_nothing() -> None:
    shown = visual()
    offer(shown, 1, 10.0)
    before = everything(shown)

    assert shown.stop("screen") == ""

    assert everything(shown) == before


# --- V23: how many -------------------------------------------------------------------------------


@pytest.mark.parametrize(("most", "left"), [(-5, [4]), (0, [4]), (1, [4]), (2, [3, 4]), (4, None)])
def test_v23_v25_the_oldest_is_dropped_and_no_room_is_room_for_one(
    most: int, left: list[int] | None
) -> None:
    shown = visual(max_recent=most)

    for number in (1, 2, 3, 4):
        assert offer(shown, number, 10.0 + number) == ""

    assert kept(shown) == (left or [1, 2, 3, 4])


# --- V24: the limiter ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("later_s", "refusal"),
    [(0.0, "too_early"), (0.25, "too_early"), (0.499, "too_early"), (0.5, ""), (0.75, "")],
)
def test_v24_earlier_than_the_interval_is_too_early_and_exactly_then_is_not(
    later_s: float, refusal: str
) -> None:
    shown = visual()
    offer(shown, 1, 10.0)

    assert offer(shown, 2, 10.0 + later_s) == refusal


def test_v24_the_first_frame_is_never_too_early() -> None:
    assert offer(visual(), 1, 0.0) == ""


def test_v24_without_an_interval_none_is_too_early() -> None:
    shown = visual(min_interval_ms=0)
    offer(shown, 1, 10.0)

    assert offer(shown, 2, 10.0) == offer(shown, 3, 9.0) == ""


def test_v24_vx13_the_limiter_is_asked_before_the_source_and_starting_resets_it() -> None:
    shown = visual()
    offer(shown, 1, 10.0)

    assert offer(shown, 2, 10.25, "screen") == "too_early"
    assert offer(shown, 2, 10.5, "screen") == "not_started"

    shown.start("screen")
    assert offer(shown, 2, 10.5, "screen") == ""


def test_v24_only_accepted_frames_move_the_limiter() -> None:
    shown = visual()
    offer(shown, 1, 10.0)

    for later_s in (0.125, 0.25, 0.375):
        assert offer(shown, 2, 10.0 + later_s) == "too_early"

    assert offer(shown, 2, 10.5) == ""


@pytest.mark.parametrize(("interval_ms", "floor_ms"), [(500, 1000), (1000, 500), (0, 1000)])
def test_the_longer_of_both_intervals_counts(interval_ms: int, floor_ms: int) -> None:
    shown = visual(min_interval_ms=interval_ms, floor_ms=floor_ms)
    offer(shown, 1, 10.0)

    assert offer(shown, 2, 10.75) == "too_early"
    assert offer(shown, 2, 11.0) == ""


# --- V25, VX12: what is accepted -----------------------------------------------------------------


def test_v04_v25_an_accepted_frame_is_kept_as_it_was_with_the_time_of_its_coming() -> None:
    shown = visual()
    given = frame(7, received_at=1)

    assert shown.offer(given, 10.0, 1234) == ""

    (taken,) = shown.latest(10.0, 1.0)
    assert taken == msgspec.structs.replace(given, received_at=1234) == shown.newest
    assert given.received_at == 1


@pytest.mark.parametrize(("source", "now_s"), [("camera", 10.25), ("screen", 20.0)])
def test_v25_a_frame_that_is_refused_changes_nothing(source: str, now_s: float) -> None:
    shown = visual()
    offer(shown, 1, 10.0)
    before = everything(shown)

    assert offer(shown, 2, now_s, source) != ""

    assert everything(shown) == before


def test_vx12_a_frame_in_flight_does_not_bring_its_source_back() -> None:
    shown = visual()
    offer(shown, 1, 10.0)

    shown.stop("camera")
    assert offer(shown, 2, 11.0) == "not_started"
    assert everything(shown) == ("", (), None)

    shown.start("camera")
    assert offer(shown, 3, 11.0) == ""
    assert kept(shown) == [3]


def test_v25_vx12_a_source_that_was_replaced_does_not_come_back_with_a_late_frame() -> None:
    shown = visual()
    shown.start("screen")

    assert offer(shown, 1, 20.0, "camera") == "not_started"
    assert offer(shown, 2, 20.0, "screen") == ""
    assert offer(shown, 3, 21.0, "camera") == "not_started"
    assert (shown.source, kept(shown)) == ("screen", [2])


def test_a_frame_without_a_source_is_of_none() -> None:
    assert offer(visual(""), 1, 10.0, "") == "not_started"


def test_vx14_what_people_see_as_time_decides_nothing() -> None:
    shown = visual()
    shown.offer(frame(1), 10.0, 1_000_000)

    assert shown.offer(frame(2), 10.5, 5) == ""  # the wall clock was put back
    assert shown.offer(frame(3), 10.75, 9_000_000) == "too_early"  # and forward
    assert [taken.received_at for taken in shown.latest(10.5, 1.0)] == [1_000_000, 5]


# --- V27: what is recent -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ttl_s", "recent"),
    [(2.5, [1, 2, 3]), (2.0, [1, 2, 3]), (1.999, [2, 3]), (1.0, [2, 3]), (0.5, [3]), (1e-9, [3])],
)
def test_v27_an_age_of_exactly_the_ttl_is_recent_and_the_oldest_comes_first(
    ttl_s: float, recent: list[int]
) -> None:
    shown = visual()
    for number in (1, 2, 3):
        offer(shown, number, 9.0 + number)

    assert kept(shown, 12.0, ttl_s) == recent


@pytest.mark.parametrize("ttl_s", [0.0, -1.0, float("-inf"), float("nan")])
def test_v27_a_ttl_of_nothing_gives_nothing(ttl_s: float) -> None:
    shown = visual()
    offer(shown, 1, 10.0)

    assert shown.latest(10.0, ttl_s) == ()
    assert visual("").latest(10.0, 5.0) == ()


def test_v27_looking_purges_nothing() -> None:
    shown = visual()
    offer(shown, 1, 10.0)
    before = everything(shown)

    assert kept(shown, 1000.0, 1.0) == []

    assert everything(shown) == before
    assert kept(shown, 1000.0, 990.0) == [1]
