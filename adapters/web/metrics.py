"""What `/metrics` answers: the runtime's numbers, the application's, and the process's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from ..telemetry.metrics import RuntimeCollector
from .hall import Hall

OPENMETRICS: Final = "application/openmetrics-text"


class HallCollector(Collector):
    """What one web application has open, and has refused, for a registry of one's own."""

    def __init__(self, hall: Hall) -> None:
        self._hall = hall

    def describe(self) -> Iterable[Metric]:
        """Nothing: a registry need not ask for all values to learn their names."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every metric, as it is now."""
        hall = self._hall
        streams = len(hall.connections)
        yield GaugeMetricFamily("greenroom_streams_open", "Streams that are open.", value=streams)
        says = "Whether the server is about to stop."
        yield GaugeMetricFamily("greenroom_draining", says, value=hall.draining)
        says = "Requests and streams refused before they were looked at."
        refused = CounterMetricFamily("greenroom_requests_refused", says, labels=["reason"])
        for reason, count in dict(hall.refused).items():
            refused.add_metric([reason], count)
        yield refused


def exposition(hall: Hall, accept: str) -> tuple[bytes, str]:
    """Everything as text, and its content type: OpenMetrics for those who accept that."""
    registry = CollectorRegistry()
    registry.register(RuntimeCollector(hall.runtime))
    registry.register(HallCollector(hall))
    ProcessCollector(registry=registry)
    # Only what is known to be well formed: the library raises on a version that is no number.
    wanted = f"{OPENMETRICS}; version=1.0.0" if OPENMETRICS in accept else ""
    encode, content_type = choose_encoder(wanted)
    return encode(registry), content_type
