"""Sessions are listed and counted from the index, never by reading them (spec S20, S23, SX19)."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from theatre import GatedJournal, ManualClock, play

import greenroom
from greenroom.actors.ports import SessionQuery
from greenroom.actors.session.record_wire import listed_wire, stats_wire
from greenroom.adapters.journals import sqlite_queries
from greenroom.adapters.journals.sqlite import SqliteJournal


async def listed(runtime: greenroom.Runtime, **query: Any) -> list[dict[str, Any]]:
    return [listed_wire(row) for row in (await runtime.sessions(**query)).rows]


def test_s20_a_listing_has_id_title_time_and_language_newest_first(store: Any) -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(journal=store(), clock=clock) as runtime:
            for name in ("a", "b", "c"):
                session = await runtime.create(user="ann", id=name)
                await clock.advance(1.0)
            await session.post("ann", "x" * 36)
            await clock.advance(1.0)
            await runtime.session("a").set_language("ann", "tr")
            await runtime.session("a").set_title("ann", "t" * 50)

        async with greenroom.Runtime(journal=store(), clock=clock) as runtime:
            assert await listed(runtime) == [
                {
                    "id": "a",
                    "title": "t" * 35 + "...",
                    "timestamp": "1970-01-01T00:16:44.000+00:00",
                    "language": "tr",
                },
                {
                    "id": "c",
                    "title": "x" * 35 + "...",
                    "timestamp": "1970-01-01T00:16:43.000+00:00",
                    "language": "en",
                },
                {
                    "id": "b",
                    "title": "New Chat",
                    "timestamp": "1970-01-01T00:16:41.000+00:00",
                    "language": "en",
                },
            ]
            assert runtime.resident == 0

    play(scene)


def test_sx19_a_listing_shows_what_was_last_acknowledged_and_reads_no_session(store: Any) -> None:
    """In order of the instant, also of sessions on stage that nobody has passivated since."""

    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(journal=store(), clock=clock) as runtime:
            for name in ("a", "b"):
                await runtime.create(user="ann", id=name)
            clock.now_s = 9_999_999.0
            await runtime.session("a").post("ann", "first")
            clock.now_s = 10_000_001.0  # one digit more: as text it would come before
            await runtime.session("b").post("ann", "second")
            assert [row["id"] for row in await listed(runtime)] == ["b", "a"]

            await clock.advance(1.0)
            await runtime.session("a").set_title("ann", "now this")

            rows = await listed(runtime)
            assert [(row["id"], row["title"]) for row in rows] == [
                ("a", "now this"),
                ("b", "second"),
            ]

    play(scene)


def test_sx19_a_listing_claims_and_reads_nothing() -> None:
    async def scene() -> None:
        class Unread(GatedJournal):
            async def read(self, *_: Any, **__: Any) -> Any:
                raise AssertionError("a session was read")

        journal = Unread()
        async with greenroom.Runtime(journal=journal) as runtime:
            for number in range(5):
                session = await runtime.create(user="ann", id=f"s{number}")
                await session.add_feedback("ann", "n", "correct")
                await runtime.passivate(session.id)
            claims = journal.claims

            assert len(await listed(runtime)) == 5
            assert (await runtime.totals()).interactions == 5

            assert (journal.claims, runtime.resident) == (claims, 0)

    play(scene)


def test_s23_totals_of_interactions_and_feedback(store: Any) -> None:
    async def scene() -> None:
        async with greenroom.Runtime(journal=store()) as runtime:
            assert stats_wire(runtime.resident, await runtime.totals()) == {
                "active_sessions": 0,
                "total_interactions": 0,
                "total_feedback": 0,
            }
            for name in ("hot", "cold", "gone"):
                session = await runtime.create(user="ann", id=name)
                await session.record_interaction("ann", "view")
                await session.add_feedback("ann", "n", "so-so")
                await session.add_feedback("ann", "n", "partial")
            await runtime.passivate("cold")
            await runtime.delete("gone", "ann")
            assert await runtime.passivate("gone") is False

            stats = stats_wire(runtime.resident, await runtime.totals())

            assert stats == {
                "active_sessions": 1,
                "total_interactions": 6,
                "total_feedback": 2,
            }
        async with greenroom.Runtime(journal=store()) as runtime:
            assert stats_wire(0, await runtime.totals()) == stats | {"active_sessions": 0}

    play(scene)


def test_s22_in_the_order_of_ids_no_write_moves_a_session(store: Any) -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(journal=store(), clock=clock) as runtime:
            for name in ("b", "B", "a1", "a", "c", "0"):
                await runtime.create(user="ann" if name < "c" else "bob", id=name)
                await clock.advance(1.0)

            async def pages(**query: Any) -> list[list[str]]:
                found, after, more = [], None, True
                while more:
                    asked = SessionQuery(order="id", limit=2, after=after, **query)
                    page = await runtime.journal.list(asked)
                    after, more = page.rows[-1], page.more
                    found.append([row.id for row in page.rows])
                    await runtime.session(after.id).set_language(after.owner, "tr")
                    await clock.advance(1.0)
                return found

            assert await pages() == [["0", "B"], ["a", "a1"], ["b", "c"]]
            assert await pages(owner="ann") == [["0", "B"], ["a", "a1"], ["b"]]
            await runtime.session("a1").end("ann")
            assert await pages(state="active") == [["0", "B"], ["a", "b"], ["c"]]

    play(scene)


# --- the index -----------------------------------------------------------------------------------


def plan_of(path: Path, query: SessionQuery) -> str:
    """How SQLite would answer the query that a listing makes."""
    asked: list[tuple[str, Any]] = []

    class Noting(sqlite3.Connection):
        def execute(self, sql: str, values: Any = ()) -> Any:  # type: ignore[override]
            asked.append((sql, values))
            return super().execute(sql, values)

    with closing(sqlite3.connect(path, factory=Noting)) as db:
        sqlite_queries.list_sessions(db, query)
        sql, values = asked[-1]
        return "\n".join(row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}", values))


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ({}, "sessions_recent"),
        ({"owner": "ann"}, "sessions_owned"),
        ({"state": "active"}, "sessions_recent"),
        ({"state": "ended"}, "sessions_ended"),
        ({"state": "created"}, "sessions_resting"),
        ({"state": "paused"}, "sessions_resting"),
        ({"owner": "ann", "state": "active"}, "sessions_owned"),
        ({"owner": "ann", "state": "ended"}, "sessions_owned"),
        ({"owner": "ann", "state": "paused"}, "sessions_owned"),
    ],
    ids=str,
)
@pytest.mark.parametrize("first", [True, False])
def test_s20_sx19_a_page_comes_out_of_an_index_in_its_order(
    tmp_path: Path, query: dict[str, str], index: str, first: bool
) -> None:
    """Nothing is sorted, and no page is looked for from the beginning."""
    path = tmp_path / "j.db"

    async def scene() -> greenroom.IndexRow | None:
        async with greenroom.Runtime(journal=SqliteJournal(path, durability="process")) as runtime:
            await runtime.create(user="ann", id="s")
            return await runtime.find("s")

    row = play(scene)
    plan = plan_of(path, SessionQuery(**query, after=None if first else row, limit=20))

    assert "TEMP B-TREE" not in plan
    assert not re.search(r"SCAN sessions$", plan, re.MULTILINE)
    assert f"sessions USING INDEX {index}" in plan
    if not first:
        assert re.search(rf"SEARCH sessions USING INDEX {index} \(.*updated_ms", plan)


@pytest.mark.parametrize("query", [{}, {"owner": "ann"}, {"state": "ended"}], ids=str)
@pytest.mark.parametrize("first", [True, False])
def test_s22_a_page_in_the_order_of_ids_is_looked_up(
    tmp_path: Path, query: dict[str, str], first: bool
) -> None:
    path = tmp_path / "j.db"

    async def scene() -> greenroom.IndexRow | None:
        async with greenroom.Runtime(journal=SqliteJournal(path, durability="process")) as runtime:
            await runtime.create(user="ann", id="s")
            return await runtime.find("s")

    row = play(scene)
    plan = plan_of(path, SessionQuery(**query, order="id", after=None if first else row, limit=20))

    assert "TEMP B-TREE" not in plan
    assert "SEARCH sessions USING INDEX sqlite_autoindex_sessions_1 (id>?)" in plan
