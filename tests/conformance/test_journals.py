"""What every journal promises. A new journal is one file, and one line in `JOURNALS`."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from conformance.journal_kit import append, create, error_of, events_of, played, row

from greenroom.actors.errors import (
    Conflict,
    Fenced,
    InvalidInput,
    JournalUnavailable,
    NotWritten,
    Rejected,
    SessionExists,
    SessionNotFound,
)
from greenroom.actors.ports import Claim, End, Journal, NewSession, SessionQuery
from greenroom.adapters.journals.bounds import MAX_BYTES, MAX_STATE_BYTES
from greenroom.adapters.journals.memory import MemoryJournal
from greenroom.adapters.journals.sqlite import SqliteJournal

JOURNALS: dict[str, Callable[[Path], Journal]] = {
    "memory": lambda _: MemoryJournal(),
    "sqlite": lambda path: SqliteJournal(path / "journal.db"),
}

AWKWARD = [bytes(range(256)), b"", b"\0", b"\0\0one\0", b"\xff\xfe", "é".encode(), b'"\\\n,', b"x"]


@pytest.fixture(params=JOURNALS, ids=str)
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Journal:
    return JOURNALS[request.param](tmp_path)


# --- claim ---------------------------------------------------------------------------------------


@played
async def test_a_new_session_begins_at_revision_0_of_epoch_1(journal: Journal) -> None:
    claim = await create(journal, genesis=b"born")

    assert claim == Claim(
        epoch=1, revision=0, genesis=b"born", snapshot=None, events=[], end=End(0, 0)
    )


@played
async def test_an_id_is_created_once(journal: Journal) -> None:
    await create(journal, genesis=b"first")

    assert isinstance(await error_of(create(journal, genesis=b"second")), SessionExists)
    assert (await journal.beginning("s")).genesis == b"first"
    assert await append(journal, b"e") == 1  # the first owner still owns it


@played
async def test_of_many_creations_at_once_one_wins(journal: Journal) -> None:
    errors = await asyncio.gather(*(error_of(create(journal)) for _ in range(10)))

    assert errors.count(None) == 1
    assert sum(isinstance(error, SessionExists) for error in errors) == 9


@played
async def test_what_does_not_exist_cannot_be_claimed(journal: Journal) -> None:
    with pytest.raises(SessionNotFound):
        await journal.claim("s")


@played
async def test_a_genesis_that_is_too_large_is_rejected(journal: Journal) -> None:
    error = await error_of(create(journal, genesis=bytes(MAX_BYTES + 1)))

    assert isinstance(error, Rejected)
    assert (error.size, error.limit) == (MAX_BYTES + 1, MAX_BYTES)
    assert isinstance(await error_of(journal.claim("s")), SessionNotFound)


@played
async def test_each_claim_has_a_newer_epoch(journal: Journal) -> None:
    await create(journal)

    assert [(await journal.claim("s")).epoch for _ in range(3)] == [2, 3, 4]


@played
async def test_claims_at_once_get_different_epochs_and_the_last_one_writes(
    journal: Journal,
) -> None:
    await create(journal)

    claims = await asyncio.gather(*(journal.claim("s") for _ in range(20)))

    epochs = sorted(claim.epoch for claim in claims)
    assert epochs == list(range(2, 22))
    for epoch in epochs[:-1]:
        assert isinstance(await error_of(append(journal, b"late", epoch=epoch)), Fenced)
    assert await append(journal, b"e", epoch=epochs[-1]) == 1


@played
async def test_a_claim_without_a_snapshot_has_all_events(journal: Journal) -> None:
    await create(journal, genesis=b"born")
    await append(journal, b"1", b"2")

    claim = await journal.claim("s")

    assert (claim.genesis, claim.snapshot) == (b"born", None)
    assert (claim.events, claim.revision) == ([b"1", b"2"], 2)


@played
async def test_a_claim_has_the_snapshot_and_the_events_behind_it(journal: Journal) -> None:
    await create(journal, genesis=b"born")
    await append(journal, b"1", b"2", b"3")
    await journal.snapshot("s", b"\0state\xff", epoch=1, revision=2)

    claim = await journal.claim("s")

    assert (claim.genesis, claim.snapshot) == (b"born", (2, b"\0state\xff"))
    assert (claim.events, claim.revision) == ([b"3"], 3)


@played
async def test_a_claim_sees_what_was_queued_before_it(journal: Journal) -> None:
    await create(journal)
    commits = [append(journal, b"%d" % n, after=n) for n in range(50)]

    claim = await journal.claim("s")

    assert claim.events == [b"%d" % n for n in range(50)]
    assert all(commit.done and commit.error is None for commit in commits)


@played
async def test_what_is_queued_behind_a_claim_is_fenced(journal: Journal) -> None:
    await create(journal)
    claiming = asyncio.ensure_future(journal.claim("s"))
    await asyncio.sleep(0)  # it has been queued now

    late = append(journal, b"late")

    assert isinstance(await error_of(late), Fenced)
    assert (await claiming).events == []
    assert await events_of(journal) == []


# --- the end record ------------------------------------------------------------------------------


@played
async def test_a_claim_tells_once_where_the_last_owner_stopped(journal: Journal) -> None:
    await create(journal)
    await journal.release("s", epoch=1, end=End(1, 42))

    assert (await journal.claim("s")).end == End(1, 42)
    assert (await journal.claim("s")).end is None


@played
async def test_an_owner_that_published_nothing_may_pass_on_an_older_end(journal: Journal) -> None:
    await create(journal)
    await journal.claim("s")
    await journal.release("s", epoch=2, end=End(1, 7))

    assert (await journal.claim("s")).end == End(1, 7)


@played
async def test_a_release_without_an_end_leaves_none(journal: Journal) -> None:
    await create(journal)
    await journal.release("s", epoch=1, end=End(1, 42))
    await journal.release("s", epoch=1, end=None)

    assert (await journal.claim("s")).end is None


@played
async def test_an_append_after_a_release_takes_it_back(journal: Journal) -> None:
    await create(journal)
    await journal.release("s", epoch=1, end=End(1, 42))
    await append(journal, b"e")

    assert (await journal.claim("s")).end is None


@played
async def test_only_the_owner_can_release(journal: Journal) -> None:
    await create(journal)
    await journal.claim("s")

    for late in (
        journal.release("s", epoch=1, end=End(1, 42)),
        journal.release("nobody", epoch=1, end=None),
    ):
        assert isinstance(await error_of(late), Fenced)
    assert (await journal.claim("s")).end is None


# --- append --------------------------------------------------------------------------------------


@played
async def test_revisions_are_contiguous_and_commits_carry_the_last_one(journal: Journal) -> None:
    await create(journal)

    commits = [
        append(journal, b"1"),
        append(journal, b"2", b"3", after=1),
        append(journal, b"4", after=3),
    ]

    assert [await commit for commit in commits] == [1, 3, 4]
    page = await journal.read("s", after=0, limit=10)
    assert (page.first, page.events, page.head) == (1, [b"1", b"2", b"3", b"4"], 4)


@pytest.mark.parametrize("after", [0, 1, 3])
@played
async def test_an_append_elsewhere_than_at_the_end_writes_nothing(
    journal: Journal, after: int
) -> None:
    await create(journal)
    await append(journal, b"1", b"2", name="two")

    error = await error_of(append(journal, b"x", b"y", after=after, name="wrong"))

    assert isinstance(error, Conflict)
    assert (error.session, error.after) == ("s", after)
    assert await events_of(journal) == [b"1", b"2"]
    assert (await journal.list(SessionQuery())).rows[0].name == "two"
    assert await append(journal, b"3", after=2) == 3


@pytest.mark.parametrize("epoch", [0, 1, 3])
@played
async def test_only_the_newest_epoch_can_append(journal: Journal, epoch: int) -> None:
    await create(journal)
    await journal.claim("s")

    error = await error_of(append(journal, b"x", epoch=epoch, name="wrong"))

    assert isinstance(error, Fenced)
    assert (error.session, error.epoch) == ("s", epoch)
    assert await events_of(journal) == []
    assert (await journal.list(SessionQuery())).rows[0].name == ""


@played
async def test_an_append_to_no_session_is_fenced(journal: Journal) -> None:
    assert isinstance(await error_of(append(journal, b"x", session="nobody")), Fenced)


@played
async def test_whatever_follows_a_refused_append_is_refused(journal: Journal) -> None:
    await create(journal)

    commits = [
        append(journal, b"1"),
        append(journal, bytes(MAX_BYTES + 1), after=1),
        append(journal, b"3", after=2),
        append(journal, b"4", after=3),
        append(journal, b"2", after=1),
    ]

    errors = [await error_of(commit) for commit in commits]
    assert [type(error) for error in errors] == [
        type(None),
        Rejected,
        Conflict,
        Conflict,
        type(None),
    ]
    assert await events_of(journal) == [b"1", b"2"]


@played
async def test_an_append_of_nothing_writes_the_row(journal: Journal) -> None:
    await create(journal)

    assert await append(journal, name="renamed") == 0
    assert (await journal.list(SessionQuery())).rows == [row(name="renamed")]


@played
async def test_bodies_come_back_byte_for_byte(journal: Journal) -> None:
    await create(journal, genesis=AWKWARD[0])
    await append(journal, *AWKWARD)
    await append(journal, bytes(1 << 20), after=len(AWKWARD))

    written = [*AWKWARD, bytes(1 << 20)]
    assert await events_of(journal) == written
    assert (await journal.claim("s")).events == written
    assert (await journal.beginning("s")).genesis == AWKWARD[0]


@played
async def test_what_is_too_large_is_rejected_with_its_size(journal: Journal) -> None:
    await create(journal)

    commit = append(journal, bytes(MAX_BYTES), b"x")

    assert commit.done
    assert isinstance(commit.error, Rejected)
    assert (commit.error.size, commit.error.limit) == (MAX_BYTES + 1, MAX_BYTES)
    assert await append(journal, bytes(MAX_BYTES)) == 1


@pytest.mark.parametrize("wrong", [{"name": "\ud800"}, {"owner": "\udfff"}, {"messages": 1 << 63}])
@played
async def test_a_row_that_no_store_can_hold_is_refused_and_harms_no_other(
    journal: Journal, wrong: dict[str, object]
) -> None:
    await create(journal)
    await create(journal, "other")

    commits = [
        append(journal, b"e", session="other"),
        append(journal, b"e", **wrong),
        append(journal, b"f", session="other", after=1),
    ]

    errors = [await error_of(commit) for commit in commits]
    assert (errors[0], errors[2]) == (None, None)
    assert isinstance(errors[1], InvalidInput)
    assert [errors[1].field] == list(wrong)
    assert await events_of(journal) == []
    assert await events_of(journal, "other") == [b"e", b"f"]


@played
async def test_what_the_caller_does_to_its_list_afterwards_changes_nothing(
    journal: Journal,
) -> None:
    await create(journal)
    events = [b"1", b"2"]

    commit = journal.append("s", events, epoch=1, after=0, row=row())
    events[:] = [b"x"]
    await commit
    (await journal.read("s", after=0, limit=10)).events.clear()
    (await journal.claim("s")).events.clear()

    assert await events_of(journal) == [b"1", b"2"]


@played
async def test_commits_are_set_on_the_loop_in_the_order_of_the_calls(journal: Journal) -> None:
    await create(journal)
    settled: list[tuple[int, int]] = []

    commits = []
    for n in range(50):
        commits.append(append(journal, b"e", after=n))
        commits.append(journal.snapshot("s", b"state", epoch=1, revision=n + 1))
    for number, commit in enumerate(commits):
        commit.on_done(lambda _, number=number: settled.append((number, threading.get_ident())))
    await commits[-1]

    assert settled == [(number, threading.get_ident()) for number in range(100)]


@pytest.mark.parametrize("seed", range(5))
@played
async def test_many_sessions_interleaved_each_have_their_own_events(
    journal: Journal, seed: int
) -> None:
    """Appends, lost ones, snapshots and claims in random order, none awaited before the end."""
    rng = random.Random(seed)
    names = [f"s-{n}" for n in range(12)]
    await asyncio.gather(*(create(journal, name) for name in names))
    written: dict[str, list[bytes]] = {name: [] for name in names}
    epochs = dict.fromkeys(names, 1)

    for step in range(300):
        name = rng.choice(names)
        mine, head = {"session": name, "epoch": epochs[name]}, len(written[name])
        match rng.randrange(12):
            case 0:
                append(journal, b"gap", after=head + 1, **mine)
            case 1:
                append(journal, b"stale", session=name, epoch=epochs[name] - 1, after=head)
            case 2:
                journal.snapshot(name, b"%d" % head, epoch=epochs[name], revision=head)
            case 3:
                epochs[name] = (await journal.claim(name)).epoch
            case size:
                events = [rng.randbytes(rng.randrange(40)) for _ in range(size % 4)]
                append(journal, *events, after=head, updated_ms=step, **mine)
                written[name] += events

    for name in names:
        claim = await journal.claim(name)
        after = claim.snapshot[0] if claim.snapshot else 0
        assert claim.events == written[name][after:]
        assert claim.revision == len(written[name])
        assert await events_of(journal, name) == written[name]


# --- snapshot ------------------------------------------------------------------------------------


@played
async def test_only_a_newer_snapshot_replaces_one(journal: Journal) -> None:
    await create(journal)
    await append(journal, b"1", b"2", b"3")

    for revision, state in ((2, b"two"), (1, b"one"), (2, b"again")):
        assert await journal.snapshot("s", state, epoch=1, revision=revision) == revision
    assert (await journal.claim("s")).snapshot == (2, b"two")

    await journal.snapshot("s", b"three", epoch=2, revision=3)
    claim = await journal.claim("s")
    assert (claim.snapshot, claim.events) == ((3, b"three"), [])


@played
async def test_only_the_owner_can_snapshot(journal: Journal) -> None:
    await create(journal)
    await append(journal, b"1")
    await journal.claim("s")

    for late in (
        journal.snapshot("s", b"state", epoch=1, revision=1),
        journal.snapshot("nobody", b"state", epoch=1, revision=0),
    ):
        assert isinstance(await error_of(late), Fenced)
    assert (await journal.claim("s")).snapshot is None


@played
async def test_a_snapshot_never_outlives_the_events_it_folds(journal: Journal) -> None:
    await create(journal)
    lost = append(journal, b"lost", after=5)

    snapshot = journal.snapshot("s", b"state", epoch=1, revision=6)

    assert isinstance(await error_of(lost), Conflict)
    assert isinstance(await error_of(snapshot), Conflict)
    assert (await journal.claim("s")).snapshot is None


@played
async def test_a_snapshot_that_is_too_large_is_rejected(journal: Journal) -> None:
    await create(journal)

    commit = journal.snapshot("s", bytes(MAX_STATE_BYTES + 1), epoch=1, revision=0)

    assert isinstance(await error_of(commit), Rejected)


# --- read ----------------------------------------------------------------------------------------


@played
async def test_a_long_session_is_read_page_by_page(journal: Journal) -> None:
    await create(journal)
    written = [b"%d" % n for n in range(2_500)]
    await append(journal, *written)

    read: list[bytes] = []
    while True:
        page = await journal.read("s", after=len(read), limit=700)
        assert (page.first, page.head) == (len(read) + 1, 2_500)
        if not page.events:
            break
        read += page.events

    assert read == written
    assert (await journal.claim("s")).events == written
    assert await events_of(journal) == written


@pytest.mark.parametrize(("after", "limit", "events"), [(0, 1, 1), (1, 1, 1), (2, 9, 0), (9, 9, 0)])
@played
async def test_a_page_ends_with_the_session(
    journal: Journal, after: int, limit: int, events: int
) -> None:
    await create(journal)
    await append(journal, b"1", b"2")

    page = await journal.read("s", after=after, limit=limit)

    assert (page.first, len(page.events), page.head) == (after + 1, events, 2)


@played
async def test_a_session_without_events_has_an_empty_page(journal: Journal) -> None:
    await create(journal)

    page = await journal.read("s", after=0, limit=10)

    assert (page.first, page.events, page.head) == (1, [], 0)


@played
async def test_what_does_not_exist_cannot_be_read(journal: Journal) -> None:
    for reading in (journal.read("s", after=0, limit=1), journal.beginning("s")):
        with pytest.raises(SessionNotFound):
            await reading


@pytest.mark.parametrize(
    ("field", "bounds"),
    [
        ("limit", {"after": 0, "limit": 0}),
        ("limit", {"after": 0, "limit": 10_001}),
        ("after", {"after": -1, "limit": 1}),
        ("after", {"after": 1 << 63, "limit": 1}),
    ],
)
@played
async def test_a_page_has_bounds(journal: Journal, field: str, bounds: dict[str, int]) -> None:
    await create(journal)

    error = await error_of(journal.read("s", **bounds))

    assert isinstance(error, InvalidInput)
    assert error.field == field


# --- list ----------------------------------------------------------------------------------------


async def _listed(journal: Journal, **query: object) -> list[str]:
    return [found.id for found in (await journal.list(SessionQuery(**query))).rows]


@played
async def test_sessions_are_listed_most_recently_updated_first(journal: Journal) -> None:
    for name, updated_ms in (("a", 10), ("b", 30), ("c", 20), ("d", 30)):
        await create(journal, name, updated_ms=updated_ms)
    assert await _listed(journal) == ["d", "b", "c", "a"]

    await append(journal, b"e", session="a", updated_ms=40)
    assert await _listed(journal) == ["a", "d", "b", "c"]


@played
async def test_a_row_comes_back_as_it_was_last_written(journal: Journal) -> None:
    await create(journal, name="née\n\0\u2028", owner='"ann"')
    last = {"owner": "bob", "name": "\U0001f600", "state": "ended", "created_ms": -5}
    counts = {"participants": 3, "messages": 1 << 40, "turns": 7}

    first = (await journal.list(SessionQuery())).rows
    await append(journal, b"e", updated_ms=9, **last, **counts)

    assert first == [row(name="née\n\0\u2028", owner='"ann"')]
    assert (await journal.list(SessionQuery())).rows == [row(updated_ms=9, **last, **counts)]


@played
async def test_a_listing_is_of_one_owner_and_one_state_if_asked(journal: Journal) -> None:
    await create(journal, "a", owner="ann", state="open", updated_ms=1)
    await create(journal, "b", owner="bob", state="open", updated_ms=2)
    await create(journal, "c", owner="ann", state="ended", updated_ms=3)
    await create(journal, "d", owner="ann", state="open", updated_ms=4)

    assert await _listed(journal, owner="ann") == ["d", "c", "a"]
    assert await _listed(journal, state="open") == ["d", "b", "a"]
    assert await _listed(journal, owner="ann", state="open") == ["d", "a"]
    assert await _listed(journal, owner="eve") == []


@pytest.mark.parametrize("query", [{}, {"owner": "u-1"}, {"state": "open"}])
@pytest.mark.parametrize("limit", [1, 3, 7])
@played
async def test_pages_of_a_listing_hold_every_session_once(
    journal: Journal, limit: int, query: dict[str, str]
) -> None:
    rng = random.Random(limit)
    for n in range(21):
        fields = {"owner": f"u-{n % 2}", "state": rng.choice(["open", "ended"])}
        await create(journal, f"s-{n}", updated_ms=rng.randrange(5), **fields)
    whole = (await journal.list(SessionQuery(**query))).rows

    paged, after, more = [], None, True
    while more:
        page = await journal.list(SessionQuery(limit=limit, after=after, **query))
        paged += page.rows
        after, more = page.rows[-1], page.more

    assert paged == whole
    assert len({found.id for found in paged}) == len(paged)


@played
async def test_a_page_goes_on_after_a_row_that_has_moved_or_gone(journal: Journal) -> None:
    for n in range(4):
        await create(journal, f"s-{n}", updated_ms=n)
    page = await journal.list(SessionQuery(limit=2))
    await append(journal, b"e", session="s-2", updated_ms=99)

    assert await _listed(journal, after=page.rows[-1]) == ["s-1", "s-0"]
    await journal.delete("s-2", epoch=1)
    assert await _listed(journal, after=page.rows[-1]) == ["s-1", "s-0"]


@pytest.mark.parametrize("limit", [0, -1, 1_001])
@played
async def test_a_listing_has_bounds(journal: Journal, limit: int) -> None:
    error = await error_of(journal.list(SessionQuery(limit=limit)))

    assert isinstance(error, InvalidInput)
    assert error.field == "limit"


# --- delete --------------------------------------------------------------------------------------


@played
async def test_a_deleted_session_is_hidden(journal: Journal) -> None:
    await create(journal)
    await create(journal, "other")
    await append(journal, b"e")

    await journal.delete("s", epoch=1)

    for gone in (
        journal.claim("s"),
        journal.read("s", after=0, limit=1),
        journal.beginning("s"),
        journal.delete("s", epoch=1),
        journal.delete("s", epoch=2),
    ):
        assert isinstance(await error_of(gone), SessionNotFound)
    assert await _listed(journal) == ["other"]


@played
async def test_a_deleted_id_stays_used(journal: Journal) -> None:
    await create(journal)
    await journal.delete("s", epoch=1)

    assert isinstance(await error_of(create(journal)), SessionExists)


@played
async def test_late_writes_do_not_bring_a_session_back(journal: Journal) -> None:
    await create(journal)
    await append(journal, b"1")
    await journal.delete("s", epoch=1)

    for late in (
        append(journal, b"2", after=1),
        journal.snapshot("s", b"state", epoch=1, revision=1),
        journal.release("s", epoch=1, end=End(1, 1)),
    ):
        assert isinstance(await error_of(late), Fenced)
    assert await _listed(journal) == []


@played
async def test_only_the_owner_can_delete(journal: Journal) -> None:
    await create(journal)
    await journal.claim("s")

    assert isinstance(await error_of(journal.delete("s", epoch=1)), Fenced)
    assert isinstance(await error_of(journal.delete("nobody", epoch=1)), SessionNotFound)
    assert await _listed(journal) == ["s"]


# --- one session ---------------------------------------------------------------------------------


@played
async def test_one_session_is_found_as_it_is_listed(journal: Journal) -> None:
    await create(journal, "other")
    await create(journal, members=("ann",))
    await append(journal, b"e", state="ended", messages=3, updated_ms=2_000)

    assert await journal.find("s") == row(state="ended", messages=3, updated_ms=2_000)
    assert await journal.find("nobody") is None


@played
async def test_no_row_that_is_read_tells_the_members(journal: Journal) -> None:
    await create(journal, "made", members=("ann",))
    await create(journal, members=("ann",))
    await append(journal, b"e", members=("ann", "bob"))

    page = await journal.list(SessionQuery())
    rows = [*page.rows, *await journal.joined_by("ann"), await journal.find("s")]

    assert len(rows) >= 3
    assert all(found is not None and found.members is None for found in rows)


# --- open and close ------------------------------------------------------------------------------


@played
async def test_who_joins_later_changes_nobody_elses_order(journal: Journal) -> None:
    for name in ("first", "second"):
        await create(journal, name, owner="ann", state="active", members=("ann",))
        await append(journal, b"e", session=name, state="active", members=("ann", "bob"))

    await append(
        journal, b"e", session="first", after=1, state="active", members=("ann", "bob", "cem")
    )
    assert [found.id for found in await journal.joined_by("bob")] == ["first", "second"]
    await append(journal, b"e", session="first", after=2, state="active", members=("ann", "cem"))
    assert [found.id for found in await journal.joined_by("bob")] == ["second"]
    await append(
        journal, b"e", session="first", after=3, state="active", members=("ann", "cem", "bob")
    )
    assert [found.id for found in await journal.joined_by("bob")] == ["second", "first"]


@played
async def test_closing_writes_what_is_queued(journal: Journal) -> None:
    await create(journal)
    commits = [append(journal, b"%d" % n, after=n) for n in range(100)]

    await journal.close()

    assert [commit.result() for commit in commits] == list(range(1, 101))
    await journal.open()
    assert await events_of(journal) == [b"%d" % n for n in range(100)]


@played
async def test_a_journal_opened_again_has_everything(journal: Journal) -> None:
    await create(journal, genesis=b"born", name="kept")
    await create(journal, "gone")
    await append(journal, b"1", b"2", name="kept")
    await journal.snapshot("s", b"state", epoch=1, revision=1)
    await journal.release("s", epoch=1, end=End(1, 9))
    await journal.delete("gone", epoch=1)

    await journal.close()
    await journal.open()

    assert (await journal.list(SessionQuery())).rows == [row(name="kept")]
    assert isinstance(await error_of(create(journal, "gone")), SessionExists)
    assert isinstance(await error_of(append(journal, b"late", epoch=0, after=2)), Fenced)
    assert await journal.claim("s") == Claim(
        epoch=2,
        revision=2,
        genesis=b"born",
        snapshot=(1, b"state"),
        events=[b"2"],
        end=End(1, 9),
    )


@played
async def test_closing_twice_is_harmless(journal: Journal) -> None:
    await asyncio.gather(journal.close(), journal.close())
    await journal.close()


@played
async def test_a_closed_journal_takes_nothing_and_shows_nothing(journal: Journal) -> None:
    await create(journal)
    await journal.close()

    for write in (
        append(journal, b"e"),
        journal.snapshot("s", b"state", epoch=1, revision=0),
        journal.release("s", epoch=1, end=None),
        journal.claim("s"),
        journal.claim("t", create=NewSession(genesis=b"", row=row("t"))),
        journal.delete("s", epoch=1),
    ):
        assert isinstance(await error_of(write), NotWritten)
    for look in (
        journal.read("s", after=0, limit=1),
        journal.list(SessionQuery()),
        journal.beginning("s"),
        journal.find("s"),
    ):
        assert isinstance(await error_of(look), JournalUnavailable)
    await journal.open()
    assert await append(journal, b"e") == 1
