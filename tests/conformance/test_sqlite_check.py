"""`check` finds every kind of damage, names its place, and blames nothing that is whole."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from conformance.damage_kit import (
    SESSIONS,
    break_a_page,
    change_event,
    checked,
    drop_snapshots,
    execute,
    fill,
    one,
    runtime_on,
)
from conformance.journal_kit import error_of, played

import greenroom
from greenroom.actors.errors import JournalUnavailable, SessionNotFound
from greenroom.actors.session.entry import decode_entry, encode_entry
from greenroom.actors.session.events import MessagePosted
from greenroom.actors.session.state import decode_state, encode_state
from greenroom.adapters.journals.checksums import checksum, seed_of
from greenroom.adapters.journals.sqlite import SqliteJournal

OF_B = "(SELECT key FROM sessions WHERE id = 'b')"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def flipped(body: bytes) -> bytes:
    """The same, but for one bit of a text in it: it still decodes."""
    at = body.index(b"says") if b"says" in body else len(body) - 1
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]


@played
async def test_a_whole_journal_is_found_whole(path: Path) -> None:
    await fill(path)

    found, counted = await checked(path)

    assert found == []
    assert (counted.sessions, counted.total, counted.damaged, counted.unsummed) == (3, 3, 0, 0)
    assert counted.events == one(path, "SELECT count(*) FROM events WHERE revision > 0")


@played
async def test_a_session_whose_first_message_is_empty_is_found_whole(path: Path) -> None:
    """Its title is empty too, as is that of a row from before there were titles."""
    async with greenroom.Runtime(journal=SqliteJournal(path)) as runtime:
        session = await runtime.create(user="ann", id="s")
        await session.post("ann", "")
        await session.set_language("ann", "de")
        await session.add_feedback("ann", "n", "correct")

    found, _ = await checked(path)

    assert found == []


@played
async def test_it_is_found_whole_while_its_owner_writes(path: Path) -> None:
    async with runtime_on(path, snapshot_bytes=300) as runtime:
        session = await runtime.create(user="ann", id="a")
        for number in range(20):
            posting = session.post("ann", f"text {number}")
            assert (await checked(path))[0] == []
            await posting


@pytest.mark.parametrize("revision", [0, 3, 9])
@played
async def test_a_bit_that_is_flipped_is_found_where_it_is(path: Path, revision: int) -> None:
    await fill(path)
    change_event(path, "b", revision, flipped, summed=False)

    found, counted = await checked(path)

    assert [(each.session, each.revision) for each in found] == [("b", revision)]
    assert "its bytes are not those written" in found[0].what
    assert counted.damaged == 1
    assert (await checked(path, ["a", "c"]))[0] == []


@pytest.mark.parametrize(
    "change", [lambda body: body[:-3], lambda _: b"", lambda _: b"\xc1"], ids=["cut", "none", "bad"]
)
@played
async def test_what_cannot_be_decoded_is_found_though_its_sum_is_right(
    path: Path, change: Callable[[bytes], bytes]
) -> None:
    await fill(path)
    change_event(path, "b", 4, change, summed=True)

    ((damage,), _) = await checked(path)

    assert (damage.session, damage.revision) == ("b", 4)
    assert "cannot be read" in damage.what


@played
async def test_what_cannot_be_folded_is_found(path: Path) -> None:
    await fill(path)
    drop_snapshots(path)
    handed_back = encode_entry([1, {"type": "turn_handed_back", "turn": 99, "cause": "shutdown"}])
    change_event(path, "b", 1, lambda _: handed_back, summed=True)

    ((damage,), _) = await checked(path)

    assert (damage.session, damage.revision) == ("b", 1)


@pytest.mark.parametrize(
    ("where", "revision", "what"),
    [
        ("revision = 0", 0, "genesis is missing"),
        ("revision = 5", 5, "events are missing"),
        ("revision IN (5, 6)", 5, "up to 6"),
        ("revision >= 7", 7, "events are missing up to"),
    ],
)
@played
async def test_what_is_missing_is_found(path: Path, where: str, revision: int, what: str) -> None:
    await fill(path)
    drop_snapshots(path)
    execute(path, f"DELETE FROM events WHERE session = {OF_B} AND {where}")

    ((damage,), _) = await checked(path)

    assert (damage.session, damage.revision) == ("b", revision)
    assert what in damage.what


@played
async def test_a_snapshot_does_not_stand_for_events_that_are_missing(path: Path) -> None:
    await fill(path)
    execute(path, f"DELETE FROM events WHERE session = {OF_B} AND revision BETWEEN 1 AND 4")

    ((damage,), _) = await checked(path)

    assert (damage.session, damage.revision) == ("b", 1)
    assert damage.what == "events are missing up to 4"


@played
async def test_an_end_that_is_not_the_end_is_found(path: Path) -> None:
    await fill(path)
    drop_snapshots(path)
    execute(path, "UPDATE sessions SET head = 6 WHERE id = 'b'")

    found, _ = await checked(path)

    assert (found[0].session, found[0].revision) == ("b", 7)
    assert "says that it ends at 6" in found[0].what


@played
async def test_a_snapshot_that_is_not_the_fold_is_found(path: Path) -> None:
    await fill(path)
    with closing(sqlite3.connect(path)) as db:
        revision, body = db.execute(
            f"SELECT revision, body FROM snapshots WHERE session = {OF_B}"
        ).fetchone()
    state = decode_state(body)
    state.messages += 1
    state.history = state.history[:-1]
    wrong = encode_state(state)
    execute(
        path,
        f"UPDATE snapshots SET body = ?, sum = ? WHERE session = {OF_B}",
        wrong,
        checksum(seed_of("b"), revision, wrong),
    )

    ((damage,), _) = await checked(path)

    assert (damage.session, damage.revision) == ("b", revision)
    assert damage.what.startswith("the snapshot is not what the events say: ")
    assert "history" in damage.what


@played
async def test_a_snapshot_that_is_flipped_is_found(path: Path) -> None:
    await fill(path)
    body = one(path, f"SELECT body FROM snapshots WHERE session = {OF_B}")
    execute(path, f"UPDATE snapshots SET body = ? WHERE session = {OF_B}", flipped(body))

    ((damage,), _) = await checked(path)

    assert damage.session == "b"
    assert damage.what == "snapshot: its bytes are not those written"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ("owner = 'eve'", "owner"),
        ("name = 'x'", "name"),
        ("state = 'ended'", "state"),
        ("updated_ms = updated_ms + 1", "updated_ms"),
        ("messages = 0", "messages"),
        ("members = '[\"ann\"]'", "members"),
    ],
)
@played
async def test_an_index_row_that_says_something_else_is_found(
    path: Path, change: str, field: str
) -> None:
    await fill(path)
    execute(path, f"UPDATE sessions SET {change} WHERE id = 'b'")

    found, _ = await checked(path)

    assert {each.session for each in found} == {"b"}
    assert found[0].what.startswith(f"the index says that {field} is ")


@played
async def test_who_is_not_listed_is_found(path: Path) -> None:
    await fill(path)
    execute(path, f"DELETE FROM members WHERE user = 'bob' AND session = {OF_B}")

    ((damage,), _) = await checked(path)

    assert damage.what == "it is listed for ['ann'], but its participants are ['ann', 'bob']"


@played
async def test_events_of_nobody_are_found(path: Path) -> None:
    await fill(path)
    execute(path, "DELETE FROM sessions WHERE id = 'b'")

    found, counted = await checked(path)

    assert counted.sessions == 2
    assert {each.session for each in found} == {""}
    assert all("of a session 2 that is not there" in each.what for each in found)
    assert [each.what.split()[1] for each in found] == ["events", "snapshots", "members"]


@played
async def test_a_transcript_that_is_not_valid_is_found(path: Path) -> None:
    """P19: a call that has no result, since its place was taken by something else."""
    await fill(path, rounds=1)
    drop_snapshots(path)
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute(f"SELECT revision, body FROM events WHERE session = {OF_B}").fetchall()
    (result,) = [n for n, body in rows if n and b"found" in body]
    (said,) = [decode_entry(body) for n, body in rows if n and b"you said" in body]
    assert isinstance(said.event, MessagePosted)
    change_event(path, "b", result, lambda _: encode_entry(said), summed=True)

    found, _ = await checked(path)

    assert any("line 2 of the transcript: call c of turn 1" in each.what for each in found)


@played
async def test_a_page_that_sqlite_cannot_read_is_found_and_the_rest_is_checked(path: Path) -> None:
    await fill(path, rounds=40)
    drop_snapshots(path)
    break_a_page(path)

    found, counted = await checked(path)

    assert counted.sessions == 3
    assert counted.damaged == len(found) > 0
    assert {each.session for each in found} > {""}
    assert "c" not in {each.session for each in found}


@played
async def test_only_what_is_asked_for_is_checked(path: Path) -> None:
    await fill(path)
    change_event(path, "b", 3, flipped, summed=False)

    assert (await checked(path, ["a"]))[1].sessions == 1
    assert len((await checked(path, ["b"]))[0]) == 1
    assert isinstance(await error_of(checked(path, ["a", "nobody"])), SessionNotFound)
    nothing = path.with_name("no.db")
    assert isinstance(await error_of(checked(nothing)), JournalUnavailable)


@played
async def test_progress_is_told_after_each_session(path: Path) -> None:
    await fill(path)
    seen: list[tuple[int, int]] = []

    await SqliteJournal(path).check(
        found=lambda _: None, progress=lambda now: seen.append((now.sessions, now.total))
    )

    assert seen == [(n, len(SESSIONS)) for n in (1, 2, 3)]
