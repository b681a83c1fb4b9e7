"""The rules: what each command causes, and when it is refused."""

from __future__ import annotations

if __name__.split(".")[0] != "greenroom":
    raise ImportError(f"{__name__} is part of the package greenroom: import greenroom.{__name__}")

from typing import assert_never

from ..commands import (
    Acknowledge,
    Act,
    AddMemory,
    Approve,
    CancelWake,
    Close,
    Command,
    Compact,
    Conclude,
    Decide,
    Delete,
    Deny,
    End,
    Expire,
    FinishTurn,
    Fire,
    Greet,
    HandBack,
    Interrupt,
    Join,
    Leave,
    LoseResources,
    Pause,
    PlaceAnswer,
    Post,
    Record,
    RecordInteraction,
    Recover,
    Resume,
    Send,
    SetDialog,
    SetExport,
    SetGraphState,
    SetLanguage,
    SetMetadata,
    SetTitle,
    SetWake,
    Start,
    Steer,
    Suspend,
    TransferHost,
    Truncate,
    Undo,
    UpdateContext,
)
from ..events import Durable
from ..state import State
from . import approvals, ending, history, records, rooms, shared, turns, voice, wakes
from .moment import Moment


def decide(state: State, command: Command, moment: Moment) -> tuple[Durable, ...]:  # noqa: C901
    """Return the events `command` causes, or raise `Refused`. Nothing has happened yet."""
    match command:
        case Send():
            return turns.send(state, command, moment)
        case Post():
            return turns.post(state, command, moment)
        case Record():
            return turns.record(state, command, moment)
        case Join():  # early, as all that comes often: ruling one kind out takes 0.07 us
            return rooms.join(state, command)
        case Leave():
            return rooms.leave(state, command, moment)
        case FinishTurn() if state.running is not None and state.running.kind == "compaction":
            return history.finish_compaction(state, command, moment)
        case FinishTurn():
            return turns.finish(state, command, moment)
        case Interrupt():
            return turns.interrupt(state, command, moment)
        case Undo():
            return history.undo(state, command, moment)
        case Truncate():
            return history.truncate(state, command, moment)
        case Compact():
            return history.compact(state, command, moment)
        case Greet():
            return voice.greet(state, command, moment)
        case SetDialog():
            return voice.set_dialog(state, command)
        case Suspend():
            return approvals.suspend(state, command, moment)
        case Decide():
            return approvals.decide(state, command, moment)
        case Expire():
            return approvals.expire(state, command, moment)
        case Steer():
            return turns.steer(state, command, moment)
        case PlaceAnswer():
            return turns.place_answer(state, command, moment)
        case HandBack():
            return turns.hand_back(state, command, moment)
        case Act():
            return shared.act(state, command)
        case UpdateContext():
            return shared.update_context(state, command)
        case AddMemory():
            return shared.add_memory(state, command)
        case Acknowledge():
            return rooms.acknowledge(state, command)
        case RecordInteraction():
            return records.record_interaction(state, command)
        case SetGraphState():
            return records.set_graph_state(state, command)
        case SetLanguage():
            return records.set_language(state, command)
        case SetMetadata():
            return records.set_metadata(state, command)
        case SetTitle():
            return records.set_title(state, command)
        case SetExport():
            return records.set_export(state, command)
        case Approve():
            return rooms.approve(state, command)
        case Deny():
            return rooms.deny(state, command)
        case TransferHost():
            return rooms.transfer(state, command)
        case Start():
            return rooms.start(state, command)
        case Pause():
            return rooms.pause(state, command)
        case Resume():
            return rooms.resume(state, command, moment)
        case End():
            return rooms.end(state, command, moment)
        case SetWake():
            return wakes.set_wake(state, command, moment)
        case CancelWake():
            return wakes.cancel_wake(state, command)
        case Fire():
            return wakes.fire(state, command, moment)
        case LoseResources():
            return turns.lose_resources(state, command, moment)
        case Close():
            return ending.close(state, command, moment)
        case Conclude():
            return ending.conclude(state, moment)
        case Delete():
            return ending.delete(state, command, moment)
        case Recover() if state.closing is not None:
            return ending.recover_closing(state, moment)
        case Recover():
            return turns.recover(state, command, moment)
        case _:
            assert_never(command)
