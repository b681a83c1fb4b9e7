"""What every journal promises of retention: hiding, erasing, forgetting, trimming, waking."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from conformance.journal_kit import append, create, error_of, events_of, played, row
from conformance.test_journals import JOURNALS

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
from greenroom.actors.ports import (
    Beginning,
    End,
    Journal,
    SessionQuery,
    Stale,
    Trimmable,
)
from greenroom.adapters.journals.bounds import MAX_STATE_BYTES

LATER_MS = 2**62
"""After whatever was hidden."""


@pytest.fixture(params=JOURNALS, ids=str)
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Journal:
    return JOURNALS[request.param](tmp_path)


async def listed(journal: Journal, **query: Any) -> list[str]:
    return [found.id for found in (await journal.list(SessionQuery(**query))).rows]


async def long(journal: Journal, session: str = "s", events: int = 10, **fields: Any) -> None:
    """A session with the events 1 to `events`."""
    await create(journal, session)
    bodies = [b"%d" % n for n in range(1, events + 1)]
    await append(journal, *bodies, session=session, **fields)


def numbered(*revisions: int) -> list[bytes]:
    return [b"%d" % n for n in revisions]


async def hide(journal: Journal, *sessions: str) -> list[str]:
    found = await journal.stale(LATER_MS, limit=1_000, ended=False)
    return await journal.hide([each for each in found if each.id in sessions])


async def erase_all(journal: Journal, limit: int = 1_000) -> int:
    erased = 0
    while more := await journal.erase(LATER_MS, limit=limit):
        erased += more
    return erased


def late_writes(journal: Journal, epoch: int, after: int) -> list[Awaitable[int]]:
    """Everything that an owner of epoch `epoch` writes."""
    return [
        append(journal, b"late", epoch=epoch, after=after),
        append(journal, epoch=epoch, after=after),
        journal.snapshot("s", b"late", epoch=epoch, revision=after),
        journal.release("s", epoch=epoch, end=End(1, 1)),
    ]


# --- stale and hide ------------------------------------------------------------------------------


async def aged(journal: Journal, *ages: int, state: str = "ended") -> None:
    """Sessions `s-0`, `s-1`, ... that were last updated at `ages`."""
    for n, updated_ms in enumerate(ages):
        await create(journal, f"s-{n}", state=state, updated_ms=updated_ms)


async def stale(journal: Journal, before_ms: int, **options: Any) -> list[str]:
    asked = {"limit": 100, "ended": True} | options
    return [found.id for found in await journal.stale(before_ms, **asked)]


@played
async def test_a21_the_longest_untouched_are_found_first(journal: Journal) -> None:
    await aged(journal, 3_000, 1_000, 4_000, 2_000)

    assert await stale(journal, 4_000, limit=2) == ["s-1", "s-3"]
    assert await stale(journal, 4_000) == ["s-1", "s-3", "s-0"]
    assert await journal.stale(2_000, limit=9, ended=False) == [
        Stale(id="s-1", head=0, updated_ms=1_000)
    ]


@played
async def test_a21_of_ended_ones_no_other_is_found(journal: Journal) -> None:
    for n, state in enumerate(("created", "active", "paused")):
        await create(journal, f"s-{n}", state=state)
    await create(journal, "again", state="ended", updated_ms=1_000)
    await append(journal, b"late", session="again", state="ended", updated_ms=9_000)

    assert await stale(journal, 9_000) == []
    assert await stale(journal, 9_000, ended=False) == ["s-0", "s-1", "s-2"]


@played
async def test_a21_what_is_on_stage_is_not_found(journal: Journal) -> None:
    await aged(journal, 1_000, 2_000, 3_000)

    assert await stale(journal, 9_000, limit=1, keep=["s-0", "nobody"]) == ["s-1"]
    assert await stale(journal, 9_000, keep={"s-0"}) == ["s-1", "s-2"]


@played
async def test_a21_hiding_is_as_deleting(journal: Journal) -> None:
    await long(journal, events=1)
    await create(journal, "other")

    assert await hide(journal, "s") == ["s"]

    for gone in (
        journal.claim("s"),
        journal.beginning("s"),
        journal.read("s", after=0, limit=1),
        journal.trim("s", b"base", revision=1),
        journal.delete("s", epoch=1),
    ):
        assert isinstance(await error_of(gone), SessionNotFound)
    assert await journal.find("s") is None
    assert isinstance(await error_of(create(journal)), SessionExists)
    for late in late_writes(journal, 1, 1):
        assert isinstance(await error_of(late), Fenced)
    assert await listed(journal) == ["other"]


@played
async def test_sx7_a_session_that_has_gone_on_is_not_hidden(journal: Journal) -> None:
    await aged(journal, 1_000, 1_000)
    found = await journal.stale(9_000, limit=9, ended=True)
    await append(journal, b"e", session="s-0", updated_ms=9_000)

    assert await journal.hide(found) == ["s-1"]
    assert await journal.hide(found) == []

    assert await events_of(journal, "s-0") == [b"e"]
    assert await append(journal, b"f", session="s-0", after=1) == 2


@played
async def test_sx7_of_an_append_and_hiding_at_once_the_first_one_wins(journal: Journal) -> None:
    await aged(journal, 1_000, 1_000)
    found = await journal.stale(9_000, limit=9, ended=True)

    first = append(journal, b"e", session="s-0")
    hiding = asyncio.ensure_future(journal.hide(found))
    await asyncio.sleep(0)
    second = append(journal, b"e", session="s-1")

    assert await first == 1
    assert await hiding == ["s-1"]
    assert isinstance(await error_of(second), Fenced)


@played
async def test_a21_of_hiding_and_a_claim_at_once_the_first_one_wins(journal: Journal) -> None:
    await aged(journal, 1_000)
    found = await journal.stale(9_000, limit=9, ended=True)

    hidden, claimed = await asyncio.gather(journal.hide(found), error_of(journal.claim("s-0")))

    assert hidden == ["s-0"]
    assert isinstance(claimed, SessionNotFound)


# --- erase ---------------------------------------------------------------------------------------


@played
async def test_what_is_hidden_is_erased_and_its_id_stays_used(journal: Journal) -> None:
    await long(journal, events=10, name="secret", owner="ann")
    await journal.snapshot("s", b"state", epoch=1, revision=4)
    await journal.trim("s", b"base", revision=3)
    await long(journal, "other", events=10)
    before = await journal.size()
    await hide(journal, "s")

    assert await erase_all(journal) > 0

    assert isinstance(await error_of(create(journal)), SessionExists)
    for gone in (journal.claim("s"), journal.beginning("s"), journal.delete("s", epoch=2)):
        assert isinstance(await error_of(gone), SessionNotFound)
    for late in late_writes(journal, 1, 10):
        assert isinstance(await error_of(late), Fenced)
    for late in late_writes(journal, 1, 0):
        assert isinstance(await error_of(late), Fenced)
    assert await events_of(journal, "other") == numbered(*range(1, 11))
    assert await journal.size() <= before


@played
async def test_nothing_else_is_erased(journal: Journal) -> None:
    await long(journal, "open")
    await long(journal, "hidden")
    await hide(journal, "hidden")

    assert await journal.erase(0, limit=100) == 0

    assert await erase_all(journal) == 11
    assert await journal.erase(LATER_MS, limit=100) == 0
    assert await events_of(journal, "open") == numbered(*range(1, 11))


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 11, 1_000])
@played
async def test_erasing_ends_whatever_the_steps(journal: Journal, limit: int) -> None:
    for name in ("a", "b", "c"):
        await long(journal, name, events=10)
        await journal.delete(name, epoch=1)

    assert await erase_all(journal, limit) >= 33

    assert await journal.forget(LATER_MS, limit=1_000) == 3


@played
async def test_a_session_is_deleted_by_its_owner_and_erased_as_well(journal: Journal) -> None:
    await long(journal)
    await journal.delete("s", epoch=1)

    assert await erase_all(journal) == 11


@played
async def test_erased_people_are_in_no_list(journal: Journal) -> None:
    await create(journal, owner="ann", name="secret", members=("ann", "bob"))
    await append(journal, b"e", name="secret", title="secret", wake_ms=5)
    await hide(journal, "s")
    await erase_all(journal)

    assert await journal.joined_by("bob") == []
    assert await journal.due(limit=10) == []
    assert (await journal.totals()).users == 0
    assert await stale(journal, LATER_MS, ended=False) == []
    assert await journal.trimmable(least=0, limit=10) == []


# --- forget --------------------------------------------------------------------------------------


@played
async def test_only_what_is_erased_is_forgotten(journal: Journal) -> None:
    await long(journal, "open")
    await long(journal)
    await hide(journal, "s")

    assert await journal.forget(LATER_MS, limit=10) == 0
    await erase_all(journal)
    assert await journal.forget(0, limit=10) == 0
    assert await journal.forget(LATER_MS, limit=10) == 1
    assert await journal.forget(LATER_MS, limit=10) == 0

    assert isinstance(await error_of(journal.claim("s")), SessionNotFound)
    assert await events_of(journal, "open") == numbered(*range(1, 11))


@played
async def test_forgetting_is_bounded(journal: Journal) -> None:
    await aged(journal, *range(5))
    await hide(journal, *(f"s-{n}" for n in range(5)))
    await erase_all(journal)

    assert [await journal.forget(LATER_MS, limit=2) for _ in range(4)] == [2, 2, 1, 0]


async def forgotten(journal: Journal, claims: int = 0) -> int:
    """The session `s` is forgotten; its owner's epoch until then."""
    claim = await create(journal)
    for _ in range(claims):
        claim = await journal.claim("s")
    await append(journal, b"old", epoch=claim.epoch)
    await hide(journal, "s")
    await erase_all(journal)
    assert await journal.forget(LATER_MS, limit=10) == 1
    return claim.epoch


