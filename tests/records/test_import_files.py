"""A directory of the source system, imported: what is broken is told, and nothing is touched."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from recorded import environment
from records.source_files import archived, exported, full, write
from theatre import GatedJournal, play

import greenroom
from greenroom.actors.errors import NotWritten
from greenroom.actors.ports import Journal
from greenroom.actors.session.record_reading import read_session
from greenroom.actors.session.record_wire import session_wire
from greenroom.adapters.imports import file as reading
from greenroom.adapters.imports.directory import (
    NotImported,
    Sum,
    import_directory,
    import_files,
)
from greenroom.adapters.imports.file import files_in, read_file
from greenroom.adapters.imports.session import Imported
from greenroom.adapters.journals.memory import MemoryJournal

BROKEN: dict[str, tuple[Any, str, str]] = {
    "cut.json": (b'{"session_id": "cut", "chat_hist', "file", "one JSON document"),
    "empty.json": (b"", "file", "one JSON document"),
    "two.json": (b'{"session_id": "a"}{"session_id": "b"}', "file", "one JSON document"),
    "nan.json": (b'{"session_id": "nan", "graph_state": {"x": NaN}}', "file", "finite numbers"),
    "infinite.json": (b'{"session_id": "i", "metadata": {"x": 1e999}}', "session.metadata.x", ""),
    "huge.json": (b'{"session_id": "h", "x": 1' + b"0" * 30 + b"}", "session.x", "64 bits"),
    "digits.json": (b'{"session_id": "d", "x": ' + b"1" * 5000 + b"}", "file", "JSON"),
    "deep.json": (b'{"session_id": "e", "x": ' + b"[" * 200_000, "file", "one JSON document"),
    "surrogate.json": (
        b'{"session_id": "s", "chat_history": [{"role": "user", "content": "\\ud800"}]}',
        *("session.chat_history[0].content", "surrogates"),
    ),
    "key.json": (b'{"session_id": "k", "\\udc00": 1}', "a key of session", "surrogates"),
    "twice.json": (b'{"session_id": "t", "session_id": "u"}', "file", "each field once"),
    "latin.json": ('{"session_id": "l", "x": "café"}'.encode("latin-1"), "file", "UTF-8"),
    "utf16.json": ('{"session_id": "u"}'.encode("utf-16"), "file", "UTF-8"),
    "list.json": (b"[]", "session", "an object"),
    "null.json": (b"null", "session", "an object"),
    "other.json": (b'{"nodes": []}', "session.session_id", "text"),
    "types.json": (b'{"session_id": "y", "chat_history": {}}', "session.chat_history", "a list"),
    "time.json": (b'{"session_id": "z", "updated_at": "soon"}', "session.updated_at", "ISO 8601"),
    "path.json": (b'{"session_id": "../pwned"}', "session.session_id", "1 to 128"),
    "slash.json": (b'{"session_id": "a/b"}', "session.session_id", "1 to 128"),
    "nameless.json": (b'{"session_id": ""}', "session.session_id", "1 to 128"),
}


def touched(root: Path) -> dict[Path, Any]:
    """All that could have been changed below `root`."""
    found = {}
    for path in (root, *sorted(root.rglob("*"))):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else None
        found[path] = (content, status.st_mtime_ns, status.st_ctime_ns, status.st_mode)
    return found


class Told:
    """What an import has said of each file."""

    def __init__(self) -> None:
        self.sums: list[Sum] = []
        self.outcomes: list[Imported | NotImported] = []

    def __call__(self, done: Sum, outcome: Imported | NotImported) -> None:
        self.sums.append(done)
        self.outcomes.append(outcome)

    @property
    def broken(self) -> dict[str, NotImported]:
        found = [one for one in self.outcomes if isinstance(one, NotImported)]
        return {Path(one.path).name: one for one in found}

    @property
    def sessions(self) -> list[str]:
        return [one.session for one in self.outcomes if isinstance(one, Imported)]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A directory as the source system leaves it: two sessions, one of an older version, one that
    was archived, and what else lies about."""
    root = tmp_path / "sessions"
    write(root / "3f2504e04f89.json", full())
    write(root / "old.json", {"session_id": "old", "chat_history": []})
    write(root / "archive" / "session_a1b2c3d4e5f6_2023-11-05.json", archived())
    (root / "notes.txt").write_text("no session")
    (root / "3f2504e04f89.json.tmp").write_text("{")
    return root


