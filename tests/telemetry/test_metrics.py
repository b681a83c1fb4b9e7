"""What is told to Prometheus: every number of the runtime, and none by session."""

from __future__ import annotations

import msgspec
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from theatre import ManualClock, Script, echo, play, settle
from web.kit import house

import greenroom
from greenroom.actors.session.stage import Stats
from greenroom.actors.session.timings import BOUNDS_S, Durations
from greenroom.adapters.telemetry.metrics import BY_LABEL, COUNTERS, RuntimeCollector
from greenroom.testing import Gate

OPERATOR = "root+operator"
TOTALS = {"activated", "passivated", "turned_away"}


def test_every_counter_is_told() -> None:
    fields = {field.name for field in msgspec.structs.fields(Stats)}
    assert fields == COUNTERS.keys() | BY_LABEL.keys() | TOTALS
    names = [name for name, *_ in (*COUNTERS.values(), *BY_LABEL.values())]
    assert len(names) == len(set(names))


def test_durations_fall_into_their_buckets() -> None:
    durations = Durations()
    for duration_s in (-1.0, 0.0, BOUNDS_S[0], BOUNDS_S[0] + 1e-9, 1e9):
        durations.add(duration_s)
    assert durations.counts == [3, 1, *[0] * (len(BOUNDS_S) - 2), 1]
    assert durations.sum_s == pytest.approx(1e9 + 0.01)


def test_a_runtime_is_read_by_a_registry_of_ones_own() -> None:
    async def scene() -> None:
        clock = ManualClock()
        registry = CollectorRegistry()
        runtime = greenroom.Runtime(script := Script(), clock=clock, max_sessions=7)
        registry.register(RuntimeCollector(runtime))
        assert registry.get_sample_value("greenroom_commands_total") == 0
        assert registry.get_sample_value("greenroom_sessions_in_use") is None
        async with runtime:
            session = await runtime.create("ann", id="s1")
            await session.send("ann", "first")
            await session.send("ann", "second")
            await settle()
            await clock.advance(3.0)
            await session.interrupt("ann")
            await settle()
            value = registry.get_sample_value
            resident = [value(f"greenroom_sessions_{each}") for each in ("in_use", "limit")]
            script.cue("s1", 2, None)

            assert resident == [1, 7]
            assert value("greenroom_turns_in_use") is None
            assert value("greenroom_turns_started_total") == 2
            assert value("greenroom_turns_ended_total", {"status": "cancelled"}) == 1
            assert value("greenroom_session_activations_total", {"reason": "created"}) == 1
            assert value("greenroom_turn_seconds_count") == 1
            assert value("greenroom_turn_seconds_sum") == 3.0
            assert value("greenroom_turn_seconds_bucket", {"le": "2.5"}) == 0
            assert value("greenroom_turn_seconds_bucket", {"le": "5.0"}) == 1
            assert value("greenroom_turn_wait_seconds_count") == 2
            assert value("greenroom_turn_wait_seconds_sum") == 3.0

    play(scene)


def test_the_wait_of_a_message_is_told_to_its_pipeline() -> None:
    waited: list[float] = []
    clock, gate = ManualClock(), Gate()

    async def pipeline(turn: greenroom.Turn) -> None:
        waited.append(turn.waited_s)
        await gate.passed()

    async def scene() -> None:
        async with greenroom.Runtime(pipeline, clock=clock) as runtime:
            session = await runtime.create("ann", id="s1")
            turns = [await session.send("ann", text) for text in ("one", "two")]
            await clock.advance(2.0)
            gate.open()
            for turn in turns:
                await turn.result()
            assert waited == [0.0, 2.0]

    play(scene)


def test_metrics_are_for_operators_in_both_formats() -> None:
    async def scene() -> None:
        async with house(echo) as h, h.client(OPERATOR) as root, h.client() as nobody:
            session = await h.runtime.create("ann", id="s1")
            await (await session.send("ann", "hi")).result()
            assert (await nobody.get("/metrics")).status_code == 401

            plain = await root.get("/metrics")
            assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
            families = {each.name: each for each in text_string_to_metric_families(plain.text)}
            assert families["greenroom_turns_ended"].samples[0].labels == {"status": "completed"}
            refused = families["greenroom_requests_refused"].samples[0]
            assert (refused.labels, refused.value) == ({"reason": "credentials"}, 1)
            assert "process_resident_memory_bytes" in families
            assert "s1" not in plain.text

            accept = "application/openmetrics-text;version=x;q=0.5,text/plain;q=0.1"
            opened = await root.get("/metrics", headers={"accept": accept})
            assert opened.headers["content-type"].startswith("application/openmetrics-text")
            parsed = {m.name for m in openmetrics.text_string_to_metric_families(opened.text)}
            assert families.keys() <= parsed | {"process_start_time_seconds"}

    play(scene)


def test_no_session_and_no_user_makes_a_sample() -> None:
    async def scene() -> None:
        async with house(echo) as h, h.client(OPERATOR) as root:
            before = len((await root.get("/metrics")).text.splitlines())
            for number in range(50):
                session = await h.runtime.create(f"user{number}", id=f"s{number}")
                await (await session.send(f"user{number}", "hi")).result()
            after = (await root.get("/metrics")).text
            assert len(after.splitlines()) - before <= 2  # a status, and a reason
            assert "greenroom_turns_started_total 50.0" in after

    play(scene)


def test_metrics_may_be_public() -> None:
    async def scene() -> None:
        async with house(web={"public_metrics": True}) as h, h.client() as nobody:
            answer = await nobody.get("/metrics")
            assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
            assert "greenroom_streams_open 0.0" in answer.text

    play(scene)
