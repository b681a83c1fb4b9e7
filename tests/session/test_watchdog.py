"""One timer looks at all runs: when each may first have taken too long, and then as it says."""

from __future__ import annotations

from theatre import ManualClock, play

from greenroom.actors.session.watchdog import TurnLimits, Watchdog


class Run:
    def __init__(self, clock: ManualClock, *again_s: float) -> None:
        self._clock, self._again = clock, list(again_s)
        self.looked: list[float] = []

    def look(self) -> float | None:
        self.looked.append(self._clock.monotonic())
        return self._again.pop(0) if self._again else None


def test_runs_are_looked_at_when_each_is_due_and_again_when_it_says() -> None:
    async def scene() -> None:
        clock = ManualClock()
        begin, dog = clock.monotonic(), Watchdog(clock, TurnLimits(wall_s=30.0, silence_s=10.0))
        first, second = Run(clock, 4.0, 1.0), Run(clock)
        dog.watch(first)
        await clock.advance(3.0)
        dog.watch(second)
        await clock.advance(60.0)

        assert [at - begin for at in first.looked] == [10.0, 14.0, 15.0]
        assert [at - begin for at in second.looked] == [13.0]

    play(scene)


def test_a_run_that_is_forgotten_is_not_looked_at_and_the_others_are() -> None:
    async def scene() -> None:
        clock = ManualClock()
        dog = Watchdog(clock, TurnLimits(silence_s=10.0))
        gone, again, stays = Run(clock), Run(clock, 5.0), Run(clock)
        for run in (gone, again, stays):
            dog.watch(run)
        dog.forget(gone)
        await clock.advance(11.0)
        dog.forget(again)
        await clock.advance(60.0)

        assert (len(gone.looked), len(again.looked), len(stays.looked)) == (0, 1, 1)

    play(scene)


def test_a_watchdog_that_is_closed_looks_at_nothing() -> None:
    async def scene() -> None:
        clock = ManualClock()
        dog = Watchdog(clock, TurnLimits(silence_s=10.0))
        early, late = Run(clock, 20.0), Run(clock)
        dog.watch(early)
        await clock.advance(10.0)
        dog.watch(late)
        dog.close()
        await clock.advance(60.0)

        assert (len(early.looked), len(late.looked)) == (1, 0)

    play(scene)
