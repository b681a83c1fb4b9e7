"""Sessions are archived before they are deleted: once, whole, each on its own (spec S19, S24)."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rooms.hall import refused
from session.cast import genesis
from steward import Ledger, archived, cold, files, keep_house, timed
from theatre import GatedJournal, ManualClock, Script, play, settle

import greenroom
from greenroom.actors.ports import Beginning
from greenroom.actors.session.record_wire import rlhf_wire
from greenroom.actors.session.state import State
from greenroom.adapters import archive as archives
from greenroom.adapters.archive import _encoded
from greenroom.adapters.journals.memory import MemoryJournal
from greenroom.supervisor.recording import Recording, read_recording, stored

# --- what a file is ------------------------------------------------------------------------------


def test_s24_the_name_has_id_and_day_and_the_content_is_the_export(
    tmp_path: Path, store: Any
) -> None:
    async def scene() -> None:
        clock, journal = ManualClock(), store()
        clock.now_s = 1_715_938_200.0  # 2024-05-17
        archive = greenroom.DirectoryArchive(tmp_path)
        async with greenroom.Runtime(journal=journal, clock=clock) as runtime:
            session = await runtime.create(user="ann", id="s_1")
            await session.post("ann", "Überraschung 🎉")
            await session.add_feedback("ann", "n1", "correct", context="why")
            await session.set_graph_state("ann", {"nodes": [1, 2.5, None]})

            assert await archive.put("s_1", journal)

            (name,) = files(tmp_path)
            incarnation = (await read_recording(journal, "s_1")).state.incarnation
            assert name == f"session_s_1_2024-05-17_{incarnation}-3.json"
            text = (tmp_path / name).read_text("utf-8")
            assert "Überraschung 🎉" in text
            assert text.startswith('{\n  "session_id": "s_1",\n')
            export = rlhf_wire(stored(await read_recording(journal, "s_1")))
            assert json.loads(text) == export
            assert [one["action_type"] for one in export["interactions"]] == ["feedback"]

    play(scene)


def test_sx21_the_same_revision_is_kept_once_and_a_later_one_beside_it(tmp_path: Path) -> None:
    async def scene() -> None:
        journal, archive = MemoryJournal(), greenroom.DirectoryArchive(tmp_path)
        async with greenroom.Runtime(journal=journal) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.post("ann", "one")
            assert await archive.put("s", journal)
            first = {name: (tmp_path / name).stat().st_ino for name in files(tmp_path)}

            await asyncio.gather(archive.put("s", journal), archive.put("s", journal))
            await session.end("ann")  # changes nothing that is shown
            await archive.put("s", journal)
            assert {name: (tmp_path / name).stat().st_ino for name in files(tmp_path)} == first

            other = await runtime.create(user="ann", id="t")
            await archive.put("t", journal)
            await other.post("ann", "two")
            await archive.put("t", journal)
            assert [len(one["chat_history"]) for one in archived(tmp_path, "t")] == [0, 1]

    play(scene)


IDS = st.text(st.characters(min_codepoint=33, max_codepoint=0x250), min_size=1, max_size=128)


@given(first=IDS, second=IDS)
def test_sx1_no_two_ids_share_a_file_and_none_leads_outside(first: str, second: str) -> None:
    """Nor do they where `A` and `a` are the same."""
    one, two = _encoded(first), _encoded(second)

    assert (one.casefold() == two.casefold()) == (first == second)
    assert "/" not in one
    assert "\\" not in one
    assert len(one) <= archives.LONGEST


def test_sx1_an_archive_writes_nothing_outside_its_directory(tmp_path: Path) -> None:
    """Also of an id that was never checked, and of the longest ones."""

    async def scene() -> None:
        inside = tmp_path / "a" / "archive"
        archive, journal = greenroom.DirectoryArchive(inside), MemoryJournal()
        async with greenroom.Runtime(journal=journal) as runtime:
            await runtime.create(user="ann", id="real")
            for name in ("../pwned", "a/b", "..", "/etc/x", "N" * 128, "n" * 128, "A:b", "a:b"):
                journal._records[name] = journal._records["real"]
                assert await archive.put(name, journal)
        assert [path for path in tmp_path.rglob("*") if inside not in (path, path.parent)] == [
            tmp_path / "a"
        ]

    play(scene)


@pytest.mark.parametrize("name", ["N" * 128, "n" * 128, "Ann", "ann", "../../pwned", "a_b-"])
def test_sx1_every_file_has_a_name_that_file_systems_take(name: str) -> None:
    state = State.at_creation(msgspec.structs.replace(genesis(), id=name))
    state.revision = 2**63 - 1

    file = archives._file_name(Recording(state, 1, [], [], Beginning(genesis=b"")))

    assert len(f".{file}.partial") < 255
    assert file.startswith("session_")
    assert file == file.lower()


def test_sx10_deleted_and_made_again_on_one_day_there_are_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        clock = timed(monkeypatch)
        async with greenroom.Runtime(
            clock=clock,
            archive=greenroom.DirectoryArchive(tmp_path),
            deleted_retention_s=0,
            tombstone_retention_s=0,
        ) as runtime:
            for text in ("first", "second"):
                await cold(runtime, "s", text)
                assert await runtime.delete("s", "ann")
                await keep_house(runtime, clock)

        days = {one["created_at"][:10] for one in archived(tmp_path, "s")}
        said = {one["chat_history"][0]["content"] for one in archived(tmp_path, "s")}
        assert (len(days), said) == (1, {"first", "second"})

    play(scene)


# --- what goes wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["fsync", "replace", "open"])
def test_sx2_a_file_that_cannot_be_written_leaves_nothing_and_the_session_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise OSError(28, "No space left on device")

    async def scene() -> None:
        archive = greenroom.DirectoryArchive(tmp_path / "archive")
        async with greenroom.Runtime(archive=archive) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.post("ann", "precious")
            with monkeypatch.context() as patch:
                patch.setattr(*{
                    "fsync": (os, "fsync", broken),
                    "replace": (Path, "replace", broken),
                    "open": (Path, "open", broken),
                }[step])  # fmt: skip
                error = await refused(session.delete("ann"), greenroom.ArchiveFailed, session="s")
                assert "No space left" in str(error)
                assert not list((tmp_path / "archive").glob("*"))

            await session.post("ann", "as before")  # it lives
            assert runtime.stats.archives_failed == 1
            assert await session.delete("ann")

        (kept,) = archived(tmp_path / "archive", "s")
        assert [line["content"] for line in kept["chat_history"]] == ["precious", "as before"]

    play(scene)


def test_sx2_a_file_that_a_crash_has_left_in_the_middle_is_no_archive(tmp_path: Path) -> None:
    async def scene() -> None:
        journal, archive = MemoryJournal(), greenroom.DirectoryArchive(tmp_path)
        async with greenroom.Runtime(journal=journal) as runtime:
            await cold(runtime, "s", "one")
            await archive.put("s", journal)
            (name,) = files(tmp_path)
            whole = (tmp_path / name).read_bytes()
            (tmp_path / name).unlink()
            (tmp_path / f".{name}.partial").write_bytes(whole[:40])

            await archive.put("s", journal)

            assert files(tmp_path) == [name]
            assert (tmp_path / name).read_bytes() == whole

    play(scene)


# --- consent -------------------------------------------------------------------------------------


def test_sx27_who_has_opted_out_is_deleted_and_not_archived(tmp_path: Path) -> None:
    async def scene() -> None:
        archive = greenroom.DirectoryArchive(tmp_path)
        async with greenroom.Runtime(archive=archive) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.post("ann", "private")
            await session.set_export("ann", False)

            assert await session.delete("ann")

            assert files(tmp_path) == []
            assert runtime.stats.archived == 0
            await refused(session.info(), greenroom.SessionNotFound)

    play(scene)


def test_sx27_redaction_runs_on_everything_before_it_is_written(tmp_path: Path) -> None:
    def redact(text: str, where: str) -> str:
        return text.replace("secret", "[...]")

    async def scene() -> None:
        archive = greenroom.DirectoryArchive(tmp_path, redact=redact)
        async with greenroom.Runtime(archive=archive) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.post("ann", "my secret")
            await session.record_interaction(
                "ann", "prune", content="secret", metadata={"secret": ["a secret"]}
            )
            await session.set_graph_state("ann", {"x": {"secret": "secret"}})
            await session.delete("ann")

        (name,) = files(tmp_path)
        text = (tmp_path / name).read_text("utf-8")
        assert "secret" not in text
        assert text.count("[...]") == 6

    play(scene)


def test_sx27_what_cannot_be_redacted_is_not_written_and_not_deleted(tmp_path: Path) -> None:
    def redact(text: str, where: str) -> str:
        raise LookupError(where)

    async def scene() -> None:
        archive = greenroom.DirectoryArchive(tmp_path, redact=redact)
        async with greenroom.Runtime(archive=archive) as runtime:
            session = await runtime.create(user="ann", id="s")
            error = await refused(session.delete("ann"), greenroom.ArchiveFailed)
            assert "LookupError" in str(error)
            assert files(tmp_path) == []
            assert (await session.info()).state == "active"

    play(scene)
    with pytest.raises(greenroom.InvalidInput):
        greenroom.DirectoryArchive(tmp_path, redact=5)  # type: ignore[arg-type]
    with pytest.raises(greenroom.ConfigError, match="archive"):
        greenroom.Runtime(archive=str(tmp_path))


# --- deletion ------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["on stage", "cold", "after a restart"])
def test_s19_sx11_a_session_is_archived_wherever_it_is(
    tmp_path: Path, store: Any, where: str
) -> None:
    async def scene() -> None:
        archive = greenroom.DirectoryArchive(tmp_path)
        async with greenroom.Runtime(journal=store(), archive=archive) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.post("ann", "hello")
            if where == "cold":
                assert await runtime.passivate("s")
            if where != "after a restart":
                assert await session.delete("ann")
        if where == "after a restart":
            async with greenroom.Runtime(journal=store(), archive=archive) as runtime:
                assert await runtime.delete("s", "ann")

        (kept,) = archived(tmp_path, "s")
        assert kept["chat_history"][0]["content"] == "hello"

    play(scene)


def test_s19_it_may_be_deleted_without() -> None:
    async def scene() -> None:
        archive = Ledger()
        async with greenroom.Runtime(archive=archive) as runtime:
            for name in ("s", "t"):
                await cold(runtime, name)
            assert await runtime.session("s").delete("ann", archive=False)
            assert await runtime.delete("t", "ann", archive=False)
            assert archive.kept == []
            with pytest.raises(greenroom.InvalidInput):
                runtime.delete("t", "ann", archive=None)  # type: ignore[arg-type]

    play(scene)


def test_s19_an_archive_that_fails_leaves_the_session_as_it_was() -> None:
    async def scene() -> None:
        archive = Ledger()
        archive.failing = {"s"}
        async with greenroom.Runtime(archive=archive) as runtime:
            await cold(runtime, "s", "hello")
            session = runtime.session("s")
            before = await session.info()

            await refused(session.delete("ann"), greenroom.ArchiveFailed, session="s")

            assert await session.info() == before
            archive.failing.clear()
            assert await session.delete("ann")
            assert archive.kept == ["s"]

    play(scene)


def test_s19_an_archive_that_raises_anything_has_failed() -> None:
    async def scene() -> None:
        archive = Ledger()

        async def burst(_: str) -> None:
            raise ZeroDivisionError

        archive.before = burst
        async with greenroom.Runtime(archive=archive) as runtime:
            await cold(runtime, "s")
            await refused(runtime.session("s").delete("ann"), greenroom.ArchiveFailed)
            assert (await runtime.session("s").info()).state == "active"

    play(scene)


def test_s19_who_may_not_delete_has_nothing_archived() -> None:
    async def scene() -> None:
        archive = Ledger()
        async with greenroom.Runtime(archive=archive) as runtime:
            await cold(runtime, "s")
            await refused(runtime.session("s").delete("eve"), greenroom.NotHost, user="eve")
            await refused(runtime.session("no").delete("ann"), greenroom.SessionNotFound)
            assert await runtime.delete("no", "ann") is False
            assert archive.kept == []

    play(scene)


def test_s19_what_a_running_turn_has_said_is_archived_too(tmp_path: Path) -> None:
    """So the session ends first; if archiving fails then, it stays ended."""

    async def scene() -> None:
        script, archive = Script(), greenroom.DirectoryArchive(tmp_path)
        async with greenroom.Runtime(script, archive=archive) as runtime:
            session = await runtime.create(user="ann", id="s")
            turn = await session.send("ann", "speak")
            script.cue("s", turn.id, "half a sen")
            await settle()
            archive._redact = lambda *_: 1 / 0  # type: ignore[assignment,return-value]
            await refused(session.delete("ann"), greenroom.ArchiveFailed)
            assert (await session.info()).state == "ended"
            assert files(tmp_path) == []

            archive._redact = None
            assert await session.delete("ann")

        (kept,) = archived(tmp_path, "s")
        assert [line["content"] for line in kept["chat_history"]] == ["speak", "half a sen"]

    play(scene)


def test_s19_what_is_said_while_it_is_archived_is_archived_too(tmp_path: Path) -> None:
    async def scene() -> None:
        archive = Ledger()
        directory = greenroom.DirectoryArchive(tmp_path)
        async with greenroom.Runtime(archive=archive) as runtime:
            session = await runtime.create(user="ann", id="s")

            async def meanwhile(name: str) -> None:
                await directory.put(name, runtime.journal)
                if len(files(tmp_path)) == 1:
                    await session.post("ann", "wait")

            archive.before = meanwhile
            assert await session.delete("ann")

        assert [len(one["chat_history"]) for one in archived(tmp_path, "s")] == [0, 1]

    play(scene)


def test_s19_of_two_who_delete_at_once_one_has() -> None:
    async def scene() -> None:
        archive, go = Ledger(), asyncio.Event()

        async def held(_: str) -> None:
            await go.wait()

        archive.before = held
        async with greenroom.Runtime(archive=archive) as runtime:
            await cold(runtime, "s")
            deleted = [runtime.delete("s", "ann") for _ in range(3)]
            await settle()
            go.set()

            assert sorted([await one for one in deleted]) == [False, False, True]

    play(scene)


def test_s19_a_runtime_that_stops_answers_whose_session_is_being_archived() -> None:
    async def scene() -> None:
        archive = Ledger()
        never = asyncio.Event()

        async def held(_: str) -> None:
            await never.wait()

        archive.before = held
        runtime = greenroom.Runtime(archive=archive, journal=MemoryJournal())
        await runtime.start()
        await cold(runtime, "s")
        deleted = runtime.session("s").delete("ann")
        await settle()
        await runtime.stop()

        await refused(deleted, greenroom.RuntimeClosed)

    play(scene)


# --- crashes in between --------------------------------------------------------------------------


class Crashing(GatedJournal):
    """Does not answer when a session is to be hidden, as a process that is killed would not."""

    def __init__(self) -> None:
        super().__init__()
        self.crashes = True

    async def delete(self, session: str, *, epoch: int) -> None:
        if self.crashes:
            raise greenroom.JournalFailed("killed")
        await super().delete(session, epoch=epoch)


def test_sx21_a_crash_after_archiving_archives_nothing_twice(tmp_path: Path) -> None:
    async def scene() -> None:
        journal, archive = Crashing(), greenroom.DirectoryArchive(tmp_path)
        async with greenroom.Runtime(journal=journal, archive=archive) as runtime:
            await cold(runtime, "s", "hello")
            await refused(runtime.session("s").delete("ann"), greenroom.OutcomeUnknown)
            (first,) = files(tmp_path)

        journal.crashes = False
        async with greenroom.Runtime(journal=journal, archive=archive) as runtime:
            assert (await runtime.session("s").info()).state == "ended"
            assert await runtime.delete("s", "ann")
            assert files(tmp_path) == [first]
            assert await runtime.delete("s", "ann") is False

    play(scene)
