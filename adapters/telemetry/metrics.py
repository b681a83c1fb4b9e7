"""What a runtime counts, for Prometheus: read when it is asked for, and never one by session."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Final

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from ...actors.errors import RuntimeClosed
from ...actors.session.timings import BOUNDS_S, Durations
from ...supervisor.occupancy import Occupancy
from ...supervisor.runtime import Runtime

COUNTERS: Final = {
    "commands": ("commands", "Commands that sessions have decided on."),
    "refused": ("commands_refused", "Commands that were refused, with a reason."),
    "events": ("events", "Durable events."),
    "published": ("events_published", "Events published to readers, durable and ephemeral."),
    "turns_started": ("turns_started", "Pipelines invoked."),
    "stale_outputs": ("outputs_stale", "Outputs of pipelines that nobody listened to any more."),
    "abandoned_pipelines": ("pipelines_abandoned", "Pipelines that did not stop in time."),
    "crashed": ("session_crashes", "Sessions that crashed."),
    "restarted": ("session_restarts", "Sessions that were started again after a crash."),
    "parked": ("sessions_parked", "Sessions set aside, as they crashed too often or were told to."),
    "revived": ("sessions_revived", "Sessions that were set aside, and let on stage again."),
    "renewed": ("sessions_renewed", "Sessions started again beside a pipeline that did not stop."),
    "poisoned": ("commands_poisoned", "Commands given up, as they crashed their session twice."),
    "frames": ("frames", "Visual frames taken."),
    "frames_refused": ("frames_refused", "Visual frames refused."),
    "frames_dropped": ("frames_dropped", "Visual frames that a slow reader did not get."),
    "resources_failed": ("resources_failed", "Sessions whose resources could not be opened."),
    "resources_not_closed": ("resources_not_closed", "Sessions whose resources did not close."),
    "hooks_failed": ("hooks_failed", "Calls of hooks that failed, or took too long."),
    "expired": ("sessions_expired", "Sessions deleted for their age."),
    "archived": ("sessions_archived", "Sessions put into the archive."),
    "archives_failed": ("archives_failed", "Sessions that could not be archived."),
    "events_erased": ("events_erased", "Events of deleted sessions that were erased."),
    "events_trimmed": ("events_trimmed", "Events no longer retained."),
}
"""By the field of `Stats`: the name, after `greenroom_` and before `_total`, and what it says."""

BY_LABEL: Final = {
    "turns_ended": ("turns_ended", "status", "Turns that have ended."),
    "activated_by": ("session_activations", "reason", "Sessions that came on stage."),
    "passivated_by": ("session_passivations", "reason", "Sessions that left the stage in order."),
    "turned_away_by": ("sessions_turned_away", "scope", "Sessions that got no slot."),
}
"""By the field of `Stats`: those that it counts by something."""


class RuntimeCollector(Collector):
    """What a runtime counts and holds, for a registry of one's own.

        prometheus_client.REGISTRY.register(RuntimeCollector(runtime))

    It costs nothing until it is asked: then it reads the runtime's plain numbers, from any thread,
    some fifty samples however many sessions there are. Before the start of the runtime, counters
    are all there is.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def describe(self) -> Iterable[Metric]:
        """Nothing: a registry need not ask for all values to learn their names."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every metric, as it is now."""
        runtime = self._runtime
        for field, (name, says) in COUNTERS.items():
            yield CounterMetricFamily(
                f"greenroom_{name}", says, value=getattr(runtime.stats, field)
            )
        for field, (name, label, says) in BY_LABEL.items():
            family = CounterMetricFamily(f"greenroom_{name}", says, labels=[label])
            for value, count in dict(getattr(runtime.stats, field)).items():
                family.add_metric([str(value)], count)
            yield family
        timings = runtime.timings
        yield _histogram("turn_seconds", "Runs of pipelines, up to a turn's end.", timings.turns)
        yield _histogram("turn_wait_seconds", "Waits of messages for a pipeline.", timings.waits)
        yield from self._gauges()

    def _gauges(self) -> Iterator[Metric]:
        try:
            capacity = self._runtime.capacity()
        except RuntimeClosed:
            return
        yield from _occupancy("sessions", "Sessions on stage", capacity.sessions)
        if capacity.turns.limit is not None:  # not counted else
            yield from _occupancy("turns", "Turns that run", capacity.turns)
        deepest = self._runtime.deepest_mailbox
        says = "Commands waiting for the session that has most of them waiting."
        yield GaugeMetricFamily("greenroom_mailbox_deepest", says, value=deepest)


def _occupancy(noun: str, says: str, of: Occupancy) -> Iterator[Metric]:
    yield GaugeMetricFamily(f"greenroom_{noun}_in_use", f"{says}.", value=of.in_use)
    waiting = f"{says}: how many wait for a place."
    yield GaugeMetricFamily(f"greenroom_{noun}_waiting", waiting, value=of.waiting)
    if of.limit is not None:
        limit = f"{says}: at most so many."
        yield GaugeMetricFamily(f"greenroom_{noun}_limit", limit, value=of.limit)


def _histogram(name: str, says: str, durations: Durations) -> Metric:
    bounds = [*map(str, BOUNDS_S), "+Inf"]
    buckets = list(zip(bounds, accumulate(durations.counts), strict=True))
    return HistogramMetricFamily(
        f"greenroom_{name}", says, buckets=buckets, sum_value=durations.sum_s
    )
