"""L02-L06, LX1, LX8, LX10, LX14: what a cursor names, and what it can never be taken for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from replay.kit import a_log, after, durable, gaps, place, publish, read, shown
from theatre import GatedJournal, ManualClock, Script, echo, play, settle

import greenroom
from greenroom.actors.ports import End
from greenroom.actors.session.cursor import START, Cursor, parse
from greenroom.actors.session.events import TextStreamed

U64 = 2**64 - 1


def test_l02_the_revision_of_a_cursor_is_that_of_the_newest_durable_event() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(echo) as runtime:
            session = await runtime.create(user="ann", id="s")
            assert place((await session.snapshot("ann")).cursor).revision == 0

            await (await session.send("ann", "one two")).result()
            items = await read(session, START)
            snapshot = await session.snapshot("ann")

            count = 0
            for item in items:
                count += item.durable
                assert item.revision == place(item.cursor).revision == count
            assert any(isinstance(item.event, TextStreamed) for item in items)
            assert place(snapshot.cursor).revision == snapshot.info.revision == count

    play(scene)


@pytest.mark.parametrize("session", ["s", "a:b:c", "a.b", "gr1.0.0.0.x.y", "user@host~1"])
def test_l03_a_cursor_is_one_bare_string_that_comes_back_as_it_was(session: str) -> None:
    cursor = Cursor(session, "cafe", 3, 2, 1)

    token = str(cursor)

    assert token == f"gr1.3.2.1.cafe.{session}"
    assert parse(json.loads(json.dumps(token)), session) == cursor
    assert json.dumps(token) == f'"{token}"'
    assert repr(cursor) == f"<Cursor {token}>"


@pytest.mark.parametrize(
    ("token", "why"),
    [
        ("lashsc1:1:1:s", "beginning with gr1."),
        ("", "beginning with gr1."),
        (None, "beginning with gr1."),
        ("gr1..1.1.cafe.s", "epoch"),
        ("gr1.x.1.1.cafe.s", "epoch"),
        ("gr1.1..1.cafe.s", "revision"),
        ("gr1.1.-1.1.cafe.s", "revision"),
        ("gr1.1.1..cafe.s", "position"),
        ("gr1.1.1.1_0.cafe.s", "position"),
        ("gr1.1.1.1.cafe", "session id"),
        ("gr1.1.1.1.cafe.", "session id"),
    ],
)
def test_l04_a_malformed_cursor_is_refused_by_the_part_that_is_wrong(token: Any, why: str) -> None:
    with pytest.raises(greenroom.InvalidCursor) as refusal:
        parse(token, "s")

    assert why in refusal.value.limit


def test_l05_a_cursor_of_another_session_is_refused_before_anything_is_looked_up() -> None:
    async def scene() -> None:
        journal = GatedJournal()
        async with greenroom.Runtime(journal=journal) as runtime:
            away = runtime.session("away")

            for call in (away.events, lambda user, **at: away.subscribe(user, print, **at)):
                with pytest.raises(greenroom.WrongSession) as refusal:
                    call("ann", after="gr1.1.1.1.cafe.s")
                assert (refusal.value.expected, refusal.value.actual) == ("away", "s")
            await settle()

            assert journal.claims == 0
            assert len(runtime._logs) == 0

    play(scene)


def test_l06_an_event_says_which_one_it_is_and_which_turn_it_belongs_to() -> None:
    async def scene() -> None:
        script = Script()
        async with greenroom.Runtime(script) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.post("ann", "no turn")
            call = greenroom.ToolCall(name="look")
            result = greenroom.ToolResult(value=1)
            script.cue("s", 1, "hm", call, result, "so", None)
            await (await session.send("ann", "first")).result()
            waiting = [await session.send("ann", "second"), await session.send("ann", "third")]
            await waiting[1].cancel()
            script.cue("s", 2, None)
            await waiting[0].result()

            first, *rest = items = await read(session, START)

            assert (shown([first]), first.turn) == (["no turn"], None)
            assert {item.turn for item in rest} == {1, 2, 3}
            tagged = [(item.event.__struct_config__.tag, item.turn) for item in rest]
            assert {tag for tag, turn in tagged if turn == 1} == {
                "message.posted", "turn.started", "text.streamed",
                "tool.called", "tool.returned", "turn.ended",
            }  # fmt: skip
            assert ("turn.queued", 3) in tagged
            assert ("turn.ended", 3) in tagged
            identities = {(i.session, i.incarnation, i.epoch, i.position) for i in items}
            assert len(identities) == len(items)
            assert {(i.session, bool(i.incarnation)) for i in items} == {("s", True)}

    play(scene)


async def _life(journal: GatedJournal, posts: int) -> list[Any]:
    """A session `s` in a store of its own, and all that was read of it."""
    async with greenroom.Runtime(echo, journal=journal) as runtime:
        session = await runtime.create(user="ann", id="s")
        for number in range(posts):
            await session.post("ann", str(number))
        return await read(session, START)


def test_lx1_a_cursor_of_a_lost_store_is_never_taken_for_one_of_the_new() -> None:
    async def scene() -> None:
        lost = await _life(GatedJournal(), 3)
        async with greenroom.Runtime() as runtime:
            session = await runtime.create(user="ann", id="s")
            for number in range(5):
                await session.post("ann", f"new {number}")

            for item in lost:
                gap, *rest = await read(session, item.cursor)

                assert (gap.reason, gap.requested) == ("unavailable", item.cursor)
                assert gap.healed
                assert shown(rest) == [f"new {number}" for number in range(5)]
                assert {new.incarnation for new in rest} != {item.incarnation}

    play(scene)


@pytest.mark.parametrize("number", [U64 + 1, 2**70, 10**400])
def test_lx8_a_position_past_64_bits_is_refused(number: int) -> None:
    for token in (f"gr1.1.1.{number}.cafe.s", f"gr1.{number}.1.1.cafe.s"):
        with pytest.raises(greenroom.InvalidCursor):
            parse(token, "s")
    live = a_log()
    publish(live, "d")

    assert after(live, f"gr1.1.1.{U64}.cafe.s") == "unavailable"


def test_lx10_a_cursor_opens_nothing_that_its_bearer_may_not_read() -> None:
    async def scene() -> None:
        async with greenroom.Runtime() as runtime:
            session = await runtime.create(user="ann", id="s")
            await runtime.create(user="eve", id="other")
            await session.post("ann", "secret")
            items = await read(session, START)
            seen: list[Any] = []

            for cursor in (START, None, items[0].cursor, "gr1.0.0.0..s"):
                with pytest.raises(greenroom.NotMember):
                    await anext(session.events("eve", after=cursor))
                with pytest.raises(greenroom.NotMember):
                    await session.subscribe("eve", seen.append, after=cursor)
            with pytest.raises(greenroom.WrongSession):
                runtime.session("other").events("eve", after=items[0].cursor)
            with pytest.raises(greenroom.NotMember):
                await session.snapshot("eve")

            assert seen == []

    play(scene)


def test_lx14_a_deleted_session_is_not_gone_on_with_under_its_old_id() -> None:
    async def scene() -> None:
        clock, journal = ManualClock(), GatedJournal()
        items = await _life(journal, 2)
        async with greenroom.Runtime(journal=journal, clock=clock, idle_s=5.0) as runtime:
            await runtime.session("s").info()
            await clock.advance(6.0)
            claim = await journal.claim("s")
            await journal.delete("s", epoch=claim.epoch)

            with pytest.raises(greenroom.SessionExists):
                await runtime.create(user="ann", id="s")
            with pytest.raises(greenroom.SessionNotFound):
                await anext(runtime.session("s").events("ann", after=items[0].cursor))
            assert len(runtime._logs) == 0

    play(scene)


def test_lx14_a_log_that_another_session_of_the_id_opens_begins_anew() -> None:
    live = a_log()
    live.add(object())  # type: ignore[arg-type]
    old = publish(live, "dd")
    place = live.next_index

    live.open(incarnation="beef", epoch=1, revision=2, end=End(0, 0))
    new = publish(live, "d")

    assert [after(live, item.cursor) for item in old] == ["unavailable"] * 2
    assert live.read(place, 10) is None, "a reader that held its place goes on as if it were one"
    assert after(live, new[0].cursor) == []


def test_lx1_a_resume_within_the_same_store_needs_no_gap() -> None:
    async def scene() -> None:
        journal = GatedJournal()
        items = await _life(journal, 3)
        async with greenroom.Runtime(journal=journal) as runtime:
            rest = await read(runtime.session("s"), items[-1].cursor)
            earlier = await read(runtime.session("s"), items[0].cursor)

        assert rest == []
        assert len(gaps(earlier)) == 1
        assert durable(earlier) == [2, 3]

    play(scene)
