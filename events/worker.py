"""What processes say of themselves: the records of the `workers` topic."""

from typing import Literal

from elexirion.events.record_model import RecordModel
from pydantic import Field

ProviderReadiness = Literal["ready", "not_configured"]


class LaneOffer(RecordModel):
    """A lane a worker serves: the partitions of `steps.<lane>` it reads now, its slots, and how many are taken."""

    lane: str
    partitions: tuple[int, ...]
    slots: int = Field(ge=0)
    held: int = Field(default=0, ge=0)
    provider: ProviderReadiness = "ready"


class WorkerHeartbeat(RecordModel):
    """A process lives. `number` grows by one each time; `held`: executions whose end is unacknowledged."""

    worker_id: str
    incarnation: str
    number: int = Field(ge=1)
    roles: tuple[str, ...]
    lanes: tuple[LaneOffer, ...]
    held: tuple[str, ...]
    draining: bool = False


class WorkerLeft(RecordModel):
    """An incarnation ended by itself and holds nothing any more."""

    worker_id: str
    incarnation: str
