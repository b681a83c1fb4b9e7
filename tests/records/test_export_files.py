"""The files of an export: whole or not there (SX2), and the same records in every format."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded import SAMPLE, host, run_at_once
from records.export_kit import exported
from records.test_export_redaction import recordings
from theatre import play

import greenroom
from greenroom.actors.ports import Journal
from greenroom.adapters.export import exporter, files, formats, parquet
from greenroom.adapters.export.files import Stream
from greenroom.adapters.export.formats import Format, writer_of
from greenroom.adapters.export.layouts import LAYOUTS, rendered
from greenroom.adapters.export.shapes import AsText, Each, Leaf, Object, Shape
from greenroom.adapters.journals.memory import MemoryJournal
from greenroom.adapters.load.dataset import read_dialogues
from greenroom.supervisor.recording import Recording

FORMATS = pytest.mark.parametrize("format", ["json", "jsonl", "parquet"])


async def filled() -> MemoryJournal:
    """Sessions a, b and c."""
    journal = MemoryJournal()
    async with greenroom.Runtime(journal=journal) as runtime:
        for name in "abc":
            session = await runtime.create(user="ann", id=name)
            await session.post("ann", f"naïve 日本 in {name}")
    await journal.open()
    return journal


def written(path: Path, format: Format) -> Any:  # noqa: A002
    """The ids in a file."""
    match format:
        case "json":
            return [record["session_id"] for record in json.loads(path.read_bytes())]
        case "jsonl":
            return [json.loads(line)["session_id"] for line in path.read_bytes().splitlines()]
        case "parquet":
            return pq.read_table(path).column("session_id").to_pylist()


@FORMATS
def test_a_file_appears_when_it_is_whole(format: Format, tmp_path: Path) -> None:  # noqa: A002
    async def scene() -> None:
        path, seen = tmp_path / "out", list[bool]()
        export = await greenroom.export_sessions(
            await filled(), path, format=format, progress=lambda _: seen.append(path.exists())
        )

        assert seen == [False, False, False]
        assert written(path, format) == ["a", "b", "c"]
        assert export.bytes == path.stat().st_size
        assert path.stat().st_mode & 0o777 == 0o600
        assert os.listdir(tmp_path) == ["out"]

    play(scene)


class Failing:
    """A journal that fails after some sessions."""

    def __init__(self, journal: Journal, act: Callable[[], Any]) -> None:
        self._journal = journal
        self._act = act
        self._read = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    async def beginning(self, session: str) -> Any:
        self._read += 1
        if self._read == 3:
            self._act()
            await asyncio.sleep(0)
        return await self._journal.beginning(session)


def _unavailable() -> None:
    raise greenroom.JournalUnavailable("j", why="gone")


@FORMATS
@pytest.mark.parametrize("how", ["journal", "cancelled", "progress", "disk", "sync", "end"])
def test_sx2_a_failed_export_leaves_the_file_that_was_there(
    format: Format,  # noqa: A002
    how: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever fails, and however late, what was exported last time is untouched."""

    def full(*_: Any) -> Any:
        raise OSError(28, "No space left on device")

    async def scene() -> None:
        path = tmp_path / "out"
        path.write_bytes(b"the last good one")
        journal: Any = await filled()
        task: asyncio.Task[Any] | None = None

        def cancel() -> None:
            assert task is not None
            task.cancel()

        def interrupted(progress: greenroom.ExportProgress) -> None:
            if how == "progress" and progress.sessions == 2:
                raise ZeroDivisionError

        if how == "journal":
            journal = Failing(journal, _unavailable)
        elif how == "cancelled":
            journal = Failing(journal, cancel)
        elif how == "disk":
            monkeypatch.setattr(files.WholeFile, "write", full)
        elif how == "sync":
            monkeypatch.setattr(files.os, "fsync", full)
        elif how == "end":
            for kind in (formats.Json, formats.JsonLines, parquet.Parquet):
                monkeypatch.setattr(kind, "end", full)
        task = asyncio.ensure_future(
            greenroom.export_sessions(journal, path, format=format, progress=interrupted)
        )
        with pytest.raises(
            (greenroom.JournalUnavailable, asyncio.CancelledError, ZeroDivisionError, OSError)
        ):
            await task

        assert path.read_bytes() == b"the last good one"
        assert os.listdir(tmp_path) == ["out"]

    play(scene)
    gc.collect()  # nothing is written any more when what was left is collected


@FORMATS
def test_sx2_an_export_takes_the_place_of_an_older_one(
    format: Format,  # noqa: A002
    tmp_path: Path,
) -> None:
    async def scene() -> None:
        path, link = tmp_path / "out", tmp_path / "link"
        path.write_bytes(b"old")
        path.chmod(0o640)
        link.symlink_to("out")

        await greenroom.export_sessions(await filled(), str(link), format=format)

        assert link.is_symlink()
        assert written(path, format) == ["a", "b", "c"]
        assert path.stat().st_mode & 0o777 == 0o640

    play(scene)


def test_sx2_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    async def scene() -> None:
        os.mkfifo(tmp_path / "pipe")
        journal = await filled()
        for path in (tmp_path / "pipe", tmp_path):
            with pytest.raises(greenroom.InvalidInput):
                await greenroom.export_sessions(journal, path)
        with pytest.raises(FileNotFoundError):
            await greenroom.export_sessions(journal, tmp_path / "no" / "out")
        assert os.listdir(tmp_path) == ["pipe"]

    play(scene)