@pytest.mark.parametrize("claims", [0, 3])
@played
async def test_sx22_the_owner_of_a_forgotten_session_stays_fenced(
    journal: Journal, claims: int
) -> None:
    late_epoch = await forgotten(journal, claims)
    for late in late_writes(journal, late_epoch, 1):
        assert isinstance(await error_of(late), Fenced)

    claim = await create(journal, genesis=b"again")

    for epoch in range(late_epoch + 2):  # the tombstone had one of its own
        for late in late_writes(journal, epoch, 0):
            assert isinstance(await error_of(late), Fenced)
        assert isinstance(await error_of(journal.delete("s", epoch=epoch)), Fenced)
    assert (claim.revision, claim.end, claim.genesis) == (0, End(0, 0), b"again")
    assert await append(journal, b"new", epoch=claim.epoch) == 1
    assert (await journal.claim("s")).epoch == claim.epoch + 1


@played
async def test_sx22_so_it_is_after_the_journal_was_closed(journal: Journal) -> None:
    late_epoch = await forgotten(journal, 5)
    await journal.close()
    await journal.open()

    await create(journal)

    for late in late_writes(journal, late_epoch, 0):
        assert isinstance(await error_of(late), Fenced)


@played
async def test_a_new_session_has_nothing_of_a_forgotten_one(journal: Journal) -> None:
    await create(journal, members=("ann", "bob"))
    await append(journal, b"1", b"2", b"3")
    await journal.snapshot("s", b"state", epoch=1, revision=2)
    await journal.trim("s", b"base", revision=1)
    await hide(journal, "s")
    await erase_all(journal)
    await journal.forget(LATER_MS, limit=10)

    await create(journal, "next", genesis=b"next")
    await create(journal, genesis=b"born")

    for name, genesis in (("s", b"born"), ("next", b"next")):
        claim = await journal.claim(name)
        assert (claim.genesis, claim.revision, claim.snapshot) == (genesis, 0, None)
        assert (claim.base, claim.events) == (None, [])
    assert await journal.joined_by("bob") == []


