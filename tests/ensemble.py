"""A house in which everybody does everything to sessions with turns, and everything goes wrong."""

from __future__ import annotations

import asyncio
import random
from functools import partial
from typing import Any, Final

from media.pictures import frame
from players import Players
from theatre import GatedJournal, LotteryDispatcher, ManualClock, settle
from witness import Reader, Witness

import greenroom
from greenroom.actors.kernel.reply import Reply
from greenroom.actors.session.phases import PHASES
from greenroom.actors.session.settings import POLICIES

USERS: Final = ("ann", "bob", "eve")
SESSIONS: Final = ("s0", "s1", "s2", "s3")
FORKS: Final = ("f0", "f1")
KEYS: Final = ("", "", "k1", "k2")


class TroubledJournal(GatedJournal):
    """One whose deletions, too, fail when told to."""

    async def close(self) -> None:
        """It stays open for the other runtime."""

    async def delete(self, session: str, *, epoch: int) -> None:
        error, written = self._failures.pop(0) if self._failures else (None, True)
        await asyncio.sleep(0)
        if written:
            await super().delete(session, epoch=epoch)
        if error is not None:
            raise error


class Ensemble:
    """Users, sessions, readers, and one runtime after the other on the same journal."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.clock = ManualClock()
        self.journal = TroubledJournal()
        self.players = Players(self.rng)
        self.witness = Witness(self)
        self.names = self.rng.sample(SESSIONS, self.rng.randrange(1, 5))
        self.with_backstage = self.rng.random() < 0.7
        self.replies: list[tuple[str, Reply[Any]]] = []
        self.readers = [Reader(self, name) for name in (*SESSIONS, *FORKS)]
        self.others: list[greenroom.Runtime] = []
        self.runs = 0

    async def open(self) -> None:
        """Start a runtime on the journal: the first one, or after another one has stopped."""
        players, backstage = self.players, {}
        self.runs += 1
        if self.with_backstage:
            backstage = {"resources": players.resources, "on_end": partial(players.hook, self.runs)}
        self.runtime = players.runtimes[self.runs] = greenroom.Runtime(
            players.answer,
            compactor=players.summarise,
            journal=self.journal,
            clock=self.clock,
            dispatcher=LotteryDispatcher(self.seed + self.runs),
            max_sessions=self.rng.choice((2, 4, 6)),
            max_sessions_per_user=self.rng.choice((2, 4)),
            idle_s=5.0,
            live_events=self.rng.choice((8, 60)),
            max_restarts=1000,
            restart_window_s=10.0,
            turn_attempts=self.rng.choice((1, 2, 3)),
            snapshot_bytes=400,
            turn_timeout_s=20.0,
            turn_silence_s=8.0,
            open_timeout_s=4.0,
            close_timeout_s=2.0,
            hook_timeout_s=2.0,
            approval_expires_s=10.0,
            ended_retention_s=self.rng.choice((20.0, 1e6)),
            max_running_turns=(None, 1, 2)[self.seed % 3],
            max_running_turns_per_user=(None, None, 1)[self.seed % 5 % 3],
            admission_wait_s=(0.0, 0.0, 3.0)[self.seed % 7 % 3],
            **backstage,
        )
        await self.runtime.start()

    async def gather(self) -> None:
        """Most sessions are there from the beginning, and everybody takes part in them."""
        for name in self.names:
            self._note("create", self._create(name))
            for user in USERS:
                self._note("join", self.runtime.session(name).join(user))
            await settle(30)

    async def stop(self, runtime: greenroom.Runtime, budget_s: float = 4.0) -> None:
        """Drain a runtime; the journal, and the clock, go on meanwhile."""
        stopping = asyncio.get_running_loop().create_task(runtime.stop(budget_s=budget_s))
        if self.rng.random() < 0.7:
            self.journal.heal()
        await self.clock.advance(budget_s + 2.0)
        self.journal.heal()
        await stopping
        await settle(200)
        await self.witness.check_stopped(runtime)

    async def act(self) -> None:
        """One thing that somebody does, or that goes wrong."""
        group = self.rng.choices(
            (self._talk, self._steer_turns, self._edit, self._voice, self._show, self._read,
             self._govern, self._leave_stage, self._house, self._trouble),
            (26, 18, 6, 6, 6, 8, 8, 4, 18, 5),
        )[0]  # fmt: skip
        await group(self.rng.choice((*self.names * 4, *FORKS)), self.rng.choice(USERS))

    # --- what people do ---

    async def _talk(self, name: str, user: str) -> None:
        rng, session = self.rng, self.runtime.session(name)
        key = rng.choice((None, None, None, f"key{rng.randrange(6)}"))
        match rng.randrange(8):
            case 0:
                self._note("post", session.post(user, f"by the way {rng.randrange(99)}", key=key))
            case 1 if rng.random() < 0.4:
                self._note("boom", session.post(user, "boom"))
            case _:
                policy: Any = rng.choice((*POLICIES, "steer", "steer", None))
                answer_key, text = rng.choice(KEYS), f"say {rng.randrange(4 if key else 99)}"
                sent = session.send(user, text, policy=policy, answer_key=answer_key, key=key)
                self._note("send", sent)
                sent.on_done(lambda done: self._follow(name, done))

    def _follow(self, name: str, sent: Reply[Any]) -> None:
        """Wait for the result of some of the turns that were accepted."""
        if sent.error is None and self.rng.random() < 0.5:
            turn = sent.result()
            if turn is not None:
                result = turn.result()
                self._note("result", result)
                self.witness.results.append((name, turn.id, result))

    async def _steer_turns(self, name: str, user: str) -> None:
        rng, session = self.rng, self.runtime.session(name)
        turn = rng.randrange(1, 12)
        match rng.randrange(12):
            case 0 | 1:
                cancelled = session.interrupt(user, rng.choice((None, None, turn)))
                self._note("interrupt", cancelled)
                self.witness.cancels.append((name, cancelled))
            case 2 | 3 | 4 | 9 | 10 | 11:
                decisions = {"0": True, f"{turn}.1": rng.random() < 0.5, "1-0": True}
                approval = rng.choice((None, self._pending(name)))
                decided = session.decide(rng.choice((user, user, user, "zed")), decisions, approval)
                self._note("decide", decided)
                self.witness.decides.append((name, decided))
            case 5:
                self._note("late", session.late_answer(rng.choice(("k1", "k2")), "late, by hand"))
            case 6:
                session.delivered(user, turn, rng.randrange(30))
            case 7:
                self._note("stopped", session.stopped(turn))
            case 8:
                self._note("settled", session.settled(rng.choice((None, 0, 0.5, 30.0))))

    def _pending(self, name: str) -> str | None:
        """The approval that the journal knows of: by the time it is decided it may be over."""
        state = self.witness.state(name)
        return "0-0" if state is None or state.approval is None else state.approval.id

    async def _edit(self, name: str, user: str) -> None:
        rng, session = self.rng, self.runtime.session(name)
        match rng.randrange(6):
            case 0 | 1:
                self._note("undo", session.undo(user, key=rng.choice((None, "undo"))))
            case 2:
                self._note("truncate", session.truncate(user, rng.randrange(4)))
            case 3 | 4:
                compacted = session.compact(user, keep=rng.randrange(3))
                self._note("compact", compacted)
                compacted.on_done(lambda done: self._follow(name, done))
            case 5:
                at = rng.choice((None, None, rng.randrange(20)))
                self._note("fork", session.fork(user, at=at, id=rng.choice(FORKS)))

    async def _voice(self, name: str, user: str) -> None:
        rng, session = self.rng, self.runtime.session(name)
        match rng.randrange(6):
            case 0 | 1:
                greeted = session.greet(user, "hello", key=rng.choice((None, "greet")))
                self._note("greet", greeted)
                greeted.on_done(lambda done: self._follow(name, done))
            case 2 | 3:
                turn = rng.choice((None, None, 0, rng.randrange(1, 9)))
                self._note("phase", session.set_phase(user, rng.choice(PHASES[:-1]), turn=turn))
            case 4:
                self._note("dialog", session.set_dialog(user, [("a", str(rng.randrange(9)))]))
            case 5:
                self._note("touch", session.touch(user))

    async def _show(self, name: str, user: str) -> None:
        rng, session = self.rng, self.runtime.session(name)
        source = rng.choice(("camera", "screen"))
        match rng.randrange(6):
            case 0 | 1:
                self._note("show", session.start_visual(user, source))
            case 2:
                self._note("hide", session.stop_visual(user, rng.choice((source, ""))))
            case 3 | 4:
                self._note("frame", session.offer_frame(user, frame(rng.randrange(99), source)))
            case 5:
                self.witness.watch(session.watch_frames(user, rng.randrange(1, 4)))

    async def _read(self, name: str, user: str) -> None:
        rng, session = self.rng, self.runtime.session(name)
        match rng.randrange(8):
            case 0 | 1 | 2:
                self.reader(name).attach()
            case 3:
                await self.reader(name).detach()
            case 4:
                self._note("snapshot", session.snapshot(user))
            case 5:
                self._note("history", session.history(user, since=rng.randrange(5)))
            case 6:
                told = session.verify(user)
                self._note("verify", told)
                self.witness.reports.append(told)
            case 7:
                self._note("info", session.info())
                self._note("approval", session.approval(user))

    async def _govern(self, name: str, user: str) -> None:
        rng, session = self.rng, self.runtime.session(name)
        match rng.randrange(12):
            case 0 | 1 | 2 | 3:
                role = rng.choice(("participant", "participant", "observer"))
                self._note("join", session.join(user, role=role))
            case 4:
                self._note("leave", session.leave(user))
            case 5:
                self._note("transfer", session.transfer_host(user, rng.choice(USERS)))
            case 6 | 7:
                self._note("pause", session.pause(user))
            case 8 | 9 | 10:
                self._note("resume", session.resume(user))
            case 11:
                session.present(user, focus=str(rng.randrange(9)))

    async def _leave_stage(self, name: str, user: str) -> None:
        rng, session = self.rng, self.runtime.session(name)
        match rng.randrange(12):
            case 0 | 3 | 4:
                self._note("shutdown", session.shutdown(user, rng.choice((0.0, 1.0, 6.0))))
            case 1:
                self._note("delete", self.runtime.delete(name, user))
            case 2:
                self._note("end", session.end(user))
            case _:
                self._note("passivate", self.runtime.passivate(name, force=rng.random() < 0.6))

    # --- what the house does ---

    async def _house(self, name: str, _: str) -> None:
        rng = self.rng
        match rng.randrange(8):
            case 0:
                self._note("create", self._create(name))
            case 1 | 2 | 3 | 4:
                await settle(rng.randrange(1, 15))
            case _:
                await self.clock.advance(rng.choice((0.01, 0.1, 0.6, 3.0, 6.0, 13.0)))

    def _create(self, name: str) -> Reply[Any]:
        rng = self.rng
        return self.runtime.create(
            user=owner_of(name),
            id=name,
            settings=greenroom.Settings(
                mode=rng.choice(("omni", "standard")),
                cut_undelivered=rng.random() < 0.5,
                max_queued_turns=rng.choice((3, 16)),
                max_events=rng.choice((20, 1000)),
                visual=greenroom.VisualSettings(min_interval_ms=0),
            ),
        )

    async def _trouble(self, *_: str) -> None:
        match self.rng.randrange(9):
            case 0:
                self.journal.fail(greenroom.NotWritten("full"))
            case 1:
                self.journal.fail(greenroom.JournalFailed("no answer"))
            case 2:
                self.journal.fail(greenroom.JournalFailed("no answer"), written=True)
            case 3 | 4:
                self.journal.holding = True
            case 5 | 6:
                self.journal.let()
            case 7 if self.runs < 3 and self.rng.random() < 0.4:
                await self.stop(self.runtime, self.rng.choice((0.0, 1.0, 4.0)))
                await self.open()
            case 8 if not self.others and self.rng.random() < 0.3:
                self.others.append(self.runtime)  # it does not know that there is another one
                await self.open()

    async def come_to_rest(self) -> None:
        """Let all that is under way end, every paused session go on, and every reader catch up."""
        self.players.quiet = True
        for _ in range(3):
            self.journal.heal()
            for _ in range(20):
                await self.clock.advance(2.0)
            for name in (*SESSIONS, *FORKS):
                state = self.witness.state(name)
                if state is not None and state.lifecycle == "paused":
                    self._note("resume", self.runtime.session(name).resume(state.host))
                    await self.clock.advance(1.0)
        for name in (*SESSIONS, *FORKS):
            await self.witness.catch_up(self.reader(name))
        for _ in range(200):
            await self.clock.advance(2.0)
            if not any(map(_works, (self.runtime, *self.others))):
                return

    def reader(self, name: str) -> Reader:
        return next(reader for reader in self.readers if reader.name == name)

    def _note(self, what: str, reply: Reply[Any]) -> None:
        self.replies.append((what, reply))


def _works(runtime: greenroom.Runtime) -> bool:
    """Whether a session is on stage, or will be by itself."""
    assert runtime._supervisor is not None
    return bool(runtime.resident or len(runtime._supervisor.alarms))


def owner_of(name: str) -> str:
    return "ann" if name in ("s0", "s3", "f0") else "bob"
