"""Sources, frames and watches in a whole runtime (spec V04, V18, V20 to V27, VX9, VX12 to VX14)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from media.pictures import frame, jpeg, numbers, png
from rooms.hall import Ear, kinds, refused, room
from theatre import GatedJournal, ManualClock, Script, play, settle

import greenroom
from greenroom.actors.session.actor import SessionActor
from greenroom.actors.session.screen import WATCHED


class Eye:
    """Notes the frames that a watch of `user` gives, and how it ends."""

    def __init__(self, session: greenroom.Session, user: str, buffer: int = 1) -> None:
        self.watch = session.watch_frames(user, buffer)
        self.frames: list[greenroom.Frame] = []
        self.ended = False
        self.error: Exception | None = None
        self._task = asyncio.get_running_loop().create_task(self._look())

    @property
    def seen(self) -> list[int]:
        return numbers(self.frames)

    async def _look(self) -> None:
        try:
            async for found in self.watch:
                self.frames.append(found)
        except greenroom.GreenroomError as error:
            self.error = error
        self.ended = True


@asynccontextmanager
async def studio(
    *guests: str, clock: ManualClock | None = None, journal: Any = "memory:", **options: Any
) -> AsyncIterator[tuple[greenroom.Session, ManualClock]]:
    """Ann's session and its guests, and a camera that she has started."""
    clock = clock or ManualClock()
    limits = greenroom.VisualSettings(**options)
    async with room(*guests, clock=clock, journal=journal, visual=limits) as session:
        assert await session.start_visual("ann", "camera") is True
        yield session, clock


def actor(session: greenroom.Session) -> SessionActor:
    found = session._runtime._directory.get(session.id)
    assert found is not None
    assert isinstance(found.owner, SessionActor)
    return found.owner


async def film(session: greenroom.Session, clock: ManualClock, *numbers: int) -> None:
    """Ann shows these frames, a second apart."""
    for number in numbers:
        receipt = await session.offer_frame("ann", frame(number))
        assert receipt.accepted
        await clock.advance(1.0)


TAKEN = greenroom.FrameReceipt(accepted=True)
TOO_EARLY = greenroom.FrameReceipt(accepted=False, reason="too_early")
NOT_STARTED = greenroom.FrameReceipt(accepted=False, reason="not_started")


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


# --- watches -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("buffer", "kept"), [(-3, [1]), (0, [1]), (1, [1]), (2, [1, 2])])
def test_v20_v26_a_buffer_holds_so_many_and_at_least_one(buffer: int, kept: list[int]) -> None:
    async def scene() -> None:
        async with studio("bob") as (session, clock):
            slow = session.watch_frames("ann", buffer)
            quick = Eye(session, "bob")
            await film(session, clock, 1, 2, 3)

            assert slow.dropped == 3 - len(kept)
            assert numbers([await anext(slow) for _ in kept]) == kept
            assert (quick.seen, quick.watch.dropped) == ([1, 2, 3], 0)
            assert session._runtime.stats.frames_dropped == slow.dropped
            await film(session, clock, 4)
            assert (await anext(slow)).frame_seq == 4

    play(scene)


def test_v20_closing_a_watch_twice_ends_it_once() -> None:
    async def scene() -> None:
        async with studio() as (session, clock):
            eye = Eye(session, "ann")
            await film(session, clock, 1)

            eye.watch.close()
            eye.watch.close()
            await film(session, clock, 2)

            assert (eye.ended, eye.seen, eye.error) == (True, [1], None)
            async with session.watch_frames("ann") as watch:
                pass
            assert [found async for found in watch] == []

    play(scene)


async def _end(session: greenroom.Session, clock: ManualClock, journal: GatedJournal) -> None:
    await session.end("ann")


async def _leave(session: greenroom.Session, clock: ManualClock, journal: GatedJournal) -> None:
    await session.leave("bob")


async def _idle(session: greenroom.Session, clock: ManualClock, journal: GatedJournal) -> None:
    await clock.advance(901.0)
    assert session._runtime.resident == 0


async def _crash(session: greenroom.Session, clock: ManualClock, journal: GatedJournal) -> None:
    journal.fail(greenroom.NotWritten("full"))
    await refused(session.post("ann", "boom"), greenroom.NotWritten)
    await clock.advance(1.0)  # until it is restarted


async def _stop(session: greenroom.Session, clock: ManualClock, journal: GatedJournal) -> None:
    await session._runtime.stop()


