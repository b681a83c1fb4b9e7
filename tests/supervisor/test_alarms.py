from __future__ import annotations

from theatre import ManualClock, play

from greenroom.supervisor.alarms import Alarms


def test_an_alarm_rings_at_its_time_and_again_until_it_is_cancelled() -> None:
    async def scene() -> None:
        clock, rung = ManualClock(), list[tuple[str, float]]()
        start_s = clock.now_s
        alarms = Alarms(clock, lambda name: rung.append((name, clock.now_s - start_s)), 5.0)
        alarms.set("a", clock.now_ms() + 10_000)
        alarms.set("b", clock.now_ms() + 12_000)

        await clock.advance(16.0)
        assert rung == [("a", 10.0), ("b", 12.0), ("a", 15.0)]
        alarms.cancel("a")
        alarms.cancel("never set")
        await clock.advance(2.0)
        assert rung[3:] == [("b", 17.0)]
        alarms.clear()
        await clock.advance(100.0)

        assert len(rung) == 4
        assert len(alarms) == 0

    play(scene)


def test_an_alarm_that_is_set_again_rings_once_and_one_in_the_past_at_once() -> None:
    async def scene() -> None:
        clock, rung = ManualClock(), list[str]()
        alarms = Alarms(clock, rung.append, 5.0)
        alarms.set("a", clock.now_ms() + 1_000)
        alarms.set("a", clock.now_ms() - 1_000)

        await clock.advance(2.0)

        assert rung == ["a"]

    play(scene)
