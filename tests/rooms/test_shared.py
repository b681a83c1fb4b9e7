"""Shared context and shared memories (spec R23, R24, RX18)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from rooms.hall import Ear, kinds, refused, room, told
from theatre import play, settle

import greenroom
from greenroom.actors.session.shared import merged


async def context(session: greenroom.Session) -> dict[str, Any]:
    return (await session.snapshot("ann")).context


def test_r23_the_last_writer_of_a_key_wins_and_the_room_hears_which_keys() -> None:
    async def scene() -> None:
        async with room("bob") as session:
            await session.update_context("ann", {"b": 1, "a": 1})
            await session.update_context("bob", {"a": 2, "c": [3]})

            assert await context(session) == {"b": 1, "a": 2, "c": [3]}
            first, second = (await told(session))[-2:]
            assert (first.content, first.data) == ("Context updated", {"updates": ["b", "a"]})
            assert (second.user_id, second.data) == ("bob", {"updates": ["a", "c"]})

    play(scene)


def test_r23_the_state_at_a_number_is_the_fold_of_the_updates_up_to_it() -> None:
    async def scene() -> None:
        async with room("bob", context={"kept": 1}) as session:
            snapshots = [await session.snapshot("ann")]
            for patch in ({"a": 1}, {"a": {"x": 1}}, {"a": {"y": 2}}, {"kept": None}, {"a": None}):
                await session.update_context("bob", patch)
                await session.post("bob", "in between")
                snapshots.append(await session.snapshot("ann"))
            events = (await session.history("ann")).events

            for snapshot in snapshots:
                fold: dict[str, Any] = {"kept": 1}
                for item in events[: snapshot.info.revision]:
                    if hasattr(item.event, "patch"):
                        fold = merged(fold, item.event.patch)
                assert snapshot.context == fold
            assert snapshots[-1].context == {}

    play(scene)


def test_r23_expected_versions_make_an_update_conditional() -> None:
    async def scene() -> None:
        async with room("bob", context={"old": 0}) as session:
            seen = (await session.update_context("ann", {"a": 1})).revision
            await session.update_context("bob", {"b": 1})

            await session.update_context("ann", {"a": 2}, expected_version=seen)
            error = await refused(
                session.update_context("bob", {"new": 1, "a": 3}, expected_version=seen),
                greenroom.VersionConflict,
                code="conflict",
                key="a",
                expected=seen,
                version=seen + 2,
                value=2,
            )
            assert not error.retryable
            # What was there from the beginning, and what never was, has version 0.
            await session.update_context("bob", {"old": 1, "fresh": 1}, expected_version=0)
            # One version for each key, also for one that is only read.
            versions = (await session.snapshot("bob")).versions
            await session.update_context("bob", {"a": 4}, expected_version=versions)
            for stale in ({"a": 1, "b": 0}, {"a": 0}, {}):
                await refused(
                    session.update_context("bob", {"a": 5}, expected_version=stale),
                    greenroom.VersionConflict,
                )
            await refused(
                session.update_context("bob", {"z": 5}, expected_version=99),
                greenroom.InvalidInput,
                field="expected_version",
            )

            assert await context(session) == {"old": 1, "a": 4, "b": 1, "fresh": 1}
            removed = (await session.update_context("bob", {"a": None})).revision
            await refused(
                session.update_context("bob", {"a": 6}, expected_version=removed - 1),
                greenroom.VersionConflict,
                value=None,
                version=removed,
            )

    play(scene)


def test_r23_of_two_that_expect_the_same_one_wins() -> None:
    async def scene() -> None:
        async with room("bob") as session:
            both = [
                session.update_context(user, {"lead": user}, expected_version=0)
                for user in ("ann", "bob")
            ]
            outcomes = await asyncio.gather(*both, return_exceptions=True)

            assert [type(outcome).__name__ for outcome in outcomes] == [
                "Receipt",
                "VersionConflict",
            ]
            assert await context(session) == {"lead": "ann"}

    play(scene)


def test_r23_if_absent_leaves_alone_what_is_there() -> None:
    async def scene() -> None:
        async with room(context={"null": None}) as session:
            await session.update_context("ann", {"a": 1})
            receipt = await session.update_context("ann", {"a": 2, "b": 2}, if_absent=True)

            assert await context(session) == {"null": None, "a": 1, "b": 2}
            assert (await told(session))[-1].data == {"updates": ["b"]}
            nothing = await session.update_context("ann", {"a": 3, "null": 3}, if_absent=True)
            assert nothing == receipt
            assert (await session.info()).revision == receipt.revision

    play(scene)


@pytest.mark.parametrize("patch", [{}, [], None, {1: 1}, {"a": {1, 2}}, {"a": float("nan")}])
def test_r23_a_patch_that_cannot_be_kept_is_refused_by_the_call(patch: Any) -> None:
    async def scene() -> None:
        async with room() as session:
            with pytest.raises(greenroom.InvalidInput):
                session.update_context("ann", patch)

    play(scene)


@pytest.mark.parametrize("expected", [-1, 1.0, "1", True, [1], {"a": -1}, {1: 1}, {"a": None}])
def test_r23_an_expected_version_is_a_revision(expected: Any) -> None:
    async def scene() -> None:
        async with room() as session:
            with pytest.raises(greenroom.InvalidInput, match="expected_version"):
                session.update_context("ann", {"a": 1}, expected_version=expected)

    play(scene)


def test_r23_data_too_large_for_a_journal_is_refused_before_it_fails_a_write() -> None:
    """The journal would refuse it, and each such refusal is a restart: four parked the room."""

    async def scene() -> None:
        async with room() as session:
            huge = {str(number): "x" * 250_000 for number in range(20)}
            for _ in range(5):
                with pytest.raises(greenroom.InvalidInput, match="bytes"):
                    session.update_context("ann", huge)
                with pytest.raises(greenroom.InvalidInput, match="bytes"):
                    session.act("ann", "dump", huge)

            assert (await session.info()).revision == 0
            assert session._runtime.stats.crashed == 0

    play(scene)


def test_rx18_what_callers_hold_is_not_what_is_shared() -> None:
    """Copy in, copy out: the source system kept its callers' own objects."""

    async def scene() -> None:
        begin: dict[str, Any] = {"begin": [1]}
        async with room("bob", context=begin) as session:
            patch: dict[str, Any] = {"list": [1, {"deep": [2]}], "dict": {"in": [3]}}
            versions = {"list": 0, "dict": 0}
            heard: list[Any] = []
            await session.subscribe("bob", heard.append)
            updating = session.update_context("ann", patch, expected_version=versions)
            patch["list"][1]["deep"].append("mutated")
            patch["dict"]["in"].clear()
            begin["begin"].append("mutated")
            versions["list"] = 99
            await updating
            await settle()
            wanted = {"begin": [1], "list": [1, {"deep": [2]}], "dict": {"in": [3]}}
            assert await context(session) == wanted

            snapshot = await session.snapshot("ann")
            snapshot.context["list"][1]["deep"].append("mutated")
            snapshot.context["dict"].clear()
            snapshot.versions["list"] = 99
            snapshot.info.participants.clear()
            event = heard[0].event
            event.patch["list"][1]["deep"].append("mutated")
            event.patch["dict"]["in"].append("mutated")
            page = await session.history("ann")
            page.events[-1].event.patch["list"].clear()

            again = await session.snapshot("ann")
            assert again.context == wanted
            assert again.versions["list"] == 2
            assert list(again.info.participants) == ["ann", "bob"]

    play(scene)


def test_r24_a_memory_is_shared_once(store: Any) -> None:
    async def scene() -> None:
        async with room("bob", journal=store(), memories=("m0",)) as session:
            ear = await Ear.of(session, "bob")
            for user, memory in (("ann", "m1"), ("bob", "m1"), ("bob", "m0"), ("bob", "m2")):
                await session.add_memory(user, memory)
            await settle()

            assert ear.kinds == ["memory.added", "memory.added"]
            first = ear.wire[0]
            assert (first.event_type, first.content) == (
                "memory_update",
                "Memory added to session",
            )
            assert first.data == {"memory_id": "m1"}
        async with greenroom.Runtime(journal=store()) as runtime:
            session = runtime.session("s")
            assert (await session.snapshot("ann")).memories == ["m0", "m1", "m2"]
            revision = (await session.info()).revision
            assert (await session.add_memory("bob", "m2")).revision == revision
            assert kinds((await session.history("ann")).events).count("memory.added") == 2

    play(scene)
