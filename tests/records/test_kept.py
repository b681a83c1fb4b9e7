"""What is read of a session, and forked from it, once its oldest events are no longer kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from conformance.retention_kit import trim
from rooms.hall import refused
from theatre import GatedJournal, echo, play, texts

import greenroom
from greenroom.actors.errors import SessionDamaged
from greenroom.actors.ports import Beginning, Journal
from greenroom.actors.session.state import encode_state
from greenroom.supervisor import recording
from greenroom.supervisor.recording import read_recording

Store = Callable[[], Journal]


async def filled(runtime: greenroom.Runtime) -> greenroom.Session:
    """Session `s`, in which people talk, and judge what was said."""
    session = await runtime.create(user="ann", id="s")
    for number in range(6):
        await (await session.send("ann", f"question {number}")).result()
        await session.add_feedback("ann", f"node-{number}", "correct")
    return session


async def states(journal: Journal) -> list[bytes]:
    """The state at each revision."""
    head = (await read_recording(journal, "s")).state.revision
    return [
        encode_state((await read_recording(journal, "s", upto=n)).state) for n in range(head + 1)
    ]


@pytest.mark.parametrize("revision", [1, 7, 12, 30])
def test_s05_a_recording_goes_on_from_the_base_and_has_all_interactions(
    store: Store, revision: int
) -> None:
    async def scene() -> None:
        async with greenroom.Runtime(echo, journal=store()) as runtime:
            await filled(runtime)
            journal = runtime.journal
            before, whole = await states(journal), await read_recording(journal, "s")
            revision_ = min(revision, whole.state.revision)

            await trim(journal, "s", revision_ // 2)
            await trim(journal, "s", revision_)

            found = await read_recording(journal, "s")
            assert encode_state(found.state) == before[-1]
            assert (whole.first, found.first) == (1, revision_ + 1)
            assert found.entries == whole.entries[revision_:]
            told = [_node(entry) for entry in (*found.interactions, *found.entries)]
            assert [node for node in told if node] == [f"node-{n}" for n in range(6)]
            for upto in range(revision_, len(before)):
                kept = await read_recording(journal, "s", upto=upto)
                assert encode_state(kept.state) == before[upto]

    play(scene)


def _node(entry: Any) -> str:
    return getattr(entry.event, "node", None) or ""


def test_a_fork_at_what_is_not_kept_is_refused_and_later_ones_work(store: Store) -> None:
    async def scene() -> None:
        async with greenroom.Runtime(echo, journal=store()) as runtime:
            session = await filled(runtime)
            before = await (await session.fork("ann", at=12, id="before")).transcript("ann")
            await trim(runtime.journal, "s", 10)

            for at in (0, 1, 9):
                await refused(
                    session.fork("ann", at=at, id="not"),
                    greenroom.NotKept, session="s", revision=at, oldest=10,
                )  # fmt: skip
            await refused(runtime.session("not").info(), greenroom.SessionNotFound)
            for at in (10, 12, None):
                fork = await session.fork("ann", at=at, id=f"at-{at}")
                await (await fork.send("ann", "and on")).result()

            after = await runtime.session("at-12").transcript("ann")
            assert after[: len(before)] == before
            assert len(texts(await runtime.session("at-None").transcript("ann"))) == 14

    play(scene)


def test_a_trimmed_session_goes_on_after_a_restart(store: Store) -> None:
    async def scene() -> None:
        async with greenroom.Runtime(echo, journal=store()) as runtime:
            session = await filled(runtime)
            snapshot, records = await session.snapshot("ann"), await session.records("ann")
            head = snapshot.info.revision
            await trim(runtime.journal, "s", head)  # later than any snapshot there may be
        async with greenroom.Runtime(echo, journal=store()) as runtime:
            session = runtime.session("s")
            again = await session.snapshot("ann")
            assert (again.transcript, again.info) == (snapshot.transcript, snapshot.info)
            assert await session.records("ann") == records
            await (await session.send("ann", "more")).result()
            assert (await session.verify("ann")).valid

    play(scene)


class Odd(GatedJournal):
    """Does something before a page is read, or hands out an other one."""

    trims: list[int]
    skips = 0

    async def read(self, session: str, *, after: int, limit: int) -> Any:
        if after and self.trims:
            await trim(self, session, self.trims.pop())
        page = await super().read(session, after=after, limit=limit)
        if after and self.skips:
            first, events = page.first + self.skips, page.events[self.skips :]
            return msgspec.structs.replace(page, first=first, events=events)
        return page


@pytest.mark.parametrize("trimmed", [1, 3, 4, 9])
def test_events_that_are_dropped_between_two_pages_are_made_up_for(
    monkeypatch: pytest.MonkeyPatch, trimmed: int
) -> None:
    monkeypatch.setattr(recording, "PAGE", 2)

    async def scene() -> None:
        journal = Odd()
        journal.trims = []
        async with greenroom.Runtime(echo, journal=journal) as runtime:
            await filled(runtime)
            before = await states(journal)
            journal.trims = [trimmed]

            found = await read_recording(journal, "s")
            assert encode_state(found.state) == before[-1]
            assert len(found.entries) == found.state.revision - found.first + 1
            journal.trims = [20]
            with pytest.raises(greenroom.NotKept):
                await read_recording(journal, "s", upto=trimmed + 8)

    play(scene)


@pytest.mark.parametrize("trimmed", [0, 2])
def test_sx3_events_that_are_missing_are_a_damage_and_no_end(
    monkeypatch: pytest.MonkeyPatch, trimmed: int
) -> None:
    monkeypatch.setattr(recording, "PAGE", 2)

    async def scene() -> None:
        journal = Odd()
        journal.trims = []
        async with greenroom.Runtime(echo, journal=journal) as runtime:
            session = await filled(runtime)
            await trim(journal, "s", trimmed)
            journal.skips = 1

            with pytest.raises(SessionDamaged, match="are missing"):
                await read_recording(journal, "s")
            await refused(session.fork("ann"), greenroom.SessionDamaged, session="s")

    play(scene)


def test_sx3_a_base_that_cannot_be_read_is_a_damage() -> None:
    class Broken(GatedJournal):
        async def beginning(self, session: str) -> Beginning:
            found = await super().beginning(session)
            return msgspec.structs.replace(found, base=(3, b"\xc1"))

    async def scene() -> None:
        async with greenroom.Runtime(echo, journal=Broken()) as runtime:
            session = await filled(runtime)

            await refused(session.fork("ann"), greenroom.SessionDamaged, session="s", revision=3)

    play(scene)