@pytest.mark.parametrize("ending", [_end, _leave, _idle, _crash, _stop])
def test_v20_vx9_a_watch_ends_with_the_session_the_membership_or_the_activation(
    ending: Callable[[greenroom.Session, ManualClock, GatedJournal], Any],
) -> None:
    async def scene() -> None:
        journal = GatedJournal()
        async with studio("bob", journal=journal) as (session, clock):
            eye, slow = Eye(session, "bob"), session.watch_frames("bob")
            await film(session, clock, 1)
            assert eye.seen == [1]
            assert not eye.ended

            await ending(session, clock, journal)
            await settle()

            assert (eye.ended, eye.seen, eye.error) == (True, [1], None)
            assert numbers([found async for found in slow]) == [1]  # what it held is not lost

    play(scene)


def test_p20_who_has_left_gets_nothing_more_though_that_is_not_durable_yet() -> None:
    async def scene() -> None:
        journal = GatedJournal()
        async with studio("bob", journal=journal) as (session, clock):
            bob, ann = Eye(session, "bob", 8), Eye(session, "ann", 8)
            await film(session, clock, 1)
            journal.holding = True

            leaving = session.leave("bob")
            offered = session.offer_frame("ann", frame(2))
            back = session.join("bob")
            again = Eye(session, "bob", 8)
            await settle()
            assert not offered.done
            assert (bob.seen, ann.seen) == ([1], [1])
            journal.let()
            await leaving
            await back
            await clock.advance(1.0)
            await film(session, clock, 3)

            assert (bob.seen, bob.ended) == ([1], True)
            assert (again.seen, again.ended) == ([3], False)
            assert ann.seen == [1, 2, 3]

    play(scene)


def test_p20_membership_is_looked_at_when_a_frame_is_handed_over() -> None:
    async def scene() -> None:
        journal = GatedJournal()
        async with studio("bob", journal=journal) as (session, _):
            bob, ann = Eye(session, "bob"), Eye(session, "ann")
            await settle()
            journal.holding = True
            session.post("ann", "first")
            session.offer_frame("ann", frame(1))
            session.leave("bob")
            await settle()

            journal.let(1)
            await settle()

            assert ann.seen == [1]
            assert (bob.seen, bob.ended) == ([], True)
            journal.let()

    play(scene)


def test_p07_nobody_sees_a_frame_of_somebody_whose_joining_may_be_undone() -> None:
    async def scene() -> None:
        journal = GatedJournal()
        async with studio(journal=journal) as (session, _):
            eye = Eye(session, "ann")
            await settle()
            journal.holding = True

            joining = session.join("bob")
            offered = session.offer_frame("bob", frame(1))
            asked = session.frames("ann")
            await settle()
            assert (joining.done, offered.done, asked.done, eye.seen) == (False, False, False, [])
            journal.let()
            await joining

            assert await offered == TAKEN
            assert numbers(await asked) == [1]
            await settle()
            assert eye.seen == [1]

    play(scene)


def test_a_watch_begins_after_what_was_accepted_before_it() -> None:
    async def scene() -> None:
        journal = GatedJournal()
        async with studio(journal=journal, min_interval_ms=0) as (session, _):
            journal.holding = True
            session.post("ann", "first")
            session.offer_frame("ann", frame(1))
            eye = Eye(session, "ann", 8)
            session.offer_frame("ann", frame(2))
            await settle()
            journal.let()
            await settle()

            assert eye.seen == [2]

    play(scene)


def test_all_watches_together_hold_so_many_frames_and_no_more() -> None:
    async def scene() -> None:
        async with studio() as (session, clock):
            first = Eye(session, "ann", WATCHED - 2)
            small = [Eye(session, "ann"), Eye(session, "ann")]
            await settle()

            late = Eye(session, "ann")
            await settle()
            assert isinstance(late.error, greenroom.TooManyWatches)
            assert (late.error.limit, late.error.in_use) == (WATCHED, WATCHED)

            small[0].watch.close()
            again = Eye(session, "ann")
            await film(session, clock, 1)
            assert [eye.seen for eye in (first, *small, again)] == [[1], [], [1], [1]]
            for buffer in (WATCHED + 1, 1.0, True):
                with pytest.raises(greenroom.InvalidInput):
                    session.watch_frames("ann", buffer)  # type: ignore[arg-type]

    play(scene)


def test_a_journal_that_takes_its_time_holds_so_many_frames_back_and_no_more() -> None:
    async def scene() -> None:
        journal, half, more = GatedJournal(), WATCHED // 2, 5
        async with studio(journal=journal, min_interval_ms=0, max_recent=1) as (session, _):
            eye = Eye(session, "ann", WATCHED)
            await settle()
            journal.holding = True
            session.post("ann", "first")
            offered = [session.offer_frame("ann", frame(n)) for n in range(half)]
            session.post("ann", "second")
            offered += [session.offer_frame("ann", frame(n)) for n in range(half, WATCHED + more)]
            await settle()

            journal.let(1)
            await settle()  # and the reader has made room
            assert eye.seen == list(range(half))
            journal.let()
            await settle()

            assert [(await reply).accepted for reply in offered] == [True] * (WATCHED + more)
            assert eye.seen == list(range(WATCHED))
            assert eye.watch.dropped == session._runtime.stats.frames_dropped == more
            assert numbers(await session.frames("ann")) == [WATCHED + more - 1]
            await session.offer_frame("ann", frame(99))
            await settle()
            assert eye.seen[-1] == 99

    play(scene)


