"""Interactions, feedback and what is kept of a session, through its handle (spec S04-S18)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from rooms.hall import Ear, refused, room
from theatre import GatedJournal, ManualClock, play, settle

import greenroom
from greenroom.actors.session.events import InteractionRecorded
from greenroom.supervisor.recording import read_recording

BOTH: dict[str, Callable[[greenroom.Session], Any]] = {
    "interaction": lambda session: session.record_interaction("ann", "prune", node_id="n1"),
    "feedback": lambda session: session.add_feedback("ann", "n1", "correct"),
    "graph_state": lambda session: session.set_graph_state("ann", {"nodes": ["n1"]}),
    "language": lambda session: session.set_language("ann", "tr"),
    "metadata": lambda session: session.set_metadata("ann", {"a": 1}),
    "title": lambda session: session.set_title("ann", "a title"),
    "export": lambda session: session.set_export("ann", False),
    "message": lambda session: session.post("ann", "hello"),
}


async def recorded(runtime: greenroom.Runtime, session: str = "s") -> list[InteractionRecorded]:
    """The interactions of a session, as its journal has them."""
    entries = (await read_recording(runtime.journal, session)).entries
    return [e.event for e in entries if isinstance(e.event, InteractionRecorded)]


@pytest.mark.parametrize("act", BOTH.values(), ids=list(BOTH))
def test_s04_s14_s17_what_is_acknowledged_is_durable(act: Callable[..., Any]) -> None:
    """Whatever it is, and not only the four kinds that used to be saved at once."""

    async def scene() -> None:
        journal, clock = GatedJournal(), ManualClock()
        runtime = greenroom.Runtime(journal=journal, clock=clock)
        await runtime.start()
        session = await runtime.create(user="ann", id="s")
        await clock.advance(5.0)
        journal.holding = True

        reply = act(session)
        await settle()
        assert not reply.done
        journal.let()
        await reply

        # The process is gone now: nothing was stopped in order.
        async with greenroom.Runtime(journal=journal, clock=clock) as again:
            row = await again.find("s")
            info = await again.session("s").info()
            assert row is not None
            assert row.updated_ms == info.updated_ms == clock.now_ms()
            assert info.revision == 1

    play(scene)


@pytest.mark.parametrize("act", BOTH.values(), ids=list(BOTH))
def test_s14_a_session_that_is_not_there_is_told_and_a_failure_is_too(
    act: Callable[..., Any],
) -> None:
    async def scene() -> None:
        journal, clock = GatedJournal(), ManualClock()
        async with greenroom.Runtime(journal=journal, clock=clock) as runtime:
            await refused(act(runtime.session("nobody")), greenroom.SessionNotFound)
            session = await runtime.create(user="ann", id="s")
            journal.fail(greenroom.NotWritten("full"))

            with pytest.raises(greenroom.NotWritten):
                await act(session)

            await clock.advance(1.0)
            assert (await session.info()).revision == 0
            assert await recorded(runtime) == []

    play(scene)


def test_s05_s17_s18_interactions_are_kept_as_they_were_given(store: Any) -> None:
    async def scene() -> None:
        metadata = {"weights": [0.5, None, {"deep": True}]}
        async with greenroom.Runtime(journal=store()) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.record_interaction("ann", "view")
            await session.record_interaction(
                "ann", "inject", node_id="n", content="c\0\n", feedback="", metadata=metadata
            )
            await session.add_feedback("ann", "n2", "incorrect", context={"why": "wrong"})
            await session.add_feedback("ann", "n2", "meh")

        async with greenroom.Runtime(journal=store()) as runtime:
            assert await recorded(runtime) == [
                InteractionRecorded(user="ann", action="view"),
                InteractionRecorded(
                    user="ann",
                    action="inject",
                    node="n",
                    content="c\0\n",
                    feedback="",
                    metadata=metadata,
                ),
                InteractionRecorded(
                    user="ann",
                    action="feedback",
                    node="n2",
                    feedback="incorrect",
                    metadata={"context": {"why": "wrong"}},
                ),
                InteractionRecorded(
                    user="ann",
                    action="feedback",
                    node="n2",
                    feedback="meh",
                    metadata={"context": None},
                ),
            ]
            records = await runtime.session("s").records("ann")
            assert records.feedback == {"correct": 0, "incorrect": 1, "partial": 0}
            assert records.interactions == 4

    play(scene)


def test_s03_s15_s16_records_come_back_after_a_restart(store: Any) -> None:
    async def scene() -> None:
        graph = {"nodes": [{"id": 1}], "depth": 2**63, "share": 0.1}
        async with greenroom.Runtime(journal=store(), snapshot_bytes=1) as runtime:
            session = await runtime.create(user="ann", id="s")
            fresh = await session.records("ann")
            assert (fresh.language, fresh.metadata, fresh.graph_state) == ("en", {}, None)
            assert (fresh.title, fresh.interactions) == ("New Chat", 0)
            for act in BOTH.values():
                await act(session)
            await session.set_graph_state("ann", graph)
            before = await session.records("ann")

        async with greenroom.Runtime(journal=store()) as runtime:
            records = await runtime.session("s").records("ann")
            assert records == before
            assert (records.title, records.language) == ("a title", "tr")
            assert (records.metadata, records.graph_state) == ({"a": 1}, graph)
            assert records.feedback == {"correct": 1, "incorrect": 0, "partial": 0}
            await refused(runtime.session("s").records("bob"), greenroom.NotMember)

    play(scene)


def test_sx20_nothing_is_handed_in_or_out_by_reference() -> None:
    async def scene() -> None:
        async with room() as session:
            graph, patch = {"nodes": ["a"]}, {"tags": ["x"]}
            metadata, context = {"m": ["y"]}, {"c": ["z"]}
            hears = await Ear.of(session, "ann")
            replies = [
                session.set_graph_state("ann", graph),
                session.set_metadata("ann", patch),
                session.record_interaction("ann", "view", metadata=metadata),
                session.add_feedback("ann", "n", "correct", context=context),
            ]
            for given in (graph["nodes"], patch["tags"], metadata["m"], context["c"]):
                given.append("changed by who gave it")
            for reply in replies:
                await reply

            taken = await session.records("ann")
            taken.graph_state["nodes"].append("changed by who took it")
            taken.metadata["tags"].append("changed by who took it")
            taken.feedback["correct"] = 99
            await settle()
            hears.items[0].event.value["nodes"].append("changed by who heard of it")
            hears.items[1].event.patch["tags"].append("changed by who heard of it")

            records = await session.records("ann")
            assert (records.graph_state, records.metadata) == ({"nodes": ["a"]}, {"tags": ["x"]})
            assert records.feedback["correct"] == 1
            assert [item.event.metadata for item in hears.items[2:]] == [
                {"m": ["y"]},
                {"context": {"c": ["z"]}},
            ]

    play(scene)


def test_s05_sx14_counters_are_exact_from_many_threads(store: Any) -> None:
    given = ["correct", "incorrect", "partial", "other"]

    with greenroom.Runtime.start_in_thread(journal=store()) as runtime:
        session = runtime.create(user="ann", id="s").get()

        def judge(feedback: str) -> None:
            for reply in [session.add_feedback("ann", "n", feedback) for _ in range(50)]:
                reply.get()
            session.set_metadata("ann", {feedback: True}).get()

        threads = [threading.Thread(target=judge, args=(given[n % 4],)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        records = session.records("ann").get()
        assert records.interactions == 400
        assert records.feedback == {"correct": 100, "incorrect": 100, "partial": 100}
        assert records.metadata == dict.fromkeys(given, True)


def test_s05_the_same_key_is_counted_once_also_after_a_restart(store: Any) -> None:
    async def scene() -> None:
        async with greenroom.Runtime(journal=store()) as runtime:
            session = await runtime.create(user="ann", id="s")
            first = await session.add_feedback("ann", "n", "correct", key="k")
            assert await session.add_feedback("ann", "n", "correct", key="k") == first
        async with greenroom.Runtime(journal=store()) as runtime:
            session = runtime.session("s")
            assert await session.add_feedback("ann", "n", "correct", key="k") == first
            other = session.add_feedback("ann", "n", "partial", key="k")
            await refused(other, greenroom.IdempotencyConflict)
            assert (await session.records("ann")).feedback["correct"] == 1
            assert len(await recorded(runtime)) == 1

    play(scene)


BAD: list[tuple[str, tuple[Any, ...], dict[str, Any], str]] = [
    ("record_interaction", ("",), {}, "action_type"),
    ("record_interaction", ("x" * 129,), {}, "action_type"),
    ("record_interaction", ("view",), {"node_id": "x" * 1025}, "node_id"),
    ("record_interaction", ("view",), {"content": b"x"}, "content"),
    ("record_interaction", ("view",), {"feedback": 1}, "feedback"),
    ("record_interaction", ("view",), {"metadata": [1]}, "metadata"),
    ("record_interaction", ("view",), {"metadata": {"x": (1,)}}, "metadata.x"),
    ("record_interaction", ("view",), {"key": ""}, "key"),
    ("add_feedback", (None, "correct"), {}, "node_id"),
    ("add_feedback", ("n", None), {}, "feedback"),
    ("add_feedback", ("n", "correct"), {"context": {1}}, "context"),
    ("set_graph_state", ({"x": float("nan")},), {}, "graph_state.x"),
    ("set_graph_state", (["x" * (200 << 10)] * 21,), {}, "graph_state"),
    ("set_graph_state", ("\ud800",), {}, "graph_state"),
    ("set_language", ("",), {}, "language"),
    ("set_language", ("x" * 36,), {}, "language"),
    ("set_language", (None,), {}, "language"),
    ("set_metadata", ({},), {}, "patch"),
    ("set_metadata", ([],), {}, "patch"),
    ("set_title", ("",), {}, "title"),
    ("set_title", ("a\nb",), {}, "title"),
    ("set_title", ("x" * 129,), {}, "title"),
    ("set_export", (1,), {}, "allowed"),
    ("records", (), {}, "user"),
]


@pytest.mark.parametrize(("method", "args", "options", "field"), BAD)
def test_what_cannot_be_recorded_is_refused_and_changes_nothing(
    method: str, args: tuple[Any, ...], options: dict[str, Any], field: str
) -> None:
    async def scene() -> None:
        async with room() as session:
            user = "" if field == "user" else "ann"
            with pytest.raises(greenroom.InvalidInput) as refusal:
                getattr(session, method)(user, *args, **options)

            assert refusal.value.field == field
            assert (await session.info()).revision == 0

    play(scene)
