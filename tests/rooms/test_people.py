"""Who comes, who goes, and who is the host (spec R10-R19)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from rooms.hall import Ear, come, kinds, refused, roles, room, told
from theatre import GatedJournal, LotteryDispatcher, ManualClock, echo, play, settle

import greenroom

# --- joining -------------------------------------------------------------------------------------


def test_r11_the_first_failing_check_is_the_reason() -> None:
    async def scene() -> None:
        async with room(allow_join=False, max_participants=1, require_approval=True) as session:
            await refused(session.join("bob"), greenroom.JoinClosed, code="join_closed")
        async with room(max_participants=1, require_approval=True) as session:
            await refused(session.join("bob"), greenroom.SessionFull, code="full", limit=1)
        async with room(require_approval=True) as session:
            assert (await session.join("bob")).status == "pending"
        async with room(allow_join=False, max_participants=1) as session:
            await session.end("ann")
            await refused(session.join("bob"), greenroom.SessionEnded)

    play(scene)


def test_r12_capacity_counts_host_and_observers_and_no_one_who_waits() -> None:
    async def scene() -> None:
        async with room(max_participants=3, require_approval=True) as session:
            for guest in ("bob", "eve*", "dan", "fay"):
                assert (await come(session, guest)).status == "pending"
            await session.approve("ann", "bob")
            assert (await come(session, "gus")).status == "pending"
            await session.approve("ann", "eve")

            await refused(session.join("hal"), greenroom.SessionFull)
            await refused(session.approve("ann", "dan"), greenroom.SessionFull)

            assert await roles(session) == {
                "ann": "host",
                "bob": "participant",
                "eve": "observer",
            }

    play(scene)


def test_r13_joining_has_three_outcomes() -> None:
    async def scene() -> None:
        async with room(require_approval=True) as session:
            receipt = await session.join("bob", name="Bob", role="observer")

            assert (receipt.status, receipt.role) == ("pending", "observer")
            info = await session.info()
            assert (info.pending, list(info.participants)) == (["bob"], ["ann"])
            (asked,) = await told(session)
            assert (asked.event_type, asked.user_id) == ("user_join", "bob")
            assert asked.content == "Bob is requesting to join"
            assert asked.data == {"user_id": "bob", "pending": True}
        async with room() as session:
            receipt = await session.join("bob", role="observer")
            assert (receipt.status, receipt.role) == ("joined", "observer")

    play(scene)


def test_r14_the_host_needs_no_approval_in_its_own_room() -> None:
    async def scene() -> None:
        async with room(require_approval=True) as session:
            receipt = await session.join("ann")

            assert (receipt.status, receipt.role, receipt.revision) == ("joined", "host", 0)
            assert (await session.info()).pending == []

    play(scene)


def test_r15_who_joins_is_a_participant_and_the_room_hears_of_it() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with room(clock=clock) as session:
            ear = await Ear.of(session, "ann")
            await clock.advance(3.0)

            await session.join("bob", name="Bob")
            await session.join("eve", name="Eve", role="observer")
            await settle()

            info = await session.info()
            bob = info.participants["bob"]
            assert (bob.name, bob.role) == ("Bob", "participant")
            assert bob.joined_ms == bob.acted_ms == clock.now_ms()
            assert info.participants["eve"].role == "observer"
            assert [(event.content, event.user_id, event.data) for event in ear.wire] == [
                ("Bob joined the session", "bob", {}),
                ("Eve joined the session", "eve", {}),
            ]

    play(scene)


def test_rx3_ten_at_once_cannot_enter_a_room_of_three() -> None:
    """The source system checked, waited for a lock, and then let all ten in."""

    async def scene(seed: int) -> None:
        async with room(max_participants=3, dispatcher=LotteryDispatcher(seed)) as session:
            joins = [session.join(f"u{number}") for number in range(10)]
            outcomes = await asyncio.gather(*joins, return_exceptions=True)

            full = [error for error in outcomes if isinstance(error, greenroom.SessionFull)]
            assert len(full) == 8
            assert len((await session.info()).participants) == 3

    for seed in range(5):
        play(lambda seed=seed: scene(seed))


def test_rx3_a_join_that_is_not_durable_yet_has_its_place_already() -> None:
    async def scene() -> None:
        journal = GatedJournal()
        async with room(max_participants=2, journal=journal) as session:
            journal.holding = True

            first, second = session.join("bob"), session.join("cem")
            await settle()
            journal.let()

            assert (await first).status == "joined"
            await refused(second, greenroom.SessionFull)

    play(scene)


@pytest.mark.parametrize("role", ["host", "", "Participant", "owner", "admin"])
def test_rx11_a_joiner_chooses_no_role_that_is_not_for_joiners(role: str) -> None:
    async def scene() -> None:
        async with room() as session:
            if not role:
                with pytest.raises(greenroom.InvalidInput, match="role"):
                    session.join("bob", role=role)
                return
            error = await refused(
                session.join("bob", role=role), greenroom.BadRole, code="bad_role", role=role
            )
            assert error.roles == ("participant", "observer")
            assert await roles(session) == {"ann": "host"}

    play(scene)


def test_rx11_joining_again_changes_nothing() -> None:
    """The source system made a plain participant of its host, and refused when it was full."""

    async def scene() -> None:
        clock = ManualClock()
        async with room("bob", max_participants=2, clock=clock) as session:
            runtime = session._runtime
            before = await session.info()
            await clock.advance(9.0)

            for user, role in (("ann", "participant"), ("bob", "observer"), ("bob", "participant")):
                receipt = await session.join(user, name="Somebody Else", role=role)
                assert receipt.status == "joined"
                assert receipt.role == before.participants[user].role

            assert await session.info() == before
            assert [row.id for row in await runtime.sessions_of("bob")] == ["s"]

    play(scene)


# --- approval ------------------------------------------------------------------------------------


def test_r16_only_the_host_approves_and_only_who_has_asked() -> None:
    async def scene() -> None:
        async with room(require_approval=True) as session:
            await come(session, "bob")
            await refused(session.approve("bob", "bob"), greenroom.NotHost, host="ann")
            await refused(session.approve("ann", "cem"), greenroom.NotPending, code="not_pending")
            await refused(session.approve("ann", "ann"), greenroom.NotPending)

            await session.approve("ann", "bob")

            assert await roles(session) == {"ann": "host", "bob": "participant"}
            await session.post("bob", "I am in")
            await refused(session.approve("ann", "bob"), greenroom.NotPending)

    play(scene)


def test_rx1_approving_lets_in_whoever_asked() -> None:
    """The source system put them back on the list, and said True, for ever."""

    async def scene() -> None:
        async with room(require_approval=True) as session:
            ear = await Ear.of(session, "ann")
            await come(session, "bob")

            await session.approve("ann", "bob")
            await settle()

            info = await session.info()
            assert "bob" in info.participants
            assert info.pending == []
            assert ear.kinds == ["participant.requested", "participant.joined"]
            assert info.revision == 2

    play(scene)


def test_rx2_approving_tells_why_it_cannot() -> None:
    async def scene() -> None:
        async with room(max_participants=2, require_approval=True) as session:
            await come(session, "bob")
            await come(session, "cem")
            await session.approve("ann", "bob")

            await refused(session.approve("ann", "cem"), greenroom.SessionFull)
            assert (await session.info()).pending == ["cem"]
            await session.leave("bob")
            await session.approve("ann", "cem")  # a place has become free

            assert await roles(session) == {"ann": "host", "cem": "participant"}
            await session.end("ann")
            await refused(session.approve("ann", "cem"), greenroom.SessionEnded)

    play(scene)


def test_rx2_name_and_role_are_those_of_the_request() -> None:
    async def scene() -> None:
        async with room(require_approval=True) as session:
            await session.join("bob", name="Robert", role="observer")

            await session.approve("ann", "bob")

            bob = (await session.info()).participants["bob"]
            assert (bob.name, bob.role) == ("Robert", "observer")
            assert (await told(session))[-1].content == "Robert joined the session"

    play(scene)


def test_a_request_can_be_denied_and_made_again() -> None:
    async def scene() -> None:
        async with room("bob*", require_approval=True) as session:
            await refused(session.deny("bob", "bob"), greenroom.NotHost)
            await session.deny("ann", "bob")
            assert (await session.info()).pending == []
            await refused(session.deny("ann", "bob"), greenroom.NotPending)
            await refused(session.approve("ann", "bob"), greenroom.NotPending)

            assert (await session.join("bob")).status == "pending"

    play(scene)


def test_rx13_asking_again_while_waiting_adds_nothing() -> None:
    async def scene() -> None:
        async with room(require_approval=True) as session:
            first = await session.join("bob", role="observer")
            for _ in range(12):
                assert await session.join("bob", name="Other") == first

            info = await session.info()
            assert (info.pending, info.revision) == (["bob"], 1)

    play(scene)


def test_rx14_a_request_is_no_act_of_the_host_and_for_its_eyes_only() -> None:
    """The source system told everybody, in the host's name."""

    async def scene() -> None:
        clock = ManualClock()
        async with room(clock=clock, require_approval=True) as session:
            await come(session, "bob")
            await session.approve("ann", "bob")
            before = (await session.info()).participants["ann"].acted_ms
            await clock.advance(60.0)

            await come(session, "cem")
            await come(session, "dan")

            assert (await session.info()).participants["ann"].acted_ms == before
            await session.deny("ann", "cem")
            await session.post("ann", "hello")
            host, guest = [(await session.history(user)).events for user in ("ann", "bob")]
            asked = "participant.requested"
            assert kinds(host) == [
                *(asked, "participant.joined", asked, asked),
                *("participant.denied", "message.posted"),
            ]
            assert [event.event.user for event in host if hasattr(event.event, "host")] == [
                *("bob", "cem", "dan")
            ]
            assert kinds(guest) == ["participant.joined", "message.posted"]
            one = await session.history("bob", since=2, limit=1)
            assert kinds(one.events) == ["message.posted"]  # what is left out fills no page

    play(scene)


