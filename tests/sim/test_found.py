"""What the simulation has found, each without its chances: given, when, then."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from house import FifoDispatcher

import greenroom
from greenroom.actors.kernel.mailbox import Mail, Mailbox
from greenroom.actors.kernel.reply import Reply
from greenroom.adapters.testing.simulation.bomb import BOMB
from greenroom.testing import Gate, Hang, Stage, scripted


def crash(stage: Stage, session: str) -> None:
    """A handler of the session raises, before all that waits."""
    box = stage.runtime._directory.get(session)
    assert box is not None
    box.put_system(Mail(BOMB))


def test_p11_a_crash_while_the_resources_are_closed_leaves_the_next_activation_its_mail() -> None:
    gate = Gate("closing")

    @asynccontextmanager
    async def resources(_: greenroom.Opening) -> AsyncIterator[None]:
        yield
        await gate.passed()

    with Stage(scripted("hello"), resources=resources) as stage:
        session = stage.do(stage.runtime.create(user="ann", id="s"))
        stage.settle()
        stage.runtime.passivate("s")
        stage.settle()
        assert gate.waiting == 1
        crash(stage, "s")
        stage.advance(1.0)  # it is on stage again, while the resources of before are closed still

        gate.open()
        stage.settle()

        assert stage.do(session.post("ann", "is anybody there?")).revision == 1


def test_p13_a_session_that_leaves_between_two_crashes_is_the_same_session() -> None:
    with Stage(max_restarts=1, restart_window_s=60.0) as stage:
        session = stage.do(stage.runtime.create(user="ann", id="s"))
        crash(stage, "s")
        stage.advance(1.0)
        assert stage.do(stage.runtime.passivate("s"))
        stage.do(session.info())

        crash(stage, "s")
        stage.settle()

        with pytest.raises(greenroom.SessionParked, match="1 restarts in 60 s"):
            stage.do(session.info())


def test_p13_windows_of_sessions_that_have_not_crashed_for_long_are_forgotten() -> None:
    with Stage(restart_window_s=60.0) as stage:
        for name in ("s", "t"):
            stage.do(stage.runtime.create(user="ann", id=name))
        crash(stage, "s")
        stage.advance(61.0)

        crash(stage, "t")
        stage.advance(1.0)

        assert len(stage.runtime._supervisor._restarts) == 1  # type: ignore[union-attr]


def test_p15_what_a_failed_activation_says_last_has_the_place_of_what_is_durable() -> None:
    with Stage(scripted(Hang), turn_attempts=2) as stage:
        session = stage.do(stage.runtime.create(user="ann", id="s"))
        stage.do(session.send("ann", "go"))
        probe = stage.watch("s", "ann", after=greenroom.START)
        stage.journal.holding = True
        session.post("ann", "kept")
        stage.settle()
        stage.journal.explode(RuntimeError("a bug"))
        session.interrupt("ann")  # the pipeline stops, but that the turn has ended is never durable
        stage.settle()

        stage.journal.let()
        stage.settle()

        durable = 0
        for item in probe.items:
            assert isinstance(item, greenroom.Published)
            durable += item.durable
            assert item.revision == durable, item
        later = stage.watch("s", "ann", after=probe.cursor)
        stage.advance(1.0)
        assert _revisions(later) == _revisions(probe)[durable:]


def _revisions(probe: Any) -> list[int]:
    return [item.revision for item in probe.items if getattr(item, "durable", False)]


def test_p11_a_question_left_by_a_crashed_activation_outlives_the_next_one() -> None:
    """That one is told to leave before it comes to what its predecessor has left for it."""
    box = Mailbox(FifoDispatcher(), name="s")
    waiting: Reply[object] = Reply()
    box.put_system(Mail("how did the turn end?", waiting))

    assert not box.close_if_idle()

    assert not box.closed
    assert not waiting.done
    box.close()
    assert isinstance(waiting.error, greenroom.MailboxClosed)