async def run(root: Path, journal: Journal | None = None, **options: Any) -> tuple[Told, Journal]:
    told, journal = Told(), journal or MemoryJournal()
    await journal.open()
    done = await import_directory(journal, root, owner="ann", progress=told, **options)
    assert done == (told.sums[-1] if told.sums else Sum())
    return told, journal


def test_s07_s08_s09_a_directory_is_imported_and_an_archive_if_it_is_asked_for(
    source: Path,
) -> None:
    async def scene() -> None:
        told, journal = await run(source)
        assert told.sessions == ["3f2504e04f89", "old"]
        assert told.sums[-1] == Sum(files=2, imported=2, messages=4, interactions=4)
        assert await exported(journal, "3f2504e04f89") == session_wire(read_session(full()))

        told, _ = await run(source, journal, archive=True)
        assert told.sessions == ["3f2504e04f89", "old", "a1b2c3d4e5f6"]
        assert (told.sums[-1].already, told.sums[-1].imported) == (2, 1)
        wire = await exported(journal, "a1b2c3d4e5f6")
        assert wire["updated_at"] == "2023-11-05T01:40:00.000+00:00"  # its last interaction
        assert wire["chat_history"] == session_wire(read_session(full()))["chat_history"]

    play(scene)


def test_sx3_sx4_what_is_broken_is_told_one_by_one_and_the_rest_is_imported(source: Path) -> None:
    """The old system found nothing in such a file, and wrote an empty session over it."""
    for name, (content, _, _) in BROKEN.items():
        (source / name).write_bytes(content)
    (source / "folder.json").mkdir()
    os.mkfifo(source / "pipe.json")
    before = touched(source)

    async def scene() -> None:
        told, journal = await run(source)

        assert told.sessions == ["3f2504e04f89", "old"]
        assert told.broken.keys() == {*BROKEN, "folder.json", "pipe.json"}
        for name, (_, field, limit) in BROKEN.items():
            one = told.broken[name]
            assert (one.path, one.code, one.field) == (str(source / name), "invalid", field), one
            assert limit in one.reason
        for name in ("folder.json", "pipe.json"):
            assert "a regular file" in told.broken[name].reason
        assert told.sums[-1].broken == len(BROKEN) + 2
        assert await journal.totals() is not None
        assert (await journal.totals()).sessions == 2

    play(scene)
    assert touched(source) == before


def test_sx3_nothing_is_opened_for_writing_and_a_directory_may_be_read_only(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source / "cut.json").write_bytes(b"{")
    for path in (*source.rglob("*"), source):
        path.chmod(0o555 if path.is_dir() else 0o444)
    before, flags = touched(source), list[int]()
    actual = os.open

    def watched(path: Any, how: int, *rest: Any, **options: Any) -> int:
        if str(path).startswith(str(source)):
            flags.append(how)
        return actual(path, how, *rest, **options)

    monkeypatch.setattr(os, "open", watched)
    try:
        told, _ = play(lambda: run(source, archive=True))
    finally:
        monkeypatch.undo()
        for path in (source, *source.rglob("*")):
            assert touched(path)[path] == before[path]
        for path in (source, source / "archive"):
            path.chmod(0o755)

    assert len(told.sessions) == 3
    assert list(told.broken) == ["cut.json"]
    assert len(flags) == 4
    assert all(how & os.O_ACCMODE == os.O_RDONLY and not how & os.O_CREAT for how in flags)