def test_v26_a_watch_that_nobody_reads_never_holds_up_the_session() -> None:
    async def scene() -> None:
        async with studio("bob", min_interval_ms=0) as (session, _):
            slow, quick = session.watch_frames("ann"), Eye(session, "bob")
            for number in range(1, 201):
                assert await session.offer_frame("ann", frame(number)) == TAKEN
                await settle(5)

            assert (await session.post("bob", "hello")).revision > 0
            assert quick.seen == list(range(1, 201))
            assert slow.dropped == 199

    play(scene)


def test_v20_frames_are_watched_off_the_loop_with_a_plain_for() -> None:
    limits = greenroom.VisualSettings(min_interval_ms=0)
    with greenroom.Runtime.start_in_thread(journal="memory:") as runtime:
        session = runtime.create(user="ann", settings=greenroom.Settings(visual=limits)).get()
        session.start_visual("ann", "camera").get()
        with session.watch_frames("ann", 3) as watch:
            for number in (1, 2, 3):
                session.offer_frame("ann", frame(number)).get()
            session.end("ann").get()

            assert numbers(watch) == [1, 2, 3]


# --- what it costs, and what is kept -------------------------------------------------------------


class Counting(GatedJournal):
    """A journal that keeps every byte it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.given = 0

    def append(self, session: str, events: Any, **rest: Any) -> Any:
        self.given += sum(map(len, events))
        return super().append(session, events, **rest)

    def snapshot(self, session: str, state: bytes, **rest: Any) -> Any:
        self.given += len(state)
        return super().snapshot(session, state, **rest)


def test_frames_touch_neither_the_journal_nor_the_live_log() -> None:
    async def scene() -> None:
        journal = Counting()
        async with studio(journal=journal) as (session, clock):
            ear = await Ear.of(session, "ann", after=greenroom.START)
            await settle()
            given, revision = journal.given, (await session.info()).revision

            await film(session, clock, 1, 2, 3)
            await session.stop_visual("ann")
            await settle()

            assert journal.given == given
            assert (await session.info()).revision == revision
            assert kinds(item for item in ear.items if isinstance(item, greenroom.Published)) == [
                *("visual.started", "visual.stopped"),
            ]
            assert not [item for item in ear.items if isinstance(item, greenroom.Gap)]

    play(scene)


def test_a_session_that_is_shown_nothing_has_nothing_for_it() -> None:
    async def scene() -> None:
        script = Script()
        async with room("bob", pipeline=script) as session:
            turn = await session.send("ann", "hello")
            await settle()
            assert script.turns[0].frames() == ()
            script.cue("s", turn.id, "hi", None)
            await turn.result()
            await session.leave("bob")

            assert actor(session)._screen is None

    play(scene)


def test_p12_showing_is_activity_and_looking_is_not() -> None:
    async def scene() -> None:
        async with studio("bob") as (session, clock):
            act, active = actor(session), []
            for step in (
                lambda: session.start_visual("ann", "camera"),  # the same once more
                lambda: session.offer_frame("ann", frame(1)),
                lambda: session.stop_visual("ann", "screen"),
                lambda: session.offer_frame("ann", frame(2, "screen")),  # not started
                lambda: session.frames("bob"),
                lambda: session.stop_visual("ann"),
                lambda: session.stop_visual("ann"),
                lambda: session.start_visual("ann", "screen"),
            ):
                await clock.advance(5.0)
                await step()
                active.append(act.active_s == clock.now_s)
            await clock.advance(5.0)
            eye = Eye(session, "bob")
            await settle()

            assert active == [True, True, True, False, False, True, True, True]
            assert act.active_s < clock.now_s
            assert not eye.ended

    play(scene)


def test_p12_frames_keep_a_session_on_the_stage_and_silence_does_not() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(clock=clock, idle_s=60.0) as runtime:
            session = await runtime.create(user="ann")
            await session.start_visual("ann", "camera")
            eye = Eye(session, "ann")
            ear = await Ear.of(session, "ann")
            for number in range(1, 6):
                await clock.advance(50.0)
                assert await session.offer_frame("ann", frame(number)) == TAKEN
            assert runtime.resident == 1

            await clock.advance(61.0)

            assert runtime.resident == 0
            assert (eye.ended, eye.seen) == (True, [1, 2, 3, 4, 5])
            assert ear.kinds == ["visual.stopped"]
            assert (ear.items[0].event.source, ear.items[0].event.user) == ("camera", "")
            assert await session.frames("ann", 1000) == ()
            assert await session.offer_frame("ann", frame(6)) == NOT_STARTED
            assert await session.start_visual("ann", "camera") is True
            assert await session.offer_frame("ann", frame(7)) == TAKEN
            await settle()
            assert ear.kinds == ["visual.stopped", "visual.started"]
            assert not ear.ended

    play(scene)


def test_after_a_crash_nothing_is_shown_until_a_source_is_started_again() -> None:
    async def scene() -> None:
        journal = GatedJournal()
        async with studio(journal=journal) as (session, clock):
            await film(session, clock, 1)

            await _crash(session, clock, journal)

            assert await session.frames("ann", 1000) == ()
            assert await session.offer_frame("ann", frame(2)) == NOT_STARTED
            assert await session.start_visual("ann", "camera") is True
            assert await session.offer_frame("ann", frame(3)) == TAKEN

    play(scene)


def test_at_its_end_a_session_forgets_its_frames() -> None:
    async def scene() -> None:
        async with studio() as (session, clock):
            await film(session, clock, 1)
            await session.end("ann")

            assert await session.frames("ann", 1000) == ()
            eye = Eye(session, "ann")
            await settle()
            assert isinstance(eye.error, greenroom.SessionEnded)

    play(scene)


def test_the_runtime_may_demand_a_longer_interval_than_the_session() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(clock=clock, min_frame_interval_ms=2000) as runtime:
            limits = greenroom.VisualSettings(min_interval_ms=0)
            settings = greenroom.Settings(visual=limits)
            session = await runtime.create(user="ann", settings=settings)
            await session.start_visual("ann", "camera")
            await session.offer_frame("ann", frame(1))
            await clock.advance(1.0)
            assert await session.offer_frame("ann", frame(2)) == TOO_EARLY
            await clock.advance(1.0)
            assert await session.offer_frame("ann", frame(3)) == TAKEN
        with pytest.raises(greenroom.ConfigError) as refusal:
            greenroom.Config(min_frame_interval_ms=-1)
        assert refusal.value.field == "min_frame_interval_ms"

    play(scene)


def test_what_is_counted() -> None:
    async def scene() -> None:
        async with studio() as (session, _):
            await session.offer_frame("ann", frame(1))
            await session.offer_frame("ann", frame(2))
            await refused(session.offer_frame("ann", frame(data=b"")), greenroom.BadFrame)
            await refused(session.frames("zoe"), greenroom.NotMember)

            stats = session._runtime.stats
            assert (stats.frames, stats.frames_refused, stats.frames_dropped) == (1, 2, 0)

    play(scene)


# --- pipelines -----------------------------------------------------------------------------------


def test_a_pipeline_looks_at_what_is_shown_while_it_runs() -> None:
    async def scene() -> None:
        script, clock = Script(), ManualClock()
        async with room(pipeline=script, clock=clock) as session:
            turn = await session.send("ann", "what do you see?")
            await settle()
            look = script.turns[0].frames
            assert look() == ()

            await session.start_visual("ann", "camera")
            await film(session, clock, 1, 2)
            assert numbers(look()) == numbers(await session.frames("ann")) == [1, 2]
            assert numbers(look(1.0)) == [2]
            assert look(0) == ()

            await session.stop_visual("ann")
            assert look() == ()
            script.cue("s", turn.id, "nothing", None)
            assert (await turn.result()).text == "nothing"

    play(scene)


def test_a_pipeline_in_a_thread_looks_too() -> None:
    def describe(turn: greenroom.Turn) -> str:
        return ",".join(str(found.frame_seq) for found in turn.frames())

    async def scene() -> None:
        clock = ManualClock()
        async with room(pipeline=describe, clock=clock) as session:
            await session.start_visual("ann", "camera")
            await film(session, clock, 1, 2)

            turn = await session.send("ann", "what do you see?")

            assert (await turn.result()).text == "1,2"

    play(scene)


def test_a_pipeline_that_is_left_over_sees_nothing_more() -> None:
    async def scene() -> None:
        script, clock = Script(), ManualClock()
        async with room(pipeline=script, clock=clock) as session:
            await session.start_visual("ann", "camera")
            await film(session, clock, 1)
            await session.send("ann", "what do you see?")
            await settle()
            assert numbers(script.turns[0].frames()) == [1]

            await session.end("ann")

            assert script.turns[0].frames() == ()

    play(scene)
