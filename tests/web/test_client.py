"""The client has the interface of a runtime: each program here runs on both."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from media.pictures import jpeg
from theatre import echo, play, take, texts
from web.both import both_ways, entered
from web.kit import house, served

import greenroom
from greenroom.client import Client, Forbidden, NotRemote, NotYou, Unauthenticated


async def hang(turn: greenroom.Turn) -> AsyncIterator[str]:
    """Says something, and then nothing more."""
    yield "a"
    await asyncio.Event().wait()


STRANGER = (greenroom.NotMember, greenroom.SessionNotFound)


async def said(runtime: Any, user: str = "ann", **options: Any) -> Any:
    """A session in which a question was asked and answered."""
    session = await runtime.create(user=user, **options)
    turn = await session.send(user, "one two")
    await turn.result()
    return session


@both_ways
def test_a_turn_is_accepted_answered_and_told(way: str) -> None:
    async def scene() -> None:
        async with entered(way) as enter:
            runtime = await enter("ann")
            session = await runtime.create(user="ann", name="talk")
            heard = session.events("ann", kinds=("message.posted", "turn.ended"))

            turn = await session.send("ann", "one two")
            result = await turn.result()

            assert isinstance(session, greenroom.Session)
            assert (turn.id, turn.ahead, turn.waits_for) == (1, 0, None)
            assert (result.status, result.text) == ("completed", "one two ")
            assert await turn.stopped() == "stopped"
            assert (await turn.cancel()).verdict == "completion_won"
            items = await take(heard, 3)
            assert [type(item) for item in items] == [greenroom.Published] * 3
            assert [item.revision for item in items] == sorted(item.revision for item in items)
            heard.close()
            assert texts(await session.transcript("ann")) == ["one two", "one two "]

    play(scene)


@both_ways
def test_commands_are_handled_in_the_order_of_the_calls(way: str) -> None:
    async def scene() -> None:
        async with entered(way) as enter:
            runtime = await enter("ann")
            session = await runtime.create(user="ann")

            posted = [session.post("ann", str(n)) for n in range(30)]
            seen = session.transcript("ann")
            after = session.post("ann", "after")

            assert texts(await seen) == [str(n) for n in range(30)]
            revisions = [(await receipt).revision for receipt in [*posted, after]]
            assert revisions == list(range(1, 32))
            assert (await posted[0]).revision == 1  # as often as wanted

    play(scene)


@both_ways
def test_what_is_not_awaited_is_done_before_the_program_leaves(way: str) -> None:
    async def scene() -> None:
        async with house() as place, served(place) as address:
            session = await place.runtime.create(user="ann")
            if way == "embedded":
                session.post("ann", "last")
            else:
                async with Client(f"http://{address}", token="ann") as runtime:
                    runtime.session(session.id).post("ann", "last")
            assert texts(await session.transcript("ann")) == ["last"]

    play(scene)


@both_ways
def test_people_come_and_go(way: str) -> None:
    async def scene() -> None:
        async with entered(way) as enter:
            ann, bob, cat = await enter("ann"), await enter("bob"), await enter("cat")
            settings = greenroom.Settings(require_approval=True)
            hers = await ann.create(user="ann", settings=settings, start=False)
            his = bob.session(hers.id)

            with pytest.raises(STRANGER):
                await his.post("bob", "hello?")
            assert (await his.join("bob", name="Bobby")).status == "pending"
            with pytest.raises(greenroom.NotPending):
                await hers.approve("ann", "cat")
            await hers.approve("ann", "bob")
            await cat.session(hers.id).join("cat")
            await hers.deny("ann", "cat")
            with pytest.raises(greenroom.WrongState):
                await his.post("bob", "too early")
            with pytest.raises(greenroom.NotHost):
                await his.start("bob")
            await hers.start("ann")
            await hers.pause("ann")
            await hers.resume("ann")
            await hers.transfer_host("ann", "bob")
            await his.act("bob", "wave", {"hand": "left"})
            await his.acknowledge("bob", 1)
            his.present("bob", focus="here")
            info = await his.info()
            assert (info.host, info.participants["bob"].name) == ("bob", "Bobby")
            assert [row.id for row in await bob.sessions_of("bob")] == [hers.id]
            await hers.leave("ann")
            await his.end("bob")
            with pytest.raises(greenroom.SessionEnded):
                await his.act("bob", "wave")
            assert await bob.delete(hers.id, "bob") is True
            assert await bob.delete(hers.id, "bob") is False

    play(scene)


@both_ways
def test_what_people_share(way: str) -> None:
    async def scene() -> None:
        async with entered(way) as enter:
            runtime = await enter("ann")
            session = await runtime.create(user="ann", context={"a": 0}, memories=["m1"])

            first = (await session.update_context("ann", {"a": 1})).revision
            await session.update_context("ann", {"b": 1})
            await session.update_context("ann", {"a": 2}, expected_version=first)
            await session.update_context("ann", {"a": 9, "c": 3}, if_absent=True)
            with pytest.raises(greenroom.VersionConflict) as stale:
                await session.update_context("ann", {"a": 5}, expected_version={"a": first})
            assert (stale.value.key, stale.value.version) == ("a", first + 2)
            shared = await session.context("ann")
            await session.update_context(
                "ann", {"d": None, "b": 2}, expected_version=shared.version, whole=True
            )
            with pytest.raises(greenroom.VersionConflict):
                await session.update_context(
                    "ann", {"b": 3}, expected_version=shared.version, whole=True
                )
            await session.add_memory("ann", "m2")
            shared = await session.context("ann")
            assert shared.context == {"a": 2, "b": 2, "c": 3}
            assert shared.memories == ["m1", "m2"]

    play(scene)


@both_ways
def test_what_becomes_of_the_transcript(way: str) -> None:
    async def scene() -> None:
        async with entered(way, compactor=echo) as enter:
            runtime = await enter("ann")
            session = await said(runtime)
            await (await session.send("ann", "three")).result()

            page = await session.history("ann", since=1, limit=2)
            assert [event.revision for event in page.events] == [2, 3]
            assert (await session.history("ann", limit=0)).events == ()
            assert (await session.verify("ann")).valid
            assert (await session.undo("ann")).removed == 2
            fork = await session.fork("ann", name="other")
            assert (await fork.info()).origin.session == session.id
            assert (await session.truncate("ann", 0)).removed == 2
            with pytest.raises(greenroom.InvalidInput):
                await session.truncate("ann", 7)
            with pytest.raises(greenroom.NothingToCompact):
                await session.compact("ann", keep=9)
            summary = await fork.compact("ann", keep=0, prompt="short")
            assert (await summary.result()).status == "completed"
            snapshot = await session.snapshot("ann")
            assert (snapshot.transcript, texts(await fork.transcript("ann"))) == (
                (),
                ["short "],
            )
            replayed = [event async for event in session.replay("ann", speed=1e9)]
            assert [event.revision for event in replayed] == list(
                range(1, snapshot.info.revision + 1)
            )

    play(scene)


@both_ways
def test_records_and_timers(way: str) -> None:
    async def scene() -> None:
        async with entered(way) as enter:
            runtime = await enter("ann")
            session = await said(runtime)

            await session.add_feedback("ann", "node", "correct", context={"x": 1})
            await session.record_interaction("ann", "look", content="there")
            await session.set_graph_state("ann", {"at": "here"})
            await session.set_language("ann", "de")
            await session.set_metadata("ann", {"k": [1]})
            await session.set_title("ann", "Title")
            await session.set_export("ann", False)
            records = await session.records("ann")
            assert (records.title, records.language, records.metadata) == (
                "Title",
                "de",
                {"k": [1]},
            )
            assert (records.graph_state, records.interactions) == ({"at": "here"}, 2)
            assert (records.feedback["correct"], records.export) == (1, False)

            await session.wake_at("ann", name="tea time", after_s=3600, payload={"n": 1})
            await session.wake_at("ann", name="daily", every="0 8 * * *", zone="Europe/Berlin")
            await session.wake_at("ann", name="often", every=90.0, turn=False)
            wakes = {wake.name: wake for wake in await session.wakes("ann")}
            assert wakes["often"].repeat == greenroom.Repeat(every_ms=90_000)
            assert wakes["daily"].repeat.zone == "Europe/Berlin"
            assert (await session.cancel_wake("ann", "often")).due_ms is not None
            with pytest.raises(greenroom.InvalidInput):
                await session.wake_at("ann", name="odd", every="never")

    play(scene)


@both_ways
def test_voice_and_what_is_shown(way: str) -> None:
    async def scene() -> None:
        async with entered(way) as enter:
            runtime = await enter("ann")
            session = await runtime.create(user="ann")

            assert (await session.set_phase("ann", "connected")).taken
            with pytest.raises(greenroom.WrongPhase):
                await session.set_phase("ann", "init")
            await session.touch("ann")
            greeting = await session.greet("ann", "hi there")
            assert (await greeting.result()).text == "hi there "
            assert await session.greet("ann") is None
            assert await session.settled(5.0)
            await session.set_dialog("ann", [("q", "a")])
            assert await session.dialog("ann") == (greenroom.Exchange(user="q", assistant="a"),)
            assert await session.start_visual("ann", "camera")
            frame = greenroom.Frame(
                data=jpeg(8, 8), mime="image/jpeg", width=8, height=8, source="camera"
            )
            assert (await session.offer_frame("ann", frame)).accepted
            assert await session.stop_visual("ann")
            session.delivered("ann", greeting.id, 2)
            with pytest.raises(greenroom.AnswerNotExpected):
                await session.late_answer("k", "late")

    play(scene)


@both_ways
def test_a_running_turn_is_interrupted_steered_and_waited_for(way: str) -> None:
    async def scene() -> None:
        async with entered(way, hang) as enter:
            runtime = await enter("ann")
            session = await runtime.create(user="ann")

            turn = await session.send("ann", "go")
            waiting, other = turn.result(), session.settled(0.0)
            with pytest.raises(greenroom.TurnBusy):
                await session.send("ann", "now", policy="reject")
            assert await other is False
            queued = await session.send("ann", "later")
            assert (queued.ahead, queued.waits_for) == (1, "turn")
            assert (await queued.cancel()).verdict == "won"
            assert (await session.interrupt("ann")).turn == turn.id
            assert (await waiting).status == "cancelled"
            with pytest.raises(greenroom.TurnNotFound):
                await session.result(99)

    play(scene)


@both_ways
def test_an_approval_is_looked_at_and_decided(way: str) -> None:
    async def asks(turn: greenroom.Turn) -> Any:
        if turn.decisions is None:
            call = greenroom.ToolCall(name="buy", arguments={"n": 1}, id="c1")
            yield greenroom.RequestApproval(calls=[call])
        else:
            yield f"bought: {turn.decisions['c1']}"

    async def scene() -> None:
        async with entered(way, asks) as enter:
            runtime = await enter("ann")
            session = await runtime.create(user="ann")
            asked = session.events("ann", kinds="approval.requested")
            turn = await session.send("ann", "buy it")
            await anext(asked)

            pending = await session.approval("ann")
            assert [call.id for call in pending.calls] == ["c1"]
            decided = await session.decide("ann", {"c1": True})
            with pytest.raises(greenroom.NoApproval):
                await session.decide("ann", {"c1": False})

            assert decided.approval == pending.id
            assert (await turn.result()).text == "bought: True"
            assert await session.approval("ann") is None
            submitted = await session.submit("ann", greenroom.UserInput("again"))
            assert submitted.id.startswith("sub_")
            assert submitted.answer.id == turn.id + 1

    play(scene)


@both_ways
def test_p8_a_keyed_command_is_done_once(way: str) -> None:
    async def scene() -> None:
        async with entered(way) as enter:
            runtime = await enter("ann")
            session = await runtime.create(user="ann")

            first = await session.send("ann", "once", key="k1")
            again = await session.send("ann", "once", key="k1")

            assert first.id == again.id
            with pytest.raises(greenroom.IdempotencyConflict):
                await session.send("ann", "twice", key="k1")

    play(scene)


@both_ways
def test_listings_show_what_one_has(way: str) -> None:
    async def scene() -> None:
        async with entered(way) as enter:
            runtime = await enter("ann")
            made = [(await runtime.create(user="ann", id=f"s{n}")).id for n in range(3)]
            with pytest.raises(greenroom.SessionExists):
                await runtime.create(user="ann", id="s0")
            same = await runtime.get_or_create(user="ann", id="s1")
            assert same.id == "s1"

            page = await runtime.sessions("ann", limit=2)
            rest = await runtime.sessions("ann", limit=2, after=page.rows[-1])
            assert (page.more, rest.more) == (True, False)
            assert sorted(row.id for row in [*page.rows, *rest.rows]) == made
            assert (await runtime.find("s1")).owner == "ann"
            assert await runtime.find("nope") is None
            assert await runtime.may_access("ann", "s2")

    play(scene)


@both_ways
def test_bad_input_is_refused_by_the_call_itself(way: str) -> None:
    async def scene() -> None:
        async with entered(way) as enter:
            runtime = await enter("ann")
            session = await runtime.create(user="ann")
            for wrong in (
                lambda: session.post("", "x"),
                lambda: session.post("ann", 5),
                lambda: session.send("ann", "x", policy="never"),
                lambda: runtime.session("no/such"),
                lambda: session.events("ann", after="junk"),
                lambda: session.events("ann", kinds="no.such"),
                lambda: runtime.create(user="ann", memories=[""]),
            ):
                with pytest.raises(greenroom.InvalidInput):
                    wrong()
            assert (await session.info()).revision == 0

    play(scene)


@both_ways
def test_a_subscription_ends_with_the_session_and_with_membership(way: str) -> None:
    async def scene() -> None:
        async with entered(way) as enter:
            ann, bob = await enter("ann"), await enter("bob")
            session = await said(ann)
            with pytest.raises(STRANGER):
                await anext(bob.session(session.id).events("bob"))
            await bob.session(session.id).join("bob")
            his = bob.session(session.id).events("bob", kinds="participant.joined", after="start")
            called: list[Any] = []
            over: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            await session.subscribe("ann", called.append, after="start", on_close=over.set_result)

            assert [item.event.user async for item in _until_left(his, bob, session)] == ["bob"]
            await session.end("ann")

            assert await over is None
            assert called[-1].event.__struct_config__.tag == "session.ended"
            revisions = [item.revision for item in called if item.durable]
            assert revisions == list(range(1, len(revisions) + 1))

    play(scene)


async def _until_left(items: Any, runtime: Any, session: Any) -> Any:
    async for item in items:
        yield item
        await runtime.session(session.id).leave("bob")


def test_the_principal_decides_who_one_is() -> None:
    async def scene() -> None:
        async with entered("client") as enter:
            ann = await enter("ann")
            session = await ann.create(user="ann")

            assert ann.user == "ann"
            for asked in (
                session.post("bob", "not me"),
                session.approve("bob", "ann"),
                ann.create(user="bob"),
                ann.delete(session.id, "bob"),
                session.fork("bob"),
            ):
                with pytest.raises(NotYou):
                    await asked
            with pytest.raises(NotYou):
                await anext(session.events("bob"))
            with pytest.raises(NotYou):
                await ann.sessions("bob")
            assert (await session.info()).revision == 0

    play(scene)


def test_what_only_the_host_of_a_session_can_do_is_refused() -> None:
    async def scene() -> None:
        async with entered("client") as enter:
            ann = await enter("ann")
            session = await ann.create(user="ann")

            with pytest.raises(NotRemote):
                async with session.keep_awake("ann", reason="a call"):
                    raise AssertionError("it was not refused")
            for asked in (
                session.frames("ann"),
                session.set_token("ann", greenroom.Secret("s")),
                ann.create(user="ann", token=greenroom.Secret("s")),
            ):
                with pytest.raises(NotRemote):
                    await asked
            with pytest.raises(NotRemote):
                await anext(session.watch_frames("ann"))

    play(scene)


def test_operators_ask_as_they_ask_a_runtime() -> None:
    async def scene() -> None:
        async with house() as place, served(place) as address:
            session = await said(place.runtime)
            async with Client(f"http://{address}", token="olga+operator") as runtime:
                assert runtime.is_operator
                listed = await runtime.residents(greenroom.ResidentQuery(owner="ann"))
                assert [row.id for row in listed.rows] == [session.id]
                assert (await runtime.explain(session.id)).verdict is greenroom.Verdict.RESIDENT
                assert await runtime.passivate(session.id)
                assert await runtime.park(session.id, "for a look")
                with pytest.raises(greenroom.SessionParked):
                    await runtime.end(session.id)
                assert await runtime.revive(session.id)
                assert (await runtime.end(session.id)).revision > 0
            async with Client(f"http://{address}", token="ann") as runtime:
                assert not runtime.is_operator
                with pytest.raises(Forbidden):
                    await runtime.residents()

    play(scene)


def test_who_is_nobody_does_not_come_in() -> None:
    async def scene() -> None:
        async with house() as place, served(place) as address:
            with pytest.raises(Unauthenticated):
                async with Client(f"http://{address}"):
                    raise AssertionError("it was not refused")

    play(scene)


def test_a_program_without_a_loop_asks_from_its_own_thread() -> None:
    async def scene() -> None:
        async with entered("client") as enter:
            ann = await enter("ann")
            session = await ann.create(user="ann")
            told: list[Any] = []

            def program() -> None:
                posted = [session.post("ann", str(n)) for n in range(5)]
                told.extend(reply.get(timeout=10).revision for reply in posted)

            thread = threading.Thread(target=program)
            thread.start()
            await asyncio.to_thread(thread.join)

            assert told == [1, 2, 3, 4, 5]
            with pytest.raises(greenroom.WouldDeadlock):
                session.info().get()

    play(scene)


def test_after_the_end_nothing_is_taken() -> None:
    async def scene() -> None:
        async with house() as place, served(place) as address:
            async with Client(f"http://{address}", token="ann") as runtime:
                session = await runtime.create(user="ann")
                forever = session.events("ann")
                hanging = session.result(1)
            with pytest.raises(greenroom.RuntimeClosed):
                await session.info()
            assert [item async for item in forever] == []
            with pytest.raises((greenroom.RuntimeClosed, greenroom.TurnNotFound)):
                await hanging

    play(scene)


def test_importing_greenroom_alone_imports_no_client() -> None:
    program = "import sys, greenroom; print({'httpx', 'websockets'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


def test_without_its_libraries_the_client_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['httpx'] = None\n"
        "import greenroom\n"
        "try:\n"
        "    import greenroom.client\n"
        "except greenroom.ExtraMissing as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "pip install 'greenroom[client]'" in done.stdout, done.stderr