def test_rx14_only_the_host_hears_of_a_request() -> None:
    async def scene() -> None:
        async with room(require_approval=True) as session:
            await come(session, "bob")
            await session.approve("ann", "bob")
            ann, bob = [await Ear.of(session, user) for user in ("ann", "bob")]
            late = await Ear.of(session, "bob", after=greenroom.START)

            await come(session, "cem")
            await session.deny("ann", "cem")
            await session.post("ann", "hello")
            await settle()

            asked = ["participant.requested", "participant.denied", "message.posted"]
            assert ann.kinds == asked
            assert bob.kinds == ["message.posted"]
            assert late.kinds == ["participant.joined", "message.posted"]

    play(scene)


# --- leaving -------------------------------------------------------------------------------------


def test_r17_whoever_leaves_is_out_of_everything() -> None:
    async def scene() -> None:
        async with room("bob") as session:
            runtime = session._runtime
            ann, bob = [await Ear.of(session, user) for user in ("ann", "bob")]
            second = session.events("bob")

            await session.leave("bob")
            await session.post("ann", "is he gone?")
            await settle()

            assert ann.kinds == ["participant.left", "message.posted"]
            assert bob.kinds == ["participant.left"]
            assert bob.ended
            assert [item.revision async for item in second] == [2]
            left = ann.wire[0]
            assert (left.content, left.user_id) == ("Bob left the session", "bob")
            assert left.event_type == "user_leave"
            assert await runtime.sessions_of("bob") == []
            assert await roles(session) == {"ann": "host"}
            await refused(session.leave("bob"), greenroom.NotMember, code="not_member")
            await refused(session.leave("nobody"), greenroom.NotMember)

    play(scene)


