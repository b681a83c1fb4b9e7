from __future__ import annotations

import asyncio
import threading
from typing import Any

import pykka
import pytest
from house import GUARD_S, FifoDispatcher, Gate, Probe, logged, loop_thread, probe, run, unwritable

from greenroom.actors.errors import MailboxClosed, OutcomeUnknown, Overloaded, WouldDeadlock
from greenroom.actors.kernel.actor import Actor
from greenroom.actors.kernel.dispatcher import LoopDispatcher
from greenroom.actors.kernel.mailbox import Mail, Mailbox
from greenroom.actors.kernel.reply import Reply


def fail(_: Actor) -> None:
    raise ValueError("no")


# --- start ---------------------------------------------------------------------------------------


def test_on_start_runs_before_the_first_message() -> None:
    class Eager(Probe):
        def on_start(self) -> None:
            self.actor_ref.tell("told by on_start")
            self.seen.append("started")

    dispatcher = FifoDispatcher()
    ref = Eager.start(dispatcher)
    actor = ref.actor_inbox.owner
    ref.tell("told")
    dispatcher.run_until_idle()

    assert isinstance(actor, Eager)
    assert actor.seen == ["started", "told by on_start", "told"]


def test_an_actor_whose_on_start_fails_never_takes_a_message() -> None:
    class Stillborn(Probe):
        def on_start(self) -> None:
            self.early = self.actor_ref.ask("early", block=False)
            Stillborn.built = self
            raise ValueError("no")

        early: Reply[Any]
        built: Stillborn

    dispatcher = FifoDispatcher()
    with logged() as logs:
        ref = Stillborn.start(dispatcher, name="s-1")
    dispatcher.run_until_idle()

    assert not ref.is_alive()
    assert isinstance(Stillborn.built.early.error, MailboxClosed)
    assert (Stillborn.built.seen, Stillborn.built.life) == ([], [ValueError])
    assert [(entry["event"], entry["actor"]) for entry in logs] == [("actor_failed", "s-1")]


def test_an_actor_is_known_by_its_name() -> None:
    named, ref = probe(FifoDispatcher(), name="s-1")
    unnamed, _ = probe(FifoDispatcher())

    assert (named.actor_urn, ref.actor_urn, str(ref)) == ("s-1", "s-1", "Probe (s-1)")
    assert unnamed.actor_urn == "Probe"


def test_references_to_one_actor_are_equal() -> None:
    actor, ref = probe(FifoDispatcher())
    _, other = probe(FifoDispatcher())

    assert actor.actor_ref == ref
    assert {actor.actor_ref, ref} == {ref}
    assert ref != other
    assert ref != "Probe"


def test_the_capacity_bounds_the_mailbox() -> None:
    _, ref = probe(FifoDispatcher(), capacity=1)
    ref.tell("one")

    with pytest.raises(Overloaded):
        ref.tell("two")


# --- tell and ask --------------------------------------------------------------------------------


def test_ask_answers_with_what_on_receive_returns() -> None:
    dispatcher = FifoDispatcher()
    _, ref = probe(dispatcher)

    reply = ref.ask(lambda _: 42, block=False)
    assert not reply.done
    dispatcher.run_until_idle()

    assert reply.result() == 42


def test_ask_is_awaited_on_the_loop() -> None:
    async def main() -> int:
        _, ref = probe(LoopDispatcher(asyncio.get_running_loop()))
        return await ref.ask(lambda _: 42, block=False)

    assert run(main()) == 42


def test_ask_blocks_any_other_thread() -> None:
    with loop_thread() as beside:
        _, ref = beside.do(lambda: probe(beside.dispatcher))

        on_thread = ref.ask(lambda _: threading.get_ident(), timeout=GUARD_S)

        assert on_thread == beside.do(threading.get_ident)


def test_a_blocking_ask_on_the_actors_thread_raises_and_queues_nothing() -> None:
    dispatcher = FifoDispatcher()
    actor, ref = probe(dispatcher)

    with pytest.raises(WouldDeadlock):
        ref.ask("one")
    with pytest.raises(WouldDeadlock):
        ref.stop()

    dispatcher.run_until_idle()
    assert (actor.seen, actor.life) == ([], ["started"])


def test_refusals_of_an_ask_come_as_its_answer() -> None:
    dispatcher = FifoDispatcher()
    _, ref = probe(dispatcher, capacity=1)

    ref.tell("fills it")
    overloaded = ref.ask("one", block=False)
    ref.stop(block=False)
    dispatcher.run_until_idle()
    closed = ref.ask("two", block=False)

    assert isinstance(overloaded.error, Overloaded)
    assert isinstance(closed.error, MailboxClosed)
    assert (overloaded.error.returned, closed.error.returned) == ("one", "two")


