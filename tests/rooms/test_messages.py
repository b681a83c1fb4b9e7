"""What is said and done, and how it reaches everybody (spec R21, R22, R25, R28-R30)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from rooms.hall import Ear, refused, room, said, told
from theatre import GatedJournal, ManualClock, Script, play, settle, take

import greenroom

# --- saying and doing ----------------------------------------------------------------------------


def test_r21_a_message_needs_a_participant_and_an_active_session() -> None:
    async def scene() -> None:
        async with room("bob", started=False) as session:
            for state, step in (("created", session.start), ("paused", session.resume)):
                await refused(
                    session.post("bob", "hi"),
                    greenroom.WrongState,
                    state=state,
                    code="wrong_state",
                )
                await step("ann")
                await session.post("bob", "hi")
                await refused(session.post("cem", "hi"), greenroom.NotMember, code="not_member")
                await session.pause("ann")
            await session.end("ann")
            await refused(session.post("bob", "hi"), greenroom.SessionEnded, code="ended")

            messages = [event for event in await told(session) if event.event_type == "message"]
            assert [(event.user_id, event.content) for event in messages] == [("bob", "hi")] * 2

    play(scene)


def test_r22_actions_are_taken_in_every_state_but_the_last() -> None:
    async def scene() -> None:
        async with room("bob", started=False) as session:
            for step in (session.start, session.pause, session.end):
                await session.act("bob", "wave", {"to": "ann"})
                await step("ann")

            await refused(session.act("bob", "wave"), greenroom.SessionEnded)
            await refused(session.act("cem", "wave"), greenroom.NotMember)
            acts = [event for event in await told(session) if event.event_type == "action"]
            assert len(acts) == 3
            assert (acts[0].content, acts[0].user_id) == ("Action: wave", "bob")
            assert acts[0].data == {"action_type": "wave", "to": "ann"}

    play(scene)


@pytest.mark.parametrize("data", [{"action_type": "promote"}, [], "text", {1: 2}, {"a": object()}])
def test_rx17_data_cannot_be_taken_for_the_action(data: Any) -> None:
    async def scene() -> None:
        async with room("bob") as session:
            with pytest.raises(greenroom.InvalidInput) as refusal:
                session.act("bob", "wave", data)

            assert refusal.value.code == "invalid"
            assert (await session.info()).revision == 1

    play(scene)


def test_r22_an_action_keeps_its_data_as_it_was_given() -> None:
    async def scene() -> None:
        async with room("bob") as session:
            data: dict[str, Any] = {"at": [1, 2]}
            acting = session.act("bob", "move", data)
            data["at"].append(3)
            await acting

            wire = (await told(session))[-1]
            assert wire.data == {"at": [1, 2], "action_type": "move"}

    play(scene)


def test_r28_only_what_a_participant_does_is_their_activity() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with room("bob", "cem", clock=clock) as session:
            doing = {
                "post": lambda: session.post("bob", "hi"),
                "act": lambda: session.act("bob", "wave"),
                "share": lambda: session.update_context("bob", {"a": clock.now_ms()}),
                "remember": lambda: session.add_memory("bob", str(clock.now_ms())),
                "acknowledge": lambda: session.acknowledge("bob", 1),
            }
            before = (await session.info()).participants
            for act in doing.values():
                await clock.advance(10.0)
                await act()
                after = (await session.info()).participants
                assert after["bob"].acted_ms == clock.now_ms()
                assert (after["ann"], after["cem"]) == (before["ann"], before["cem"])

            for act in (session.pause, session.resume):
                await clock.advance(10.0)
                await act("ann")
                assert (await session.info()).participants["ann"].acted_ms == clock.now_ms()
            quiet = (await session.info()).participants["bob"]
            await clock.advance(10.0)
            await session.join("dan")
            await session.leave("ann")  # bob is the host by now, by no act of his

            info = await session.info()
            assert info.host == "bob"
            assert info.participants["bob"].acted_ms == quiet.acted_ms

    play(scene)


# --- subscribing ---------------------------------------------------------------------------------


def test_r25_a_user_has_as_many_subscriptions_as_they_like() -> None:
    async def scene() -> None:
        async with room("bob") as session:
            ears = [Ear("bob") for _ in range(3)]
            handles = [await session.subscribe("bob", ear.items.append) for ear in ears]
            await session.post("ann", "one")
            await settle()

            handles[1].close()
            await session.post("ann", "two")
            await settle()

            both = ["one", "two"]
            assert [said(ear.items) for ear in ears] == [both, ["one"], both]
            handles[1].close()  # closing twice is harmless

    play(scene)


def test_r25_a_subscription_to_nowhere_is_refused() -> None:
    async def scene() -> None:
        async with greenroom.Runtime() as runtime:
            nowhere = runtime.session("nowhere")
            await refused(nowhere.subscribe("ann", print), greenroom.SessionNotFound)
            await refused(anext(nowhere.events("ann")), greenroom.SessionNotFound)

    play(scene)


def test_r25_a_subscription_may_want_some_kinds_only_and_numbers_stay() -> None:
    async def scene() -> None:
        async with room("bob") as session:
            ear = await Ear.of(session, "bob", kinds=["message.posted"])
            await session.post("ann", "one")
            await session.act("ann", "wave")
            await session.post("ann", "two")
            await settle()

            assert ear.revisions == [2, 4]
            with pytest.raises(greenroom.InvalidInput, match="kinds"):
                session.events("bob", kinds=["nothing.known"])

    play(scene)


def test_r29_everybody_hears_everything_in_the_order_of_subscribing() -> None:
    async def scene() -> None:
        async with room("bob", "cem") as session:
            order: list[tuple[str, str]] = []

            def listener(name: str) -> Any:
                return lambda item: order.append((name, item.event.message.text))

            async def slowly(item: Any) -> None:
                order.append(("cem", item.event.message.text))

            await session.subscribe("bob", listener("bob"))
            await session.subscribe("ann", listener("ann"))
            await session.subscribe("cem", slowly)
            for text in ("one", "two"):
                await session.post("ann", text)
                await settle()

            users = ("bob", "ann", "cem")
            assert order == [(user, text) for text in ("one", "two") for user in users]

    play(scene)


def test_r29_a_failing_callback_costs_nobody_else_anything() -> None:
    async def scene() -> None:
        async with room("bob", "cem") as session:
            broken: list[Any] = []

            def breaks(item: Any) -> None:
                broken.append(item)
                raise ValueError("a callback broke")

            async def breaks_later(_: Any) -> None:
                raise KeyError("later")

            await session.subscribe("bob", breaks)
            await session.subscribe("bob", breaks_later)
            ear = await Ear.of(session, "cem", kinds=["message.posted", "error.delivery"])
            for text in ("one", "two"):
                await session.post("ann", text)
                await settle()

            assert said(ear.items) == ["one", "two"]
            assert said(broken) == ["one", "two"]
            errors = [event for event in ear.wire if event.event_type == "error"]
            assert [event.user_id for event in errors] == ["bob", "bob"]  # one for each
            assert "a callback broke" in errors[0].content
            assert (await session.info()).revision == 4

    play(scene)


def test_r30_nobody_hears_of_what_is_not_stored() -> None:
    async def scene() -> None:
        journal = GatedJournal()
        async with room("bob", journal=journal) as session:
            ear = await Ear.of(session, "bob")
            journal.holding = True

            posted, asked = session.post("ann", "one"), session.history("bob")
            await settle()
            assert (ear.items, posted.done, asked.done) == ([], False, False)
            journal.let()
            await settle()

            assert said(ear.items) == ["one"]
            assert posted.done
            assert said(
                [event for event in (await asked).events if hasattr(event.event, "message")]
            ) == ["one"]

    play(scene)


# --- what went wrong in the source system --------------------------------------------------------


def test_rx7_a_callback_that_subscribes_fails_no_sender_and_no_later_subscriber() -> None:
    async def scene() -> None:
        async with room("bob", "cem") as session:
            grown: list[Any] = []
            handles: list[Any] = []

            def grow(item: Any) -> None:
                grown.append(session.subscribe("bob", lambda _: None))
                handles.pop().close()

            handles.append(await session.subscribe("bob", lambda _: None))
            handles.append(await session.subscribe("bob", grow))
            later = await Ear.of(session, "cem")

            receipt = await session.post("ann", "one")
            await settle()

            assert receipt.revision == 3
            assert said(later.items) == ["one"]
            assert grown
            assert grown[0].error is None

    play(scene)


def test_rx8_a_slow_callback_is_not_overtaken() -> None:
    async def scene() -> None:
        async with room("bob") as session:
            gate, order = asyncio.Event(), list[str]()

            async def slow_on_two(item: Any) -> None:
                text = item.event.message.text
                if text == "two":
                    await gate.wait()
                order.append(text)

            await session.subscribe("bob", slow_on_two)
            for text in ("one", "two", "three", "four"):
                await session.post("ann", text)
            await settle()
            assert order == ["one"]
            gate.set()
            await settle()

            assert order == ["one", "two", "three", "four"]

    play(scene)


def test_rx9_a_sender_that_gives_up_burns_no_number() -> None:
    async def scene() -> None:
        journal = GatedJournal()
        async with room("bob", journal=journal) as session:
            ear = await Ear.of(session, "bob")

            async def post(text: str) -> int:
                return (await session.post("ann", text)).revision

            for round_ in range(3):
                journal.holding = True
                patient = asyncio.create_task(post(f"{round_} patient"))
                hasty = asyncio.create_task(post(f"{round_} hasty"))
                await settle()
                hasty.cancel()
                await settle()
                journal.let()
                await patient
            await refused(session.post("nobody", "x"), greenroom.NotMember)
            await session.post("ann", "last")
            await settle()

            assert ear.revisions == list(range(2, 9))
            history = (await session.history("ann")).events
            assert [event.revision for event in history] == list(range(1, 9))

    play(scene)


def test_rx10_only_participants_listen() -> None:
    async def scene() -> None:
        async with room("bob", require_approval=True) as session:  # bob is only asking
            for user in ("bob", "stranger"):
                await refused(session.subscribe(user, print), greenroom.NotMember)
                await refused(anext(session.events(user)), greenroom.NotMember)
            await session.approve("ann", "bob")
            ear = await Ear.of(session, "bob")
            await session.leave("bob")

            await refused(session.subscribe("bob", print), greenroom.NotMember)
            await refused(anext(session.events("bob", after=greenroom.START)), greenroom.NotMember)
            await session.post("ann", "alone at last")
            await settle()
            assert said(item for item in ear.items if hasattr(item.event, "message")) == []

    play(scene)


def test_rx10_who_left_and_came_back_must_subscribe_anew() -> None:
    async def scene() -> None:
        async with room("bob") as session:
            old = await Ear.of(session, "bob")
            await session.leave("bob")
            await session.post("ann", "behind his back")
            await session.join("bob")
            new = await Ear.of(session, "bob")
            await session.post("ann", "welcome")
            await settle()

            assert old.kinds == ["participant.left"]
            assert old.ended
            assert said(new.items) == ["welcome"]

    play(scene)


def test_rx10_an_ended_room_gives_its_last_events_and_ends_the_subscription() -> None:
    async def scene() -> None:
        async with room("bob") as session:
            await session.end("ann")

            ear = await Ear.of(session, "bob")
            await settle()

            assert (ear.items, ear.ended) == ([], True)
            items = [item async for item in session.events("bob", after=greenroom.START)]
            assert [item.revision for item in items] == [1, 2]

    play(scene)


def test_rx20_an_object_with_an_async_call_is_awaited() -> None:
    """`iscoroutinefunction` says False of it: the source system never awaited its coroutine."""

    class Listener:
        def __init__(self) -> None:
            self.heard: list[Any] = []

        async def __call__(self, item: Any) -> None:
            await asyncio.sleep(0)
            self.heard.append(item)

    async def scene() -> None:
        async with room("bob") as session:
            listener = Listener()
            await session.subscribe("bob", listener)

            await session.post("ann", "one")
            await session.post("ann", "two")
            await settle()

            assert said(listener.heard) == ["one", "two"]

    play(scene)


def test_rx26_a_blocked_subscriber_stalls_no_sender() -> None:
    async def scene() -> None:
        async with room("bob", "cem") as session:
            gate = asyncio.Event()

            async def blocked(_: Any) -> None:
                await gate.wait()

            await session.subscribe("bob", blocked)
            ear = await Ear.of(session, "cem")

            for number in range(200):
                await session.post("ann", f"{number}")
            await settle()

            assert len(ear.items) == 200
            gate.set()

    play(scene)


def test_rx26_a_blocked_subscriber_costs_a_bounded_room() -> None:
    """However far it falls behind, the session keeps `live_events`, and it finds one gap."""

    async def scene() -> None:
        async with greenroom.Runtime(live_events=16) as runtime:
            session = await runtime.create(user="ann")
            stalled = session.events("ann")
            await session.post("ann", "first")
            assert said(await take(stalled, 1)) == ["first"]

            for number in range(500):
                await session.post("ann", f"{number}")
            revisions: list[int] = []
            gaps = 0
            async for item in stalled:
                if isinstance(item, greenroom.Gap):
                    gaps += 1
                else:
                    revisions.append(item.revision)
                    if item.revision == 501:
                        break

            assert revisions == list(range(2, 502))
            assert gaps == 1

    play(scene)


def test_rx26_a_callback_that_sends_does_not_recurse() -> None:
    async def scene() -> None:
        async with room("bob") as session:
            depth = deepest = 0
            heard: list[str] = []

            def reply(item: Any) -> None:
                nonlocal depth, deepest
                depth += 1
                deepest = max(deepest, depth)
                heard.append(item.event.message.text)
                if len(heard) < 1500:
                    session.post("bob", f"{len(heard)}")
                depth -= 1

            await session.subscribe("bob", reply)
            await session.post("ann", "0")
            while len(heard) < 1500:
                await settle()

            assert deepest == 1
            assert heard == [str(number) for number in range(1500)]

    play(scene)


def test_r37_a_refusal_is_a_typed_result_of_the_call_that_was_refused() -> None:
    """The source system answered None or False to all of it."""

    async def scene() -> None:
        clock, script = ManualClock(), Script()
        async with room("bob", "eve*", pipeline=script, clock=clock) as session:
            before = await session.info()
            for attempt, code in (
                (session.pause("bob"), "not_host"),
                (session.start("ann"), "wrong_state"),
                (session.post("cem", "hi"), "not_member"),
                (session.post("eve", "hi"), "not_allowed"),
                (session.join("cem", role="host"), "bad_role"),
                (session.approve("ann", "cem"), "not_pending"),
                (session.transfer_host("ann", "cem"), "not_member"),
                (session.leave("cem"), "not_member"),
                (session.history("cem"), "not_member"),
                (session.result(7), "turn_not_found"),
            ):
                with pytest.raises(greenroom.Refused) as refusal:
                    await attempt
                assert refusal.value.code == code
                assert not refusal.value.retryable

            assert await session.info() == before

    play(scene)


def test_r37_every_refusal_has_a_code_of_its_own() -> None:
    kinds, waiting = list[type[greenroom.Refused]](), [greenroom.Refused]
    while waiting:
        kind = waiting.pop()
        kinds.append(kind)
        waiting += kind.__subclasses__()

    codes = [kind.code for kind in kinds]

    assert len(codes) == len(set(codes))
    assert {
        *("not_found", "full", "not_host", "not_member", "not_pending", "bad_role"),
        *("wrong_state", "conflict", "invalid_cursor", "wrong_session", "ended", "not_allowed"),
    } <= set(codes)