# --- trim ----------------------------------------------------------------------------------------


@played
async def test_a_base_takes_the_place_of_older_events(journal: Journal) -> None:
    await long(journal)

    await journal.trim("s", b"base", revision=4)

    assert await journal.beginning("s") == Beginning(genesis=b"genesis", base=(4, b"base"))
    claim = await journal.claim("s")
    assert (claim.base, claim.snapshot) == ((4, b"base"), None)
    assert (claim.events, claim.revision) == (numbered(*range(5, 11)), 10)
    assert claim.genesis == b"genesis"


@pytest.mark.parametrize(
    ("after", "limit", "first", "last"),
    [(0, 3, 5, 7), (3, 100, 5, 10), (4, 2, 5, 6), (6, 2, 7, 8), (9, 5, 10, 10), (10, 5, 11, 10)],
)
@played
async def test_a_page_begins_with_the_oldest_event_that_is_kept(
    journal: Journal, after: int, limit: int, first: int, last: int
) -> None:
    await long(journal)
    await journal.trim("s", b"base", revision=4)

    page = await journal.read("s", after=after, limit=limit)

    assert (page.first, page.head) == (first, 10)
    assert page.events == numbered(*range(first, last + 1))


@played
async def test_all_events_may_be_dropped_and_more_may_follow(journal: Journal) -> None:
    await long(journal)

    await journal.trim("s", b"base", revision=10)

    page = await journal.read("s", after=0, limit=10)
    assert (page.first, page.events, page.head) == (11, [], 10)
    assert await append(journal, b"11", after=10) == 11
    claim = await journal.claim("s")
    assert (claim.base, claim.events, claim.revision) == ((10, b"base"), [b"11"], 11)


