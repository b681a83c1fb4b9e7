from __future__ import annotations

from greenroom.actors.kernel.mailbox import Mail
from greenroom.actors.kernel.reply import Reply
from greenroom.supervisor.drain import Draining
from greenroom.supervisor.messages import Drain, DrainReport


def request() -> tuple[Mail, Reply[DrainReport]]:
    """Somebody asks for a drain."""
    reply: Reply[DrainReport] = Reply()
    return Mail(Drain(1.0), reply), reply


def test_p16_the_report_names_every_session_once_by_how_it_went() -> None:
    mail, reply = request()
    drain = Draining(mail, ["d", "b", "c", "a"])
    drain.handed_back.add("c")

    drain.answer(["b"])

    assert drain.done
    assert reply.result() == DrainReport(passivated=["a", "d"], handed_back=["c"], left=["b"])


def test_p16_who_asks_while_it_drains_is_told_with_the_first() -> None:
    (one, first), (two, second) = request(), request()
    drain = Draining(one, ["a"])

    drain.join(two)
    assert not second.done
    drain.answer(())

    assert (
        first.result() == second.result() == DrainReport(passivated=["a"], handed_back=[], left=[])
    )


def test_p16_who_asks_afterwards_is_told_the_same() -> None:
    (one, first), (two, second) = request(), request()
    drain = Draining(one, ["a", "b"])
    drain.answer(["b"])

    drain.join(two)

    assert (
        first.result()
        == second.result()
        == DrainReport(passivated=["a"], handed_back=[], left=["b"])
    )


def test_a_drain_that_nobody_waits_for_is_quiet() -> None:
    drain = Draining(Mail(Drain(1.0)), [])

    drain.answer(())

    assert drain.done
