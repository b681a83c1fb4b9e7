"""What people ask of a session, in the imperative; and the views they ask for.

Texts, ids and free-form values are checked where a command is built (the `Session` handle) and
trusted by the rules.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

from ..ports import Policy, UserId
from .events import Cause, Exchange
from .transcript import Message, ToolCall, ToolResult
from .wakes import Repeat


class Start(msgspec.Struct, frozen=True, kw_only=True, tag="start"):
    """The host opens a created session for messages."""

    by: UserId


class Pause(msgspec.Struct, frozen=True, kw_only=True, tag="pause"):
    """The host stops messages for a while. A running turn goes on, queued ones wait."""

    by: UserId


class Resume(msgspec.Struct, frozen=True, kw_only=True, tag="resume"):
    """The host lets messages in again; the next queued turn starts."""

    by: UserId


class End(msgspec.Struct, frozen=True, kw_only=True, tag="end"):
    """The host ends the session for good; every turn is cancelled. Ending twice is harmless.

    Without `by`, whoever runs the house does so, for a `reason`.
    """

    by: UserId
    reason: str = ""


class Close(msgspec.Struct, frozen=True, kw_only=True, tag="close"):
    """The host ends the session when the running turn has ended, or after `grace_s` seconds.

    Admission is closed at once. Closing twice, or what has ended, changes nothing.
    """

    by: UserId
    grace_s: float


class Conclude(msgspec.Struct, frozen=True, tag="conclude"):
    """The grace of a closing session is over. Sent by the session itself."""


class Delete(msgspec.Struct, frozen=True, kw_only=True, tag="delete"):
    """The host or the owner ends the session, so that it can be hidden for good."""

    by: UserId


class Join(msgspec.Struct, frozen=True, kw_only=True, tag="join"):
    """A user comes in, or asks to. Joining twice changes nothing."""

    user: UserId
    name: str
    role: str = "participant"


class Approve(msgspec.Struct, frozen=True, kw_only=True, tag="approve"):
    """The host lets in someone who has asked; with the name and role of the request."""

    by: UserId
    user: UserId


class Deny(msgspec.Struct, frozen=True, kw_only=True, tag="deny"):
    """The host turns down someone who has asked."""

    by: UserId
    user: UserId


class TransferHost(msgspec.Struct, frozen=True, kw_only=True, tag="transfer_host"):
    """The host hands the session over to another participant, and becomes a participant."""

    by: UserId
    to: UserId


class Leave(msgspec.Struct, frozen=True, kw_only=True, tag="leave"):
    """A participant goes. If it was the host, the next one takes over; the last one ends it."""

    user: UserId


class Post(msgspec.Struct, frozen=True, kw_only=True, tag="post"):
    """A participant speaks, and no turn follows."""

    user: UserId
    text: str


class Send(msgspec.Struct, frozen=True, kw_only=True, tag="send"):
    """A participant speaks, and the pipeline answers in a turn.

    `policy`: if one is running; None: as the session has it. `answer_key` names the answer.
    """

    user: UserId
    text: str
    policy: Policy | None = None
    answer_key: str = ""


class Greet(msgspec.Struct, frozen=True, kw_only=True, tag="greet"):
    """A participant has the pipeline greet: once in the life of a session, nothing after that."""

    user: UserId
    prompt: str = ""


class SetDialog(msgspec.Struct, frozen=True, kw_only=True, tag="set_dialog"):
    """A participant replaces the dialog context that pipelines are given."""

    user: UserId
    dialog: list[Exchange]


class Act(msgspec.Struct, frozen=True, kw_only=True, tag="act"):
    """A participant does something that is no message."""

    user: UserId
    action: str
    data: dict[str, Any]


class UpdateContext(msgspec.Struct, frozen=True, kw_only=True, tag="update_context"):
    """A participant writes shared context: `patch` is merged in by RFC 7396.

    `expected`: refused if one of the keys was changed after this revision (or its own one); with
    `whole`, unless any key was last changed at it. `if_absent`: keys that are there stay.
    """

    user: UserId
    patch: dict[str, Any]
    expected: int | dict[str, int] | None = None
    if_absent: bool = False
    whole: bool = False


class AddMemory(msgspec.Struct, frozen=True, kw_only=True, tag="add_memory"):
    """A participant adds a shared memory. One that is there already changes nothing."""

    user: UserId
    memory: str


class RecordInteraction(msgspec.Struct, frozen=True, kw_only=True, tag="record_interaction"):
    """A participant did something with the session, or judged it; kept for whoever learns of it."""

    user: UserId
    action: str
    node: str | None = None
    content: str | None = None
    feedback: str | None = None
    metadata: dict[str, Any]


class SetGraphState(msgspec.Struct, frozen=True, kw_only=True, tag="set_graph_state"):
    """A participant replaces the graph state; None takes it away."""

    user: UserId
    value: Any


class SetLanguage(msgspec.Struct, frozen=True, kw_only=True, tag="set_language"):
    """A participant says which language the session is in."""

    user: UserId
    language: str


class SetMetadata(msgspec.Struct, frozen=True, kw_only=True, tag="set_metadata"):
    """A participant writes metadata: `patch` is merged in by RFC 7396."""

    user: UserId
    patch: dict[str, Any]


class SetTitle(msgspec.Struct, frozen=True, kw_only=True, tag="set_title"):
    """A participant gives the session a title; None: it has none of its own any more."""

    user: UserId
    title: str | None


class SetExport(msgspec.Struct, frozen=True, kw_only=True, tag="set_export"):
    """A participant says whether the session may be exported and archived."""

    user: UserId
    allowed: bool


class Acknowledge(msgspec.Struct, frozen=True, kw_only=True, tag="acknowledge"):
    """A participant has seen everything up to `revision`."""

    user: UserId
    revision: int


class Interrupt(msgspec.Struct, frozen=True, kw_only=True, tag="interrupt"):
    """A participant cancels a running or queued turn; without `turn`, the running one."""

    user: UserId
    turn: int | None = None


class Undo(msgspec.Struct, frozen=True, kw_only=True, tag="undo"):
    """A participant takes back the last message of the transcript, and what follows it."""

    user: UserId


class Truncate(msgspec.Struct, frozen=True, kw_only=True, tag="truncate"):
    """A participant cuts the transcript before the message of that number, counted from 0.

    Only the messages of people count.
    """

    user: UserId
    message: int


class Compact(msgspec.Struct, frozen=True, kw_only=True, tag="compact"):
    """A participant has a summary put in the place of what is older than `keep` messages."""

    user: UserId
    keep: int
    prompt: str


class Record(msgspec.Struct, frozen=True, kw_only=True, tag="record"):
    """The running turn's pipeline has yielded something to keep. Sent by the turn itself."""

    turn: int
    output: Message | ToolCall | ToolResult