@played
async def test_the_owner_of_a_trimmed_session_needs_not_know(journal: Journal) -> None:
    await long(journal)

    await journal.trim("s", b"base", revision=4)

    assert await append(journal, b"11", after=10) == 11
    assert await journal.snapshot("s", b"state", epoch=1, revision=11) == 11
    claim = await journal.claim("s")
    assert (claim.snapshot, claim.base, claim.events) == ((11, b"state"), None, [])


@pytest.mark.parametrize(("revision", "kept"), [(3, None), (4, 4), (5, 5)])
@played
async def test_a_snapshot_older_than_the_base_is_none(
    journal: Journal, revision: int, kept: int | None
) -> None:
    await long(journal)
    await journal.snapshot("s", b"state", epoch=1, revision=revision)

    await journal.trim("s", b"base", revision=4)

    claim = await journal.claim("s")
    assert claim.snapshot == (None if kept is None else (kept, b"state"))
    assert claim.base == ((4, b"base") if kept is None else None)
    assert claim.events == numbered(*range((kept or 4) + 1, 11))


@pytest.mark.parametrize(("revision", "kept"), [(3, None), (4, 4), (5, 5)])
@played
async def test_a_snapshot_made_late_of_an_older_state_is_none_either(
    journal: Journal, revision: int, kept: int | None
) -> None:
    await long(journal)
    await journal.trim("s", b"base", revision=4)

    assert await journal.snapshot("s", b"state", epoch=1, revision=revision) == revision

    claim = await journal.claim("s")
    assert claim.snapshot == (None if kept is None else (kept, b"state"))
    assert claim.events == numbered(*range((kept or 4) + 1, 11))


@played
async def test_a_base_goes_forward_only(journal: Journal) -> None:
    await long(journal)

    for revision, base in ((4, b"four"), (4, b"again"), (3, b"three"), (0, b"none"), (6, b"six")):
        await journal.trim("s", base, revision=revision)

    assert (await journal.beginning("s")).base == (6, b"six")
    assert await events_of(journal) == numbered(*range(7, 11))
    await journal.trim("s", b"five", revision=5)
    assert (await journal.beginning("s")).base == (6, b"six")


@played
async def test_what_cannot_be_trimmed_is_refused(journal: Journal) -> None:
    await long(journal)
    large = bytes(MAX_STATE_BYTES + 1)

    for trim, error in (
        (journal.trim("nobody", b"base", revision=1), SessionNotFound),
        (journal.trim("s", b"base", revision=11), Conflict),
        (journal.trim("s", large, revision=1), Rejected),
    ):
        assert isinstance(await error_of(trim), error)

    assert await journal.beginning("s") == Beginning(genesis=b"genesis")
    assert await events_of(journal) == numbered(*range(1, 11))


