"""Which sessions are exported: all there are, once, but for those that may not be (S22, SX26)."""

from __future__ import annotations

import gc
import json
import subprocess
import weakref
from pathlib import Path
from typing import Any

import msgspec
import pytest
from conformance.damage_kit import change_event, fill, runtime_on
from conformance.journal_kit import GUARD_S
from conformance.sqlite_kit import line_of, process
from recorded import COMMAND, environment
from records.export_kit import exported
from records.test_single_owner import OWNER
from rooms.hall import refused
from session.cast import do, refuse, room
from theatre import ManualClock, Script, play

import greenroom
from greenroom.actors.ports import Journal, SessionPage, SessionQuery
from greenroom.actors.session.commands import End, Join, SetExport
from greenroom.actors.session.events import ExportSet
from greenroom.actors.session.fork import forked
from greenroom.actors.session.records import may_export, records_of
from greenroom.actors.session.state import State, decode_state, encode_state
from greenroom.adapters.export import exporter, selection
from greenroom.adapters.journals.memory import MemoryJournal
from greenroom.adapters.journals.sqlite import SqliteJournal
from greenroom.supervisor.recording import Recording, read_recording

NAMES = [f"s{number}" for number in range(7)]


async def said(journal: Journal, **options: Any) -> dict[str, list[str]]:
    """What was said in each session that is exported."""
    records = (await exported(journal, **options)).records
    return {r["session_id"]: [line["content"] for line in r["chat_history"]] for r in records}


def test_s22_sx26_all_live_sessions_are_exported_hot_or_cold(store: Any) -> None:
    async def scene() -> None:
        async with greenroom.Runtime(journal=store(), max_sessions=2) as runtime:
            for name in NAMES:
                session = await runtime.create(user="ann", id=name)
                await session.post("ann", f"in {name}")
            await runtime.session("s3").end("ann")
            await runtime.session("s5").delete("ann")
            await runtime.session("s0").post("ann", "again")
            assert runtime.resident == 2

            live = await said(runtime.journal)

        assert live == {
            name: [f"in {name}"] + ["again"] * (name == "s0") for name in NAMES if name != "s5"
        }
        async with greenroom.Runtime(journal=store()) as runtime:
            assert runtime.resident == 0
            assert await said(runtime.journal) == live

    play(scene)


def test_s22_named_sessions_and_those_of_an_owner(store: Any) -> None:
    async def scene() -> None:
        async with greenroom.Runtime(journal=store()) as runtime:
            for name in NAMES:
                await runtime.create(user="ann" if name < "s2" else "bob", id=name)

            async def ids(**options: Any) -> list[str]:
                return (await exported(runtime.journal, **options)).ids

            assert await ids(owner="ann") == ["s0", "s1"]
            assert await ids(owner="nobody") == []
            assert await ids(sessions=["s4", "s1", "s4"]) == ["s4", "s1"]
            assert await ids(sessions=[]) == []
            assert len(await ids()) == 7

            export = await exported(runtime.journal, sessions=["s4", "none", "s1"])
            assert export.ids == ["s4", "s1"]
            assert export.failed == {"none": "not_found"}

    play(scene)


class Restless:
    """Between two pages of its listing, sessions are written to, made and deleted."""

    def __init__(self, runtime: greenroom.Runtime) -> None:
        self._runtime = runtime
        self._pages = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runtime.journal, name)

    async def list(self, query: SessionQuery) -> SessionPage:
        page = await self._runtime.journal.list(query)
        self._pages += 1
        for name in NAMES[::-1] if self._pages % 2 else NAMES:
            await self._runtime.session(name).set_title("ann", f"title {self._pages}")
        await self._runtime.create(user="ann", id=f"a{self._pages}")
        await self._runtime.create(user="ann", id=f"z{self._pages}")
        if self._pages < 8:
            await self._runtime.session(f"gone{self._pages}").delete("ann")
        return page


