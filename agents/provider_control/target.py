"""What the policies of a call know of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Target:
    """A call of an execution to a provider and model. `spoke` says whether text of its answer has come.

    `timeout_s` bounds the call, in seconds.
    """

    execution_id: str
    provider: str
    model: str
    call_id: str
    timeout_s: float
    spoke: Callable[[], bool]
    pipeline: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
