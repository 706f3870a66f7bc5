"""A whole `/metrics` of a process that neither has a broker nor needs one."""

from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.telemetry.circuits import Circuits
from elexirion.agents.telemetry.lane_load import LaneLoad
from elexirion.agents.telemetry.log_ends import LogEnds
from elexirion.agents.telemetry.loop_watch import LoopWatch
from elexirion.agents.telemetry.registry import registry
from elexirion.events.topics import Topics
from prometheus_client import CollectorRegistry

from tests.agents.provider_control.given import Paper
from tests.agents.telemetry.following import Orchestrator


class Process:
    """An orchestrator with lanes; its parts are there to be changed."""

    def __init__(self) -> None:
        self.orchestrator = Orchestrator()
        self.lanes = (LaneLoad("claude", 10, 13), LaneLoad("local", 64, 3))
        self.providers = Paper()
        self.circuits = Circuits(lambda: self.providers.state)
        self.ends = LogEnds(KafkaAddress("127.0.0.1:1"), Topics("t."), 8)
        self.loop = LoopWatch()
        self.registry: CollectorRegistry = registry(
            self.orchestrator.followed, lambda: self.lanes, self.ends, self.circuits, self.loop
        )

    def value(self, name: str, **labels: str) -> float | None:
        """One sample."""
        return self.registry.get_sample_value(name, labels)
