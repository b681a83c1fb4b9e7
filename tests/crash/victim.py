"""A process that hosts dialogues until it is killed, and says what it has acknowledged as it goes.

It is forked from one that has imported everything, so that a life costs milliseconds. Whatever it
says is one `write` to a pipe, before the next thing can happen: it is not lost with the process.

    python victim.py <dialogues.jsonl.gz>    reads `Life`s, one a line, and lives them in turn
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec
import structlog
from crash.words import digest

import greenroom
from greenroom.actors.session.commands import Send
from greenroom.actors.session.events import DURABLE
from greenroom.actors.session.live import LiveLog
from greenroom.actors.session.messages import Keyed
from greenroom.adapters.journals import sqlite_checkpoint
from greenroom.adapters.journals.sqlite import SqliteJournal
from greenroom.adapters.load.dataset import Dialogue, read_dialogues
from greenroom.adapters.load.pace import Pace
from greenroom.adapters.load.player import Player
from greenroom.adapters.load.report import Counters
from greenroom.adapters.load.transcripts import Transcripts
from greenroom.adapters.load.trouble import Trouble

TURN_ATTEMPTS = 10_000
"""A turn may be killed as often as it takes."""


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """What one process does: it plays `dialogues`, and says each of `taps` (session, key) again."""

    path: str
    seed: int
    dialogues: list[str]
    taps: list[tuple[str, str]] = []
    durability: Any = "full"
    people: int = 1
    barge_in: float = 0.0
    approve: float = 0.0
    at_once: int = 12
    capacity: int = 8
    per_s: float = 600.0

    @property
    def trouble(self) -> Trouble:
        return Trouble(barge_in=self.barge_in, approve=self.approve)


def say(*words: Any) -> None:
    """One line, in one piece."""
    os.write(1, msgspec.json.encode(words) + b"\n")


class Telling(greenroom.Runtime):
    """Says which commands are acknowledged, the moment they are."""

    def ask(self, session: str, message: Any, to: Any = None) -> Any:
        reply = super().ask(session, message, to)
        reply.on_done(lambda done: self._acknowledged(session, message, done))
        return reply

    def _acknowledged(self, session: str, message: Any, reply: Any) -> None:
        if reply.error is not None:
            return
        told = reply._value
        key = message.key if type(message) is Keyed else ""
        command = message.command if type(message) is Keyed else message
        if type(command) is Send:
            say("sent", session, told.turn, digest(command.text), told.revision)
        elif type(getattr(told, "revision", None)) is int:
            say("ack", session, told.revision, key)


def tell_publications() -> None:
    """Have every durable event said as it is published: from then on somebody may know it."""
    publish = LiveLog.publish

    def telling(self: LiveLog, event: Any, **about: Any) -> Any:
        item = publish(self, event, **about)
        if type(event) in DURABLE:
            say("heard", self.session, item.revision, item.epoch, item.position, digest(event))
        return item

    LiveLog.publish = telling  # type: ignore[method-assign]


async def live(life: Life, dialogues: Sequence[Dialogue]) -> None:
    """Play until the end, or until somebody kills."""
    runtime = Telling(
        Transcripts(dialogues, life.trouble),
        journal=SqliteJournal(life.path, durability=life.durability),
        max_sessions=life.capacity,
        max_sessions_per_user=life.capacity,
        turn_attempts=TURN_ATTEMPTS,
        snapshot_bytes=600,
    )
    rng = random.Random(life.seed)
    waiting = iter(rng.sample(dialogues, len(dialogues)))
    pace, counters = Pace(life.per_s), Counters()

    async def play() -> None:
        for dialogue in waiting:
            name = dialogue.dialogue_id
            owner = f"user-{crc32(name.encode()) % 7}"
            player = Player(
                runtime,
                dialogue,
                owner,
                pace,
                counters,
                guests=life.people - 1,
                trouble=life.trouble,
            )
            await player.play()
            say("done", name)

    async def tap() -> None:
        """Do something under a key, at any time, and again what nobody acknowledged before."""
        for session, key in life.taps:
            await tap_once(runtime, session, key)
        for number in range(1_000_000):
            name = rng.choice(dialogues).dialogue_id
            key = f"{life.seed}.{number}"
            await tap_once(runtime, name, key)
            await asyncio.sleep(rng.random() / 50)

    async with runtime:
        # A guest that has come in misses what happens before it listens, which only a tap can be.
        tapping = asyncio.create_task(tap() if life.people == 1 else asyncio.sleep(0))
        async with asyncio.TaskGroup() as players:
            for _ in range(life.at_once):
                players.create_task(play())
        tapping.cancel()
        await asyncio.gather(tapping, return_exceptions=True)


async def tap_once(runtime: greenroom.Runtime, name: str, key: str) -> None:
    session = runtime.session(name)
    try:
        owner = (await session.info()).owner
        say("tap", name, key)
        await session.act(owner, "tap", {"key": key}, key=key)
        await session.update_context(owner, {"last": key})
    except greenroom.GreenroomError:
        return  # no room, or no such session yet


def main(file: str) -> None:
    structlog.configure(processors=[_complain])
    # Snapshots, checkpoints and logs that begin anew, as often as in hours of a larger load.
    sqlite_checkpoint.WAL_BYTES = 64 << 10  # type: ignore[misc]
    sqlite_checkpoint.FULL_WAL_BYTES = 256 << 10  # type: ignore[misc]
    tell_publications()
    dialogues = {dialogue.dialogue_id: dialogue for dialogue in read_dialogues(Path(file))}
    say("ready")
    for line in sys.stdin.buffer:
        life = msgspec.json.decode(line, type=Life)
        pid = os.fork()
        if pid == 0:
            _live(life, [dialogues[name] for name in life.dialogues])
        say("born", pid)
        # Not reaped before its end was said and heard: nobody else gets its number meanwhile.
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert ended is not None
        say("ended", ended.si_status)
        sys.stdin.buffer.readline()
        os.waitpid(pid, 0)


def _live(life: Life, dialogues: Sequence[Dialogue]) -> None:
    try:
        asyncio.run(live(life, dialogues))
    except BaseException:
        say("failed", traceback.format_exc()[-3000:])
        os._exit(1)
    os._exit(0)


def _complain(_: Any, level: str, line: Any) -> Any:
    if level in ("error", "exception", "critical"):
        say("failed", str(line)[:3000])
    raise structlog.DropEvent


if __name__ == "__main__":
    main(sys.argv[1])
