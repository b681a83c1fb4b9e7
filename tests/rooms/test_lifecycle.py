"""From created to ended (spec R01, R06, R08-R10, R18, R20, R33, R34)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from rooms.hall import Ear, come, refused, roles, room, told
from theatre import GatedJournal, ManualClock, play, settle

import greenroom
from greenroom.adapters.journals.memory import MemoryJournal


def test_r01_the_four_states_and_the_end_is_final() -> None:
    async def scene() -> None:
        async with room(started=False) as session:
            seen = [(await session.info()).state]
            for step in (session.start, session.pause, session.resume, session.pause, session.end):
                await step("ann")
                seen.append((await session.info()).state)

            assert seen == ["created", "active", "paused", "active", "paused", "ended"]
            for step in (session.start, session.pause, session.resume):
                await refused(step("ann"), greenroom.SessionEnded, state="ended", code="ended")
            assert (await session.info()).state == "ended"

    play(scene)


def test_r06_a_session_by_default() -> None:
    async def scene() -> None:
        assert greenroom.Settings() == greenroom.Settings(
            max_participants=10,
            allow_join=True,
            require_approval=False,
            record_session=True,
            max_events=1000,
        )
        async with greenroom.Runtime() as runtime:
            session = await runtime.create(user="ann", start=False)

            snapshot = await session.snapshot("ann")

            info = snapshot.info
            assert (info.state, info.revision, info.events) == ("created", 0, 0)
            assert (info.started_ms, info.ended_ms) == (None, None)
            assert (snapshot.context, snapshot.memories) == ({}, [])

    play(scene)


def test_r06_everything_can_be_set_at_creation(store: Any) -> None:
    async def scene() -> None:
        settings = {
            "max_participants": 2,
            "allow_join": False,
            "require_approval": True,
            "record_session": False,
            "max_events": 7,
        }
        context, memories = {"topic": {"of": ["birds"]}}, ("m1", "m2")
        async with room(journal=store(), context=context, memories=memories, **settings):
            context["topic"]["of"].append("cats")  # the caller's own, by now

        async with greenroom.Runtime(journal=store()) as runtime:
            session = runtime.session("s")
            snapshot = await session.snapshot("ann")
            assert snapshot.context == {"topic": {"of": ["birds"]}}
            assert snapshot.versions == {}
            assert snapshot.memories == ["m1", "m2"]
            assert snapshot.info.revision == 0
            await refused(session.join("bob"), greenroom.JoinClosed)

    play(scene)


BAD_SETTINGS = [
    ("max_events", 0),
    ("max_events", -1),
    ("max_events", 1.5),
    ("max_events", True),
    ("max_participants", 0),
    ("max_participants", "3"),
    ("max_participants", 2**63),
    ("max_queued_turns", -1),
    ("key_ttl_ms", -1),
    ("allow_join", "yes"),
    ("require_approval", 1),
    ("record_session", None),
]


@pytest.mark.parametrize(("field", "value"), BAD_SETTINGS)
def test_r08_settings_out_of_range_are_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(greenroom.ConfigError) as refusal:
        greenroom.Settings(**{field: value})

    assert (refusal.value.field, refusal.value.value) == (field, value)


def test_r08_rx21_a_room_that_would_never_be_trimmed_cannot_be_made() -> None:
    assert greenroom.Settings().max_events == 1000
    for never in (0, -1, -1000):
        with pytest.raises(greenroom.ConfigError, match="max_events"):
            greenroom.Settings(max_events=never)


def test_r09_creating_makes_a_host_and_no_event() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(clock=clock) as runtime:
            session = await runtime.create(user="ann", user_name="Ann", start=False)

            info = await session.info()

            assert (info.state, info.host, info.revision) == ("created", "ann", 0)
            ann = info.participants["ann"]
            assert (ann.role, ann.name, ann.joined_ms) == ("host", "Ann", clock.now_ms())
            assert (await session.history("ann")).events == ()
            await session.start("ann")
            assert [row.id for row in await runtime.sessions_of("ann")] == [session.id]

    play(scene)


def test_r09_rx22_ids_are_random_also_at_the_same_time_for_the_same_name() -> None:
    async def scene() -> None:
        clock = ManualClock()  # it stands still
        async with greenroom.Runtime(clock=clock, max_sessions_per_user=50) as runtime:
            made = [await runtime.create(user="ann", name="lounge") for _ in range(50)]

            ids = {session.id for session in made}
            assert len(ids) == 50
            assert all(len(name) >= 16 and int(name, 16) >= 0 for name in ids)
            assert (await runtime.totals()).sessions == 50

    play(scene)


def test_rx22_a_taken_id_is_refused_and_the_room_that_has_it_stays(store: Any) -> None:
    async def scene() -> None:
        async with greenroom.Runtime(journal=store()) as runtime:
            session = await runtime.create(user="ann", id="lounge")
            await session.post("ann", "mine")
            both = [runtime.create(user=user, id="lounge") for user in ("bob", "eve")]
            for reply in both:
                await refused(reply, greenroom.SessionExists, code="exists")
        async with greenroom.Runtime(journal=store()) as runtime:  # it is not on stage now
            await refused(runtime.create(user="bob", id="lounge"), greenroom.SessionExists)

            info = await runtime.session("lounge").info()
            assert (info.host, info.messages) == ("ann", 1)

    play(scene)


def test_r10_joining_what_is_not_there() -> None:
    async def scene() -> None:
        async with greenroom.Runtime() as runtime:
            await refused(
                runtime.session("nowhere").join("bob"), greenroom.SessionNotFound, code="not_found"
            )
            assert runtime.resident == 0

    play(scene)


def test_r18_the_last_one_out_ends_the_session_in_one_step() -> None:
    async def scene() -> None:
        journal = GatedJournal()
        async with room(journal=journal) as session:
            ear = await Ear.of(session, "ann")
            journal.holding = True

            leaving = session.leave("ann")
            await settle()
            assert journal.waiting == 1  # one write: a crash leaves both or neither
            journal.let()
            await leaving

            info = await session.info()
            assert (info.state, info.revision, info.participants) == ("ended", 2, {})
            bodies = journal._records["s"].events
            assert [b"participant.left" in bodies[0], b"session.ended" in bodies[1]] == [True, True]
            await settle()
            assert ear.kinds == ["participant.left"]
            assert ear.ended

    play(scene)


def test_r18_others_hear_of_leaving_before_the_end() -> None:
    """A host that is the last one out of an ended room is covered by RX5."""

    async def scene() -> None:
        async with room("bob") as session:
            ear = await Ear.of(session, "ann")
            await session.leave("bob")
            await session.end("ann")
            await settle()

            assert ear.kinds == ["participant.left", "session.ended"]

    play(scene)


def test_r20_the_end_is_delivered_before_subscriptions_end() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with room("bob", clock=clock) as session:
            ears = [await Ear.of(session, user) for user in ("ann", "bob")]
            reader = session.events("bob")
            await clock.advance(5.0)
            await refused(session.end("bob"), greenroom.NotHost, host="ann", code="not_host")

            await session.end("ann")
            await settle()

            assert [ear.kinds for ear in ears] == [["session.ended"], ["session.ended"]]
            assert all(ear.ended for ear in ears)
            assert ears[0].wire[0].data == {"new_state": "ended"}
            assert ears[0].wire[0].content == "Session ended"
            assert [item.revision async for item in reader] == [2]
            assert (await session.info()).ended_ms == clock.now_ms()

    play(scene)


def test_r20_rx5_there_is_one_end() -> None:
    """The source system ended again with a host that left, and moved `ended_at`."""

    async def scene() -> None:
        clock = ManualClock()
        async with room("bob", clock=clock) as session:
            ended = (await session.end("ann")).revision
            at_ms = clock.now_ms()
            await clock.advance(60.0)

            assert (await session.end("ann")).revision == ended
            await session.leave("ann")
            assert (await session.end("bob")).revision == (await session.info()).revision
            last = await session.history("bob")
            await session.leave("bob")

            info = await session.info()
            assert (info.state, info.ended_ms, info.participants) == ("ended", at_ms, {})
            assert [type(event.event).__name__ for event in last.events].count("SessionEnded") == 1
            assert info.revision == ended + 3  # ann left, bob is host, bob left: no second end

    play(scene)


def test_r33_only_the_host_starts_and_only_what_was_created() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with room("bob", started=False, clock=clock) as session:
            await clock.advance(7.0)
            await refused(session.start("bob"), greenroom.NotHost)
            await refused(session.start("nobody"), greenroom.NotHost)

            await session.start("ann")

            assert (await session.info()).started_ms == clock.now_ms()
            started = (await told(session))[-1]
            assert (started.content, started.data) == ("Session started", {"new_state": "active"})
            await refused(session.start("ann"), greenroom.WrongState, code="wrong_state")

    play(scene)


def test_r34_pausing_and_resuming_carry_the_new_state() -> None:
    async def scene() -> None:
        async with room("bob") as session:
            await refused(session.pause("bob"), greenroom.NotHost)
            await session.pause("ann")
            await refused(session.resume("bob"), greenroom.NotHost)
            await refused(session.pause("ann"), greenroom.WrongState, state="paused")
            await session.resume("ann")
            await refused(session.resume("ann"), greenroom.WrongState, state="active")

            paused, resumed = (await told(session))[-2:]
            assert (paused.content, paused.data) == ("Session paused", {"new_state": "paused"})
            assert (resumed.content, resumed.data) == ("Session resumed", {"new_state": "active"})

    play(scene)


def test_rx4_nothing_brings_an_ended_session_back() -> None:
    """The source system: ended, paused, resumed, and active again."""

    async def scene() -> None:
        async with room("bob") as session:
            await session.end("ann")
            before = await session.info()

            for step in (session.pause, session.resume, session.start):
                await refused(step("ann"), greenroom.SessionEnded)
            await refused(session.post("bob", "still there?"), greenroom.SessionEnded)
            await refused(session.act("bob", "wave"), greenroom.SessionEnded)
            await refused(session.update_context("bob", {"a": 1}), greenroom.SessionEnded)
            await refused(session.add_memory("bob", "m"), greenroom.SessionEnded)
            await refused(session.transfer_host("ann", "bob"), greenroom.SessionEnded)

            assert await session.info() == before

    play(scene)


def test_rx4_a_session_that_never_began_cannot_be_paused_into_life() -> None:
    async def scene() -> None:
        async with room(started=False) as session:
            await refused(session.pause("ann"), greenroom.WrongState, state="created")
            await refused(session.resume("ann"), greenroom.WrongState, state="created")

            info = await session.info()
            assert (info.state, info.started_ms) == ("created", None)

    play(scene)


def test_rx12_nobody_joins_an_ended_session() -> None:
    async def scene() -> None:
        async with room("bob") as session:
            await session.end("ann")

            for user in ("cem", "bob", "ann"):
                await refused(session.join(user), greenroom.SessionEnded, code="ended")

            assert await roles(session) == {"ann": "host", "bob": "participant"}
            assert (await session.info()).revision == 2

    play(scene)


def test_rx23_an_ended_room_frees_what_it_held() -> None:
    """The source system kept ended rooms, empty index entries and pending lists for ever."""

    async def scene() -> None:
        clock, journal = ManualClock(), MemoryJournal()
        runtime = greenroom.Runtime(journal=journal, clock=clock, idle_s=60.0, live_age_s=30.0)
        async with runtime:
            settings = greenroom.Settings(require_approval=True)
            session = await runtime.create(user="ann", id="s", settings=settings)
            for user in ("bob", "cem"):
                await come(session, user)
            await session.approve("ann", "bob")
            reader = session.events("bob")

            await session.end("ann")

            assert (await session.info()).pending == []
            assert await runtime.sessions_of("bob") == []
            assert [type(item.event).__name__ async for item in reader] == ["SessionEnded"]
            await clock.advance(60.1)
            assert runtime.resident == 0
            await session.leave("bob")
            await session.leave("ann")
            assert (await runtime.totals()).users == 0
            assert journal._records["s"].joined == ()

    play(scene)


def test_a_room_that_is_over_stays_over_after_a_restart(store: Any) -> None:
    async def scene() -> None:
        async with room("bob", journal=store()) as session:
            await session.end("ann")
            before = await session.info()

        async with greenroom.Runtime(journal=store()) as runtime:
            session = runtime.session("s")
            assert await session.info() == before
            await refused(session.resume("ann"), greenroom.SessionEnded)
            await asyncio.sleep(0)

    play(scene)