def test_r19_the_earliest_joined_participant_inherits() -> None:
    async def scene() -> None:
        async with room("bob", "cem", "dan") as session:
            await session.leave("bob")
            await session.join("bob")  # he is the last one now
            ear = await Ear.of(session, "dan")
            revision = (await session.info()).revision

            await session.leave("ann")
            await settle()

            info = await session.info()
            assert info.host == "cem"
            assert await roles(session) == {
                "cem": "host",
                "dan": "participant",
                "bob": "participant",
            }
            assert ear.kinds == ["participant.left", "host.changed"]
            assert ear.revisions == [revision + 1, revision + 2]
            assert ear.wire[1].data == {"host": "cem", "was": "ann"}
            await session.join("ann")
            assert (await roles(session))["ann"] == "participant"

    play(scene)


def test_r19_the_order_of_joining_survives_a_restart(store: Any) -> None:
    async def scene() -> None:
        async with room("zoe", "cem", "bob", journal=store()) as session:
            await session.leave("zoe")
            await come(session, "zoe")

        async with greenroom.Runtime(journal=store()) as runtime:
            session = runtime.session("s")
            await session.leave("ann")
            assert list((await session.info()).participants) == ["cem", "bob", "zoe"]
            assert (await session.info()).host == "cem"

    play(scene)


def test_rx6_a_leaving_host_has_an_heir_before_anybody_hears_of_it() -> None:
    """The source system delivered in between: a callback's mischief left the room hostless."""

    async def scene() -> None:
        async with room("bob", "cem") as session:
            hosts: list[Any] = []
            mischief: list[Any] = []

            async def meddle(item: Any) -> None:
                hosts.append((await session.info()).host)
                # What changed the source system's dict while it was iterated.
                mischief.append(await session.subscribe("cem", lambda _: None))
                (await reader).close()
                raise RuntimeError("and this")

            reader = session.subscribe("bob", meddle)
            await session.subscribe("cem", meddle)

            await session.leave("ann")
            await settle()

            assert set(hosts) == {"bob"}
            assert mischief
            info = await session.info()
            assert (info.host, info.participants["bob"].role) == ("bob", "host")
            await session.pause("bob")
            await session.end("bob")

    play(scene)


