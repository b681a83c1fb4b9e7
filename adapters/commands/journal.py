"""`greenroom journal`: look after a journal, also while a process owns it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from ...actors.errors import ConfigError
from ..journals.damage import Checked, Damage
from .journals import DEFAULT, JournalUrl, to_read
from .output import console, printable, table, when

Json = Annotated[bool, Parameter(name="--json", help="Write JSON.", negative="")]


def check(
    *sessions: Annotated[str, Parameter(help="Only these sessions.")],
    journal: JournalUrl = DEFAULT,
    as_json: Json = False,
) -> int:
    """Read everything and say what is damaged, one line each; exit with 1 if anything is.

    With --json every line is an object, the last one the sum.
    """
    kept, lines = _kept(journal, "check"), _Lines()
    found = _write_json if as_json else _write_damage
    checked: Checked = asyncio.run(kept.check(sessions, found=found, progress=lines.show))
    if as_json:
        _write_json(checked)
    else:
        console().print(_sum(checked))
    return 1 if checked.damaged else 0


def stats(*, journal: JournalUrl = DEFAULT, as_json: Json = False) -> int:
    """Say how much a journal holds, and who owns it."""
    counted = asyncio.run(_kept(journal, "stats").stats())
    if as_json:
        _write_json(counted)
    else:
        console().print(table(_facts(counted)))
    return 0


def backup(
    target: Annotated[Path, Parameter(help="A file that is not there yet.")],
    /,
    *,
    journal: JournalUrl = DEFAULT,
) -> int:
    """Copy a journal to a file, as it is at one instant, while its owner writes."""
    size = asyncio.run(_kept(journal, "backup").backup(target))
    console().print(printable(f"{size:,} bytes copied to {target}"), soft_wrap=True)
    return 0


class _Lines:
    """Progress on standard error: a line for every tenth of the sessions."""

    def __init__(self) -> None:
        self._tenths = 0

    def show(self, checked: Checked) -> None:
        tenths = checked.sessions * 10 // max(checked.total, 1)
        if tenths > self._tenths:
            self._tenths = tenths
            done = f"{checked.sessions:,} of {checked.total:,} sessions"
            sys.stderr.write(f"check: {done}, {checked.events:,} events\n")


def _kept(url: str, what: str) -> Any:
    journal = to_read(url)
    if not callable(getattr(journal, what, None)):
        raise ConfigError("journal", url, f"one that has a {what}: it is kept in a file")
    return journal


def _write_json(value: msgspec.Struct) -> None:
    _write(msgspec.json.encode(value))


def _write_damage(damage: Damage) -> None:
    _write(printable(str(damage)).encode())


def _write(line: bytes) -> None:
    """A line of UTF-8, whatever the locale says."""
    sys.stdout.flush()
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


def _sum(checked: Checked) -> str:
    read = f"{checked.sessions:,} sessions, {checked.events:,} events, {checked.bytes:,} bytes"
    unsummed = f", {checked.unsummed:,} without a checksum" if checked.unsummed else ""
    outcome = f"{checked.damaged:,} damaged" if checked.damaged else "nothing is damaged"
    return f"{read} read{unsummed}: {outcome}"


def _facts(counted: Any) -> Iterator[tuple[str, str]]:
    owner = counted.owner
    yield "journal", counted.path
    yield "format", counted.format
    yield "owner", "none" if owner is None else f"process {owner.pid}, since {owner.started}"
    states = ", ".join(f"{count:,} {state}" for state, count in counted.states.items())
    hidden = {"deleted": counted.deleted, "erased": counted.erased}
    gone = "".join(f", {count:,} {what}" for what, count in hidden.items() if count)
    yield "sessions", f"{sum(counted.states.values()):,} ({states or 'none'}{gone})"
    if counted.oldest_ms is not None:
        yield "created", f"the oldest {when(counted.oldest_ms)}"
        yield "updated", f"the newest {when(counted.newest_ms)}"
    yield "events", f"{counted.events:,}, {counted.event_bytes:,} bytes"
    if counted.deleted:
        yield "deleted", f"{counted.deleted_bytes:,} bytes, to be erased"
    if counted.trimmed:
        where = f"of {counted.trimmed:,} sessions"
        yield "dropped", f"{counted.dropped:,} events {where}, {counted.base_bytes:,} bytes instead"
    yield "snapshots", f"{counted.snapshot_bytes:,} bytes"
    yield "index", f"{counted.index_bytes:,} bytes"
    yield "free", f"{counted.free_bytes:,} bytes"
    yield "file", f"{counted.file_bytes:,} bytes, and {counted.log_bytes:,} in its log"
    yield from sorted(({"retention": "no runtime has noted one"} | counted.notes).items())
    for place, size in enumerate(counted.largest):
        shown = f"{size.session}: {size.events:,} events, {size.bytes:,} bytes"
        yield "" if place else "largest", shown
