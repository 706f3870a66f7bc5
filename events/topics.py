"""The topics: names, keys, partitions, retention. Spelled out; a prefix stands before each."""

from dataclasses import dataclass, field

LANES: tuple[str, ...] = ("claude", "gemini", "openai", "local")
MAX_RECORD_BYTES = 2 * 1024 * 1024
DAY_MS = 24 * 60 * 60 * 1000


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One topic: `key` in words, `partitions` at creation, `config` as Kafka topic settings.

    `keyed` topics keep their partition count: with another one, keys would lie on other partitions.
    """

    name: str
    key: str
    holds: str
    partitions: int
    config: dict[str, str] = field(default_factory=dict)
    keyed: bool = True


@dataclass(frozen=True, slots=True)
class Topics:
    """All topic names under one prefix."""

    prefix: str = "elexirion."

    @property
    def commands(self) -> str:
        """What users ask for."""
        return f"{self.prefix}commands"

    @property
    def events(self) -> str:
        """The log: everything that happened to a run."""
        return f"{self.prefix}events"

    @property
    def chunks(self) -> str:
        """Streamed text."""
        return f"{self.prefix}chunks"

    @property
    def payloads(self) -> str:
        """Values too large for one record."""
        return f"{self.prefix}payloads"

    @property
    def providers(self) -> str:
        """Circuits and limits."""
        return f"{self.prefix}providers"

    @property
    def workers(self) -> str:
        """Heartbeats."""
        return f"{self.prefix}workers"

    @property
    def snapshots(self) -> str:
        """Folded state."""
        return f"{self.prefix}snapshots"

    @property
    def cache(self) -> str:
        """Cached results."""
        return f"{self.prefix}cache"

    @property
    def dead_letters(self) -> str:
        """What could not be read."""
        return f"{self.prefix}dead-letters"

    def steps(self, lane: str) -> str:
        """Commands to the workers of a lane."""
        return f"{self.prefix}steps.{lane}"

    @property
    def orchestrators_group(self) -> str:
        """Consumer group whose assignment says who decides for which partition of `events`."""
        return f"{self.prefix}orchestrators"

    @property
    def commands_group(self) -> str:
        """Consumer group that forwards commands into the log."""
        return f"{self.prefix}commands"


_COMPACTED = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.1", "segment.ms": "600000"}
_LARGE = {"max.message.bytes": str(MAX_RECORD_BYTES)}


def _kept(days: float) -> dict[str, str]:
    return {"cleanup.policy": "delete", "retention.ms": str(int(days * DAY_MS))}


_FOREVER = {"cleanup.policy": "delete", "retention.ms": "-1"}


def topic_specs(topics: Topics, log_partitions: int = 8, lane_partitions: int = 4) -> tuple[TopicSpec, ...]:
    """Every topic as it is created."""
    n = log_partitions
    lanes = tuple(
        TopicSpec(topics.steps(lane), "none; placed on a partition of the chosen worker",
                  "ExecuteStep, CancelStep", lane_partitions, _kept(1 / 24) | _LARGE, keyed=False)
        for lane in LANES
    )  # fmt: skip
    return (
        TopicSpec(topics.commands, "run_id", "StartRun, CancelRun, …", n, _kept(7) | _LARGE),
        TopicSpec(topics.events, "run_id", "the log of every run", n, _FOREVER | _LARGE),
        TopicSpec(topics.chunks, "run_id", "StepChunk", n, _kept(7) | _LARGE),
        TopicSpec(topics.payloads, "run_id", "parts of large values", n, _FOREVER | _LARGE),
        *lanes,
        # Never compacted: its chain of decisions has more than one record of a key, and all count.
        TopicSpec(topics.providers, "provider/model", "circuits, limits", 1,
                  _kept(7) | {"message.timestamp.type": "LogAppendTime"}),
        TopicSpec(topics.workers, "worker id", "WorkerHeartbeat, WorkerLeft", 1, _COMPACTED),
        TopicSpec(topics.snapshots, "none; placed on the partition of `events` that it is of", "folded state", n,
                  _COMPACTED | _LARGE | {"segment.bytes": str(8 * 1024 * 1024)}, keyed=False),
        TopicSpec(topics.cache, "request hash", "CacheEntry", 1, _COMPACTED | _LARGE),
        TopicSpec(topics.dead_letters, "original key", "what could not be read", 1, _kept(30) | _LARGE),
    )  # fmt: skip
