"""P19: a transcript is valid after every event. And: every turn ends once, as everybody is told."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from ....actors.session import events as happened
from ....actors.session.audit import report
from ....actors.session.transcript import Message
from .base import Promise


class TranscriptsAreValid(Promise):
    code = "P19"

    def folded(self, tale: Any, _: Any) -> None:
        state = tale.state
        found = report(state)
        self.require(found.valid, f"{state.id} at {state.revision}: {found.problems}")
        said = sum(isinstance(line, Message) for line in state.history)
        self.require(said == state.messages, f"{state.id} at {state.revision}: {said} messages")

    def answered(self, asked: Any) -> None:
        if asked.call == "verify" and asked.error is None:
            self.require(asked.reply.result().valid, f"{asked!r} finds a transcript invalid")


class TurnsEndOnce(Promise):
    code = "turns"

    def __init__(self, house: Any) -> None:
        super().__init__(house)
        self._begun: defaultdict[str, set[int]] = defaultdict(set)
        self._ended: defaultdict[str, dict[int, Any]] = defaultdict(dict)
        self._decided: Counter[tuple[str, str]] = Counter()
        self._told: list[Any] = []

    # --- as it is journaled ---

    def journaled(self, tale: Any, entry: Any) -> None:
        name, event, running = tale.state.id, entry.event, tale.running
        match event:
            case happened.TurnQueued(turn=turn):
                self._begin(name, turn)
            case happened.TurnStarted(turn=turn):
                self.require(turn not in self._ended[name], f"{name}: {turn} starts after its end")
                if turn not in self._begun[name]:
                    self._begin(name, turn)
            case happened.TurnEnded(turn=turn) | happened.TurnSteered(turn=turn):
                self.require(turn in self._begun[name], f"{name}: {turn} ends, and never began")
                self.require(turn not in self._ended[name], f"{name}: {turn} ends twice")
                self._ended[name][turn] = event
            case happened.ApprovalDecided(approval=approval):
                self._decided[name, approval] += 1
                once = self._decided[name, approval] == 1
                self.require(once, f"{name}: {approval} is decided twice")
            case happened.ToolCalled(call=line) | happened.ToolReturned(result=line):
                own = line.turn == running
                self.require(own, f"{name}: a tool of turn {line.turn}, not of {running}")
            case happened.MessagePosted(message=line) if line.role == "assistant":
                own = line.turn == running or line.key
                self.require(own, f"{name}: said by {line.turn}, not by {running}")

    def _begin(self, name: str, turn: int) -> None:
        self.require(turn not in self._begun[name], f"{name}: {turn} begins twice")
        self._begun[name].add(turn)

    # --- as it is told ---

    def answered(self, asked: Any) -> None:
        if asked.error is None and asked.call in ("result", "interrupt", "decide"):
            self._told.append(asked)

    def end(self) -> None:
        for name, tale in self.house.tales.items():
            state = tale.state
            rests = (state.running, state.queued, state.approval) == (None, [], None)
            self.require(rests and state.closing is None, f"{name} is not at rest: {state}")
            open_turns = self._begun[name] ^ self._ended[name].keys()
            self.require(not open_turns, f"{name}: turns {sorted(open_turns)} never ended")
        decided: Counter[tuple[str, str]] = Counter()
        for asked in self._told:
            told = asked.reply.result()
            if asked.call == "result":
                self._check_result(asked, told)
            elif asked.call == "decide":
                decided[asked.session, told.approval] += asked.key is None
                once = decided[asked.session, told.approval] <= 1
                self.require(once, f"{asked!r}: several have decided on {told.approval}")
            elif told.verdict == "won":
                end = self._ended[asked.session].get(told.turn)
                won = (getattr(end, "status", ""), getattr(end, "cause", ""))
                self.require(won == ("cancelled", "user"), f"{asked!r} has won, and it is {end}")

    def _check_result(self, asked: Any, told: Any) -> None:
        ended = self._ended[asked.session]
        end = ended.get(asked.args["turn"])
        while isinstance(end, happened.TurnSteered):
            end = ended.get(end.into)
        same = end is not None and (told.turn, told.status) == (end.turn, end.status)
        self.require(same, f"{asked!r}: told {told}, and it was {end}")