def test_sx1_nothing_is_written_to_where_an_id_points(tmp_path: Path, source: Path) -> None:
    victim = write(tmp_path / "victim.json", full("victim"))
    for number, session in enumerate(["../victim", "../pwned", "a/b", str(tmp_path / "x"), ".."]):
        write(source / f"bad{number}.json", full(session))
    before = touched(tmp_path)

    told, _ = play(lambda: run(source))

    assert len(told.broken) == 5
    assert {one.field for one in told.broken.values()} == {"session.session_id"}
    assert touched(tmp_path) == before
    assert victim.exists()


def test_sx1_a_link_is_not_followed(tmp_path: Path, source: Path) -> None:
    """Whoever can put a file there could otherwise have anything read."""
    write(tmp_path / "secret" / "secret.json", full("secret"))
    (source / "link.json").symlink_to(tmp_path / "secret" / "secret.json")
    (source / "gone.json").symlink_to(tmp_path / "nowhere.json")
    told, _ = play(lambda: run(source))
    assert told.broken.keys() == {"link.json", "gone.json"}
    assert {"a symbolic link" in one.reason for one in told.broken.values()} == {True}

    other = write(tmp_path / "other" / "other.json", full("other")).parent
    (other / "archive").symlink_to(tmp_path / "secret")
    told, _ = play(lambda: run(other, archive=True))
    assert (told.sessions, list(told.broken)) == (["other"], ["archive"])
    assert read_file(other / "other.json").session_id == "other"