def test_an_actor_may_answer_later_than_it_returns() -> None:
    class Patient(Actor):
        def handle(self, mail: Mail) -> None:
            self.waiting = mail.reply_to

    dispatcher = FifoDispatcher()
    ref = Patient.start(dispatcher)
    actor = ref.actor_inbox.owner
    reply = ref.ask("question", block=False)
    dispatcher.run_until_idle()
    assert not reply.done

    assert isinstance(actor, Patient)
    actor.waiting.set("answer")

    assert reply.result() == "answer"


def test_an_actor_tells_itself_and_others() -> None:
    dispatcher = FifoDispatcher()
    first, one = probe(dispatcher)
    second, two = probe(dispatcher)

    one.tell(lambda actor: (actor.actor_ref.tell("to myself"), two.tell("to you")))
    dispatcher.run_until_idle()

    assert (first.seen, second.seen) == (["to myself"], ["to you"])


# --- stop ----------------------------------------------------------------------------------------


def test_stop_comes_before_the_next_command() -> None:
    dispatcher = FifoDispatcher()
    actor, ref = probe(dispatcher)

    left = ref.ask("one", block=False)
    stopped = ref.stop(block=False)
    dispatcher.run_until_idle()

    assert stopped.result() is True
    assert (actor.seen, actor.life) == ([], ["started", "stopped"])
    assert isinstance(left.error, MailboxClosed)
    assert not ref.is_alive()
    assert actor.actor_stopped.is_set()


def test_stopping_a_stopped_actor_answers_false() -> None:
    dispatcher = FifoDispatcher()
    _, ref = probe(dispatcher)
    ref.stop(block=False)
    dispatcher.run_until_idle()

    assert ref.stop(block=False).result() is False


def test_two_that_ask_to_stop_at_once_are_both_answered_true() -> None:
    dispatcher = FifoDispatcher()
    actor, ref = probe(dispatcher)

    both = [ref.stop(block=False), ref.stop(block=False)]
    dispatcher.run_until_idle()

    assert [reply.result() for reply in both] == [True, True]
    assert actor.life == ["started", "stopped"]


def test_stop_blocks_another_thread_until_the_actor_has_stopped() -> None:
    with loop_thread() as beside:
        actor, ref = beside.do(lambda: probe(beside.dispatcher))

        assert ref.stop(timeout=GUARD_S) is True

        assert actor.life == ["started", "stopped"]
        assert ref.stop(timeout=GUARD_S) is False


def test_an_actor_stops_itself_after_the_command_in_hand() -> None:
    dispatcher = FifoDispatcher()
    actor, ref = probe(dispatcher)

    ref.tell(lambda actor: (actor.stop(), actor.seen.append("finished")))
    ref.tell("one")
    dispatcher.run_until_idle()

    assert (actor.seen, actor.life) == (["finished"], ["started", "stopped"])


def test_an_on_stop_that_fails_still_stops_the_actor() -> None:
    class Clumsy(Probe):
        def on_stop(self) -> None:
            raise ValueError("no")

    dispatcher = FifoDispatcher()
    _, ref = probe(dispatcher)
    ref = Clumsy.start(dispatcher)
    with logged() as logs:
        stopped = ref.stop(block=False)
        dispatcher.run_until_idle()

    assert stopped.result() is True
    assert not ref.is_alive()
    assert [entry["event"] for entry in logs] == ["actor_failed"]


# --- failure -------------------------------------------------------------------------------------


def failing(dispatcher: FifoDispatcher, act: Any = fail) -> tuple[list[Any], list[Any], Reply[Any]]:
    """What `on_failure` and the log got to see of a failure under tell, then of one under ask."""
    hooked: list[Any] = []

    class Watched(Probe):
        def on_failure(self, kind: Any, error: Any, traceback: Any) -> None:
            hooked.append((kind, str(error), traceback is not None))

    lines: list[Any] = []

    def note(line: dict[str, Any]) -> None:
        lines.append((line["event"], line["error"], line["exc_info"].__traceback__ is not None))

    told, asked = Watched.start(dispatcher), Watched.start(dispatcher)
    with logged(note):
        told.tell(act)
        reply = asked.ask(act, block=False)
        dispatcher.run_until_idle()
    assert (told.is_alive(), asked.is_alive()) == (False, False)
    return hooked, lines, reply