class FinishTurn(msgspec.Struct, frozen=True, kw_only=True, tag="finish_turn"):
    """The running turn's pipeline is done. Sent by the turn itself."""

    turn: int
    status: Literal["completed", "failed"]
    reason: str = ""
    cause: Cause | None = None


class Suspend(msgspec.Struct, frozen=True, kw_only=True, tag="suspend"):
    """The running turn waits until people have decided on `calls`, `expires_s` seconds at most.
    `saved` is for its pipeline, when it is invoked again. Sent by the turn itself."""

    turn: int
    calls: list[ToolCall]
    expires_s: float
    saved: Any = None


class Decide(msgspec.Struct, frozen=True, kw_only=True, tag="decide"):
    """A participant decides on the calls of the suspended turn, by their ids.

    Without `approval`, on whichever is pending.
    """

    user: UserId
    decisions: dict[str, bool]
    approval: str | None = None


class Expire(msgspec.Struct, frozen=True, kw_only=True, tag="expire"):
    """The time for a decision is over. Given by the session itself."""

    approval: str


class Steer(msgspec.Struct, frozen=True, kw_only=True, tag="steer"):
    """The running turn's pipeline takes the messages that are to steer it."""

    turn: int


class PlaceAnswer(msgspec.Struct, frozen=True, kw_only=True, tag="place_answer"):
    """The answer of an interrupted turn has come late, and is placed in its own turn."""

    answer: Message


class HandBack(msgspec.Struct, frozen=True, kw_only=True, tag="hand_back"):
    """The session leaves now: its running turn is left to the next activation."""

    cause: Cause


class LoseResources(msgspec.Struct, frozen=True, kw_only=True, tag="lose_resources"):
    """The session has nothing to run turns with: those that wait fail, or (`for_good`) it ends.
    Given by its activation."""

    reason: str
    for_good: bool


class Recover(msgspec.Struct, frozen=True, kw_only=True, tag="recover"):
    """Given by a new activation: a turn that began in an older one is lost, or run again while it
    had fewer than `attempts` attempts."""

    attempts: int


class SetWake(msgspec.Struct, frozen=True, kw_only=True, tag="set_wake"):
    """A participant sets a timer: at `at_ms`, or `after_ms` from now, or when it first repeats.

    `payload` is told when it goes off; with `turn` a turn begins then.
    """

    user: UserId
    name: str
    at_ms: int | None = None
    after_ms: int | None = None
    repeat: Repeat | None = None
    payload: Any = None
    turn: bool = True


class CancelWake(msgspec.Struct, frozen=True, kw_only=True, tag="cancel_wake"):
    """A participant takes a timer back."""

    user: UserId
    name: str


class Fire(msgspec.Struct, frozen=True, kw_only=True, tag="fire"):
    """The timer that was due at `due_ms` goes off; without `turns`, as nothing would run one,
    none begins. Given by the session itself."""

    name: str
    due_ms: int
    turns: bool


Command: TypeAlias = (
    Send
    | Post
    | Greet
    | SetDialog
    | Act
    | UpdateContext
    | AddMemory
    | Acknowledge
    | Record
    | FinishTurn
    | Interrupt
    | Undo
    | Truncate
    | Compact
    | Suspend
    | Decide
    | Expire
    | Steer
    | PlaceAnswer
    | HandBack
    | RecordInteraction
    | SetGraphState
    | SetLanguage
    | SetMetadata
    | SetTitle
    | SetExport
    | Join
    | Leave
    | Approve
    | Deny
    | TransferHost
    | Start
    | Pause
    | Resume
    | End
    | LoseResources
    | Close
    | Conclude
    | Delete
    | SetWake
    | CancelWake
    | Fire
    | Recover
)
