"""P17: nothing a handler raises stops another actor, its caller or the loop. The kernel's part."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import structlog
from house import Probe, logged, run, unwritable

from greenroom.actors.kernel.actor import Actor, Ref
from greenroom.actors.kernel.dispatcher import LoopDispatcher


class Unprintable(Exception):
    def __str__(self) -> str:
        raise ValueError("this error has no text")

    __repr__ = __str__


class ExitsWhenPrinted(Exception):
    def __str__(self) -> str:
        raise SystemExit("printing it ends the program")

    __repr__ = __str__


def raising(error: BaseException) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


def recurse() -> None:
    recurse()


def raise_a_group() -> None:
    raise BaseExceptionGroup("several", [asyncio.CancelledError(), ValueError("no")])


FAILURES: dict[str, Callable[[], None]] = {
    "an exception": raising(ValueError("no")),
    "CancelledError": raising(asyncio.CancelledError()),
    "SystemExit": raising(SystemExit(3)),
    "KeyboardInterrupt": raising(KeyboardInterrupt()),
    "GeneratorExit": raising(GeneratorExit()),
    "StopIteration": raising(StopIteration()),
    "RecursionError": recurse,
    "a group": raise_a_group,
    "an exception without text": raising(Unprintable()),
    "an exception whose text raises SystemExit": raising(ExitsWhenPrinted()),
}


class Fragile(Probe):
    """Fails in the hook it is told to fail in."""

    def __init__(self, dispatcher: LoopDispatcher, hook: str, act: Callable[[], None]) -> None:
        super().__init__(dispatcher, name="fragile")
        self._hook, self._act = hook, act

    def _fail_in(self, hook: str) -> None:
        if self._hook == hook:
            self._act()

    def on_start(self) -> None:
        self._fail_in("on_start")

    def on_stop(self) -> None:
        self._fail_in("on_stop")

    def on_receive(self, message: Any) -> Any:
        self._fail_in("on_receive")
        if self._hook == "on_failure":
            raise ValueError("something for on_failure")
        return message

    def on_failure(self, kind: Any, error: Any, traceback: Any) -> None:
        self._fail_in("on_failure")


async def told(ref: Ref[Any]) -> None:
    """Have `ref` handle a message that nobody waits for, if it still takes one."""
    if ref.is_alive():
        ref.tell("message")


async def asked(ref: Ref[Any]) -> None:
    """Have `ref` handle a message whose sender catches no more than a program may."""
    with suppress(Exception):
        await ref.ask("message", block=False)


async def told_to_stop(ref: Ref[Any]) -> None:
    await ref.stop(block=False)


def with_neighbours(
    hook: str, act: Callable[[], None], use: Callable[[Ref[Any]], Any]
) -> tuple[bool, list[Any]]:
    """Whether the fragile actor is still alive, and what its neighbours have to say."""

    async def main() -> tuple[bool, list[Any]]:
        dispatcher = LoopDispatcher(asyncio.get_running_loop())
        before = Probe.start(dispatcher)
        fragile = Fragile.start(dispatcher, hook, act)
        after = Probe.start(dispatcher)
        await use(fragile)
        answers = [await ref.ask("still here", block=False) for ref in (before, after)]
        return fragile.is_alive(), answers

    return run(main())


USES = {
    "on_start": told,
    "on_receive, told": told,
    "on_receive, asked": asked,
    "on_failure": asked,
    "on_stop": told_to_stop,
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("use", USES)
def test_p17_whatever_an_actor_raises_stops_that_actor_only(use: str, failure: str) -> None:
    """The loop goes on, the neighbours answer, and the caller has an error it can catch."""
    with logged():
        alive, answers = with_neighbours(use.split(",")[0], FAILURES[failure], USES[use])

    assert not alive
    assert answers == ["still here"] * 2


@pytest.mark.parametrize("failure", FAILURES)
def test_p17_a_failure_is_written_to_the_log_whatever_its_text(
    failure: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With structlog as it comes: what it prints for a console may itself fail."""
    before = structlog.get_config()
    structlog.reset_defaults()
    try:
        with_neighbours("on_receive", FAILURES[failure], told)
    finally:
        structlog.configure(**before)

    printed = capsys.readouterr().out
    assert "actor_failed" in printed or failure == "an exception whose text raises SystemExit"


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("use", USES)
def test_p17_a_log_that_cannot_be_written_stops_nobody_else(use: str, failure: str) -> None:
    with logged(unwritable):
        alive, answers = with_neighbours(use.split(",")[0], FAILURES[failure], USES[use])

    assert not alive
    assert answers == ["still here"] * 2


@pytest.mark.parametrize("failure", FAILURES)
def test_p17_a_callback_of_a_reply_stops_nobody(failure: str) -> None:
    async def main() -> tuple[bool, str]:
        ref = Probe.start(LoopDispatcher(asyncio.get_running_loop()))
        reply = ref.ask("one", block=False)
        reply.on_done(lambda _: FAILURES[failure]())
        await reply
        return ref.is_alive(), await ref.ask("two", block=False)

    with logged():
        assert run(main()) == (True, "two")


def test_p17_an_actor_that_asks_a_failing_one_lives_on() -> None:
    """A task of one actor awaits another; its SystemExit must not end the loop of both."""

    class Asking(Actor):
        def on_receive(self, other: Ref[Any]) -> Any:
            return asyncio.get_running_loop().create_task(asked(other))

    async def main() -> bool:
        dispatcher = LoopDispatcher(asyncio.get_running_loop())
        fragile = Fragile.start(dispatcher, "on_receive", FAILURES["SystemExit"])
        asking = Asking.start(dispatcher)
        await (await asking.ask(fragile, block=False))
        return asking.is_alive()

    with logged():
        assert run(main())
