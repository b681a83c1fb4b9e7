"""Workloads, drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final

from ....actors.session.phases import PHASES
from ....actors.session.settings import POLICIES
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
    Options,
    Passivate,
    Read,
    Script,
    Show,
    Step,
    Unread,
    Wait,
    Watch,
)

USERS: Final = ("ann", "bob", "eve")
SESSIONS: Final = ("s0", "s1", "s2", "s3")
FORKS: Final = ("f0", "f1")
OWNERS: Final = {"s0": "ann", "s1": "bob", "s2": "bob", "s3": "ann", "f0": "ann", "f1": "bob"}
STEPS: Final = 120


def draw(seed: int, steps: int = STEPS) -> Script:
    """The workload of a seed: the same one in every process."""
    return Drawing(seed).script(steps)


class Drawing:
    """Draws steps; remembers only what makes the next ones likely to meet."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = rng = random.Random(f"workload {seed}")
        self.names = rng.sample(SESSIONS, rng.randrange(1, 5))
        self.number = 0
        self.keyed = rng.random() < 0.6

    def script(self, count: int) -> Script:
        rng = self.rng
        options = Options(
            max_sessions=rng.choice((2, 3, 6)),
            max_sessions_per_user=rng.choice((2, 4)),
            live_events=rng.choice((8, 60)),
            max_restarts=rng.choice((1000, 1000, 2, 3)),
            turn_attempts=rng.choice((1, 2, 3)),
            ended_retention_s=rng.choice((20.0, 1e6)),
            max_running_turns=rng.choice((None, 1, 2)),
            max_running_turns_per_user=rng.choice((None, None, 1)),
            admission_wait_s=rng.choice((0.0, 0.0, 3.0)),
            backstage=rng.random() < 0.5,
        )
        steps = self._gather()
        while len(steps) < count:
            steps += self._some()
        return Script(seed=self.seed, options=options, steps=tuple(steps[:count]))

    def _gather(self) -> list[Step]:
        """Most sessions are there from the beginning, and most people take part in them."""
        steps: list[Step] = []
        for name in self.names:
            steps += [self._create(name), Wait(passes=20)]
            for user in USERS:
                if self.rng.random() < 0.8:
                    steps.append(Ask(session=name, call="join", args={"user": user}))
            if self.rng.random() < 0.7:
                steps.append(Read(session=name, lag=self._lag()))
        return steps

    def _some(self) -> list[Step]:
        """What somebody does, or what goes wrong, and now and then the time to let it happen."""
        name = self.rng.choice((*self.names * 4, *FORKS))
        act = self.rng.choices(
            (self._talk, self._turns, self._edit, self._voice, self._show, self._wake, self._read,
             self._govern, self._leave, self._time, self._journal, self._process, self._crash),
            (28, 16, 5, 4, 4, 3, 8, 7, 8, 22, 8, 2, 4),
        )[0]  # fmt: skip
        steps = act(name, self.rng.choice(USERS))
        if self.rng.random() < 0.4:
            steps.append(Wait(passes=self.rng.choice((1, 2, 3, 5, 8, 15))))
        return steps

    # --- what people do ---

    def _talk(self, name: str, user: str) -> list[Step]:
        rng = self.rng
        if rng.random() < 0.15:
            return [self._say(name, user) for _ in range(rng.randrange(2, 6))]
        return [self._say(name, user)]

    def _say(self, name: str, user: str) -> Step:
        rng, self.number = self.rng, self.number + 1
        args: dict[str, Any] = {"user": user, "text": f"{user} {self.number}"}
        if self.keyed and rng.random() < 0.3:  # the same command again, or another one
            args |= {"text": f"again {rng.randrange(2)}", "key": f"key {rng.randrange(3)}"}
        if rng.random() < 0.3:
            return self._ask(name, "post", args)
        policy = rng.choice((*POLICIES, "steer", None))
        args |= {"policy": policy, "answer_key": rng.choice(("", "", "k1", "k2"))}
        return self._ask(name, "send", args, follow=rng.random() < 0.5)

    def _turns(self, name: str, user: str) -> list[Step]:
        rng, turn = self.rng, self.rng.randrange(1, 8)
        match rng.randrange(12):
            case 0 | 1 | 2:
                args = {"user": user, "turn": rng.choice((None, None, turn))}
                return [self._ask(name, "interrupt", args)]
            case 3:
                args = {"key": rng.choice(("k1", "k2")), "text": "late, by hand"}
                return [self._ask(name, "late_answer", args)]
            case 4:
                args = {"user": user, "turn": turn, "chars": rng.randrange(30)}
                return [self._ask(name, "delivered", args)]
            case 5:
                return [self._ask(name, "stopped", {"turn": turn})]
            case 6:
                return [self._ask(name, "settled", {"timeout_s": rng.choice((None, 0, 0.5, 30.0))})]
            case _:
                decisions = {"0": True, f"{turn}.1": rng.random() < 0.5, "1-0": True}
                approval = rng.choice((None, "pending", "0-0"))
                given = {"user": user, "decisions": decisions, "approval": approval}
                return [self._ask(name, "decide", given)]

    def _edit(self, name: str, user: str) -> list[Step]:
        rng = self.rng
        match rng.randrange(6):
            case 0 | 1:
                return [self._ask(name, "undo", {"user": user, "key": rng.choice((None, "undo"))})]
            case 2:
                return [self._ask(name, "truncate", {"user": user, "message": rng.randrange(4)})]
            case 3 | 4:
                args = {"user": user, "keep": rng.randrange(3)}
                return [self._ask(name, "compact", args, follow=True)]
            case _:
                at = rng.choice((None, None, rng.randrange(20)))
                return [self._ask(name, "fork", {"user": user, "at": at, "id": rng.choice(FORKS)})]

    def _voice(self, name: str, user: str) -> list[Step]:
        rng = self.rng
        match rng.randrange(6):
            case 0 | 1:
                args = {"user": user, "prompt": "hello", "key": rng.choice((None, "greet"))}
                return [self._ask(name, "greet", args, follow=True)]
            case 2 | 3:
                turn = rng.choice((None, None, 0, rng.randrange(1, 9)))
                phase = {"user": user, "phase": rng.choice(PHASES[:-1]), "turn": turn}
                return [self._ask(name, "set_phase", phase)]
            case 4:
                dialog = [["a", str(rng.randrange(9))]]
                return [self._ask(name, "set_dialog", {"user": user, "dialog": dialog})]
            case _:
                return [self._ask(name, "touch", {"user": user})]

    def _show(self, name: str, user: str) -> list[Step]:
        rng = self.rng
        source = rng.choice(("camera", "screen"))
        match rng.randrange(6):
            case 0 | 1:
                return [self._ask(name, "start_visual", {"user": user, "source": source})]
            case 2:
                args = {"user": user, "source": rng.choice((source, ""))}
                return [self._ask(name, "stop_visual", args)]
            case 3 | 4:
                return [Show(session=name, user=user, source=source, number=rng.randrange(99))]
            case _:
                return [Watch(session=name, user=user, buffer=rng.randrange(1, 4))]

    def _wake(self, name: str, user: str) -> list[Step]:
        rng = self.rng
        args: dict[str, Any] = {"user": user, "name": rng.choice(("tea", "nap"))}
        if rng.random() < 0.2:
            return [self._ask(name, "cancel_wake", args)]
        args |= {"after_s": rng.choice((0.5, 3.0, 12.0)), "turn": rng.random() < 0.5}
        return [self._ask(name, "wake_at", args)]

    def _read(self, name: str, user: str) -> list[Step]:
        rng = self.rng
        match rng.randrange(10):
            case 0 | 1 | 2 | 3:
                return [Read(session=name, lag=self._lag())]
            case 4 | 5:
                return [Unread(session=name)]
            case 6:
                return [self._ask(name, "history", {"user": user, "since": rng.randrange(5)})]
            case 7:
                return [self._ask(name, "info", {}), self._ask(name, "approval", {"user": user})]
            case 8:
                return [self._ask(name, "snapshot", {"user": user})]
            case _:
                return [self._ask(name, "verify", {"user": user})]

    def _lag(self) -> int:
        return self.rng.choice((0, 0, 0, 5, -1))

    def _govern(self, name: str, user: str) -> list[Step]:
        rng = self.rng
        match rng.randrange(14):
            case 0 | 1 | 2 | 3:
                role = rng.choice(("participant", "participant", "observer"))
                return [self._ask(name, "join", {"user": user, "role": role})]
            case 4:
                return [self._ask(name, "leave", {"user": user})]
            case 5:
                args = {"host": user, "to": rng.choice(USERS)}
                return [self._ask(name, "transfer_host", args)]
            case 6 | 7:
                return [self._ask(name, "pause", {"user": user})]
            case 8 | 9 | 10:
                return [self._ask(name, "resume", {"user": user})]
            case 11:
                args = {"user": user, "focus": str(rng.randrange(9))}
                return [self._ask(name, "present", args)]
            case _:
                call = rng.choice(("approve", "deny"))
                return [self._ask(name, call, {"host": OWNERS[name], "user": user})]

    # --- what the house does ---

    def _leave(self, name: str, user: str) -> list[Step]:
        rng = self.rng
        match rng.randrange(20):
            case 0:
                args = {"user": user, "grace_s": rng.choice((0.0, 1.0, 6.0))}
                return [self._ask(name, "shutdown", args)]
            case 1:
                return [self._ask(name, "delete", {"user": user})]
            case 2:
                return [self._ask(name, "end", {"user": user})]
            case 3 | 4:
                return [self._create(name)]
            case _:
                leave = Passivate(session=name, force=rng.random() < 0.5)
                if rng.random() < 0.5:  # mail that comes while it leaves
                    wait = Wait(passes=rng.choice((1, 2, 3, 4, 6)))
                    return [leave, wait, self._say(name, user)]
                return [leave]

    def _create(self, name: str) -> Step:
        rng = self.rng
        settings: dict[str, Any] = {
            "mode": rng.choice(("omni", "standard")),
            "cut_undelivered": rng.random() < 0.5,
            "max_queued_turns": rng.choice((3, 16)),
            "max_events": rng.choice((20, 1000)),
            "require_approval": rng.random() < 0.2,
        }
        obtain = rng.random() < 0.3
        return Create(session=name, user=OWNERS[name], settings=settings, obtain=obtain)

    def _time(self, *_: str) -> list[Step]:
        rng = self.rng
        if rng.random() < 0.6:
            return [Wait(passes=rng.randrange(1, 15))]
        return [Advance(seconds=rng.choice((0.01, 0.1, 0.6, 3.0, 6.0, 13.0)))]

    def _journal(self, *_: str) -> list[Step]:
        rng = self.rng
        match rng.randrange(12):
            case 0 | 1 | 2 | 3:
                return [Hold()]
            case 4 | 5:
                return [Let()]
            case 6 | 7:
                return [Let(count=rng.randrange(1, 4))]
            case _:
                kinds: list[Any] = ["full", "rejected", "silent", "written", "bug", "claim"]
                return [Fault(kind=rng.choice(kinds))]

    def _crash(self, name: str, user: str) -> list[Step]:
        if self.rng.random() < 0.2:
            return self._crash_on(name)
        crash = Crash(session=name, urgent=self.rng.random() < 0.4)
        if self.rng.random() < 0.5:
            return [self._say(name, user), crash, self._say(name, user)]
        return [crash]

    def _crash_on(self, name: str) -> list[Step]:
        """Crashes on stage and after a leave, up to the very end of a restart window."""
        between: list[list[Step]] = [
            [Advance(seconds=5.0)],
            [Advance(seconds=1.0), Passivate(session=name, force=True), Advance(seconds=4.0)],
        ]
        steps: list[Step] = [Crash(session=name)]
        for _ in range(self.rng.randrange(2, 4)):
            steps += [*self.rng.choice(between), Crash(session=name), Wait(passes=20)]
        return steps

    def _process(self, *_: str) -> list[Step]:
        rng = self.rng
        match rng.randrange(4):
            case 0 | 1:
                return [Kill(keep=rng.choice((0, 0, 1, 2, 5)))]
            case 2:
                return [Open()]
            case _:
                late: Callable[[], Step] = lambda: self._say(rng.choice(self.names), "ann")  # noqa: E731
                drain = Drain(budget_s=rng.choice((0.0, 1.0, 4.0)))
                return [drain, Wait(passes=rng.randrange(8)), late(), Advance(seconds=0.5), Open()]

    def _ask(self, name: str, call: str, args: dict[str, Any], *, follow: bool = False) -> Step:
        given = {field: value for field, value in args.items() if value is not None}
        elder = self.rng.random() < 0.15
        return Ask(session=name, call=call, args=given, follow=follow, elder=elder)