def test_an_export_is_on_the_disk_before_it_appears(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    sync, replace = os.fsync, Path.replace
    monkeypatch.setattr(files.os, "fsync", lambda fd: (done.append("sync"), sync(fd)))
    monkeypatch.setattr(Path, "replace", lambda a, b: (done.append("replace"), replace(a, b)))

    async def scene() -> None:
        await greenroom.export_sessions(await filled(), tmp_path / "out")

    play(scene)
    assert done == ["sync", "replace", "sync"]


@FORMATS
def test_sx2_a_stream_that_is_not_whole_does_not_look_whole(format: Format) -> None:  # noqa: A002
    async def scene() -> None:
        out = io.BytesIO()
        journal: Any = Failing(await filled(), _unavailable)
        with pytest.raises(greenroom.JournalUnavailable):
            await greenroom.export_sessions(journal, out, format=format)
        gc.collect()
        assert not out.getvalue()[4:].endswith((b"]\n", b"PAR1"))
        assert not out.closed

    play(scene)


def test_json_is_one_list_also_of_nothing() -> None:
    async def scene() -> None:
        journal = await filled()
        assert (await exported(journal, format="json", sessions=[])).written == b"[]\n"
        lines = (await exported(journal, format="jsonl")).written
        as_list = (await exported(journal, format="json")).written
        assert as_list == b"[\n" + lines.rstrip(b"\n").replace(b"\n", b",\n") + b"\n]\n"
        assert "naïve 日本".encode() in lines
        assert (await exported(journal, format="jsonl", sessions=[])).written == b""
        empty = (await exported(journal, format="parquet", sessions=[])).written
        assert pq.read_table(io.BytesIO(empty)).num_rows == 0

    play(scene)


# --- Parquet -------------------------------------------------------------------------------------


def json_of(value: Any, shape: Shape) -> Any:
    """What a row of Parquet says, as the record that it was written from; nulls are left out."""
    match shape:
        case _ if value is None:
            return None
        case Object(fields=fields, more=more):
            found = {name: json_of(value[name], inner) for name, inner in fields.items()}
            if more and value[parquet.MORE] is not None:
                found |= json.loads(value[parquet.MORE])
            return without_nulls(found)
        case Each(item=item):
            return [json_of(one, item) for one in value]
        case Leaf.FREE:
            return without_nulls(json.loads(value))
        case _:
            return value


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(one) for key, one in value.items() if one is not None}
    return [without_nulls(one) for one in value] if isinstance(value, list) else value


def parquet_of(recording: Recording, layout: str) -> list[Any]:
    out, shape = io.BytesIO(), LAYOUTS[layout].shape
    writer = writer_of("parquet", Stream(out), shape)
    writer.write(rendered(recording, LAYOUTS[layout], None))
    writer.end()
    return [json_of(row, shape) for row in pq.read_table(io.BytesIO(out.getvalue())).to_pylist()]


@given(recording=recordings(), layout=st.sampled_from(["rlhf", "chat"]))
def test_parquet_says_what_json_says(recording: Recording, layout: str) -> None:
    records = rendered(recording, LAYOUTS[layout], None)

    rows = parquet_of(recording, layout)

    assert rows == [without_nulls(msgspec.json.decode(record.body)) for record in records]


@pytest.mark.parametrize("layout", ["rlhf", "chat", "preferences"])
def test_parquet_of_real_dialogues_says_what_json_lines_say(
    layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In row groups, as they come."""
    monkeypatch.setattr(parquet, "GROUP_ROWS", 4)
    shown, journal = read_dialogues(SAMPLE, limit=10), MemoryJournal()

    async def run() -> tuple[list[Any], bytes]:
        await host(shown, journal)
        async with greenroom.Runtime(journal=journal) as runtime:
            for dialogue in shown:
                session = runtime.session(dialogue.dialogue_id)
                row = await runtime.find(session.id)
                assert row is not None
                await session.add_feedback(row.owner, "turn:1", "correct", context={"é": None})
            rows = (await exported(runtime.journal, layout=layout)).records
            columns = (await exported(runtime.journal, layout=layout, format="parquet")).written
            return rows, columns

    rows, columns = run_at_once(run())
    file = pq.ParquetFile(io.BytesIO(columns))
    shape = LAYOUTS[layout].shape

    assert [json_of(row, shape) for row in file.read().to_pylist()] == without_nulls(rows)
    sizes = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
    assert sizes == [4, 4, 2]


def test_parquet_holds_one_row_group_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "GROUP_BYTES", 1)
    out, held = io.BytesIO(), list[int]()

    async def scene() -> None:
        journal = await filled()
        await greenroom.export_sessions(
            journal, out, format="parquet", progress=lambda _: held.append(out.tell())
        )

    play(scene)
    assert 4 < held[0] < held[1] < held[2]
    assert pq.ParquetFile(io.BytesIO(out.getvalue())).num_row_groups == 3


def test_parquet_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "find_spec", lambda _: None)

    async def scene() -> None:
        with pytest.raises(greenroom.ConfigError, match=r"greenroom\[parquet\]"):
            await exported(await filled(), format="parquet")

    play(scene)


def test_only_its_file_imports_pyarrow() -> None:
    folder = Path(exporter.__file__).parent
    root = folder.parent.parent
    importing = [
        file.name
        for part in ("actors", "supervisor", "adapters")
        for file in (root / part).rglob("*.py")
        if "import pyarrow" in file.read_text()
    ]
    assert importing == ["parquet.py"]


def test_every_layout_can_be_written_as_columns() -> None:
    for layout in LAYOUTS.values():
        assert not isinstance(layout.shape, AsText)
        writer_of("parquet", Stream(io.BytesIO()), layout.shape).end()