def test_rx6_leaving_and_its_heir_are_one_write() -> None:
    async def scene() -> None:
        clock, journal = ManualClock(), GatedJournal()
        async with room("bob", clock=clock, journal=journal) as session:
            journal.fail(greenroom.NotWritten("full"))

            await refused(session.leave("ann"), greenroom.NotWritten)
            await clock.advance(1.0)

            assert (await session.info()).host == "ann"
            await session.leave("ann")
            assert (await session.info()).host == "bob"

    play(scene)


# --- roles ---------------------------------------------------------------------------------------


def test_rx25_observers_only_read() -> None:
    async def scene() -> None:
        async with room("eve*", pipeline=echo) as session:
            ear = await Ear.of(session, "eve")
            for attempt, permission in (
                (session.post("eve", "hi"), "speak"),
                (session.send("eve", "hi"), "speak"),
                (session.act("eve", "wave"), "act"),
                (session.update_context("eve", {"a": 1}), "share"),
                (session.add_memory("eve", "m"), "share"),
                (session.interrupt("eve"), "interrupt"),
            ):
                await refused(attempt, greenroom.NotAllowed, permission=permission, role="observer")
            for governing in (session.pause, session.resume, session.end):
                await refused(governing("eve"), greenroom.NotHost)

            await session.post("ann", "look")
            await session.acknowledge("eve", 2)
            await settle()

            assert ear.kinds == ["message.posted", "event.acknowledged"]
            assert len((await session.history("eve")).events) == 3
            assert (await session.snapshot("eve")).info.host == "ann"

    play(scene)


def test_rx25_an_observer_inherits_only_when_nobody_else_is_left() -> None:
    async def scene() -> None:
        async with room("eve*", "fay*", "bob") as session:
            await session.leave("ann")
            assert (await session.info()).host == "bob"

            await session.leave("bob")

            assert await roles(session) == {"eve": "host", "fay": "observer"}
            await session.post("eve", "now I may speak")

    play(scene)


def test_roles_are_permissions_and_a_session_may_define_others(store: Any) -> None:
    async def scene() -> None:
        own = {"scribe": ["share"], "heckler": ["speak", "act"]}
        async with room(journal=store(), roles=own) as session:
            await session.join("sam", role="scribe")
            await session.join("hal", role="heckler")
        async with greenroom.Runtime(journal=store()) as runtime:
            session = runtime.session("s")

            await session.update_context("sam", {"notes": 1})
            await session.add_memory("sam", "m")
            await refused(session.post("sam", "hi"), greenroom.NotAllowed, role="scribe")
            await session.post("hal", "boo")
            await session.act("hal", "throw")
            await refused(session.add_memory("hal", "n"), greenroom.NotAllowed, permission="share")
            await refused(session.interrupt("hal"), greenroom.NotAllowed, permission="interrupt")
            error = await refused(session.join("bob", role="critic"), greenroom.BadRole)
            assert error.roles == ("participant", "observer", "scribe", "heckler")

            await session.leave("ann")
            assert (await session.info()).host == "hal"  # who may not speak comes last

    play(scene)


@pytest.mark.parametrize(
    "own", [{"host": ["speak"]}, {"observer": ["speak"]}, {"scribe": ["govern"]}, {"": []}]
)
def test_roles_that_cannot_be_defined_are_refused(own: Any) -> None:
    with pytest.raises(greenroom.InvalidInput, match="role"):
        greenroom.Settings(roles=own)


def test_the_host_may_hand_over_and_stays() -> None:
    async def scene() -> None:
        async with room("bob", "eve*") as session:
            ear = await Ear.of(session, "eve")
            await refused(session.transfer_host("bob", "bob"), greenroom.NotHost)
            await refused(session.transfer_host("ann", "nobody"), greenroom.NotMember)
            unchanged = await session.transfer_host("ann", "ann")
            assert unchanged.revision == 2

            await session.transfer_host("ann", "bob")
            await settle()

            assert await roles(session) == {
                "ann": "participant",
                "bob": "host",
                "eve": "observer",
            }
            assert ear.wire[0].data == {"host": "bob", "was": "ann"}
            await refused(session.end("ann"), greenroom.NotHost, host="bob")
            await session.transfer_host("bob", "eve")
            await session.post("eve", "an observer no more")
            await session.leave("eve")
            assert (await session.info()).host == "ann"

    play(scene)
