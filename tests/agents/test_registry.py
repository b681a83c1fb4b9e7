"""Who may be on stage, and who may look (spec A04-A06, A18-A20, V30, AX4, AX9, AX14, AX18)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rooms.hall import refused, room
from theatre import GatedJournal, ManualClock, Script, play, settle

import greenroom
from greenroom.actors.session.wire import agent_info

# --- capacity ------------------------------------------------------------------------------------


def test_a04_a_capacity_error_tells_whose_limit_it_is_with_the_numbers() -> None:
    async def scene() -> None:
        script, clock = Script(), ManualClock()
        limits: dict[str, Any] = {"max_sessions": 3, "max_sessions_per_user": 2, "idle_s": 60.0}
        async with greenroom.Runtime(script, clock=clock, **limits) as runtime:
            for name in ("a1", "a2"):
                await (await runtime.create(user="ann", id=name)).send("ann", "think")
            mine = await refused(runtime.create(user="ann"), greenroom.CapacityError, user="ann")
            await (await runtime.create(user="bob", id="b1")).send("bob", "think")
            all_of_it = await refused(runtime.create(user="eve"), greenroom.CapacityError)

            assert (mine.scope, mine.limit, mine.in_use) == ("per_user", 2, 2)
            assert (all_of_it.scope, all_of_it.limit, all_of_it.in_use) == ("global", 3, 3)
            assert (mine.retry_after_s, all_of_it.retry_after_s) == (None, None)
            assert str(mine) == "user ann has 2 of 2 resident sessions; all are at work"
            assert str(all_of_it) == "the runtime holds 3 of 3 resident sessions; all are at work"
            for name, owner in (("a1", "ann"), ("a2", "ann"), ("b1", "bob")):
                await runtime.session(name).end(owner)

    play(scene)


def test_a05_two_hundred_in_all_and_ten_of_each_user_unless_configured() -> None:
    config = greenroom.Config()

    assert (config.max_sessions, config.max_sessions_per_user) == (200, 10)
    other = greenroom.Config(max_sessions=50, max_sessions_per_user=3)
    assert (other.max_sessions, other.max_sessions_per_user) == (50, 3)


def test_a06_an_ended_session_counts_for_its_owner_no_more() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(max_sessions_per_user=2) as runtime:
            first, second = [await runtime.create(user="ann") for _ in range(2)]
            await refused(runtime.create(user="ann"), greenroom.CapacityError, scope="per_user")

            await first.end("ann")
            third = await runtime.create(user="ann")

            assert (await first.info()).state == "ended"
            await refused(runtime.create(user="ann"), greenroom.CapacityError, in_use=2)
            assert runtime.resident == 3
            for session in (second, third):
                assert (await session.info()).state == "active"

    play(scene)


def test_a06_an_ended_session_that_is_woken_to_be_read_takes_no_place_of_its_owner() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(max_sessions_per_user=1) as runtime:
            old = await runtime.create(user="ann")
            await old.end("ann")
            assert await runtime.passivate(old.id)
            await runtime.create(user="ann")

            assert (await old.info()).state == "ended"

            assert runtime.resident == 2
            await refused(runtime.create(user="ann"), greenroom.CapacityError, in_use=1)

    play(scene)


def test_a06_an_ended_session_that_crashes_takes_no_place_of_its_owner_either() -> None:
    async def scene() -> None:
        clock, journal = ManualClock(), GatedJournal()
        async with greenroom.Runtime(
            clock=clock, journal=journal, max_sessions_per_user=1
        ) as runtime:
            session = await runtime.create(user="ann", id="s")
            journal.fail(greenroom.JournalFailed("no answer"), written=True)
            with pytest.raises(greenroom.OutcomeUnknown):
                await session.end("ann")
            await clock.advance(1.0)

            assert await runtime.create(user="ann")

            assert (await session.info()).state == "ended"
            assert runtime.resident == 2

    play(scene)


def test_a06_the_global_limit_is_looked_at_before_the_one_of_the_user() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(
            Script(), max_sessions=1, max_sessions_per_user=1, stop_budget_s=0
        ) as runtime:
            await (await runtime.create(user="ann")).send("ann", "think")

            await refused(runtime.create(user="ann"), greenroom.CapacityError, scope="global")

    play(scene)


def test_a06_ax4_the_dev_user_has_no_limit_of_its_own_and_counts_for_all() -> None:
    async def scene() -> None:
        limits: dict[str, Any] = {"max_sessions": 4, "max_sessions_per_user": 2}
        async with greenroom.Runtime(
            Script(), dev_user="root", stop_budget_s=0, **limits
        ) as runtime:
            for _ in range(4):
                await (await runtime.create(user="root")).send("root", "think")

            for user in ("root", "ann"):
                await refused(runtime.create(user=user), greenroom.CapacityError, scope="global")

    play(scene)


@pytest.mark.parametrize("user", ["dev", "root", "admin"])
def test_ax4_without_dev_mode_no_user_id_is_exempt(user: str) -> None:
    async def scene() -> None:
        async with greenroom.Runtime(max_sessions_per_user=2) as runtime:
            for _ in range(2):
                await runtime.create(user=user)

            await refused(runtime.create(user=user), greenroom.CapacityError, scope="per_user")

    play(scene)


def test_ax18_a_reservation_is_given_back_whatever_becomes_of_it() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(max_sessions_per_user=2) as runtime:
            await runtime.create(user="ann", id="taken")
            for _ in range(5):
                await refused(runtime.create(user="ann", id="taken"), greenroom.SessionExists)
                await refused(runtime.session("nobody").info(), greenroom.SessionNotFound)

            made = [runtime.create(user="ann") for _ in range(3)]
            outcomes = await asyncio.gather(*made, return_exceptions=True)

            assert [type(outcome).__name__ for outcome in outcomes] == [
                "Session",
                "CapacityError",
                "CapacityError",
            ]
            assert runtime.resident == 2
            assert await runtime.delete("taken", "ann")
            assert await runtime.create(user="ann")

    play(scene)


# --- who may look --------------------------------------------------------------------------------


def test_a18_the_owner_is_known_and_nobody_of_what_is_not_there() -> None:
    async def scene() -> None:
        async with greenroom.Runtime() as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.join("bob")
            await session.transfer_host("ann", "bob")

            assert await runtime.owner_of("s") == "ann"
            assert await runtime.owner_of("nobody") is None
            assert await runtime.may_access("ann", "s")
            assert not await runtime.may_access("bob", "s")  # takes part: that the session says
            assert not await runtime.may_access("ann", "nobody")
            await runtime.delete("s", "ann")
            assert await runtime.owner_of("s") is None
            assert not await runtime.may_access("ann", "s")

    play(scene)


@pytest.mark.parametrize("dev", [None, "root"])
def test_a18_ax4_a_user_opens_every_session_only_where_it_is_named_as_the_dev_user(
    dev: str | None,
) -> None:
    async def scene() -> None:
        async with greenroom.Runtime(dev_user=dev) as runtime:
            await runtime.create(user="ann", id="hers")
            await runtime.create(user="dev", id="default")

            for user in ("dev", "root", "eve"):
                assert await runtime.may_access(user, "hers") == (user == dev)
            assert await runtime.may_access("ann", "default") is False
            assert await runtime.may_access("root", "nobody") is False
            with pytest.raises(greenroom.InvalidInput):
                await runtime.may_access("", "hers")

    play(scene)


def test_ax4_the_dev_user_is_nobody_special_inside_a_session() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(dev_user="dev") as runtime:
            session = await runtime.create(user="ann", id="s")

            await refused(session.transcript("dev"), greenroom.NotMember)
            await refused(runtime.delete("s", "dev"), greenroom.NotHost)

    play(scene)


def test_a19_ax14_a_session_at_a_glance_for_agent_clients() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(clock=clock) as runtime:
            session = await runtime.create(user="ann", id="s")
            for text in ("one", "two"):
                await session.post("ann", text)

            glance = agent_info(await runtime.find("s"))

            assert glance == agent_info(await session.info())
            assert glance == {
                "session_id": "s",
                "created_at": "1970-01-01T00:16:40.000+00:00",
                "is_active": True,
                "message_count": 2,
                "user_id": "ann",
            }
            made = datetime.fromisoformat(glance["created_at"])
            assert (made.tzinfo, made.utcoffset()) == (UTC, timedelta(0))
            await session.end("ann")
            ended = agent_info(await runtime.find("s"))
            assert ended is not None
            assert ended["is_active"] is False
            assert agent_info(await runtime.find("nobody")) is None

    play(scene)


def test_a20_a_listing_is_of_all_or_of_one_owner(store: Any) -> None:
    async def scene() -> None:
        async with greenroom.Runtime(journal=store()) as runtime:
            for user, name in (("ann", "a1"), ("bob", "b1"), ("ann", "a2")):
                await runtime.create(user=user, id=name)
            await runtime.session("a1").end("ann")
        async with greenroom.Runtime(journal=store()) as runtime:

            async def listed(*args: Any, **query: Any) -> set[str]:
                return {row.id for row in (await runtime.sessions(*args, **query)).rows}

            assert await listed() == {"a1", "a2", "b1"}
            assert await listed("ann") == {"a1", "a2"}
            assert await listed("eve") == set()
            assert await listed("ann", "ended") == {"a1"}
            assert await listed(state="active") == {"a2", "b1"}
            first = await runtime.sessions(limit=2)
            rest = await runtime.sessions(limit=2, after=first.rows[-1])
            assert (len(first.rows), first.more, len(rest.rows), rest.more) == (2, True, 1, False)
            assert {row.id for row in (*first.rows, *rest.rows)} == {"a1", "a2", "b1"}
            assert runtime.resident == 0  # nobody was woken for it

    play(scene)


def test_a20_ax4_an_empty_user_id_is_shown_nothing() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(dev_user="root") as runtime:
            await runtime.create(user="ann")

            for nobody in ("", 0, False, ["ann"]):
                with pytest.raises(greenroom.InvalidInput) as refusal:
                    await runtime.sessions(nobody)  # type: ignore[arg-type]
                assert refusal.value.field == "owner"
            with pytest.raises(greenroom.InvalidInput, match="state"):
                await runtime.sessions(state="asleep")
            with pytest.raises(greenroom.InvalidInput, match="limit"):
                await runtime.sessions(limit=0)

    play(scene)


@pytest.mark.parametrize("dev", [None, "dev"])
def test_a20_ax4_the_dev_user_is_shown_every_session_only_in_dev_mode(dev: str | None) -> None:
    async def scene() -> None:
        async with greenroom.Runtime(dev_user=dev) as runtime:
            await runtime.create(user="ann", id="hers")
            await runtime.create(user="dev", id="own")

            shown = {row.id for row in (await runtime.sessions("dev")).rows}

            assert shown == ({"hers", "own"} if dev else {"own"})

    play(scene)


def test_v30_what_is_not_there_is_not_found_and_all_that_is_can_be_counted_and_listed() -> None:
    async def scene() -> None:
        async with greenroom.Runtime() as runtime:
            for name in ("one", "two"):
                await runtime.create(user="ann", id=name)

            for reply in (runtime.session("x").info(), runtime.session("x").post("ann", "hello")):
                error = await refused(reply, greenroom.SessionNotFound, session="x")
                assert error.code == "not_found"

            assert (await runtime.totals()).sessions == 2
            assert {row.id for row in (await runtime.sessions()).rows} == {"one", "two"}
            assert runtime.resident == 2

    play(scene)


# --- leaving on demand ---------------------------------------------------------------------------


def test_an_idle_session_leaves_when_it_is_asked_to() -> None:
    async def scene() -> None:
        journal = GatedJournal()
        async with greenroom.Runtime(journal=journal) as runtime:
            session = await runtime.create(user="ann", id="s")
            assert await runtime.passivate("nobody") is False

            assert await runtime.passivate("s") is True

            assert (runtime.resident, runtime.stats.passivated) == (0, 1)
            assert await runtime.passivate("s") is False
            await session.post("ann", "back again")
            assert runtime.resident == 1

    play(scene)


def test_a_session_at_work_stays_unless_it_is_forced() -> None:
    async def scene() -> None:
        script, clock = Script(), ManualClock()
        async with greenroom.Runtime(script, clock=clock, idle_s=60.0) as runtime:
            session = await runtime.create(user="ann", id="s")
            turn = await session.send("ann", "think")
            waiting = turn.result()
            await settle()

            assert await runtime.passivate("s") is False
            assert runtime.resident == 1
            assert await runtime.passivate("s", force=True) is True

            await settle()
            assert (runtime.resident, script.closed, waiting.done) == (0, [1], False)
            result = await turn.result()
            assert (result.status, result.cause) == ("lost", "evicted")
            assert (await waiting).status == "lost"
            await clock.advance(61.0)
            assert runtime.resident == 0  # it is still looked after when it has stayed once

    play(scene)


def test_mail_that_waits_when_a_session_is_forced_to_leave_is_kept_in_order() -> None:
    async def scene() -> None:
        script, journal = Script(), GatedJournal()
        async with greenroom.Runtime(script, journal=journal) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.send("ann", "think")
            journal.holding = True
            left = runtime.passivate("s", force=True)
            await settle()
            posts = [session.post("ann", text) for text in ("one", "two")]
            await settle()
            assert not left.done
            journal.let()

            assert await left is True
            assert [(await post).revision for post in posts] == sorted(
                [(await post).revision for post in posts]
            )
            said = [line.text for line in await session.transcript("ann")]  # type: ignore[union-attr]
            assert said == ["think", "one", "two"]
            assert (await session.result(1)).status == "lost"

    play(scene)


def test_a_session_that_crashes_instead_of_leaving_has_not_left() -> None:
    async def scene() -> None:
        journal, clock = GatedJournal(), ManualClock()
        async with greenroom.Runtime(journal=journal, clock=clock) as runtime:
            session = await runtime.create(user="ann", id="s")
            journal.holding = True
            post = session.post("ann", "hello")
            await settle()
            left = runtime.passivate("s", force=True)
            journal.fail(greenroom.JournalFailed("no answer"))
            await settle()
            journal.let()

            assert await left is False
            with pytest.raises(greenroom.OutcomeUnknown):
                await post
            await clock.advance(1.0)
            assert (await session.info()).state == "active"

    play(scene)


def test_whoever_asks_a_session_to_leave_is_answered_when_the_runtime_stops() -> None:
    async def scene() -> None:
        journal, clock = GatedJournal(), ManualClock()
        runtime = greenroom.Runtime(journal=journal, clock=clock)
        await runtime.start()
        await runtime.create(user="ann", id="s")
        journal.holding = True
        left = runtime.passivate("s")
        await settle()

        stopping = asyncio.get_running_loop().create_task(runtime.stop(budget_s=1.0))
        await settle()
        late = runtime.passivate("s")
        await clock.advance(3.0)

        assert (await stopping).left == ["s"]
        assert await left is False
        await refused(late, greenroom.RuntimeClosed)
        journal.let()

    play(scene)


# --- cancelling whoever waits --------------------------------------------------------------------


def test_ax9_cancelling_whoever_waits_for_a_reply_cancels_it_and_nothing_else() -> None:
    async def scene() -> None:
        script = Script()
        async with room(pipeline=script) as session:
            turn = await session.send("ann", "think")

            async def wait() -> Any:
                return await turn.result()

            waiting = asyncio.get_running_loop().create_task(wait())
            await settle()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting

            assert waiting.cancelled()
            script.cue("s", 1, "done", None)
            assert (await turn.result()).text == "done"

    play(scene)


@pytest.mark.parametrize("what", ["delete", "shutdown", "stop"])
def test_ax9_an_outer_cancellation_is_not_swallowed(what: str) -> None:
    async def scene() -> None:
        journal, clock = GatedJournal(), ManualClock()
        runtime = greenroom.Runtime(Script(), journal=journal, clock=clock)
        await runtime.start()
        session = await runtime.create(user="ann", id="s")
        await session.send("ann", "think")
        journal.holding = True

        async def wait() -> None:
            if what == "stop":
                await runtime.stop()
            else:
                await getattr(session, what)("ann")

        waiting = asyncio.get_running_loop().create_task(wait())
        await settle()
        assert not waiting.done()
        waiting.cancel()
        await settle()

        assert waiting.cancelled()
        journal.let()
        await settle()
        if what == "stop":
            stopping = asyncio.get_running_loop().create_task(runtime.stop())
            await clock.advance(10.0)
            assert (await stopping).handed_back == ["s"]
            return
        if what == "shutdown":
            await session.end("ann")
        await runtime.stop()

    play(scene)