def test_a_failure_stops_the_actor_and_is_seen_whole_under_tell_as_under_ask() -> None:
    """Whoever logs a failure needs its frames; they are dropped only after that."""
    hooked, lines, reply = failing(FifoDispatcher())

    assert hooked == [(ValueError, "no", True)] * 2
    assert lines == [("actor_failed", "ValueError: no", True)] * 2
    with pytest.raises(ValueError, match="no"):
        reply.result()


def test_a_failing_on_failure_is_logged_and_changes_nothing() -> None:
    class Doomed(Probe):
        def on_failure(self, kind: Any, error: Any, traceback: Any) -> None:
            raise KeyError("twice")

    dispatcher = FifoDispatcher()
    ref = Doomed.start(dispatcher)
    with logged() as logs:
        reply = ref.ask(fail, block=False)
        dispatcher.run_until_idle()

    assert isinstance(reply.error, ValueError)
    assert not ref.is_alive()
    assert [entry["error"] for entry in logs] == ["ValueError: no", "KeyError: 'twice'"]


def test_a_failure_that_would_end_the_callers_task_is_told_as_an_unknown_outcome() -> None:
    def leave(_: Actor) -> None:
        raise SystemExit(3)

    dispatcher = FifoDispatcher()
    _, ref = probe(dispatcher, name="s-1")
    with logged():
        reply = ref.ask(leave, block=False)
        dispatcher.run_until_idle()

    assert isinstance(reply.error, OutcomeUnknown)
    assert (reply.error.session, reply.error.why) == ("s-1", "SystemExit: 3")
    assert isinstance(reply.error.__cause__, SystemExit)


def test_a_log_that_fails_keeps_no_caller_waiting() -> None:
    dispatcher = FifoDispatcher()
    actor, ref = probe(dispatcher)
    with logged(unwritable):
        in_hand, behind = ref.ask(fail, block=False), ref.ask("one", block=False)
        dispatcher.run_until_idle()

    assert isinstance(in_hand.error, ValueError)
    assert isinstance(behind.error, MailboxClosed)
    assert actor.life == ["started", ValueError]


def test_the_next_actor_takes_over_a_mailbox_that_was_left_open() -> None:
    dispatcher = FifoDispatcher()
    box = Mailbox(dispatcher, name="s-1")
    first, ref = probe(mailbox=box)
    ref.tell("one")
    ref.tell(lambda actor: actor.actor_inbox.detach())
    ref.tell("two")
    dispatcher.run_until_idle()

    second, same = probe(mailbox=box)
    dispatcher.run_until_idle()

    assert (first.seen, second.seen) == (["one"], ["two"])
    assert same == ref


# --- proxies -------------------------------------------------------------------------------------


class Counter(Actor):
    def __init__(self, dispatcher: Any) -> None:
        super().__init__(dispatcher)
        self.count = 0

    def add(self, number: int, *, times: int = 1) -> int:
        self.count += number * times
        return self.count


def test_pykkas_proxies_call_methods_and_read_attributes() -> None:
    dispatcher = FifoDispatcher()
    counter = Counter.start(dispatcher).proxy()

    called = counter.add(2, times=3)
    counter.add.defer(1)
    read = counter.count
    dispatcher.run_until_idle()

    assert (called.result(), read.result()) == (6, 7)


def test_pykkas_proxies_set_attributes_from_another_thread() -> None:
    with loop_thread() as beside:
        counter = beside.do(lambda: Counter.start(beside.dispatcher)).proxy()

        counter.count = 41

        assert counter.add(1).get(timeout=GUARD_S) == 42


def test_pykkas_proxies_refuse_to_set_attributes_on_the_actors_thread() -> None:
    dispatcher = FifoDispatcher()
    ref = Counter.start(dispatcher)

    with pytest.raises(WouldDeadlock):
        ref.proxy().count = 41

    read = ref.proxy().count
    dispatcher.run_until_idle()
    assert read.result() == 0


def test_a_stopped_actor_has_no_proxy() -> None:
    dispatcher = FifoDispatcher()
    ref = Counter.start(dispatcher)
    ref.stop(block=False)
    dispatcher.run_until_idle()

    with pytest.raises(pykka.ActorDeadError):
        ref.proxy()


def test_mail_is_handled_while_the_caller_goes_on() -> None:
    handled, hold = Gate("the handling of the message"), Gate("the release of the handler")

    with loop_thread() as beside:
        _, ref = beside.do(lambda: probe(beside.dispatcher))
        ref.tell(lambda _: (handled.open(), hold.passed()))
        handled.passed()
        ref.tell("queued behind it")
        assert ref.actor_inbox.depth == 1
        hold.open()
        ref.stop(timeout=GUARD_S)
