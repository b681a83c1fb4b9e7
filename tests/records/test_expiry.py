"""Sessions that nobody touches expire: by their last change, everywhere, and never live ones."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from house import logged
from rooms.hall import refused
from steward import DAY_S, Ledger, archived, cold, files, keep_house, listed, timed
from theatre import GatedJournal, ManualClock, Script, play, settle

import greenroom
from greenroom.actors.ports import SessionQuery, Stale
from greenroom.adapters.journals.memory import MemoryJournal
from greenroom.supervisor import expiry
from greenroom.supervisor.expiry import STEP

# --- at the door ---------------------------------------------------------------------------------


def test_s11_sx5_sx6_who_wakes_a_session_that_is_too_old_finds_none_and_finds_none_again(
    store: Any, tmp_path: Path
) -> None:
    """From memory, from the store after a restart, and the second time: always the same answer."""

    async def scene() -> None:
        clock, archive = ManualClock(), greenroom.DirectoryArchive(tmp_path)
        options: dict[str, Any] = {"archive": archive, "session_max_age_s": DAY_S, "clock": clock}
        async with greenroom.Runtime(journal=store(), **options) as runtime:
            for name in ("old", "young", "edge"):
                await cold(runtime, name, "hello")
            clock.now_s += DAY_S
            await runtime.session("young").post("ann", "still here")
            assert (await runtime.session("edge").info()).messages == 1  # as old as it may be
        clock.now_s += 1
        async with greenroom.Runtime(journal=store(), **options) as runtime:
            for _ in range(3):
                await refused(runtime.session("old").info(), greenroom.SessionNotFound)
                await refused(runtime.session("old").post("ann", "?"), greenroom.SessionNotFound)
            assert (await runtime.session("young").info()).messages == 2
            await refused(runtime.create(user="ann", id="old"), greenroom.SessionExists)
            await refused(runtime.get_or_create("ann", id="old"), greenroom.SessionExists)

            assert runtime.stats.expired == 1
            (kept,) = archived(tmp_path, "old")
            assert kept["chat_history"][0]["content"] == "hello"
            assert await runtime.journal.find("old") is None
        async with greenroom.Runtime(journal=store(), clock=clock) as runtime:
            await refused(runtime.session("old").info(), greenroom.SessionNotFound)

    play(scene)


def test_s11_nothing_that_is_too_old_is_shown_anywhere(store: Any) -> None:
    """Before anything has looked for it, also when it cannot be archived."""

    async def scene() -> None:
        clock, archive = ManualClock(), Ledger()
        archive.failing = {"old"}
        async with greenroom.Runtime(
            journal=store(), clock=clock, archive=archive, session_max_age_s=DAY_S
        ) as runtime:
            await cold(runtime, "old")
            clock.now_s += DAY_S
            await cold(runtime, "new")
            assert await listed(runtime) == ["new", "old"]
            clock.now_s += 1

            assert await listed(runtime) == ["new"]
            assert [row.id for row in await runtime.sessions_of("ann")] == ["new"]
            assert await runtime.find("old") is None
            assert await runtime.owner_of("old") is None
            assert not await runtime.may_access("ann", "old")
            await refused(runtime.session("old").info(), greenroom.SessionNotFound)
            await refused(runtime.session("old").delete("ann"), greenroom.SessionNotFound)
            assert await runtime.journal.find("old") is not None  # kept until it can be archived
            archive.failing.clear()
            await refused(runtime.session("old").info(), greenroom.SessionNotFound)
            assert await runtime.journal.find("old") is None
            assert archive.kept == ["old"]

    play(scene)


def test_s11_a_new_session_may_have_the_id_when_it_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scene() -> None:
        clock = timed(monkeypatch)
        async with greenroom.Runtime(
            clock=clock,
            session_max_age_s=DAY_S,
            deleted_retention_s=DAY_S,
            tombstone_retention_s=2 * DAY_S,
        ) as runtime:
            await cold(runtime, "s", "hello")
            await keep_house(runtime, clock)
            clock.now_s += DAY_S
            await keep_house(runtime, clock)
            await refused(runtime.get_or_create("ann", id="s"), greenroom.SessionExists)
            clock.now_s += DAY_S
            await keep_house(runtime, clock)
            await refused(runtime.get_or_create("ann", id="s"), greenroom.SessionExists)
            clock.now_s += DAY_S
            await keep_house(runtime, clock)

            again = await runtime.get_or_create("ann", id="s")

            assert (await again.info()).messages == 0

    play(scene)


def test_s11_a_session_that_cannot_be_hidden_is_left_as_it_was() -> None:
    class Failing(GatedJournal):
        async def delete(self, session: str, *, epoch: int) -> None:
            raise greenroom.NotWritten("full")

    async def scene() -> None:
        clock, journal = ManualClock(), Failing()
        async with greenroom.Runtime(
            journal=journal, clock=clock, session_max_age_s=DAY_S
        ) as runtime:
            await cold(runtime, "s", "hello")
            end = journal._records["s"].end
            clock.now_s += DAY_S + 1
            await refused(runtime.session("s").info(), greenroom.SessionNotFound)

            assert journal._records["s"].end == end is not None
            assert runtime.resident == 0

    play(scene)


def test_s11_a_session_on_stage_stays_there_and_comes_back_after_a_crash() -> None:
    """It is looked at when it is woken: its callers have been heard since then."""

    async def scene() -> None:
        clock, journal, script = ManualClock(), GatedJournal(), Script()
        async with greenroom.Runtime(
            script,
            journal=journal,
            clock=clock,
            idle_s=DAY_S,
            session_max_age_s=DAY_S,
            turn_timeout_s=10 * DAY_S,
            turn_silence_s=10 * DAY_S,
        ) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.send("ann", "take your time")
            await clock.advance(3 * DAY_S)
            assert (await session.info()).state == "active"
            journal.fail(greenroom.JournalFailed("no answer"))

            await refused(session.post("ann", "?"), greenroom.OutcomeUnknown)
            await clock.advance(1.0)

            assert (await session.info()).state == "active"

    play(scene)


# --- in the background ---------------------------------------------------------------------------


def test_s21_sx5_everything_too_old_is_archived_and_gone_whatever_its_state(
    store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        clock, archive = timed(monkeypatch), greenroom.DirectoryArchive(tmp_path)
        async with greenroom.Runtime(
            journal=store(), clock=clock, archive=archive, session_max_age_s=DAY_S
        ) as runtime:
            for name in ("active", "paused", "ended", "created", "young"):
                await cold(runtime, name, start=name != "created")
            await runtime.session("paused").pause("ann")
            await runtime.session("ended").end("ann")
            for name in ("paused", "ended"):
                assert await runtime.passivate(name)
            clock.now_s += DAY_S - 3600
            await runtime.session("young").set_title("ann", "touched")
            assert await runtime.passivate("young")
            activated = runtime.stats.activated
            clock.now_s += 3600 + 60

            await keep_house(runtime, clock)

            rows = (await runtime.journal.list(SessionQuery())).rows
            assert [row.id for row in rows] == ["young"]
            assert len(files(tmp_path)) == 4
            assert (runtime.stats.expired, runtime.stats.archived) == (4, 4)
            assert runtime.stats.activated == activated  # it wakes nobody

    play(scene)


def test_sx7_a_session_that_is_used_is_kept_whatever_its_file_looks_like(
    tmp_path: Path,
) -> None:
    """By when it was changed, never by the times of files; and never while it is on stage."""

    async def scene() -> None:
        clock, script = ManualClock(), Script()
        clock.now_s = 1_000_000_000.0
        journal = f"sqlite:///{tmp_path}/store.db?durability=process"
        async with greenroom.Runtime(
            script, journal=journal, clock=clock, idle_s=DAY_S, session_max_age_s=DAY_S,
            turn_silence_s=9 * DAY_S, turn_timeout_s=9 * DAY_S, ended_retention_s=DAY_S,
        ) as runtime:  # fmt: skip
            await cold(runtime, "cold")
            busy = await runtime.create(user="ann", id="busy")
            turn = await busy.send("ann", "think for days")
            over = await runtime.create(user="ann", id="over")
            await over.end("ann")
            clock.now_s += 2 * DAY_S
            await cold(runtime, "young")
            await keep_house(runtime, clock)  # the files were last written in another century

            assert await listed(runtime) == ["young"]
            assert (await busy.info()).state == "active"
            assert await busy.post("ann", "go on")
            assert await listed(runtime) == ["busy", "young"]
            for file in tmp_path.iterdir():
                os.utime(file, (1.0, 1.0))
            await keep_house(runtime, clock)
            assert await listed(runtime) == ["busy", "young"]
            script.cue("busy", turn.id, None)
            await turn.result()

    play(scene)


def test_sx7_a_session_on_stage_is_not_even_archived() -> None:
    async def scene() -> None:
        clock, archive = ManualClock(), Ledger()
        async with greenroom.Runtime(
            clock=clock, archive=archive, idle_s=9 * DAY_S, session_max_age_s=9 * DAY_S,
            ended_retention_s=DAY_S,
        ) as runtime:  # fmt: skip
            session = await runtime.create(user="ann", id="s")
            await session.end("ann")
            clock.now_s += 2 * DAY_S
            await keep_house(runtime, clock)
            assert (archive.kept, await listed(runtime)) == ([], ["s"])
            assert await runtime.passivate("s")
            await keep_house(runtime, clock)
            assert (archive.kept, await listed(runtime)) == (["s"], [])

    play(scene)


def test_sx7_who_wakes_a_session_while_it_is_being_archived_keeps_it() -> None:
    async def scene() -> None:
        clock, archive = ManualClock(), Ledger()
        woken: list[str] = []
        async with greenroom.Runtime(
            clock=clock, archive=archive, ended_retention_s=DAY_S
        ) as runtime:

            async def wake(name: str) -> None:
                if name == "woken":
                    woken.append((await runtime.session(name).info()).state)

            for name in ("woken", "asleep"):
                await cold(runtime, name)
                await runtime.session(name).end("ann")
                assert await runtime.passivate(name)
            archive.before = wake
            clock.now_s += DAY_S + 1
            await keep_house(runtime, clock)

            assert woken == ["ended"]
            assert await listed(runtime) == ["woken"]
            assert sorted(archive.kept) == ["asleep", "woken"]
            assert (await runtime.session("woken").info()).state == "ended"

    play(scene)


def test_sx7_what_is_changed_while_it_is_being_archived_is_kept() -> None:
    async def scene() -> None:
        clock, archive = ManualClock(), Ledger()
        async with greenroom.Runtime(
            clock=clock, archive=archive, session_max_age_s=DAY_S
        ) as runtime:
            await cold(runtime, "s")
            journal = runtime.journal

            async def change(name: str) -> None:
                claim = await journal.claim(name)
                row = await journal.find(name)
                assert row is not None
                await journal.append(name, [b"x"], epoch=claim.epoch, after=claim.revision, row=row)
                archive.before = None

            archive.before = change
            clock.now_s += DAY_S + 1
            await keep_house(runtime, clock)

            assert await journal.find("s") is not None

    play(scene)


def test_sx8_what_cannot_be_archived_or_read_stays_and_all_others_go(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        clock, archive = timed(monkeypatch), Ledger()
        async with greenroom.Runtime(
            journal=store(), clock=clock, archive=archive, session_max_age_s=DAY_S
        ) as runtime:
            for n in range(6):
                await cold(runtime, f"s{n}")
                clock.now_s += 1
            archive.failing = {"s0", "s3"}
            clock.now_s += DAY_S
            with logged() as lines:
                await keep_house(runtime, clock)

            rows = (await runtime.journal.list(SessionQuery())).rows
            assert [row.id for row in rows] == ["s3", "s0"]
            kept = [line["session"] for line in lines if line["event"] == "session_kept"]
            assert kept == ["s0", "s3"]
            archive.failing.clear()
            await keep_house(runtime, clock)
            assert (await runtime.journal.list(SessionQuery())).rows == []

    play(scene)


def test_sx8_more_than_a_step_of_them_keep_no_other_from_expiring(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scene() -> None:
        clock, archive = ManualClock(), Ledger()
        monkeypatch.setattr(expiry, "MOST_FAILED", 2 * STEP)
        async with greenroom.Runtime(
            clock=clock, archive=archive, session_max_age_s=DAY_S, max_sessions=1000,
            max_sessions_per_user=1000,
        ) as runtime:  # fmt: skip
            for n in range(STEP + 3):
                await cold(runtime, f"stuck{n}")
            clock.now_s += 1
            await cold(runtime, "free")
            archive.failing = {f"stuck{n}" for n in range(STEP + 3)}
            clock.now_s += DAY_S
            await keep_house(runtime, clock)

            assert await runtime.journal.find("free") is None
            assert runtime.stats.archives_failed == STEP + 3

    play(scene)


@pytest.mark.parametrize("with_archive", [True, False])
def test_sx8_a_damaged_session_is_never_deleted(tmp_path: Path, with_archive: bool) -> None:
    """Its bytes are all that is left of it (SX3)."""

    async def scene() -> None:
        clock, journal = ManualClock(), MemoryJournal()
        archive = greenroom.DirectoryArchive(tmp_path) if with_archive else None
        async with greenroom.Runtime(
            journal=journal, clock=clock, archive=archive, ended_retention_s=DAY_S,
            session_max_age_s=2 * DAY_S,
        ) as runtime:  # fmt: skip
            for name in ("broken", "whole"):
                await cold(runtime, name, "hello")
                await runtime.session(name).end("ann")
                assert await runtime.passivate(name)
            journal._records["broken"].snapshot = None
            journal._records["broken"].events[0] = b"\xc1"
            before = list(journal._records["broken"].events)
            clock.now_s += 3 * DAY_S
            await keep_house(runtime, clock)
            await refused(runtime.session("broken").info(), greenroom.SessionDamaged)

            assert journal._records["broken"].events == before
            assert not journal._records["broken"].deleted
            assert journal._records["whole"].deleted

    play(scene)


# --- crashes in between --------------------------------------------------------------------------


class Dying(MemoryJournal):
    """Answers nothing any more at one kind of call: as if the process were killed there."""

    def __init__(self) -> None:
        super().__init__()
        self.dies_at = ""
        self.dead = asyncio.Event()

    async def _die(self, at: str) -> None:
        records = self._records.values()
        hidden = any(record.deleted for record in records)
        if self.dies_at == at and (hidden or at == "before hide"):
            self.dead.set()
            await asyncio.Event().wait()

    async def hide(self, stale: Any) -> list[str]:
        await self._die("before hide")
        hidden = await super().hide(stale)
        await self._die("after hide")
        return hidden

    async def erase(self, before_ms: int, *, limit: int) -> int:
        await self._die("before erase")
        return await super().erase(before_ms, limit=limit)

    async def forget(self, before_ms: int, *, limit: int) -> int:
        await self._die("before forget")
        return await super().forget(before_ms, limit=limit)


@pytest.mark.parametrize("at", ["before hide", "after hide", "before erase", "before forget"])
def test_sx21_wherever_it_is_killed_it_is_archived_once_and_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    async def scene() -> None:
        clock, journal = timed(monkeypatch), Dying()
        options: dict[str, Any] = {
            "journal": journal, "clock": clock, "session_max_age_s": DAY_S,
            "deleted_retention_s": 0, "tombstone_retention_s": 0,
            "archive": greenroom.DirectoryArchive(tmp_path),
        }  # fmt: skip
        first = greenroom.Runtime(**options)
        await first.start()
        for name in ("a", "b"):
            await cold(first, name, "hello")
        clock.now_s += DAY_S + 1
        journal.dies_at = at
        going = asyncio.ensure_future(keep_house(first, clock))
        await journal.dead.wait()
        going.cancel()
        await first.stop()
        assert len(files(tmp_path)) == 2

        journal.dies_at = ""
        async with greenroom.Runtime(**options) as runtime:
            for _ in range(2):  # what is hidden now is erased in the next round
                await keep_house(runtime, clock)
            assert len(files(tmp_path)) == 2
            assert journal._records == {}
            await runtime.create(user="ann", id="a")

    play(scene)


# --- erasing, and the size of the store ----------------------------------------------------------


def test_what_is_deleted_is_erased_by_its_time_and_then_forgotten(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        clock = timed(monkeypatch)
        async with greenroom.Runtime(
            journal=store(), clock=clock, deleted_retention_s=DAY_S,
            tombstone_retention_s=3 * DAY_S,
        ) as runtime:  # fmt: skip
            journal = runtime.journal
            for n in range(3):
                await cold(runtime, f"s{n}", *("x" * 1000 for _ in range(20)))
                assert await runtime.delete(f"s{n}", "ann")
            full = await journal.size()
            await keep_house(runtime, clock)
            assert runtime.stats.events_erased == 0
            clock.now_s += DAY_S
            await keep_house(runtime, clock)

            assert runtime.stats.events_erased == 3 * 22
            assert await journal.size() < full / 2
            await refused(runtime.create(user="ann", id="s0"), greenroom.SessionExists)
            clock.now_s += 2 * DAY_S
            await keep_house(runtime, clock)
            await runtime.create(user="ann", id="s0")

    play(scene)


def test_a_journal_that_is_too_large_loses_ended_sessions_the_oldest_first_and_no_other(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is deleted already goes before any of them."""

    async def scene() -> None:
        clock, archive = timed(monkeypatch), Ledger()
        async with greenroom.Runtime(journal=store(), clock=clock, max_sessions=99) as runtime:
            for n in range(40):
                name = f"s{n:02}"
                await cold(runtime, name, "x" * 8_000)
                if n % 2:
                    await runtime.session(name).end("ann")
                    assert await runtime.passivate(name)
                clock.now_s += 1
            small = await runtime.journal.size()
            gone = await runtime.create(user="ann", id="gone")
            for _ in range(10):
                await gone.post("ann", "x" * 100_000)
            await gone.delete("ann")
            large = await runtime.journal.size()
        for limit, most in ((small, 3), (small * 0.8, 19)):
            async with greenroom.Runtime(
                journal=store(), clock=clock, archive=archive, journal_max_bytes=limit
            ) as runtime:
                await keep_house(runtime, clock)

                assert await runtime.journal.size() <= limit < large
                rows = (await runtime.journal.list(SessionQuery(limit=100))).rows
                ended = {row.id for row in rows if row.state == "ended"}
                names = [f"s{n:02}" for n in range(1, 40, 2)]
                assert archive.kept == [name for name in names if name not in ended]
                assert archive.kept == names[: len(archive.kept)]
                assert len(archive.kept) <= most
                assert len(rows) - len(ended) == 20
        assert len(archive.kept) > 0

    play(scene)


