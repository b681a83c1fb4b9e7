"""`greenroom top` against a real server: what it shows, and what its keys do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from textual.widgets import Input
from theatre import ManualClock, Script, play
from web.kit import House, Named, house, served

from greenroom.actors.errors import ConfigError
from greenroom.adapters.tui.house import House as Server
from greenroom.adapters.tui.top import Confirm, Top

OPERATOR = "root+operator"


async def at_once(_: float) -> None:
    await asyncio.sleep(0)


async def until(holds: Callable[[], Any]) -> None:
    """Let everything go on until it holds; `play` ends what never does."""
    while not holds():
        await asyncio.sleep(0)


@asynccontextmanager
async def watching(address: str, token: str = OPERATOR) -> AsyncIterator[tuple[Top, Any]]:
    async with Server(address, token) as server:
        top = Top(server, pause=at_once)
        async with top.run_test(size=(120, 40)) as pilot:
            yield top, pilot


def ids(top: Top) -> list[str]:
    return [str(top.table.get_row_at(at)[0]) for at in range(top.table.row_count)]


def test_it_shows_the_house_and_its_sessions() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with house(Script(), clock=clock, max_sessions=10) as h, served(h) as address:
            for name, owner in (("a1", "ann"), ("b1", "ann"), ("c1", "[bold]cat")):
                await h.runtime.create(owner, id=name)
            async with watching(address) as (top, pilot):
                await until(lambda: top.tick)
                await pilot.pause()
                assert ids(top) == ["a1", "b1", "c1"]
                assert top.connection == "live"
                assert "3 of 10" in str(top.gauges.render())
                assert [str(cell) for cell in top.table.get_row("a1")][1:3] == ["ann", "resident"]
                assert str(top.table.get_row("c1")[1]) == "[bold]cat"

                await pilot.press("down")
                assert top.chosen == "b1"
                await h.runtime.session("b1").post("ann", "hello")
                first = top.tick
                await clock.advance(1.0)
                await until(lambda: top.tick is not first)
                assert top.chosen == "b1", "the cursor stays with its session"
                assert max(each.events for each in top._past.rates) > 0

    play(scene)


def test_it_filters_and_sorts() -> None:
    async def scene() -> None:
        async with house(Script()) as h, served(h) as address:
            for name in ("a1", "b1"):
                await h.runtime.create("ann", id=name)
            async with watching(address) as (top, pilot):
                await until(lambda: top.tick)
                await pilot.press("slash", "b", "enter")
                await until(lambda: ids(top) == ["b1"])
                assert "beginning with 'b'" in str(top.status.render())

                await pilot.press("slash", "x", "escape")
                assert (top.prefix, top.find.value) == ("b", "b")
                assert isinstance(top.find, Input)
                assert not top.find.has_focus
                await pilot.press("slash", "backspace", "enter")
                await until(lambda: len(ids(top)) == 2)

                await pilot.press("s")
                await h.runtime.session("b1").post("ann", "hello")
                await until(lambda: "sorted by updated" in str(top.status.render()))
                await pilot.press("s", "s")
                assert top.sort == "depth"

    play(scene)


def test_keys_act_on_the_chosen_session_once_confirmed() -> None:
    async def scene() -> None:
        async with house(Script(), clock=ManualClock()) as h, served(h) as address:
            for name in ("s1", "s2"):
                await h.runtime.create("ann", id=name)

            async def verdict() -> str:
                return str((await h.runtime.explain("s2")).verdict)

            async with watching(address) as (top, pilot):
                await until(lambda: top.table.row_count == 2)
                await pilot.press("down")

                async def press(key: str, answer: str) -> str:
                    top.outcome = ""
                    await pilot.press(key)
                    assert isinstance(top.screen, Confirm)
                    assert "session s2" in top.screen.question
                    top.show(top.tick)  # type: ignore[arg-type]
                    await pilot.press(answer)
                    assert top.screen_stack == [top.screen]
                    if answer == "y":
                        await until(lambda: top.outcome)
                    return top.outcome

                for no in ("n", "escape", "enter", "q"):
                    assert await press("x", no) == ""
                assert (await h.runtime.session("s2").info()).state == "active"
                assert await press("p", "y") == "park s2: done"
                assert await verdict() == "parked"
                assert (await press("x", "y")).startswith("end s2: session s2")
                assert await press("r", "y") == "revive s2: done"
                await h.runtime.session("s2").info()
                assert await press("e", "y") == "evict s2: done"
                assert await verdict() == "stored"
                assert await press("e", "y") == "evict s2: there was nothing to do"
                assert await press("x", "y") == "end s2: done"
                assert (await h.runtime.session("s2").info()).state == "ended"
                assert (await h.runtime.session("s1").info()).state == "active"

    play(scene)


def test_it_comes_back_by_itself() -> None:
    async def scene() -> None:
        async with house(Script()) as h:
            await h.runtime.create("ann", id="s1")
            old, new = (House(h.runtime, (Named(),), {}) for _ in range(2))
            async with served(old) as first, served(new) as second, watching(first) as (top, _):
                await until(lambda: top.tick)
                old.hall.begin_drain()
                await until(lambda: top.connection.startswith("reconnecting (the server has ended"))
                assert ids(top) == ["s1"], "what was last seen stays"
                await until(
                    lambda: (
                        top.connection.startswith("reconnecting (") and "drain" in top.connection
                    )
                )

                async with Server(second, OPERATOR) as moved:
                    top.house = moved
                    await until(lambda: top.connection == "live")
                    top.exit()

    play(scene)


@pytest.mark.parametrize("token", ["ann", ""])
def test_who_is_not_let_in_is_told_so(token: str) -> None:
    async def scene() -> None:
        async with house() as h, served(h) as address, watching(address, token) as (top, pilot):
            await until(lambda: top.connection.startswith("not let in"))
            assert ("operators" in top.connection) == (token == "ann")
            await pilot.press("e")  # there is nothing to act on
            assert top.screen_stack == [top.screen]
            await pilot.press("q")

    play(scene)


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="server"):
        Server("http://[::1", "t")


def test_what_is_no_such_server_is_tried_again() -> None:
    async def scene() -> None:
        async with house() as h:
            other = House(h.runtime, (), {})

            async def app(scope: Any, receive: Any, send: Any) -> None:
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": b"event: overview\ndata: {}\n\n"})

            other.app = app  # type: ignore[assignment]
            async with served(other) as address, watching(address) as (top, _):
                await until(lambda: top.connection.startswith("reconnecting (Object missing"))

    play(scene)
