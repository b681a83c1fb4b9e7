"""Sources and frames in a whole runtime, and who may show them (spec V04, V18, V21 to V27)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from media.pictures import frame, jpeg, numbers, png
from media.studio import NOT_STARTED, TAKEN, TOO_EARLY, Eye, actor, film, studio
from rooms.hall import Ear, refused, room
from theatre import ManualClock, play, settle

import greenroom

# --- sources -------------------------------------------------------------------------------------


def test_v21_starting_another_source_is_told_and_clears_the_frames() -> None:
    async def scene() -> None:
        async with studio("bob") as (session, clock):
            ear = await Ear.of(session, "ann")
            await film(session, clock, 1)

            assert await session.start_visual("bob", "camera") is False
            assert numbers(await session.frames("ann")) == [1]
            assert await session.start_visual("bob", "screen") is True

            assert await session.frames("ann") == ()
            assert await session.offer_frame("bob", frame(2, "screen")) == TAKEN
            await settle()
            assert [item.event for item in ear.items] == [
                greenroom.actors.session.events.VisualStarted(source="screen", user="bob")
            ]

    play(scene)


@pytest.mark.parametrize(("source", "stopped"), [("", True), ("camera", True), ("screen", False)])
def test_v22_stopping_is_told_if_it_stops_something(source: str, stopped: bool) -> None:
    async def scene() -> None:
        async with studio("bob") as (session, clock):
            ear = await Ear.of(session, "ann")
            await film(session, clock, 1)

            assert await session.stop_visual("bob", source) is stopped
            assert await session.stop_visual("bob") is not stopped

            await settle()
            assert ear.kinds == ["visual.stopped"]
            assert (ear.items[0].event.source, ear.items[0].event.user) == ("camera", "bob")
            assert await session.frames("ann") == ()

    play(scene)


def test_vx12_a_frame_in_flight_when_stop_arrives_is_refused() -> None:
    async def scene() -> None:
        async with studio() as (session, clock):
            await film(session, clock, 1)
            stopping = session.stop_visual("ann", "camera")
            late = session.offer_frame("ann", frame(2))

            assert await stopping is True
            assert await late == NOT_STARTED
            assert await session.frames("ann") == ()

            await session.start_visual("ann", "camera")
            assert await session.offer_frame("ann", frame(3)) == TAKEN

    play(scene)


def test_the_source_of_somebody_who_leaves_is_stopped() -> None:
    async def scene() -> None:
        async with studio("bob", "cem") as (session, clock):
            await film(session, clock, 1)
            await session.leave("cem")
            assert numbers(await session.frames("ann")) == [1]
            await session.start_visual("bob", "screen")
            await session.offer_frame("bob", frame(2, "screen"))
            ear = await Ear.of(session, "ann")

            await session.leave("bob")
            await settle()

            assert ear.kinds == ["participant.left", "visual.stopped"]
            assert ear.items[1].event.user == "bob"
            assert await session.frames("ann") == ()
            assert await session.offer_frame("ann", frame(3, "screen")) == NOT_STARTED

    play(scene)


# --- frames --------------------------------------------------------------------------------------


def test_v04_v25_an_accepted_frame_has_the_time_of_its_coming() -> None:
    async def scene() -> None:
        async with studio() as (session, clock):
            given = frame(7, timestamp_ms=5, received_at=1)
            assert await session.offer_frame("ann", given) == TAKEN
            at_ms = clock.now_ms()
            await clock.advance(1.0)

            (taken,) = await session.frames("ann")

            assert taken.received_at == at_ms
            for field in ("data", "mime", "width", "height", "source", "timestamp_ms", "frame_seq"):
                assert getattr(taken, field) == getattr(given, field)

    play(scene)


def test_v24_v25_too_early_is_no_error_and_changes_nothing() -> None:
    async def scene() -> None:
        async with studio() as (session, clock):
            eye = Eye(session, "ann", 8)
            await film(session, clock, 1)
            await clock.advance(-1.0)
            clock.now_s += 0.999
            before = actor(session).active_s

            assert await session.offer_frame("ann", frame(2)) == TOO_EARLY

            assert actor(session).active_s == before
            assert numbers(await session.frames("ann")) == [1]
            clock.now_s += 0.001
            assert await session.offer_frame("ann", frame(3)) == TAKEN
            assert actor(session).active_s == clock.now_s
            await settle()
            assert eye.seen == [1, 3]

    play(scene)


def test_vx13_a_new_source_is_told_too_early_and_starting_it_helps() -> None:
    async def scene() -> None:
        async with studio() as (session, _):
            await session.offer_frame("ann", frame(1))

            assert await session.offer_frame("ann", frame(2, "screen")) == TOO_EARLY
            await session.start_visual("ann", "screen")
            assert await session.offer_frame("ann", frame(2, "screen")) == TAKEN

    play(scene)


class Jumping(ManualClock):
    """A clock whose wall time is put back and forth."""

    jump_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.jump_ms


def test_vx14_a_wall_clock_that_jumps_back_blocks_no_frame() -> None:
    async def scene() -> None:
        clock = Jumping()
        async with studio(clock=clock) as (session, _):
            await film(session, clock, 1)
            clock.jump_ms = -3_600_000

            assert await session.offer_frame("ann", frame(2)) == TAKEN
            assert numbers(await session.frames("ann", 1.0)) == [1, 2]
            clock.jump_ms = 3_600_000
            assert await session.offer_frame("ann", frame(3)) == TOO_EARLY
            assert numbers(await session.frames("ann", 1.0)) == [1, 2]

    play(scene)


def test_v18_v26_a_frame_is_nobodys_to_change() -> None:
    async def scene() -> None:
        async with studio() as (session, _):
            eye = Eye(session, "ann")
            data = bytearray(jpeg(4, 3))
            given = frame(1, data=data)

            await session.offer_frame("ann", given)
            data[:] = bytes(len(data))
            await settle()

            first, second = await session.frames("ann"), await session.frames("ann")
            assert type(first[0].data) is bytes
            assert first[0].data == eye.frames[0].data == jpeg(4, 3)
            assert first == second
            with pytest.raises(AttributeError):
                first[0].frame_seq = 9

    play(scene)


def test_v23_v27_recent_frames_are_few_and_young() -> None:
    async def scene() -> None:
        async with studio(max_recent=2, ttl_ms=2000) as (session, clock):
            await film(session, clock, 1, 2, 3)  # now they are 3, 2 and 1 s old

            assert numbers(await session.frames("ann")) == [2, 3]
            assert numbers(await session.frames("ann", 1.5)) == [3]
            assert await session.frames("ann", 0) == ()
            await clock.advance(1.0)
            assert numbers(await session.frames("ann")) == [3]
            assert numbers(await session.frames("ann", 60)) == [2, 3]

    play(scene)


@pytest.mark.parametrize("ttl_s", ["1", True, b""])
def test_a_ttl_is_a_number(ttl_s: Any) -> None:
    async def scene() -> None:
        async with studio() as (session, _):
            with pytest.raises(greenroom.InvalidInput) as refusal:
                session.frames("ann", ttl_s)
            assert refusal.value.field == "ttl_s"

    play(scene)


BAD: list[tuple[str, dict[str, Any]]] = [
    ("mime", {"mime": "image/png", "data": png(4, 3)}),
    ("data", {"data": b""}),
    ("data", {"data": jpeg(4, 3) + bytes(512 * 1024)}),
    ("data", {"data": png(4, 3)}),
    ("data", {"data": b"\xff\xd8\xff"}),
    ("width", {"width": 5}),
    ("width", {"width": 0}),
    ("height", {"height": 4097}),
]


@pytest.mark.parametrize(("field", "fields"), BAD)
def test_a_bad_frame_is_refused_by_name_and_changes_nothing(
    field: str, fields: dict[str, Any]
) -> None:
    async def scene() -> None:
        async with studio() as (session, clock):
            eye = Eye(session, "ann", 8)
            await settle()
            before, revision = actor(session).active_s, (await session.info()).revision
            await clock.advance(5.0)

            await refused(
                session.offer_frame("ann", frame(**fields)), greenroom.BadFrame, field=field
            )

            assert actor(session).active_s == before
            assert await session.frames("ann") == ()
            assert (await session.info()).revision == revision
            assert session._runtime.stats.frames_refused == 1
            assert await session.offer_frame("ann", frame(2)) == TAKEN  # and no interval begun
            await settle()
            assert eye.seen == [2]

    play(scene)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("data", "text"),
        ("data", None),
        ("data", [1, 2]),
        ("mime", 3),
        ("mime", ""),
        ("width", 4.0),
        ("width", True),
        ("height", "3"),
        ("height", -1),
        ("timestamp_ms", 2**63),
        ("timestamp_ms", None),
        ("frame_seq", -1),
        ("source", ""),
        ("source", None),
    ],
)
def test_what_is_no_frame_at_all_is_refused_by_the_call(field: str, value: Any) -> None:
    async def scene() -> None:
        async with studio() as (session, _):
            with pytest.raises(greenroom.InvalidInput) as refusal:
                session.offer_frame("ann", frame(**{"source": "camera", field: value}))
            assert refusal.value.field == field
            with pytest.raises(greenroom.InvalidInput):
                session.offer_frame("ann", b"\xff\xd8\xff")  # type: ignore[arg-type]

    play(scene)


# --- who may -------------------------------------------------------------------------------------

SHOWING: list[Callable[[greenroom.Session, str], Any]] = [
    lambda session, user: session.start_visual(user, "camera"),
    lambda session, user: session.stop_visual(user),
    lambda session, user: session.offer_frame(user, frame()),
]


@pytest.mark.parametrize("show", SHOWING)
def test_to_show_needs_the_permission(show: Callable[[greenroom.Session, str], Any]) -> None:
    async def scene() -> None:
        async with room("eve*", roles={"mute": ["show"], "blind": ["speak"]}) as session:
            await session.join("mia", role="mute")
            await session.join("bly", role="blind")
            for user in ("eve", "bly"):
                await refused(show(session, user), greenroom.NotAllowed, permission="show")
            await refused(show(session, "zoe"), greenroom.NotMember, user="zoe")
            assert await show(session, "mia") is not None
            before = actor(session).active_s
            await refused(show(session, "eve"), greenroom.NotAllowed)
            assert actor(session).active_s == before

    play(scene)


@pytest.mark.parametrize("show", [SHOWING[0], SHOWING[2]])
def test_nothing_is_shown_to_a_session_that_is_not_open(
    show: Callable[[greenroom.Session, str], Any],
) -> None:
    async def scene() -> None:
        async with room(started=False) as session:
            await refused(show(session, "ann"), greenroom.WrongState, state="created")
            await session.start("ann")
            await session.start_visual("ann", "camera")
            await session.pause("ann")
            await refused(show(session, "ann"), greenroom.WrongState, state="paused")
            await session.end("ann")
            await refused(show(session, "ann"), greenroom.SessionEnded)

    play(scene)


def test_a_source_can_be_stopped_while_the_session_is_paused_but_not_after_its_end() -> None:
    async def scene() -> None:
        async with studio() as (session, _):
            await session.pause("ann")
            assert await session.stop_visual("ann") is True
            await session.end("ann")
            await refused(session.stop_visual("ann"), greenroom.SessionEnded)

    play(scene)


def test_p20_only_participants_look() -> None:
    async def scene() -> None:
        async with studio("eve*") as (session, clock):
            await film(session, clock, 1)

            assert numbers(await session.frames("eve")) == [1]
            await refused(session.frames("zoe"), greenroom.NotMember, user="zoe")
            eye = Eye(session, "zoe")
            await settle()
            assert isinstance(eye.error, greenroom.NotMember)

    play(scene)
