"""Everything that `/metrics` of one process shows."""

from collections.abc import Callable

from elexirion.agents.telemetry.circuits import Circuits
from elexirion.agents.telemetry.followed_log import FollowedLog
from elexirion.agents.telemetry.lane_load import LaneLoad
from elexirion.agents.telemetry.log_ends import LogEnds
from elexirion.agents.telemetry.log_metrics import LogMetrics
from elexirion.agents.telemetry.loop_watch import LoopWatch
from elexirion.agents.telemetry.process_metrics import ProcessMetrics
from elexirion.agents.telemetry.tallies import Tallies
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector


def registry(
    followed: FollowedLog | None,
    lanes: Callable[[], tuple[LaneLoad, ...]],
    ends: LogEnds,
    circuits: Circuits,
    loop: LoopWatch,
) -> CollectorRegistry:
    """All collectors; those of the log where this process follows it."""
    every = CollectorRegistry()
    for own in (ProcessCollector, PlatformCollector, GCCollector):
        own(registry=every)
    every.register(ProcessMetrics(lanes, followed.owned if followed else {}, ends, circuits, loop))
    if followed:
        tallies = Tallies(followed.owned)
        every.register(LogMetrics(followed.owned, tallies))
    return every