def test_a_journal_that_is_too_large_and_all_in_use_is_reported_and_kept() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(clock=clock, journal_max_bytes=100) as runtime:
            await cold(runtime, "s", "x" * 1000)
            with logged() as lines:
                await keep_house(runtime, clock)

            (line,) = [line for line in lines if line["event"] == "journal_too_large"]
            assert line["limit"] == 100
            assert line["bytes"] > 1000
            assert await listed(runtime) == ["s"]

    play(scene)


# --- the keeper ----------------------------------------------------------------------------------


def test_the_policy_is_noted_for_who_asks_from_outside() -> None:
    async def scene() -> None:
        journal = MemoryJournal()
        async with greenroom.Runtime(journal=journal, session_max_age_s=2 * DAY_S):
            assert journal.notes["retention"] == (
                "ended_retention_s 604800, session_max_age_s 172800, deleted_retention_s 86400, "
                "tombstone_retention_s 2592000, event_retention_s 604800, journal_max_bytes inf"
            )

    play(scene)


def test_the_policy_is_noted_later_if_it_cannot_be_now() -> None:
    class Full(MemoryJournal):
        full = True

        async def note(self, name: str, value: str) -> None:
            if self.full:
                raise greenroom.NotWritten("full")
            await super().note(name, value)

    async def scene() -> None:
        clock, journal = ManualClock(), Full()
        async with greenroom.Runtime(clock=clock, journal=journal):
            assert journal.notes == {}
            journal.full = False
            await clock.advance(60.0)
            assert list(journal.notes) == ["retention"]

    play(scene)