@pytest.mark.parametrize("user", ["root", "other"])
def test_a_file_that_cannot_be_read_is_told(
    source: Path, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    denied, actual = source / "old.json", os.open

    def refuse(path: Any, *rest: Any, **options: Any) -> int:
        if path == denied:
            raise PermissionError(13, "Permission denied", str(path))
        return actual(path, *rest, **options)

    if user == "root":  # who may read anything: somebody has removed it meanwhile
        files = [*files_in(source), source / "removed.json"]
        denied = source / "removed.json"
    else:
        monkeypatch.setattr(os, "open", refuse)
        files = list(files_in(source))

    async def scene() -> Told:
        told, journal = Told(), MemoryJournal()
        await journal.open()
        await import_files(journal, files, owner="ann", progress=told)
        return told

    (one,) = play(scene).broken.values()
    assert (one.path, one.field, one.code) == (str(denied), "file", "unreadable")
    assert one.reason in ("Permission denied", "No such file or directory")


def test_a_file_that_is_too_large_is_told(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_FILE_BYTES", 1000)

    told, _ = play(lambda: run(source))

    assert told.sessions == ["old"]
    assert "at most 1000 bytes" in told.broken["3f2504e04f89.json"].reason


def test_sx12_of_two_files_with_one_id_the_first_is_imported_and_the_other_is_told(
    source: Path,
) -> None:
    """Also if it says the same: which of them is the session must be for people to say."""
    write(source / "3f2504e04f89 copy.json", full())  # a blank sorts before a point
    write(source / "archive" / "old.json", {"session_id": "old", "metadata": {"other": 1}})

    async def scene() -> None:
        for outcome in ("imported", "already"):
            told, journal = await run(source, scene_journal, archive=True)
            assert told.sessions == ["3f2504e04f89", "old", "a1b2c3d4e5f6"]
            assert [getattr(told.sums[-1], outcome)] == [3]
            assert told.broken.keys() == {"3f2504e04f89.json", "old.json"}
            for one in told.broken.values():
                assert (one.code, one.field) == ("invalid", "session.session_id")
            first = source / "3f2504e04f89 copy.json"
            assert f"{first} has it" in told.broken["3f2504e04f89.json"].reason
            assert (await exported(journal, "old"))["metadata"] == {}

    scene_journal = MemoryJournal()
    play(scene)


def test_sx12_a_session_that_is_there_is_told_and_stays(source: Path) -> None:
    async def scene() -> None:
        async with greenroom.Runtime() as runtime:
            session = await runtime.create(user="bob", id="old")
            await session.post("bob", "mine")
            told, _ = await run(source, runtime.journal)

            (one,) = told.broken.values()
            assert (one.code, one.field) == ("exists", "session.session_id")
            await session.post("bob", "still mine")
            assert (await session.info()).messages == 2

    play(scene)


def test_an_import_goes_on_beside_a_running_runtime(source: Path) -> None:
    async def scene() -> None:
        async with greenroom.Runtime() as runtime:
            session = await runtime.create(user="bob", id="busy")

            async def talk() -> None:
                for number in range(50):
                    await session.post("bob", str(number))

            talking = asyncio.ensure_future(talk())
            told, _ = await run(source, runtime.journal)
            await talking

            assert len(told.sessions) == 2
            assert (await session.info()).messages == 50
            assert (await runtime.session("3f2504e04f89").info()).messages == 4

    play(scene)


def test_an_import_that_was_stopped_by_a_full_disk_goes_on_where_it_stood(source: Path) -> None:
    async def scene() -> None:
        journal = GatedJournal()
        await journal.open()
        journal.fail(NotWritten("full"))
        with pytest.raises(NotWritten):
            await run(source, journal)

        told, _ = await run(source, journal)

        assert [told.sums[-1].completed, told.sums[-1].imported] == [1, 1]
        assert (await journal.totals()).interactions == 4

    play(scene)


def test_a_dry_run_tells_the_same_and_writes_nothing(source: Path) -> None:
    (source / "cut.json").write_bytes(b"{")
    write(source / "same.json", full())

    async def scene() -> None:
        told, journal = await run(source, dry_run=True)
        assert (await journal.totals()).sessions == 0
        after, _ = await run(source, journal)
        assert told.outcomes == after.outcomes

    play(scene)


def test_an_owner_that_no_user_can_be_is_refused_at_once(source: Path) -> None:
    async def scene() -> None:
        for owner in ("", "a\nb", None):
            told: Any = Told()
            with pytest.raises(greenroom.InvalidInput) as refusal:
                await import_directory(MemoryJournal(), source, owner=owner, progress=told)  # type: ignore[arg-type]
            assert (refusal.value.field, told.outcomes) == ("owner", [])

    play(scene)


def test_a_directory_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        play(lambda: run(tmp_path / "nowhere"))


# --- SX15, SX16, SX17: times and text ------------------------------------------------------------


def test_sx15_sx16_naive_times_are_utc_wherever_the_process_runs(
    source: Path, in_new_york: None
) -> None:
    """By local time it would be updated half an hour before it was created."""
    write(source / "dst.json", full("dst", updated_at="2023-11-05T01:00:00-05:00"))

    async def scene() -> None:
        _, journal = await run(source)
        wires = {name: await exported(journal, name) for name in ("3f2504e04f89", "dst")}
        rows = {name: await journal.find(name) for name in wires}

        for wire in wires.values():
            assert wire["created_at"] == "2023-11-05T01:30:00.123+00:00"
        assert wires["3f2504e04f89"]["updated_at"] == "2023-11-05T02:00:00.000+00:00"
        assert wires["dst"]["updated_at"] == "2023-11-05T06:00:00.000+00:00"
        naive, aware = rows["3f2504e04f89"], rows["dst"]
        assert naive is not None
        assert aware is not None
        assert aware.updated_ms - naive.updated_ms == 4 * 3_600_000

    play(scene)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_sx17_a_byte_order_mark_is_no_harm(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path / "s.json", full(), encoding=encoding)

    assert read_file(path) == read_session(full())


READER = """
import sys
from pathlib import Path
from greenroom.adapters.imports.file import read_file

print(ascii(read_file(Path(sys.argv[1])).messages[1].content))
"""


def test_sx17_a_file_is_read_as_utf_8_in_any_locale(tmp_path: Path) -> None:
    path = write(tmp_path / "s.json", full())

    done = subprocess.run(
        [sys.executable, "-P", "-c", READER, str(path)],
        env=environment() | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )

    assert done.stdout.strip() == ascii(full()["chat_history"][1]["content"])


def test_a_file_whose_name_is_no_text_is_told_by_its_bytes(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.json")
    (tmp_path / name).write_bytes(b"{")

    told, _ = play(lambda: run(tmp_path))

    (one,) = told.broken.values()
    assert one.path == str(tmp_path / "caf\\xe9.json")
