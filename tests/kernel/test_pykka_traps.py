"""The fifteen traps of pykka 4.5 that the kernel avoids.

`test_trap_NN` shows that greenroom avoids the trap, `test_pykka_NN` before it that pykka 4.5 has
it, so that the first one proves something.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import queue
import subprocess
import sys
import threading
import tracemalloc
import uuid
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar

import pykka
import pytest
from house import GUARD_S, FifoDispatcher, Gate, Interrupted, Probe, logged, loop_thread, probe, run

from greenroom.actors.errors import MailboxClosed, WouldDeadlock
from greenroom.actors.kernel.actor import Actor
from greenroom.actors.kernel.dispatcher import LoopDispatcher
from greenroom.actors.kernel.mailbox import Mailbox
from greenroom.actors.kernel.reply import Reply


class Stock(pykka.ThreadingActor):
    """pykka's own actor, with the ways of a `Probe`; daemonic, so that no failure hangs the run."""

    use_daemon_thread: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []

    def on_start(self) -> None:
        self.thread = threading.current_thread()

    def on_receive(self, message: Any) -> Any:
        if callable(message):
            return message(self)
        self.seen.append(message)
        return message


class Threadless(pykka.Actor):
    """pykka's own actor, held by no thread: what a loop would run."""

    _create_actor_inbox = staticmethod(queue.Queue)
    _create_future = staticmethod(pykka.ThreadingFuture)

    def _start_actor_loop(self) -> None:
        pass


@contextmanager
def stock(kind: type[Stock] = Stock) -> Iterator[tuple[Any, pykka.ActorRef[Any]]]:
    """One of pykka's own actors and its reference; stopped with the block."""
    ref = kind.start()
    actor = ref.ask(lambda actor: actor, timeout=GUARD_S)
    try:
        yield actor, ref
    finally:
        ref.stop(timeout=GUARD_S)
        ended(actor)


def ended(actor: Any) -> None:
    actor.thread.join(GUARD_S)
    assert not actor.thread.is_alive(), "the end of the actor's thread: never happened"


@contextmanager
def counting_references_only() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def fail(_: Any) -> None:
    raise ValueError("no")


def half_done(actor: Any) -> None:
    actor.seen.append("half")
    raise ValueError("no")


# --- 1: is_alive(), then put ---------------------------------------------------------------------


