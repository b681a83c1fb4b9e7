"""Damage is a typed answer: never an empty session, never somebody's truth, and nobody else's."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from conformance.damage_kit import (
    SESSIONS,
    agent,
    break_a_page,
    change_event,
    checked,
    drop_snapshots,
    execute,
    fill,
    one,
    runtime_on,
)
from conformance.journal_kit import append, create, error_of, played, row
from theatre import GatedJournal, ManualClock, play, settle, texts

import greenroom
from greenroom import InvalidInput, SessionDamaged, SessionEnded, SessionExists, SessionNotFound
from greenroom.actors.errors import Fenced, Rejected
from greenroom.actors.ports import Claim, Journal, NewSession
from greenroom.adapters.journals.bounds import MAX_STATE_BYTES
from greenroom.adapters.journals.memory import MemoryJournal
from greenroom.adapters.journals.sqlite import SqliteJournal
from greenroom.supervisor.quarantine import HOLD_S


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture(params=["memory", "sqlite"])
def journal(request: pytest.FixtureRequest, path: Path) -> Journal:
    return MemoryJournal() if request.param == "memory" else SqliteJournal(path)


def flipped(body: bytes) -> bytes:
    """Another text of the same length: it decodes as well as the right one."""
    assert b"says" in body
    return body.replace(b"says", b"sayz")


def events_in(path: Path) -> list[tuple[int, int, bytes]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT session, revision, body FROM events ORDER BY 1, 2").fetchall()


def said(name: str, rounds: int = 3) -> list[str]:
    whole = [f"{name} says {number}" for number in range(rounds)]
    return [line for text in whole for line in (text, f"you said {text}")]


def revision_of(path: Path, session: str, words: bytes) -> int:
    """Of the first event of `session` that has `words` in it."""
    return int(
        one(
            path,
            "SELECT min(revision) FROM events JOIN sessions ON key = session"
            " WHERE id = ? AND revision > 0 AND instr(body, ?)",
            session,
            words,
        )
    )


# --- SX1: ids are no paths -----------------------------------------------------------------------

PATHS = ["../pwned", "../victim", "a/b", "/etc/x", "..", ".", "a\0b", "a\\b", "~", "", "é", "a\n"]


@pytest.mark.parametrize("name", PATHS)
@played
async def test_sx1_an_id_that_could_be_a_path_is_refused_and_nothing_is_made(
    path: Path, name: str
) -> None:
    async with runtime_on(path) as runtime:
        with pytest.raises(InvalidInput) as refused:
            await runtime.create(user="ann", id=name)
        with pytest.raises(InvalidInput):
            runtime.session(name)
        with pytest.raises(InvalidInput):
            await runtime.delete(name, "ann")

    assert refused.value.field == "session id"
    assert events_in(path) == []
    assert {file.name for file in path.parent.iterdir()} == {path.name, f"{path.name}.lock"}


@pytest.mark.parametrize("name", ["../pwned", "a/b", "/tmp/x", "..", "'; DROP TABLE events; --"])
@played
async def test_sx1_to_a_journal_an_id_is_a_value_and_no_place(path: Path, name: str) -> None:
    """Whatever checks of ids there are above it: two ids are two sessions, in the one file."""
    victim = path.parent / "victim"
    victim.write_text("kept")
    journal = SqliteJournal(path)
    await journal.open()
    for session in (name, f"{name}/", "../victim"):
        await create(journal, session, genesis=session.encode())
    await append(journal, b"1", session=name)
    await journal.delete("../victim", epoch=1)
    held = [(await journal.beginning(session)).genesis for session in (name, f"{name}/")]
    await journal.close()

    assert held == [name.encode(), f"{name}/".encode()]
    assert victim.read_text() == "kept"
    names = {path.name, f"{path.name}.lock", "victim"}
    assert {file.name for file in path.parent.iterdir()} == names


# --- SX2: what fails leaves what was there -------------------------------------------------------


@pytest.mark.parametrize("value", [object(), "\ud800", float, {1: "x"}, {"deep": [b"x", {2}]}])
@played
async def test_sx2_what_cannot_be_encoded_is_refused_and_the_session_stays(
    path: Path, value: Any
) -> None:
    await fill(path)
    before = events_in(path)
    async with runtime_on(path) as runtime:
        session = runtime.session("a")
        with pytest.raises(InvalidInput) as refused:
            await session.update_context("ann", {"graph": value})
        info = await session.info()

    assert "patch.graph" in refused.value.field
    assert info.messages == 6
    assert events_in(path) == before


@played
async def test_sx2_a_snapshot_that_cannot_be_written_leaves_the_last_one(journal: Journal) -> None:
    await create(journal)
    await append(journal, b"1", b"2")
    await journal.snapshot("s", b"good", epoch=1, revision=1)

    error = await error_of(journal.snapshot("s", bytes(MAX_STATE_BYTES + 1), epoch=1, revision=2))

    claim = await journal.claim("s")
    assert isinstance(error, Rejected)
    assert (claim.snapshot, claim.events) == ((1, b"good"), [b"2"])


# --- SX3: what is damaged is not wiped -----------------------------------------------------------


@pytest.mark.parametrize("damage", ["flip", "cut", "gone", "genesis", "head"])
@played
async def test_sx3_a_damaged_session_is_a_typed_answer_and_its_bytes_are_kept(
    path: Path, damage: str
) -> None:
    await fill(path)
    drop_snapshots(path)
    at = revision_of(path, "b", b"b says 1")
    match damage:
        case "flip":
            change_event(path, "b", at, flipped, summed=False)
        case "cut":
            change_event(path, "b", at, lambda body: body[:-1], summed=True)
        case "gone":
            execute(path, "DELETE FROM events WHERE session = 2 AND revision = ?", at)
        case "genesis":
            change_event(path, "b", 0, lambda body: body[:-1] + b"\xff", summed=False)
        case _:
            execute(path, "UPDATE sessions SET head = 3 WHERE id = 'b'")
    before = events_in(path)

    async with runtime_on(path) as runtime:
        session = runtime.session("b")
        for ask in (
            session.info,
            lambda: session.post("ann", "x"),
            lambda: session.transcript("ann"),
            lambda: session.end("ann"),
            lambda: session.delete("ann"),
        ):
            error = await error_of(ask())
            assert isinstance(error, SessionDamaged)
            assert error.session == "b"
        assert isinstance(await error_of(runtime.create(user="ann", id="b")), SessionExists)
        for name in ("a", "c"):
            assert texts(await runtime.session(name).transcript("ann")) == said(name)
        assert runtime.resident == 2

    assert events_in(path) == before
    assert {damage.session for damage in (await checked(path))[0]} == {"b"}


@played
async def test_sx3_a_flipped_bit_that_still_decodes_is_never_served(path: Path) -> None:
    """Also not by reading the history from the journal: a checksum tells what decoding does not."""
    await fill(path)  # the snapshot is whole, and the session comes on stage
    change_event(path, "b", revision_of(path, "b", b"b says 1"), flipped, summed=False)

    async with runtime_on(path) as runtime:
        session = runtime.session("b")
        assert texts(await session.transcript("ann")) == said("b")
        assert isinstance(await error_of(session.history("ann")), SessionDamaged)


@played
async def test_sx3_a_damaged_snapshot_is_passed_over_for_the_events(path: Path) -> None:
    await fill(path)
    body = one(path, "SELECT body FROM snapshots WHERE session = 2")
    execute(path, "UPDATE snapshots SET body = ? WHERE session = 2", flipped(body))

    async with runtime_on(path) as runtime:
        assert texts(await runtime.session("b").transcript("ann")) == said("b")
        await runtime.session("b").post("ann", "more")

    assert (await checked(path))[0] == []  # a newer snapshot has taken its place


@played
async def test_sx3_a_page_that_cannot_be_read_keeps_only_its_sessions_away(path: Path) -> None:
    await fill(path, rounds=40)
    drop_snapshots(path)
    break_a_page(path)

    async with runtime_on(path) as runtime:
        replies = [runtime.session(name).transcript("ann") for name in SESSIONS]
        first, *_, last = await asyncio.gather(*replies, return_exceptions=True)
        assert isinstance(first, SessionDamaged)
        assert not isinstance(last, BaseException)
        assert texts(last) == said("c", 40)
        await runtime.session("c").post("ann", "more")


class Broken(GatedJournal):
    """Gives back session `b` with an event that cannot be read, until it is repaired."""

    repaired = False
    asked = 0

    async def claim(self, session: str, *, create: NewSession | None = None) -> Claim:
        claimed = await super().claim(session, create=create)
        if session != "b" or create is not None:
            return claimed
        self.asked += 1
        if not self.repaired:
            claimed.events.append(b"\xc1")
        return claimed


def test_sx3_a_damaged_session_is_not_read_again_for_each_message_but_is_after_a_while() -> None:
    async def scene() -> None:
        journal, clock = Broken(), ManualClock()
        async with greenroom.Runtime(agent, journal=journal, clock=clock) as runtime:
            for name in SESSIONS:
                await runtime.create(user="ann", id=name)
                assert await runtime.passivate(name)
            session = runtime.session("b")

            for _ in range(50):
                assert isinstance(await error_of(session.post("ann", "x")), SessionDamaged)
            assert journal.asked == 1

            journal.repaired = True
            assert isinstance(await error_of(session.post("ann", "x")), SessionDamaged)
            await clock.advance(HOLD_S)
            await session.post("ann", "back")
            assert texts(await session.transcript("ann")) == ["back"]
            assert journal.asked == 2

    play(scene)


@pytest.mark.parametrize("seed", range(40))
def test_sx3_a_file_damaged_anywhere_is_never_served_as_truth(seed: int, path: Path) -> None:
    """Bytes overwritten, or the end cut off, at random: the truth, or a typed error."""
    rng = random.Random(seed)

    async def wake() -> list[Any]:
        async with runtime_on(path) as runtime:
            replies = [runtime.session(name).transcript("ann") for name in SESSIONS]
            return await asyncio.gather(*replies, return_exceptions=True)

    play(lambda: fill(path, rounds=8))
    if seed % 2:
        drop_snapshots(path)
    data = bytearray(path.read_bytes())
    at = rng.randrange(4096, len(data))
    if seed % 8 == 7:
        del data[at:]
    else:
        size = rng.choice((1, 1, 8, 512))
        data[at : at + size] = bytes(byte ^ rng.randrange(1, 256) for byte in data[at : at + size])
    path.write_bytes(data)

    try:
        found: Any = play(wake)
    except greenroom.JournalError:
        return  # the file as a whole is refused
    for name, outcome in zip(SESSIONS, found, strict=True):
        if isinstance(outcome, BaseException):
            assert isinstance(outcome, greenroom.GreenroomError)
        else:
            assert texts(outcome) == said(name, 8)
    if any(isinstance(outcome, SessionDamaged) for outcome in found):
        assert play(lambda: checked(path))[1].damaged > 0


# --- SX18: one slow session keeps nobody else ----------------------------------------------------


def test_sx18_a_session_that_the_journal_is_slow_to_give_keeps_nobody_else() -> None:
    class Slow(GatedJournal):
        gate = asyncio.Event()

        async def claim(self, session: str, *, create: NewSession | None = None) -> Claim:
            if session == "b" and create is None:
                await self.gate.wait()
            return await super().claim(session, create=create)

    async def scene() -> None:
        journal = Slow()
        async with greenroom.Runtime(agent, journal=journal, clock=ManualClock()) as runtime:
            for name in SESSIONS:
                await runtime.create(user="ann", id=name)
                await runtime.passivate(name)
            waiting = runtime.session("b").post("ann", "late")
            await settle()

            for name in ("a", "c"):
                turn = await runtime.session(name).send("ann", "now")
                assert (await turn.result()).status == "completed"
            assert not waiting.done

            journal.gate.set()
            await waiting

    play(scene)


# --- SX22: what is deleted stays deleted ---------------------------------------------------------


@played
async def test_sx22_an_append_after_the_deletion_brings_nothing_back(journal: Journal) -> None:
    await create(journal)
    await append(journal, b"1")
    await journal.delete("s", epoch=1)

    for write in (
        append(journal, b"2", after=1),
        journal.snapshot("s", b"state", epoch=1, revision=1),
        journal.release("s", epoch=1, end=None),
    ):
        assert isinstance(await error_of(write), Fenced)
    assert isinstance(await error_of(journal.claim("s")), SessionNotFound)
    assert isinstance(await error_of(create(journal)), SessionExists)
    assert await journal.find("s") is None
    new = NewSession(genesis=b"again", row=row("s"))
    assert isinstance(await error_of(journal.claim("s", create=new)), SessionExists)


@played
async def test_sx22_a_tombstone_lasts(path: Path) -> None:
    await fill(path)
    async with runtime_on(path) as runtime:
        session = runtime.session("b")
        gone, late = session.delete("ann"), session.post("ann", "too late")
        assert await gone
        assert isinstance(await error_of(late), (SessionEnded, SessionNotFound))
    kept = events_in(path)

    async with runtime_on(path) as runtime:
        session = runtime.session("b")
        assert isinstance(await error_of(session.post("ann", "too late")), SessionNotFound)
        assert isinstance(await error_of(runtime.create(user="ann", id="b")), SessionExists)

    assert events_in(path) == kept
    assert (await checked(path))[1].sessions == 2
