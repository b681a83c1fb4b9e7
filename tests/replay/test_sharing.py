"""LX5, LX11: what readers and sessions share, and what they cannot do to each other."""

from __future__ import annotations

from typing import Any

import pytest
from replay.kit import durable, read, shown
from theatre import Boom, crash_on_boom, play, settle

import greenroom
from greenroom.actors.session.cursor import START


def test_lx5_whatever_goes_wrong_in_one_session_no_other_one_notices(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    crash_on_boom(monkeypatch)

    def poisonous(_: Any) -> None:
        raise Boom

    async def scene() -> None:
        async with greenroom.Runtime(restart_delay_s=0.0) as runtime:
            hot = await runtime.create(user="ann", id="hot")
            calm = await runtime.create(user="ann", id="calm")
            await hot.subscribe("ann", poisonous)
            seen = calm.events("ann")
            for number in range(5):
                await hot.post("ann", str(number))
                await calm.post("ann", str(number))
                if number == 2:
                    with pytest.raises(greenroom.PoisonCommand):
                        await hot.post("ann", "boom")

            calm_items = await read(calm, START)
            hot_items = await read(hot, START)

            assert shown(calm_items) == [str(number) for number in range(5)]
            assert durable(hot_items) == [1, 2, 3, 4, 5]
            assert [await anext(seen) for _ in range(5)] == calm_items
            assert (await hot.snapshot("ann")).info.revision == 5
            assert await read(hot, (await hot.snapshot("ann")).cursor) == []
            seen.close()

    play(scene)


def test_lx11_every_reader_is_given_the_same_objects() -> None:
    async def scene() -> None:
        async with greenroom.Runtime() as runtime:
            session = await runtime.create(user="ann", id="s")
            called: list[Any] = []
            await session.subscribe("ann", called.append)
            live = session.events("ann")
            for number in range(5):
                await session.act("ann", "draw", {"shape": ["line", number]})
            await settle()

            pulled = [await anext(live) for _ in range(5)]
            replayed = await read(session, START)

            assert len(called) == 5
            for items in zip(called, pulled, replayed, strict=True):
                assert len({id(item) for item in items}) == 1
            live.close()

    play(scene)


def test_lx11_what_readers_share_they_cannot_change() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(live_events=1) as runtime:
            session = await runtime.create(user="ann", id="s")
            for number in range(3):
                await session.post("ann", str(number))

            gap, *items = await read(session, START)

            for thing, field in [
                (gap, "latest"), (items[0], "event"), (items[-1], "position"),
                (items[-1].event, "message"), (items[-1].event.message, "text"),
            ]:  # fmt: skip
                with pytest.raises(AttributeError):
                    setattr(thing, field, None)

    play(scene)
