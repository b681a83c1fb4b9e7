from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from typing import Any

import pykka
import pytest
from house import GUARD_S, FifoDispatcher, Gate, logged, loop_thread, run, unwritable

from greenroom.actors.errors import ReplyTimeout, WouldDeadlock
from greenroom.actors.kernel.actor import Actor
from greenroom.actors.kernel.dispatcher import LoopDispatcher
from greenroom.actors.kernel.reply import Reply


def answered(value: Any = "yes") -> Reply[Any]:
    reply: Reply[Any] = Reply()
    reply.set(value)
    return reply


def failed(error: BaseException) -> Reply[Any]:
    reply: Reply[Any] = Reply()
    reply.set_error(error)
    return reply


async def wait_for(reply: Reply[Any]) -> Any:
    return await reply


# --- await ---------------------------------------------------------------------------------------


def test_awaiting_leaves_the_loop_free_to_bring_the_answer() -> None:
    async def main() -> str:
        reply: Reply[str] = Reply()
        asyncio.get_running_loop().call_soon(reply.set, "yes")
        return await reply

    assert run(main()) == "yes"


def test_an_answer_that_is_there_needs_no_turn_of_the_loop() -> None:
    with pytest.raises(StopIteration) as done:
        next(answered("yes").__await__())

    assert done.value.value == "yes"


def test_a_reply_can_be_awaited_often_and_by_many() -> None:
    async def main() -> list[str]:
        reply: Reply[str] = Reply()

        async def wait() -> str:
            return await reply + await reply

        waiting = [asyncio.create_task(wait()) for _ in range(3)]
        await asyncio.sleep(0)
        reply.set("yes")
        return await asyncio.gather(*waiting)

    assert run(main()) == ["yesyes"] * 3


def test_a_reply_can_be_awaited_on_any_loop() -> None:
    reply: Reply[str] = Reply()

    async def wait() -> str:
        return await reply

    async def main() -> str:
        return await asyncio.wait_for(wait(), GUARD_S)

    with loop_thread() as beside:
        elsewhere = asyncio.run_coroutine_threadsafe(main(), beside.loop)
        beside.do(lambda: None)

        reply.set("yes")

        assert elsewhere.result(GUARD_S) == "yes"
    assert run(main()) == "yes"


def test_awaiting_raises_the_error() -> None:
    async def main() -> None:
        reply: Reply[None] = Reply()
        asyncio.get_running_loop().call_soon(reply.set_error, KeyError("no"))
        await reply

    with pytest.raises(KeyError, match="no"):
        run(main())


def test_a_waiter_that_gave_up_takes_nothing_from_the_others() -> None:
    async def main() -> tuple[bool, str]:
        reply: Reply[str] = Reply()

        async def wait() -> str:
            return await reply

        impatient, patient = asyncio.create_task(wait()), asyncio.create_task(wait())
        await asyncio.sleep(0)
        impatient.cancel()
        await asyncio.sleep(0)
        reply.set("yes")
        return impatient.cancelled(), await patient

    assert run(main()) == (True, "yes")


def test_a_waiter_that_gives_up_while_its_answer_is_on_the_way_is_left_alone() -> None:
    async def main() -> list[Any]:
        failures: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, it: failures.append(it))
        reply: Reply[str] = Reply()

        async def wait() -> str:
            return await reply

        impatient = asyncio.create_task(wait())
        await asyncio.sleep(0)
        elsewhere = threading.Thread(target=reply.set, args=["yes"])
        elsewhere.start()
        elsewhere.join(GUARD_S)
        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient
        return failures

    assert run(main()) == []


def test_an_answer_for_a_loop_that_has_ended_does_not_reach_whoever_answers() -> None:
    reply: Reply[str] = Reply()
    waiting = reply.__await__()
    with loop_thread() as beside:
        beside.do(lambda: next(waiting))

    with logged() as logs:
        reply.set("yes")

    assert reply.result() == "yes"
    assert [entry["event"] for entry in logs] == ["reply_callback_failed"]
    waiting.close()


def test_waiters_that_gave_up_leave_nothing_behind() -> None:
    """A caller that polls with a timeout would otherwise fill the memory while it waits."""
    reply: Reply[str] = Reply()

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await reply

    run(give_up())
    with pytest.raises(ReplyTimeout):
        reply.get(timeout=0.0)

    assert not reply._callbacks


def test_an_awaited_ask_takes_one_turn_of_the_loop() -> None:
    """The answer is there when the task goes on: through a future, it would go on a turn later."""

    class Echo(Actor):
        def on_receive(self, message: Any) -> Any:
            return message

    async def main() -> tuple[str, int]:
        loop, turns = asyncio.get_running_loop(), 0
        ref = Echo.start(LoopDispatcher(loop))

        def turn() -> None:
            nonlocal turns
            turns += 1
            loop.call_soon(turn)

        loop.call_soon(turn)
        return await ref.ask("yes", block=False), turns

    assert run(main()) == ("yes", 1)


