"""How each step of a workload is done."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final

from ....actors.errors import (
    GreenroomError,
    JournalFailed,
    MailboxClosed,
    NotWritten,
    Rejected,
)
from ....actors.kernel.mailbox import Mail
from ....actors.kernel.reply import Reply
from ....actors.session.frames import Frame, VisualSettings
from ....actors.session.settings import Settings
from ..settling import settle
from ..tasks import cancel_all
from .bomb import BOMB
from .house import House
from .process import Process
from .steps import (
    Advance,
    Ask,
    Crash,
    Create,
    Drain,
    Fault,
    Hold,
    Kill,
    Let,
    Open,
    Passivate,
    Read,
    Show,
    Step,
    Trouble,
    Unread,
    Wait,
    Watch,
)

JPEG_4X3: Final = bytes.fromhex(
    "ffd8ffe000104a46494600010100000100010000ffc0000b080003000401011100ffda0008000000000000ffd9"
)
PROCESSES: Final = 6
"""Processes that a workload opens at most."""


async def perform(house: House, step: Step) -> None:  # noqa: C901
    """Do one step; what comes of it comes when the schedule has it."""
    process = house.process
    match step:
        case Ask():
            _ask(house, step)
        case Create():
            _create(house, step)
        case Read(session=name, lag=lag):
            house.readers[name].attach(lag)
        case Unread(session=name):
            await house.readers[name].detach()
        case Show():
            _show(house, step)
        case Watch():
            _watch(house, step)
        case Passivate(session=name, force=force):
            reply = process.runtime.passivate(name, force=force)
            house.ask(process, name, "passivate", {}, reply)
        case Crash():
            _crash(house, step)
        case Fault(kind=kind):
            _trouble(process, kind)
        case Hold():
            process.journal.holding = True
        case Let(count=count):
            process.journal.let(count)
        case Kill(keep=keep):
            await _kill(house, keep)
        case Drain(budget_s=budget_s):
            process.drain(budget_s)
        case Open():
            await _open(house)
        case Advance(seconds=seconds):
            await house.clock.advance(seconds)
        case Wait(passes=passes):
            await settle(passes)


def _ask(house: House, step: Ask) -> None:
    process = house.live[0] if step.elder else house.process
    args = dict(step.args)
    if args.get("approval") == "pending":
        args["approval"] = _pending(house, step.session)
    session = process.runtime.session(step.session)
    reply = getattr(session, step.call)(**args)
    if reply is not None:
        house.ask(process, step.session, step.call, args, reply)
        if step.follow:
            reply.on_done(lambda done: _follow(house, process, step.session, done))


def _follow(house: House, process: Process, name: str, sent: Reply[Any]) -> None:
    """Wait for the result of a turn that was accepted."""
    turn = None if sent.error is not None else sent.result()
    if turn is not None:
        house.ask(process, name, "result", {"turn": turn.id}, turn.result())


def _pending(house: House, name: str) -> str:
    """The approval that the journal knows of: by the time it is decided it may be over."""
    state = house.state(name)
    return "0-0" if state is None or state.approval is None else state.approval.id


def _create(house: House, step: Create) -> None:
    process = house.process
    settings = Settings(**step.settings, visual=VisualSettings(min_interval_ms=0))
    make = process.runtime.get_or_create if step.obtain else process.runtime.create
    reply = make(user=step.user, id=step.session, settings=settings)
    house.ask(process, step.session, "create", {}, reply)


def _show(house: House, step: Show) -> None:
    number = step.number
    frame = Frame(
        source=step.source,
        data=JPEG_4X3,
        mime="image/jpeg",
        width=4,
        height=3,
        timestamp_ms=10 * number,
        frame_seq=number,
    )
    process = house.process
    reply = process.runtime.session(step.session).offer_frame(step.user, frame)
    house.ask(process, step.session, "offer_frame", {}, reply)


def _watch(house: House, step: Watch) -> None:
    watch = house.process.runtime.session(step.session).watch_frames(step.user, step.buffer)

    async def pull() -> None:
        try:
            async for _ in watch:
                await settle(step.buffer - 1)
        except GreenroomError:
            pass

    house.watches.append((watch, asyncio.get_running_loop().create_task(pull())))


def _crash(house: House, step: Crash) -> None:
    process = house.process
    if not step.urgent:
        reply = process.runtime.ask(step.session, BOMB)
        house.ask(process, step.session, "crash", {}, reply)
        return
    box = process.runtime._directory.get(step.session)
    if box is not None:
        reply = Reply(process.dispatcher)
        with suppress(MailboxClosed):
            box.put_system(Mail(BOMB, reply))
            house.ask(process, step.session, "crash", {}, reply)


def _trouble(process: Process, kind: Trouble) -> None:
    journal = process.journal
    match kind:
        case "full":
            journal.fail(NotWritten("full"))
        case "rejected":
            journal.fail(Rejected("?", size=2, limit=1))
        case "silent":
            journal.fail(JournalFailed("no answer"))
        case "written":
            journal.fail(JournalFailed("no answer"), written=True)
        case "bug":
            journal.explode(RuntimeError("a bug in the journal"))
        case "claim":
            journal.fail_claim(JournalFailed("no answer"))


async def _open(house: House) -> None:
    draining = [process for process in house.live if process.stopping is not None]
    if draining:
        await house.finish_draining()
    if house._runs < PROCESSES and len(house.live) < 2 and not draining:
        await house.open()


async def _kill(house: House, keep: int) -> None:
    """Whatever ran dies where it stands: no task goes on, and nothing that one does then counts."""
    for process in house.live:
        process.die(keep)
        process.players.curtain.set()
    house.dead += house.live
    house.live.clear()
    house.muted = True
    await cancel_all()
    house.clock.clear()
    house.muted = False
    await house.open()
