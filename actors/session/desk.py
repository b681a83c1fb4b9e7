"""Where questions about a session are answered: from its state, and after what it follows from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar

from ..errors import (
    GreenroomError,
    InvalidInput,
    JournalUnavailable,
    Refused,
    TurnNotFound,
    text_of,
)
from ..kernel.mailbox import Mail
from ..kernel.reply import Reply
from ..subscriber import SubscriberActor
from .about import addressee
from .approvals import pending
from .audit import report
from .dialog import dialog
from .events import PresenceChanged
from .fork import ForkPoint
from .info import HistoryPage, SessionInfo, info, result_of, snapshot
from .items import Published, stored
from .live import LiveLog
from .messages import (
    AwaitSettled,
    AwaitTurn,
    GetApproval,
    GetContext,
    GetDialog,
    GetForkPoint,
    GetHistory,
    GetInfo,
    GetLast,
    GetRecords,
    GetReport,
    GetSnapshot,
    GetTranscript,
    GetWakes,
    RequireMember,
    Subscribe,
)
from .outbox import Held, Later, Outbox
from .records import may_export, records_of
from .rules.checks import require_member
from .rules.ending import is_settled, require_deleter
from .settled import Settling
from .shared import shared_context
from .stage import Stage
from .state import State
from .transcript import own
from .voice import Voice
from .wakes import timers_of


class Desk:
    """Answers the questions of one activation. Asking is no activity, and changes nothing.

    An answer is let out after whatever its state is ahead of the journal by (promise P7).
    """

    def __init__(
        self, stage: Stage, live: LiveLog, outbox: Outbox, said: Callable[[], Sequence[str]]
    ) -> None:
        self.presence: dict[str, PresenceChanged] = {}  # as last published
        self._stage = stage
        self._live = live
        self._outbox = outbox
        self._said = said  # by the running turn, and in no message yet
        self.voice: Voice | None = None  # once somebody has used it
        self._waiting: dict[int, list[Mail]] = {}
        self._settling: Settling | None = None
        self._reading: set[asyncio.Task[None]] = set()

    def ask(self, state: State, mail: Mail) -> None:
        """Answer a question, now or when there is an answer."""
        try:
            self._HANDLERS[type(mail.message)](self, state, mail)
        except Refused as refusal:
            self._tell(mail, refusal)

    def end_turn(self, state: State, turn: int) -> None:
        """Answer those who wait for `turn`, which has ended."""
        for mail in self._waiting.pop(turn, ()):
            self.ask(state, mail)
        if self._settling is not None:
            for mail in self._settling.take(turn):
                self._tell(mail, True)

    def take_waiting(self) -> list[Mail]:
        """The questions that have no answer yet, for the next activation."""
        mails = [mail for waiting in self._waiting.values() for mail in waiting]
        self._waiting.clear()
        return mails if self._settling is None else [*mails, *self._settling.hand_over()]

    def _tell(self, mail: Mail, answer: object) -> None:
        if isinstance(mail.reply_to, Reply):
            self._outbox.put(Held(reply=mail.reply_to, answer=answer))

    def _await_turn(self, state: State, mail: Mail) -> None:
        turn = mail.message.turn
        outcome = state.outcomes.get(turn)
        while outcome is not None and outcome.into is not None:  # its message went to another turn
            turn = outcome.into
            outcome = state.outcomes.get(turn)
        if outcome is not None:
            self._tell(mail, result_of(state, turn, outcome))
        elif not state.is_pending(turn):
            raise TurnNotFound(state.id, str(turn))
        else:
            self._waiting.setdefault(turn, []).append(mail)

    def _await_settled(self, state: State, mail: Mail) -> None:
        """Whoever has waited in an earlier activation waits on for the same turn."""
        running, turn = state.running, mail.message.turn
        if running is None or turn not in (None, running.turn):
            self._tell(mail, True)
            return
        if self._settling is None:
            self._settling = Settling(self._stage.clock)
        self._settling.wait(mail, running.turn)

    def _get_info(self, state: State, mail: Mail) -> None:
        self._tell(mail, self._info(state))

    def _info(self, state: State) -> SessionInfo:
        voice = self.voice
        return info(state) if voice is None else info(state, voice.phase, voice.touched_ms)

    def _get_dialog(self, state: State, mail: Mail) -> None:
        require_member(state, mail.message.user)
        self._tell(mail, dialog(state))

    def _require_member(self, state: State, mail: Mail) -> None:
        require_member(state, mail.message.user)
        self._tell(mail, None)

    def _get_transcript(self, state: State, mail: Mail) -> None:
        require_member(state, mail.message.user)
        self._tell(mail, tuple(map(own, state.history)))

    def _get_approval(self, state: State, mail: Mail) -> None:
        require_member(state, mail.message.user)
        self._tell(mail, pending(state))

    def _get_context(self, state: State, mail: Mail) -> None:
        require_member(state, mail.message.user)
        self._tell(mail, shared_context(state))

    def _get_wakes(self, state: State, mail: Mail) -> None:
        require_member(state, mail.message.user)
        self._tell(mail, timers_of(state))

    def _get_report(self, state: State, mail: Mail) -> None:
        require_member(state, mail.message.user)
        self._tell(mail, report(state))

    def _get_records(self, state: State, mail: Mail) -> None:
        require_member(state, mail.message.user)
        self._tell(mail, records_of(state))

    def _get_fork_point(self, state: State, mail: Mail) -> None:
        """Let out when all of it is durable: whoever hears of it finds it in the journal."""
        member, at = require_member(state, mail.message.user), mail.message.at
        if at is not None and at > state.revision:
            raise InvalidInput("at", at, f"a revision, at most {state.revision}")
        revision = state.revision if at is None else at
        self._tell(mail, ForkPoint(revision, member.name, may_export(state)))

    def _get_last(self, state: State, mail: Mail) -> None:
        require_deleter(state, mail.message.user)
        self._tell(mail, state.revision if is_settled(state) else None)

    def _get_snapshot(self, state: State, mail: Mail) -> None:
        """The state of now, and the cursor and presences of when all of it has been published."""
        require_member(state, mail.message.user)
        live, view = self._live, snapshot(state, self._said(), self._info(state))
        self._tell(mail, Later(lambda: view.at(live.cursor_at(live.next_index), self.presence)))

    def _get_history(self, state: State, mail: Mail) -> None:
        """Read the page when all that it may tell of is durable, and beside the mailbox."""
        require_member(state, mail.message.user)
        frame, incarnation = _frame(state, mail.message), state.incarnation
        durable: Reply[object] = Reply()
        durable.on_done(lambda done: self._read_history(mail, frame, incarnation, done.error))
        self._outbox.put(Held(reply=durable))

    def _read_history(
        self, mail: Mail, frame: HistoryPage, incarnation: str, error: BaseException | None
    ) -> None:
        reply: Any = mail.reply_to
        if error is not None:
            reply.set_error(error)
            return
        work = self._answer_history(reply, mail.message, frame, incarnation)
        task = asyncio.get_running_loop().create_task(work)
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)

    async def _answer_history(
        self, reply: Reply[HistoryPage], asked: GetHistory, frame: HistoryPage, incarnation: str
    ) -> None:
        try:
            reply.set(await self._fill(frame, asked, incarnation))
        except GreenroomError as error:
            reply.set_error(error)
        except Exception as error:
            reply.set_error(JournalUnavailable(self._live.session, why=text_of(error)))

    async def _fill(self, frame: HistoryPage, asked: GetHistory, incarnation: str) -> HistoryPage:
        """Read on until the page is full: events that are for somebody else are left out."""
        session, events = self._live.session, list[Published]()
        after = max(asked.since, frame.oldest - 1)
        while (limit := min(asked.limit - len(events), frame.last - after)) > 0:
            page = await self._stage.journal.read(session, after=after, limit=limit)
            if page.first > after + 1:
                frame = frame.cut(page.first)
            if not page.events:
                break
            for revision, body in enumerate(page.events, page.first):
                event = stored(body, revision, session, incarnation, healed=False)
                if addressee(event.event) in (None, asked.user):
                    events.append(event)
            after = page.first + len(page.events) - 1
        return frame.holding(tuple(events))

    def _subscribe(self, state: State, mail: Mail) -> None:
        message, stage = mail.message, self._stage
        require_member(state, message.user)
        reader = SubscriberActor(
            stage.dispatcher,
            self._live,
            stage.journal,
            message.user,
            message.sink,
            message.kinds,
        )
        begin = partial(reader.begin, message.cursor)
        reply: Any = mail.reply_to
        self._outbox.put(Held(reply=reply, answer=reader, then=begin))

    _HANDLERS: ClassVar[dict[type, Callable[[Desk, State, Mail], None]]] = {
        AwaitTurn: _await_turn,
        AwaitSettled: _await_settled,
        GetDialog: _get_dialog,
        GetInfo: _get_info,
        GetTranscript: _get_transcript,
        GetHistory: _get_history,
        GetSnapshot: _get_snapshot,
        GetReport: _get_report,
        GetWakes: _get_wakes,
        GetRecords: _get_records,
        GetForkPoint: _get_fork_point,
        GetLast: _get_last,
        GetApproval: _get_approval,
        GetContext: _get_context,
        RequireMember: _require_member,
        Subscribe: _subscribe,
    }


QUESTIONS = frozenset(Desk._HANDLERS)


def _frame(state: State, asked: GetHistory) -> HistoryPage:
    """An empty page: what is retained, and whether that begins later than was asked for."""
    oldest = asked.oldest or state.oldest
    if not state.settings.record_session:
        oldest = state.revision + 1
    return HistoryPage(
        events=(),
        truncated=asked.since < oldest - 1,
        oldest=oldest,
        last=state.revision,
        seen={user: member.seen for user, member in state.participants.items()},
    )