def test_one_chore_that_fails_keeps_no_other_from_its_time() -> None:
    class Blind(MemoryJournal):
        async def stale(self, *_: Any, **__: Any) -> list[Stale]:
            raise OSError("broken")

    async def scene() -> None:
        clock, journal = ManualClock(), Blind()
        erased: list[int] = []

        async def erase(before_ms: int, *, limit: int) -> int:
            erased.append(before_ms)
            return 0

        journal.erase = erase  # type: ignore[method-assign]
        async with greenroom.Runtime(clock=clock, journal=journal):
            with logged() as lines:
                await clock.advance(60.0)
            assert erased == [clock.now_ms() - 24 * 3600 * 1000]
            assert [line["event"] for line in lines] == ["retention_failed"]
            await clock.advance(3600.0)
            assert len(erased) == 2

    play(scene)


def test_a_runtime_does_not_wait_for_an_archive_when_it_stops() -> None:
    async def scene() -> None:
        clock, archive = ManualClock(), Ledger()
        never = asyncio.Event()

        async def hang(_: str) -> None:
            await never.wait()

        archive.before = hang
        runtime = greenroom.Runtime(clock=clock, archive=archive, session_max_age_s=DAY_S)
        await runtime.start()
        await cold(runtime, "s")
        clock.now_s += DAY_S + 1
        await clock.advance(60.0)
        await settle()
        await runtime.stop()

        assert runtime._keeper._round is not None
        assert runtime._keeper._round.done()

    play(scene)