@played
async def test_what_was_claimed_and_read_stays_as_it_was(journal: Journal) -> None:
    await long(journal)
    claim = await journal.claim("s")
    page = await journal.read("s", after=0, limit=100)

    await journal.trim("s", b"base", revision=9)
    await append(journal, b"11", epoch=2, after=10)

    assert claim.events == page.events == numbered(*range(1, 11))


@played
async def test_what_is_queued_before_a_trim_is_there_for_it(journal: Journal) -> None:
    await create(journal)
    commits = [append(journal, b"%d" % (n + 1), after=n) for n in range(20)]

    await journal.trim("s", b"base", revision=20)

    assert all(commit.done and commit.error is None for commit in commits)
    assert (await journal.claim("s")).base == (20, b"base")


@pytest.mark.parametrize("seed", range(5))
@played
async def test_whoever_reads_while_others_trim_sees_one_of_the_states(
    journal: Journal, seed: int
) -> None:
    rng = random.Random(seed)
    await long(journal, events=3_000)
    trims = asyncio.ensure_future(_trim(journal, sorted(rng.sample(range(1, 3_000), 20))))
    epoch = 1

    while not trims.done():
        await asyncio.sleep(0)
        page = await journal.read("s", after=rng.randrange(3_000), limit=10_000)
        assert page.events == numbered(*range(page.first, 3_001))
        claim = await journal.claim("s")
        base = 0 if claim.base is None else int(claim.base[1])
        assert claim.epoch == (epoch := epoch + 1)
        assert claim.events == numbered(*range(base + 1, 3_001))
        beginning = await journal.beginning("s")
        assert beginning.base is None or int(beginning.base[1]) == beginning.base[0]
    await trims


async def _trim(journal: Journal, revisions: list[int]) -> None:
    for revision in revisions:
        await journal.trim("s", b"%d" % revision, revision=revision)
        await asyncio.sleep(0)


# --- trimmable -----------------------------------------------------------------------------------


@pytest.mark.parametrize("least", [1, 63, 64, 65, 90])
@played
async def test_trimmable_are_those_that_keep_more_than_their_room_history(
    journal: Journal, least: int
) -> None:
    droppable = {"a": 0, "b": 62, "c": 63, "d": 64, "e": 65, "f": 90, "g": 100}
    for name, count in droppable.items():
        await _droppable(journal, name, count, kept=100 - count)

    found = await journal.trimmable(least=least, limit=100)

    assert [each.id for each in found] == [n for n, count in droppable.items() if count >= least]
    assert all(
        each == Trimmable(id=each.id, base=0, oldest=droppable[each.id] + 1, head=100)
        for each in found
    )


@played
async def test_trimmable_are_told_in_order_of_id_page_by_page(journal: Journal) -> None:
    names = [f"s-{n:02}" for n in range(25)]
    for name in random.Random(1).sample(names, len(names)):
        await _droppable(journal, name, 70)
    await hide(journal, "s-03")

    for least in (1, 64):
        found: list[str] = []
        while page := await journal.trimmable(least=least, after=max(found, default=""), limit=4):
            found += [each.id for each in page]
        assert found == [name for name in names if name != "s-03"]


async def _droppable(journal: Journal, session: str, count: int, kept: int = 5) -> None:
    """A session with `count` events before the `kept` ones of its room history."""
    await create(journal, session)
    bodies, shown = [b"e"] * (count + kept), row(session, events=kept)
    await journal.append(session, bodies, epoch=1, after=0, row=shown)


@played
async def test_what_is_trimmed_is_trimmable_no_more(journal: Journal) -> None:
    await _droppable(journal, "s", 70)

    await journal.trim("s", b"base", revision=10)
    assert await journal.trimmable(least=61, limit=10) == []
    assert await journal.trimmable(least=60, limit=10) == [
        Trimmable(id="s", base=10, oldest=71, head=75)
    ]
    await journal.trim("s", b"base", revision=70)
    assert await journal.trimmable(least=1, limit=10) == []


# --- due, since, size, notes ---------------------------------------------------------------------


