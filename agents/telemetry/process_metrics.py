"""Metrics of this process: its lanes, its loop, how far it is behind the log, the circuits it hears of."""

from collections.abc import Callable, Iterator, Mapping

from elexirion.agents.orchestrator.partitions import Owned
from elexirion.agents.telemetry.circuits import Circuits
from elexirion.agents.telemetry.lane_load import LaneLoad
from elexirion.agents.telemetry.log_ends import LogEnds
from elexirion.agents.telemetry.loop_watch import LoopWatch
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class ProcessMetrics(Collector):
    """Gauges. `lanes` tells the present load, `owned` is the partitions of the log (none in a mere worker)."""

    def __init__(
        self,
        lanes: Callable[[], tuple[LaneLoad, ...]],
        owned: Mapping[int, Owned],
        ends: LogEnds,
        circuits: Circuits,
        loop: LoopWatch,
    ) -> None:
        self._lanes = lanes
        self._owned = owned
        self._ends = ends
        self._circuits = circuits
        self._loop = loop

    def collect(self) -> Iterator[Metric]:
        """All families, those without a value too."""
        yield from self._lane_gauges()
        yield self._lag()
        yield self._circuit_states()
        yield _gauge("elexirion_kafka_up", "Whether the broker answers (1) or not (0).", float(self._ends.up))
        yield _gauge("elexirion_dead_letters", "Records on the dead-letters topic.", self._ends.dead_letters)
        yield _gauge("elexirion_event_loop_lag_seconds", "Longest delay of the last minute.", self._loop.worst_s())

    def _lane_gauges(self) -> Iterator[Metric]:
        slots = GaugeMetricFamily("elexirion_lane_slots", "Executions the lane runs at once.", labels=["lane"])
        busy = GaugeMetricFamily("elexirion_lane_busy", "Executions that run.", labels=["lane"])
        queue = GaugeMetricFamily("elexirion_lane_queue", "Executions that wait for a slot.", labels=["lane"])
        for lane in self._lanes():
            slots.add_metric([lane.name], lane.slots)
            busy.add_metric([lane.name], min(lane.held, lane.slots))
            queue.add_metric([lane.name], max(0, lane.held - lane.slots))
        yield from (slots, busy, queue)

    def _lag(self) -> Metric:
        family = GaugeMetricFamily(
            "elexirion_log_lag_records", "Records between the fold and the end of the log.", labels=["partition"]
        )
        positions = [(partition, owned.fold.next_offset) for partition, owned in self._owned.items()]
        for partition, behind in sorted(self._ends.lag(positions).items()):
            family.add_metric([str(partition)], behind)
        return family

    def _circuit_states(self) -> Metric:
        family = GaugeMetricFamily(
            "pipeline_circuit_state", "0 closed, 1 half open, 2 open.", labels=["provider", "model"]
        )
        for provider, model, state in self._circuits:
            family.add_metric([provider, model], state)
        return family


def _gauge(name: str, about: str, value: float | None) -> Metric:
    """A gauge without labels; without a sample where the value is unknown."""
    family = GaugeMetricFamily(name, about)
    if value is not None:
        family.add_metric([], value)
    return family