def test_an_answer_that_comes_later_than_the_next_pass_is_waited_for() -> None:
    async def main() -> str:
        reply: Reply[str] = Reply(FifoDispatcher(), soon=True)
        waiting = asyncio.create_task(wait_for(reply))
        for _ in range(3):
            await asyncio.sleep(0)
        reply.set("yes")
        return await waiting

    assert run(main()) == "yes"


def test_a_reply_is_abandoned_when_its_only_waiter_gives_up_at_once() -> None:
    async def main() -> list[bool]:
        reply: Reply[str] = Reply(FifoDispatcher(), soon=True)
        waiting, abandoned = asyncio.create_task(wait_for(reply)), []
        for _ in range(2):
            await asyncio.sleep(0)
            abandoned.append(reply.abandoned)
            waiting.cancel()
        return abandoned

    assert run(main()) == [False, True]


def test_a_reply_is_not_abandoned_by_the_first_of_two_who_begin_to_wait_together() -> None:
    async def main() -> tuple[bool, str]:
        reply: Reply[str] = Reply(FifoDispatcher(), soon=True)

        async def look() -> bool:
            await asyncio.sleep(0)
            return reply.abandoned  # after the first has given up, before the second goes on

        first, between, second = map(
            asyncio.create_task, (wait_for(reply), look(), wait_for(reply))
        )
        await asyncio.sleep(0)
        first.cancel()
        abandoned = await between
        reply.set("yes")
        return abandoned, await second

    assert run(main()) == (False, "yes")


def test_raising_the_error_again_and_again_gathers_no_frames() -> None:
    """Each raise would otherwise add the frames of one more caller to an error that lives on."""
    reply = failed(ValueError("no"))

    def depth() -> int:
        with pytest.raises(ValueError) as caught:
            reply.result()
        return len(caught.traceback)

    assert {depth() for _ in range(5)} == {depth()}


# --- get -----------------------------------------------------------------------------------------


def test_get_blocks_another_thread_until_the_answer() -> None:
    asked = Gate("the call of get")
    dispatcher = FifoDispatcher()
    reply: Reply[str] = Reply(dispatcher)
    got: list[str] = []

    def get() -> None:
        asked.open()
        got.append(reply.get(timeout=GUARD_S))

    thread = threading.Thread(target=get)
    thread.start()
    asked.passed()
    reply.set("yes")
    thread.join(GUARD_S)

    assert got == ["yes"]


def test_get_on_the_actors_thread_raises_instead_of_waiting_for_itself() -> None:
    reply: Reply[str] = Reply(FifoDispatcher())

    with pytest.raises(WouldDeadlock):
        reply.get()


def test_get_on_the_actors_thread_returns_an_answer_that_is_there() -> None:
    reply: Reply[str] = Reply(FifoDispatcher())
    reply.set("yes")

    assert reply.get() == "yes"


def test_get_gives_up_after_its_timeout() -> None:
    reply: Reply[str] = Reply()

    with pytest.raises(ReplyTimeout) as gave_up:
        reply.get(timeout=0.0)

    assert gave_up.value.timeout_s == 0.0
    assert isinstance(gave_up.value, pykka.Timeout)
    reply.set("late")
    assert reply.get() == "late"


def test_get_raises_the_error() -> None:
    with pytest.raises(KeyError, match="no"):
        failed(KeyError("no")).get()


def test_get_never_misses_an_answer_that_comes_while_it_begins_to_wait() -> None:
    rounds, threads = 300, 3
    replies: list[Reply[int]] = [Reply() for _ in range(rounds)]
    start = threading.Barrier(threads + 1)
    got: list[list[int]] = [[] for _ in range(threads)]

    def get(mine: list[int]) -> None:
        for reply in replies:
            start.wait(GUARD_S)
            mine.append(reply.get(timeout=GUARD_S))

    running = [threading.Thread(target=get, args=[mine], daemon=True) for mine in got]
    for thread in running:
        thread.start()
    for number, reply in enumerate(replies):
        start.wait(GUARD_S)
        reply.set(number)
    for thread in running:
        thread.join(GUARD_S)

    assert got == [list(range(rounds))] * threads


def test_pykkas_get_all_takes_replies() -> None:
    assert list(pykka.get_all([answered(1), answered(2)])) == [1, 2]


# --- answering -----------------------------------------------------------------------------------


def test_the_first_answer_stands_and_later_ones_are_counted() -> None:
    reply = answered("first")
    before = Reply.late_sets.count

    reply.set("second")
    reply.set_error(KeyError())
    reply.set_exception((KeyError, KeyError(), None))

    assert (reply.result(), reply.error) == ("first", None)
    assert Reply.late_sets.count == before + 3


