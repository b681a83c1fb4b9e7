"""An imported session is a session like any other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from records.source_files import exported, full
from theatre import play, texts

import greenroom

ID = full()["session_id"]


def test_an_imported_session_is_talked_to_undone_and_forked(store: Any) -> None:
    async def scene() -> None:
        seen: list[greenroom.Turn] = []

        async def pipeline(turn: greenroom.Turn) -> AsyncIterator[str]:
            seen.append(turn)
            yield f"heard {turn.input.text}"

        async with greenroom.Runtime(pipeline, journal=store()) as runtime:
            await runtime.import_session(full(), owner="ann", owner_name="Ann")
            session = runtime.session(ID)
            await session.join("bob", name="Bob")
            result = await (await session.send("bob", "hello")).result()
            assert result.text == "heard hello"
            past = [line.text for line in seen[0].history if isinstance(line, greenroom.Message)]
            assert past == [line["content"] for line in full()["chat_history"]]
            assert (await session.verify("ann")).valid

            await session.undo("ann")  # what bob has begun
            await session.undo("ann")  # the imported exchange
            assert texts(await session.transcript("ann")) == ["Yalin yaz."]
            info = await session.info()
            assert (info.messages, info.participants["ann"].name) == (1, "Ann")

            fork = await session.fork("ann", at=5)
            assert texts(await fork.transcript("ann")) == past
            records = await fork.records("ann")
            assert (records.metadata, records.interactions) == (full()["metadata"], 0)

    play(scene)


def test_s05_counters_go_on_exactly_from_what_was_stored(store: Any) -> None:
    async def scene() -> None:
        async with greenroom.Runtime(journal=store()) as runtime:
            await runtime.import_session(full(), owner="ann")
            session = runtime.session(ID)
            await session.add_feedback("ann", "n1", "incorrect")
        async with greenroom.Runtime(journal=store()) as runtime:
            records = await runtime.session(ID).records("ann")
            assert records.feedback == {"correct": 3, "incorrect": 1, "partial": 0}
            assert records.interactions == 5
            assert (await exported(runtime.journal, ID))["feedback_summary"]["so-so"] == 1

    play(scene)


def test_what_an_imported_session_did_is_its_room_history(store: Any) -> None:
    async def scene() -> None:
        async with greenroom.Runtime(journal=store()) as runtime:
            await runtime.import_session(full(), owner="ann")
            page = await runtime.session(ID).history("ann")
            assert [event.revision for event in page.events] == [1, 2, 3, 4, 5]
            assert [event.at_ms for event in page.events][:2] == [
                1_699_147_860_000,
                1_699_148_400_000,
            ]

    play(scene)


def test_a_runtime_that_does_not_run_and_a_bad_document_are_told() -> None:
    async def scene() -> None:
        runtime = greenroom.Runtime()
        with pytest.raises(greenroom.RuntimeClosed):
            await runtime.import_session(full(), owner="ann")
        async with runtime:
            for document, owner, field in (
                ({}, "ann", "session.session_id"),
                (full("../pwned"), "ann", "session.session_id"),
                (full(), "", "owner"),
            ):
                with pytest.raises(greenroom.InvalidInput) as refusal:
                    await runtime.import_session(document, owner=owner)
                assert refusal.value.field == field
            assert (await runtime.sessions()).rows == []

    play(scene)
