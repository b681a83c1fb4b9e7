"""A client that comes back (spec AX19): subscribed first, then shown what it has missed."""

from __future__ import annotations

from theatre import ManualClock, Script, play, settle, take

import greenroom


def test_ax19_what_happens_while_a_reader_is_shown_the_past_is_neither_lost_nor_doubled() -> None:
    async def scene() -> None:
        script = Script()
        async with greenroom.Runtime(script) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.post("ann", "one")

            events = session.events("ann", after=greenroom.START)
            posts = [session.post("ann", text) for text in ("two", "three")]
            await posts[-1]
            items = await take(events, 3)

            assert [item.event.message.text for item in items] == ["one", "two", "three"]
            assert [item.revision for item in items] == [1, 2, 3]
            resumed = await take(session.events("ann", after=items[0].cursor), 2)
            assert [item.revision for item in resumed] == [2, 3]

    play(scene)


def test_ax19_an_end_that_is_replayed_ends_no_stream_while_a_newer_turn_runs() -> None:
    async def scene() -> None:
        script = Script()
        async with greenroom.Runtime(script) as runtime:
            session = await runtime.create(user="ann", id="s")
            first = await session.send("ann", "think")
            script.cue("s", 1, None)
            await first.result()
            await session.send("ann", "think again")
            await settle()

            events = session.events(
                "ann", after=greenroom.START, kinds=["turn.ended", "session.ended"]
            )
            (replayed,) = await take(events, 1)
            assert replayed.event.turn == 1
            script.cue("s", 2, None)
            (live,) = await take(events, 1)

            assert live.event.turn == 2
            await session.end("ann")
            assert [type(item.event).__name__ async for item in events] == ["SessionEnded"]

    play(scene)


def test_ax19_ax16_the_past_of_an_ended_session_is_shown_and_then_the_stream_ends() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(Script(), clock=clock, idle_s=60.0) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.send("ann", "think")
            await session.shutdown("ann", 0)
            await clock.advance(61.0)
            assert runtime.resident == 0

            items = [item async for item in session.events("ann", after=greenroom.START)]

            durable = [item.revision for item in items if not isinstance(item, greenroom.Gap)]
            assert durable == list(range(1, durable[-1] + 1))
            assert type(items[-1].event).__name__ == "SessionEnded"

    play(scene)