def test_pykka_01_loses_a_put_that_races_a_close(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trap 1: pykka looks whether the actor is alive, then puts; the actor may go in between."""
    with stock() as (actor, ref):
        ref.stop(timeout=GUARD_S)
        ended(actor)
        with monkeypatch.context() as before_the_stop:
            before_the_stop.setattr(ref, "is_alive", lambda: True)
            reply = ref.ask("late", block=False)

        assert not ref.actor_inbox.empty()
        with pytest.raises(pykka.Timeout):
            reply.get(timeout=0)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_trap_01_a_put_is_admitted_and_a_close_made_in_one_step(moment: str) -> None:
    """Trap 1, with the close as near to the put as it can be: the ask completes either way."""
    _, ref = probe(FifoDispatcher())
    assert ref.is_alive()

    ref.actor_inbox._lock = Interrupted(**{moment: ref.actor_inbox.close})
    reply = ref.ask("late", block=False)

    assert isinstance(reply.error, MailboxClosed)
    with pytest.raises(MailboxClosed):
        ref.tell("late")


def test_trap_01_a_put_that_races_a_close_is_never_lost() -> None:
    """Trap 1, with real threads that ask and stop at once, many times over."""
    rounds, askers = 200, 2
    start = threading.Barrier(askers + 1)
    replies: list[Reply[Any]] = []

    def ask(refs: list[Any]) -> None:
        for ref in refs:
            start.wait(GUARD_S)
            replies.extend(ref.ask(number, block=False) for number in range(5))

    with loop_thread() as beside:
        refs = beside.do(lambda: [Probe.start(beside.dispatcher) for _ in range(rounds)])
        threads = [threading.Thread(target=ask, args=[refs], daemon=True) for _ in range(askers)]
        for thread in threads:
            thread.start()
        for ref in refs:
            start.wait(GUARD_S)
            replies.append(ref.stop(block=False))
        for thread in threads:
            thread.join(GUARD_S)

        outcomes = [outcome(reply) for reply in replies]
    assert len(outcomes) == rounds * (askers * 5 + 1)
    assert set(outcomes) <= {*range(5), True, MailboxClosed}


def outcome(reply: Reply[Any]) -> Any:
    try:
        return reply.get(timeout=GUARD_S)
    except MailboxClosed:
        return MailboxClosed


# --- 2 and 3: who holds the actor ----------------------------------------------------------------


def test_pykka_02_collects_an_actor_that_no_thread_holds() -> None:
    """Trap 2: a reference holds its actor weakly, and says that it is alive when it is gone."""
    ref = Threadless.start()
    pykka.ActorRegistry.unregister(ref)

    gc.collect()

    assert ref._actor_weakref() is None
    assert ref.is_alive()


def test_trap_02_the_mailbox_holds_the_actor() -> None:
    """Trap 2: an actor lives from start to stop, whoever refers to it."""
    dispatcher = FifoDispatcher()
    ref = Probe.start(dispatcher)

    gc.collect()
    reply = ref.ask("are you there", block=False)
    dispatcher.run_until_idle()

    assert reply.result() == "are you there"


@pytest.mark.parametrize("end", ["stop", "crash under tell", "crash under ask"])
def test_trap_03_a_stopped_actor_is_freed_by_reference_count(end: str) -> None:
    """Trap 3: actor and mailbox hold each other; the end of the actor lets go."""
    dispatcher = FifoDispatcher()
    actor, ref = probe(dispatcher)
    gone = weakref.ref(actor)

    with logged(), counting_references_only():
        del actor
        ends: dict[str, Callable[[], Any]] = {
            "stop": lambda: ref.stop(block=False),
            "crash under tell": lambda: ref.tell(fail),
            "crash under ask": lambda: ref.ask(fail, block=False),
        }
        held = ends[end]()
        assert gone() is not None
        dispatcher.run_until_idle()

        assert gone() is None
        assert not ref.is_alive()
        del held


def test_trap_03_without_an_end_only_the_collector_would_free_it() -> None:
    """Trap 3 is real: this is what a teardown that forgot to let go would leave behind."""
    with counting_references_only():
        actor, ref = probe(FifoDispatcher())
        gone = weakref.ref(actor)
        del actor, ref
        assert gone() is not None

        gc.collect()

        assert gone() is None


# --- 4: a stored exception and its frames --------------------------------------------------------


def test_pykka_04_an_unread_error_keeps_its_actor_alive() -> None:
    """Trap 4: the traceback in the future holds the handler's frame, and that holds the actor."""
    ref = Stock.start()
    actor = ref.ask(lambda actor: actor, timeout=GUARD_S)
    reply = ref.ask(fail, block=False)
    ref.stop(timeout=GUARD_S)
    ended(actor)
    gone = weakref.ref(actor)

    del actor, ref
    gc.collect()
    assert gone() is not None

    del reply
    gc.collect()
    assert gone() is None


def test_trap_04_an_unread_error_keeps_nothing_of_its_actor() -> None:
    """Trap 4: frames are dropped once logged, also those of the error that caused it."""

    def fail_twice(actor: Probe) -> None:
        try:
            fail(actor)
        except ValueError as first:
            raise KeyError from first

    dispatcher = FifoDispatcher()
    ref = Probe.start(dispatcher)
    gone = weakref.ref(ref.actor_inbox.owner)  # type: ignore[arg-type]

    with logged(), counting_references_only():
        reply = ref.ask(fail_twice, block=False)
        dispatcher.run_until_idle()

        assert isinstance(reply.error, KeyError)
        assert gone() is None


# --- 5, 6, 7: futures on a loop ------------------------------------------------------------------


def test_pykka_05_await_blocks_the_loop() -> None:
    """Trap 5: to await pykka's future is to call the blocking `get` on the loop's thread."""
    blocked: list[threading.Thread] = []

    class Watched(pykka.ThreadingFuture[str]):
        def get(self, *, timeout: float | None = None) -> str:
            blocked.append(threading.current_thread())
            self.set("let go by the test")
            return super().get(timeout=timeout)

    async def main() -> str:
        return await Watched()

    assert run(main()) == "let go by the test"
    assert blocked == [threading.current_thread()]


def test_trap_05_await_leaves_the_loop_free() -> None:
    """Trap 5: the answer is brought by the very loop that awaits it."""

    class Watched(Reply[str]):
        def get(self, *, timeout: float | None = None) -> str:
            raise AssertionError("get() was called on the loop")

    async def main() -> str:
        reply = Watched()
        asyncio.get_running_loop().call_soon(reply.set, "yes")
        return await reply

    assert run(main()) == "yes"


def test_pykka_06_stop_returns_a_future_nobody_is_told_of() -> None:
    """Trap 6: the futures of `stop`, `map`, `join` have no result until somebody pulls it."""
    with stock() as (actor, ref):
        stopped: Any = ref.stop(block=False)
        ended(actor)

        assert stopped._result is None
        assert stopped.get(timeout=0) is True


def test_trap_06_stop_returns_a_reply_like_any_other() -> None:
    """Trap 6: it tells whoever waits, and is awaited without blocking the loop."""

    async def main() -> tuple[list[bool], bool]:
        _, ref = probe(LoopDispatcher(asyncio.get_running_loop()))
        told: list[bool] = []
        stopped = ref.stop(block=False)
        stopped.on_done(lambda reply: told.append(reply.result()))
        return told, await stopped

    assert run(main()) == ([True], True)


@pytest.mark.parametrize("combinator", ["filter", "join", "map", "reduce", "set_get_hook"])
def test_trap_06_no_combinator_is_offered(combinator: str) -> None:
    """Trap 6: rather no future than one that only works by pulling."""
    reply: Reply[Any] = Reply()

    with pytest.raises(NotImplementedError):
        getattr(reply, combinator)(Reply())


def test_pykka_07_a_blocking_ask_of_itself_waits_for_ever() -> None:
    """Trap 7: blocking is the default, and nothing stops an actor from waiting for itself."""
    assert inspect.signature(pykka.ActorRef.ask).parameters["block"].default is True

    with stock() as (_, ref), pytest.raises(pykka.Timeout):
        ref.ask(lambda actor: actor.actor_ref.ask("me", timeout=0))


def test_trap_07_a_blocking_ask_on_the_actors_thread_raises_at_once() -> None:
    """Trap 7: of itself, of another actor, and outside of any actor: nothing is queued."""

    async def main() -> list[Any]:
        dispatcher = LoopDispatcher(asyncio.get_running_loop())
        (actor, ref), (other, two) = probe(dispatcher), probe(dispatcher)
        for asked in (ref, two):
            with pytest.raises(WouldDeadlock):
                asked.ask("blocking")
            inside = await ref.ask(lambda _, asked=asked: raised(asked.ask, "x"), block=False)
            assert inside is WouldDeadlock
        await two.stop(block=False)
        return [*actor.seen, *other.seen]

    assert run(main()) == []


def raised(act: Callable[..., Any], *args: Any) -> type[BaseException] | None:
    try:
        act(*args)
    except BaseException as error:
        return type(error)
    return None


# --- 8 and 9: failures ---------------------------------------------------------------------------


@pytest.mark.parametrize("error", [asyncio.CancelledError, SystemExit, KeyboardInterrupt])
def test_pykka_08_a_base_exception_stops_every_actor(error: type[BaseException]) -> None:
    """Trap 8: the stock loop answers it with `ActorRegistry.stop_all()`."""

    def leave(_: Any) -> None:
        raise error

    with ExitStack() as stack:
        started = [stack.enter_context(stock()) for _ in range(3)]
        started[0][1].tell(leave)
        for actor, _ in started:
            ended(actor)

        assert not any(ref.is_alive() for _, ref in started)


@pytest.mark.parametrize("error", [asyncio.CancelledError, SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("way", ["tell", "ask"])
def test_trap_08_a_base_exception_stops_its_own_actor_only(
    error: type[BaseException], way: str
) -> None:
    """Trap 8: the other actors and the loop go on, and stock actors beside them too."""

    def leave(_: Any) -> None:
        raise error

    async def main(beside: pykka.ActorRef[Any]) -> list[bool]:
        dispatcher = LoopDispatcher(asyncio.get_running_loop())
        refs = [Probe.start(dispatcher) for _ in range(4)]
        refs[0].tell(leave) if way == "tell" else refs[0].ask(leave, block=False)
        answers = [await ref.ask("still here", block=False) for ref in refs[1:]]
        assert answers == ["still here"] * 3
        return [ref.is_alive() for ref in [*refs, beside]]

    with logged(), stock() as (_, beside):
        assert run(main(beside)) == [False, True, True, True, True]


def test_pykka_09_an_error_means_one_thing_under_ask_and_another_under_tell() -> None:
    """Trap 9: under ask the actor lives on, half changed; under tell queued tells vanish."""
    hold = Gate("the release of the actor")
    with stock() as (actor, ref):
        with pytest.raises(ValueError, match="no"):
            ref.ask(half_done, timeout=GUARD_S)
        assert (ref.is_alive(), actor.seen) == (True, ["half"])

        ref.tell(lambda _: hold.passed())
        ref.tell(fail)
        ref.tell("queued")
        hold.open()
        ended(actor)

        assert (ref.is_alive(), actor.seen) == (False, ["half"])
        assert ref.actor_inbox.empty()


@pytest.mark.parametrize("way", ["tell", "ask"])
def test_trap_09_an_error_means_the_same_under_tell_and_ask(way: str) -> None:
    """Trap 9: the half-changed actor goes, queued asks are answered and queued tells counted."""
    dispatcher = FifoDispatcher()
    actor, ref = probe(dispatcher)
    before = Mailbox.dropped.count

    ref.tell(half_done) if way == "tell" else ref.ask(half_done, block=False)
    ref.tell("queued")
    asked = ref.ask("queued", block=False)
    with logged():
        dispatcher.run_until_idle()

    assert (ref.is_alive(), actor.seen, actor.life) == (False, ["half"], ["started", ValueError])
    assert Mailbox.dropped.count == before + 1
    assert isinstance(asked.error, MailboxClosed)


# --- 10 and 11: what an actor costs --------------------------------------------------------------


def test_pykka_10_the_registry_is_a_list() -> None:
    """Trap 10: to leave it is to search it, 7.9 ms among 100,000."""
    with stock() as (_, ref):
        assert isinstance(pykka.ActorRegistry._actor_refs, list)
        assert ref in pykka.ActorRegistry.get_all()


def test_trap_10_actors_are_never_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trap 10: neither start, stop nor failure comes near pykka's registry."""
    called: list[Any] = []
    for name in ("register", "unregister"):
        monkeypatch.setattr(pykka.ActorRegistry, name, called.append)
    dispatcher = FifoDispatcher()
    refs = [Probe.start(dispatcher) for _ in range(3)]

    refs[0].stop(block=False)
    refs[1].tell(fail)
    with logged():
        dispatcher.run_until_idle()

    assert [ref.is_alive() for ref in refs] == [False, False, True]
    assert (called, pykka.ActorRegistry.get_all()) == ([], [])


def made(monkeypatch: pytest.MonkeyPatch, build: Callable[[], Any]) -> list[str]:
    """Which of the two costly parts `build` makes."""
    parts: list[str] = []
    event, uuid4 = threading.Event, uuid.uuid4
    with monkeypatch.context() as patch:
        patch.setattr(threading, "Event", lambda: (parts.append("event"), event())[1])
        patch.setattr(uuid, "uuid4", lambda: (parts.append("uuid"), uuid4())[1])
        build()
    return sorted(parts)


def bytes_each(build: Callable[[], Any], count: int = 200) -> float:
    tracemalloc.start()
    try:
        kept = [build() for _ in range(count)]
        return tracemalloc.get_traced_memory()[0] / len(kept)
    finally:
        tracemalloc.stop()


def test_pykka_11_an_actor_builds_an_event_and_a_uuid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trap 11: 1.2 KB and most of the 5.6 us an actor costs."""
    assert made(monkeypatch, Threadless) == ["event", "uuid"]


def test_trap_11_an_actor_builds_neither_event_nor_uuid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trap 11: the four attributes are set, or computed, without pykka's `__init__`."""
    dispatcher = FifoDispatcher()
    assert made(monkeypatch, lambda: Actor.start(dispatcher)) == []
    assert bytes_each(lambda: Actor.start(dispatcher)) < bytes_each(Threadless) / 2

    actor = Actor(dispatcher, name="s-1")
    assert actor.actor_urn == "s-1"
    assert actor.actor_inbox.dispatcher is dispatcher
    assert actor.actor_ref.actor_class is Actor
    assert not actor.actor_stopped.is_set()


# --- 12 and 13: construction ---------------------------------------------------------------------


@pytest.mark.parametrize("factory", ["_create_actor_inbox", "_create_future"])
def test_pykka_12_the_factories_take_no_arguments(factory: str) -> None:
    """Trap 12: what they make cannot know its dispatcher."""
    made_by = inspect.getattr_static(pykka.ThreadingActor, factory)

    assert isinstance(made_by, staticmethod)
    assert not inspect.signature(getattr(pykka.ThreadingActor, factory)).parameters


def test_trap_12_mailbox_and_replies_know_their_dispatcher() -> None:
    """Trap 12: the actor binds its mailbox, the reference its replies."""
    dispatcher = FifoDispatcher()
    actor, ref = probe(dispatcher)

    assert actor.actor_inbox.dispatcher is dispatcher
    for reply in (
        ref.ask("one", block=False),
        ref.stop(block=False),
        ref.proxy().on_receive("two"),
    ):
        with pytest.raises(WouldDeadlock):  # it can only tell because it knows whose thread this is
            reply.get()


def test_pykka_13_an_actor_is_in_reach_before_its_loop_starts() -> None:
    """Trap 13: `start` registers first, so mail can come when nothing drains the inbox yet."""
    in_reach: list[bool] = []

    class Early(Stock):
        def _start_actor_loop(self) -> None:
            in_reach.append(self.actor_ref in pykka.ActorRegistry.get_all())
            super()._start_actor_loop()

    with stock(Early):
        assert in_reach == [True]


def test_trap_13_mail_that_comes_before_the_start_is_handled_after_it() -> None:
    """Trap 13: from `__init__`, from `on_start` and from another thread, commands and stops."""

    class Early(Probe):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self.actor_ref.tell("__init__")

        def on_start(self) -> None:
            thread = threading.Thread(target=self.actor_ref.tell, args=["another thread"])
            thread.start()
            thread.join(GUARD_S)
            dispatcher.run_until_idle()
            self.seen.append("started")

    dispatcher = FifoDispatcher()
    actor, ref = probe_of(Early, dispatcher)
    dispatcher.run_until_idle()

    assert actor.seen == ["started", "__init__", "another thread"]
    assert ref.is_alive()


def probe_of(kind: type[Probe], dispatcher: FifoDispatcher) -> tuple[Any, Any]:
    ref = kind.start(dispatcher)
    return ref.actor_inbox.owner, ref


# --- 14 and 15: late answers, forgotten actors ---------------------------------------------------


def test_pykka_14_a_second_answer_raises() -> None:
    """Trap 14: `queue.Full`, in the actor, because a caller did not wait."""
    reply = pykka.ThreadingFuture[int]()
    reply.set(1)

    with pytest.raises(queue.Full):
        reply.set(2)


def test_trap_14_a_second_answer_is_ignored_and_counted() -> None:
    """Trap 14: a caller that gave up makes it normal."""
    before = Reply.late_sets.count
    reply: Reply[int] = Reply()
    reply.set(1)

    reply.set(2)
    reply.set_error(ValueError())

    assert reply.result() == 1
    assert Reply.late_sets.count == before + 2


def test_pykka_15_a_forgotten_actor_keeps_the_program_alive() -> None:
    """Trap 15: its thread is not a daemon, and the program waits for it at exit."""

    class Forgotten(Stock):
        use_daemon_thread = pykka.ThreadingActor.use_daemon_thread

    with stock(Forgotten) as (actor, _):
        assert not actor.thread.daemon
        assert actor.thread in threading.enumerate()


FORGETFUL = """
import asyncio
from greenroom.actors.kernel.actor import Actor
from greenroom.actors.kernel.dispatcher import LoopDispatcher

class Echo(Actor):
    def on_receive(self, message):
        return message

async def main():
    ref = Echo.start(LoopDispatcher(asyncio.get_running_loop()))
    print(await ref.ask("and never a stop", block=False))

asyncio.run(main())
"""


def test_trap_15_a_program_that_forgets_its_actors_ends() -> None:
    """Trap 15: actors own no thread."""
    before = threading.enumerate()
    probe(FifoDispatcher())
    assert threading.enumerate() == before

    program = subprocess.run(
        [sys.executable, "-c", FORGETFUL],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=GUARD_S,
        check=True,
    )

    assert (program.stdout, program.stderr) == ("and never a stop\n", "")
