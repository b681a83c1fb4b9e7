"""When the loop gives way to the threads that work for it."""

from __future__ import annotations

from typing import Any

from greenroom.adapters.journals.giveway import AGAIN_S, PATIENCE_S, GiveWay


class HandLoop:
    """A loop whose timers the test fires."""

    def __init__(self) -> None:
        self.timers: list[tuple[float, Any]] = []

    def call_later(self, delay_s: float, call: Any) -> None:
        self.timers.append((delay_s, call))

    def fire(self) -> None:
        self.timers.pop(0)[1]()


def test_a_loop_gives_way_only_while_nothing_comes_back() -> None:
    loop = HandLoop()
    way = GiveWay(loop)  # type: ignore[arg-type]
    way.begin()
    way.begin()
    assert [delay for delay, _ in loop.timers] == [PATIENCE_S]

    loop.fire()
    loop.fire()
    assert way.naps == 2
    assert [delay for delay, _ in loop.timers] == [AGAIN_S]

    way.done()
    loop.fire()
    assert way.naps == 2
    assert [delay for delay, _ in loop.timers] == [PATIENCE_S]

    way.done()
    loop.fire()
    assert loop.timers == []
    way.begin()
    assert len(loop.timers) == 1