@played
async def test_due_are_those_that_want_to_be_woken_the_earliest_first(journal: Journal) -> None:
    for name, wake_ms in (("a", 30), ("b", 0), ("c", 10), ("d", 20), ("e", 10)):
        await create(journal, name, wake_ms=wake_ms)
    await append(journal, b"e", session="d")

    assert [(due.id, due.wake_ms) for due in await journal.due(limit=10)] == [
        ("c", 10),
        ("e", 10),
        ("a", 30),
    ]
    assert [due.id for due in await journal.due(limit=1)] == ["c"]
    await journal.delete("c", epoch=1)
    assert [due.id for due in await journal.due(limit=1)] == ["e"]
    assert (await journal.due(limit=1))[0] == await journal.find("e")


@played
async def test_a_listing_is_of_those_updated_since(journal: Journal) -> None:
    await aged(journal, 1_000, 2_000, 3_000, state="open")

    assert await listed(journal, since_ms=2_000) == ["s-2", "s-1"]
    assert await listed(journal, since_ms=2_001, owner="ann") == ["s-2"]
    assert await listed(journal, since_ms=3_001) == []
    page = await journal.list(SessionQuery(since_ms=2_000, limit=1))
    assert page.more
    assert await listed(journal, since_ms=2_000, after=page.rows[-1]) == ["s-1"]


@played
async def test_the_size_grows_with_what_is_held_and_falls_with_what_is_erased(
    journal: Journal,
) -> None:
    await create(journal)
    empty = await journal.size()
    await append(journal, *[bytes(100_000)] * 20)
    full = await journal.size()
    assert full - empty >= 2_000_000

    await journal.trim("s", b"base", revision=10)
    trimmed = await journal.size()
    assert full - trimmed >= 900_000
    await hide(journal, "s")
    await erase_all(journal)

    assert await journal.size() <= trimmed - 900_000


@played
async def test_a_note_is_taken_and_replaced(journal: Journal) -> None:
    await journal.note("retention", "a year")
    await journal.note("retention", "a naïve 日本 month")
    await journal.note("", "")


# --- bounds, and a journal that is closed --------------------------------------------------------

STEPS: dict[str, Callable[[Journal, int], Awaitable[Any]]] = {
    "stale": lambda journal, limit: journal.stale(1, limit=limit, ended=False),
    "erase": lambda journal, limit: journal.erase(1, limit=limit),
    "forget": lambda journal, limit: journal.forget(1, limit=limit),
    "trimmable": lambda journal, limit: journal.trimmable(least=1, limit=limit),
    "due": lambda journal, limit: journal.due(limit=limit),
}


@pytest.mark.parametrize("limit", [0, -1, 1_001])
@pytest.mark.parametrize("step", STEPS)
@played
async def test_a_step_has_bounds(journal: Journal, step: str, limit: int) -> None:
    error = await error_of(STEPS[step](journal, limit))

    assert isinstance(error, InvalidInput)
    assert error.field == "limit"


@pytest.mark.parametrize("bound", [2**63, -(2**63) - 1])
@played
async def test_a_bound_is_a_number_that_a_store_knows(journal: Journal, bound: int) -> None:
    for field, asked in (
        ("before_ms", journal.stale(bound, limit=1, ended=False)),
        ("before_ms", journal.erase(bound, limit=1)),
        ("before_ms", journal.forget(bound, limit=1)),
        ("least", journal.trimmable(least=bound, limit=1)),
    ):
        error = await error_of(asked)
        assert isinstance(error, InvalidInput)
        assert error.field == field


@played
async def test_a_closed_journal_drops_nothing(journal: Journal) -> None:
    await long(journal)
    found = await journal.stale(LATER_MS, limit=1, ended=False)
    await journal.close()

    for write in (
        journal.hide(found),
        journal.erase(LATER_MS, limit=1),
        journal.forget(LATER_MS, limit=1),
        journal.trim("s", b"base", revision=1),
        journal.note("a", "b"),
    ):
        assert isinstance(await error_of(write), NotWritten)
    for look in (
        journal.stale(LATER_MS, limit=1, ended=False),
        journal.trimmable(least=1, limit=1),
        journal.due(limit=1),
        journal.size(),
    ):
        assert isinstance(await error_of(look), JournalUnavailable)
    await journal.open()
    assert await events_of(journal) == numbered(*range(1, 11))