def test_a_value_goes_through_to() -> None:
    reply: Reply[int] = Reply(to=len)

    reply.set("four")

    assert (reply.result(), reply.get()) == (4, 4)


def test_an_error_does_not_go_through_to() -> None:
    reply: Reply[int] = Reply(to=len)

    reply.set_error(KeyError("no"))

    with pytest.raises(KeyError, match="no"):
        reply.result()


def test_done_and_error_tell_what_has_come() -> None:
    pending: Reply[None] = Reply()
    error = KeyError()

    assert (pending.done, pending.error, repr(pending)) == (False, None, "<Reply pending>")
    assert (answered().done, answered().error, repr(answered())) == (True, None, "<Reply done>")
    assert (failed(error).done, failed(error).error) == (True, error)


def test_set_exception_answers_with_the_exception_being_handled() -> None:
    reply: Reply[None] = Reply()

    try:
        raise KeyError("no")
    except KeyError:
        reply.set_exception()

    with pytest.raises(KeyError, match="no"):
        reply.result()


def test_set_exception_without_an_exception_still_answers() -> None:
    reply: Reply[None] = Reply()

    reply.set_exception()

    assert isinstance(reply.error, RuntimeError)


def test_a_stored_error_holds_no_frame_of_the_handler() -> None:
    class Held:
        pass

    def handler(held: Held) -> None:
        try:
            raise KeyError("first")
        except KeyError:
            raise ValueError("second")  # noqa: B904  # the context is what is tested

    held = Held()
    gone = weakref.ref(held)
    reply: Reply[None] = Reply()
    gc.disable()
    try:
        try:
            handler(held)
        except ValueError as error:
            reply.set_error(error)
        del held
        assert gone() is None
    finally:
        gc.enable()
    assert isinstance(reply.error, ValueError)


# --- callbacks -----------------------------------------------------------------------------------


def test_callbacks_run_once_in_order_on_the_thread_that_answers() -> None:
    reply: Reply[str] = Reply()
    called: list[tuple[str, str, int]] = []
    for name in ("one", "two"):
        reply.on_done(
            lambda done, name=name: called.append((name, done.result(), threading.get_ident()))
        )
    assert called == []

    thread = threading.Thread(target=reply.set, args=["yes"])
    thread.start()
    thread.join(GUARD_S)

    assert called == [("one", "yes", thread.ident), ("two", "yes", thread.ident)]


def test_a_callback_of_an_answered_reply_runs_at_once() -> None:
    called: list[Reply[Any]] = []

    (reply := answered()).on_done(called.append)

    assert called == [reply]


def test_a_callback_that_fails_does_not_keep_the_others_from_running() -> None:
    reply: Reply[str] = Reply()
    called: list[Reply[str]] = []

    def fail(_: Reply[str]) -> None:
        raise SystemExit

    reply.on_done(fail)
    reply.on_done(called.append)
    with logged() as logs:
        reply.set("yes")

    assert called == [reply]
    assert [entry["event"] for entry in logs] == ["reply_callback_failed"]


def test_a_log_that_fails_does_not_keep_callbacks_from_running() -> None:
    reply: Reply[str] = Reply()
    called: list[Reply[str]] = []
    reply.on_done(lambda _: 1 / 0)
    reply.on_done(called.append)

    with logged(unwritable):
        reply.set("yes")

    assert called == [reply]


# --- what is not offered -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["set_get_hook", "filter", "join", "map", "reduce"])
def test_pull_only_combinators_are_not_offered(name: str) -> None:
    with pytest.raises(NotImplementedError, match="await it"):
        getattr(answered(), name)(len)


# --- callers that give up ------------------------------------------------------------------------


def test_a_reply_is_abandoned_when_all_who_have_waited_for_it_gave_up() -> None:
    async def scene() -> None:
        reply: Reply[int] = Reply()
        assert not reply.abandoned  # nobody has waited yet: somebody may

        first, second = (asyncio.ensure_future(_wait_for(reply)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        assert not reply.abandoned
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        assert reply.abandoned

        third = asyncio.ensure_future(_wait_for(reply))
        await asyncio.sleep(0)
        assert not reply.abandoned
        reply.set(1)
        assert await third == 1
        assert not reply.abandoned

    asyncio.run(scene())


def test_a_reply_is_abandoned_by_a_thread_whose_time_is_up() -> None:
    reply: Reply[int] = Reply()

    with pytest.raises(ReplyTimeout):
        reply.get(timeout=0.001)

    assert reply.abandoned


async def _wait_for(reply: Reply[int]) -> int:
    return await reply