@pytest.mark.parametrize("owner", [None, "ann"])
def test_sx26_none_is_missed_or_doubled_while_the_journal_is_written(
    store: Any, owner: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By recency, each session that is written to would go to the page that was read already."""
    monkeypatch.setattr(selection, "PAGE", 2)

    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(
            journal=store(), clock=clock, max_sessions_per_user=99
        ) as runtime:
            for name in (*NAMES, *(f"gone{n}" for n in range(1, 8))):
                await runtime.create(user="ann", id=name)
                await clock.advance(1.0)

            export = await exported(Restless(runtime), owner=owner)

        assert [name for name in export.ids if name in NAMES] == NAMES
        assert len(export.ids) == len(set(export.ids))
        assert export.failed == {}

    play(scene)


def test_sx26_a_journal_can_be_exported_beside_its_owner(tmp_path: Path) -> None:
    async def scene() -> None:
        path = tmp_path / "j.db"
        async with runtime_on(path) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.post("ann", "acknowledged")
            beside = SqliteJournal(path, read_only=True)
            await beside.open()

            assert await said(beside) == {"s": ["acknowledged"]}

            await session.post("ann", "later")
            assert await said(beside) == {"s": ["acknowledged", "later"]}
            await beside.close()

    play(scene)


def test_sx17_sx26_the_command_exports_beside_the_owner_in_any_locale(tmp_path: Path) -> None:
    with process(OWNER, tmp_path / "owned.db") as owner:
        acknowledged = int(line_of(owner))
        done = subprocess.run(
            [*COMMAND, "export", "--journal", f"sqlite:///{tmp_path / 'owned.db'}"],
            env=environment() | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
            capture_output=True,
            timeout=GUARD_S,
            check=False,
        )
        assert owner.poll() is None
        owner.kill()
        owner.wait(GUARD_S)

    assert done.returncode == 0, done.stderr
    (record,) = map(json.loads, done.stdout.decode().splitlines())
    said = [line["content"] for line in record["chat_history"]]
    assert said == [f"naïve 日本 {number}" for number in range(len(said))]
    assert len(said) > acknowledged


def test_a_damaged_session_is_reported_and_the_others_are_exported(tmp_path: Path) -> None:
    async def scene() -> None:
        path = tmp_path / "j.db"
        await fill(path)
        change_event(path, "b", 4, lambda _: b"\xc1", summed=False)
        change_event(path, "c", 4, lambda _: b"\xc1", summed=True)
        journal = SqliteJournal(path, read_only=True)
        await journal.open()

        export = await exported(journal)

        await journal.close()
        assert export.ids == ["a"]
        assert export.failed == {"b": "damaged", "c": "damaged"}
        assert "revision 4" in export.exported.failures[0].why
        assert (export.exported.sessions, export.exported.records) == (1, 1)

    play(scene)


class Watched(Recording, weakref=True):
    """A recording of which can be told whether it is still held."""


def test_one_session_is_held_in_memory_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[weakref.ref[Watched]] = []
    alive: list[int] = []

    async def watched(journal: Journal, session: str) -> Watched:
        gc.collect()
        alive.append(sum(ref() is not None for ref in read))
        fields = msgspec.structs.asdict(await read_recording(journal, session))
        recording = Watched(**fields)
        read.append(weakref.ref(recording))
        return recording

    monkeypatch.setattr(exporter, "read_recording", watched)

    async def scene() -> None:
        async with greenroom.Runtime() as runtime:
            for name in NAMES:
                await runtime.create(user="ann", id=name)
            assert (await exported(runtime.journal)).ids == NAMES

    play(scene)
    assert alive == [0] * len(NAMES)


def test_progress_is_told_after_each_session() -> None:
    async def scene() -> None:
        told: list[greenroom.ExportProgress] = []
        async with greenroom.Runtime() as runtime:
            for name in NAMES:
                await runtime.create(user="ann", id=name)
            await runtime.session("s6").set_export("ann", False)
            export = await exported(runtime.journal, progress=told.append)

        assert [p.sessions for p in told] == [1, 2, 3, 4, 5, 6, 7]
        assert [p.records for p in told] == [1, 2, 3, 4, 5, 6, 6]
        assert {p.total for p in told} == {7}
        assert told[-1].bytes == export.exported.bytes
        assert told[0].bytes == len(export.written.split(b"\n")[0]) + 1

    play(scene)


def test_a_journal_that_cannot_be_read_ends_the_export() -> None:
    async def scene() -> None:
        await refused(exported(MemoryJournal()), greenroom.JournalUnavailable)

    play(scene)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"layout": "xml"}, "layout"),
        ({"layout": ["rlhf"]}, "layout"),
        ({"format": "xml"}, "format"),
        ({"sessions": ["../x"]}, "session id"),
        ({"sessions": "s1"}, "sessions"),
        ({"sessions": ["s1"], "owner": "ann"}, "owner"),
        ({"owner": ""}, "owner"),
        ({"redact": "module:function"}, "redact"),
        ({"redact": Script()}, "redact"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(options: Any, field: str) -> None:
    async def scene() -> None:
        with pytest.raises(greenroom.InvalidInput) as refusal:
            await exported(MemoryJournal(), **options)
        assert refusal.value.field == field

    play(scene)


# --- opting out ----------------------------------------------------------------------------------


def test_sx27_who_has_opted_out_is_not_exported(store: Any) -> None:
    async def scene() -> None:
        async with greenroom.Runtime(journal=store()) as runtime:
            for name in ("a", "b", "c"):
                await runtime.create(user="ann", id=name)
            await runtime.session("b").set_export("ann", False)
            await runtime.session("c").set_export("ann", False)
            await runtime.session("c").set_export("ann", True)
            assert not (await runtime.session("b").records("ann")).export
            assert (await runtime.session("a").records("ann")).export

        async with greenroom.Runtime(journal=store()) as runtime:
            for options in ({}, {"owner": "ann"}, {"sessions": ["a", "b", "c"]}):
                export = await exported(runtime.journal, **options)
                assert export.ids == ["a", "c"]
                assert export.exported.opted_out == 1
                assert export.exported.failures == ()

    play(scene)


def test_sx27_opting_out_is_a_durable_event_also_after_the_end() -> None:
    state = room("bob")
    assert may_export(state)
    assert do(state, SetExport(user="bob", allowed=True)) == ()
    assert state.records is None

    do(state, End(by="ann"))
    events = do(state, SetExport(user="bob", allowed=False))

    assert events == (ExportSet(user="bob", allowed=False),)
    assert not may_export(decode_state(encode_state(state)))
    assert not records_of(state).export
    assert do(state, SetExport(user="bob", allowed=False)) == ()
    refuse(state, SetExport(user="eve", allowed=True), greenroom.NotMember)
    do(state, SetExport(user="ann", allowed=True))
    assert may_export(state)


def test_sx27_who_may_not_record_may_not_decide_on_export() -> None:
    state = room()
    do(state, Join(user="bob", name="Bob", role="observer"))

    refuse(state, SetExport(user="bob", allowed=False), greenroom.NotAllowed)


def fork_of(state: State, export: bool | None) -> State:
    genesis = forked(
        state,
        id="f",
        incarnation="f",
        owner="ann",
        owner_name="A",
        name=None,
        created_ms=1,
        export=export,
    )
    return State.at_creation(genesis)


def test_sx27_a_fork_inherits_it() -> None:
    state = room()
    assert fork_of(state, None).records is None
    do(state, SetExport(user="ann", allowed=False))

    assert not may_export(fork_of(state, None))
    assert not may_export(fork_of(room(), False))
    assert may_export(fork_of(state, True))


def test_sx27_a_fork_from_before_the_opt_out_inherits_it_too() -> None:
    async def scene() -> None:
        async with greenroom.Runtime() as runtime:
            session = await runtime.create(user="ann", id="s")
            before = await session.post("ann", "what was said")
            await session.fork("ann", id="early")
            await session.set_export("ann", False)
            await session.fork("ann", at=before.revision, id="late")

            assert (await exported(runtime.journal)).ids == ["early"]

    play(scene)
