"""All settings of a process, from the environment, an optional `.env` file, or code.

Keys of providers keep the names their own tools use; everything else is `ELEXIRION_…`.
"""

import os
import socket
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from elexirion.agents.http_requests.allowed_hosts import checked_entry
from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class RateLimit(BaseModel):
    """What a provider may be asked in a minute; None: no limit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests_per_minute: float | None = Field(None, ge=1)
    tokens_per_minute: float | None = Field(None, ge=1)


class DayBudget(BaseModel):
    """What may be used on a day (UTC); None: no limit. With `audit` it is only said when it is spent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cost_usd: float | None = Field(None, ge=0)
    tokens: float | None = Field(None, ge=0)
    audit: bool = False


class Settings(BaseSettings):
    """Every setting with its unit and default; secrets are `SecretStr` and never reach an event or a log."""

    model_config = SettingsConfigDict(
        env_prefix="ELEXIRION_",
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        env_ignore_empty=True,
    )

    kafka: str | None = Field(None, description="Bootstrap address of a Kafka cluster; unset: the embedded broker.")
    topic_prefix: str = Field("elexirion.", description="Prefix of every topic and consumer group.")
    home: Path | None = Field(None, description="Folder for broker data and state; unset: the user's data folder.")
    worker_id: str | None = Field(
        None, description="Name of this worker alone, the same at each start; unset: host name and process id."
    )

    events_partitions: int = Field(8, ge=1, description="Partitions of events, commands, chunks and payloads.")
    lane_partitions: int = Field(
        4, ge=1, description="Partitions of each steps.<lane> topic at creation; more workers widen it."
    )
    replication_factor: int = Field(1, ge=1, description="Replicas of each topic at creation.")

    claude_slots: int = Field(10, ge=1, description="Executions in flight on the claude lane of one worker.")
    gemini_slots: int = Field(15, ge=1, description="Executions in flight on the gemini lane of one worker.")
    openai_slots: int = Field(15, ge=1, description="Executions in flight on the openai lane of one worker.")
    local_slots: int = Field(64, ge=1, description="Executions in flight on the local lane of one worker.")

    heartbeat_interval_s: float = Field(0.5, gt=0, description="Seconds between two heartbeats of a process.")
    lease_s: float = Field(10.0, gt=0, description="Seconds of silence after which a worker's steps are orphaned.")
    lease_margin_s: float = Field(2.0, ge=0, description="A worker unheard for lease minus this starts nothing new.")
    dispatch_timeout_s: float = Field(5.0, gt=0, description="Seconds a step waits for a live worker of its lane.")
    local_fallback: bool = Field(True, description="Run a step in the orchestrator's process when no worker lives.")
    group_session_timeout_s: float = Field(6.0, gt=0, description="Kafka group session timeout of our consumers.")
    read_back_timeout_s: float = Field(5.0, gt=0, description="Seconds until an unread own decision is taken anew.")
    snapshot_records: int = Field(2_500, ge=1, description="Records of a partition between two snapshots of it.")
    snapshot_s: float = Field(60.0, gt=0, description="Seconds between two snapshots of a partition that changed.")
    drain_s: float = Field(30.0, ge=0, description="Seconds a stopping worker lets running steps end.")

    circuit_threshold: int = Field(
        5, ge=0, le=1000, description="Failed calls within the window that open a model's circuit; 0: no breaker."
    )
    circuit_window_s: float = Field(60.0, gt=0, description="Seconds over which failed calls are counted.")
    circuit_recovery_s: float = Field(30.0, gt=0, description="Seconds until an open circuit lets a probe through.")
    rate_limits: dict[Literal["claude", "gemini", "openai"], RateLimit] = Field(
        default_factory=dict,
        description=(
            "Limits of all workers together, by provider: "
            '`{"claude": {"requests_per_minute": 50, "tokens_per_minute": 40000}}`.'
        ),
    )
    rate_minute_s: float = Field(60.0, gt=0, description="Seconds that the minute of rate limits has.")
    budgets: dict[Annotated[str, Field(pattern=r"^[^:]+:.+$")], DayBudget] = Field(
        default_factory=dict,
        description=(
            "Budgets of a day (UTC) by `pipeline:NAME` or a tag of runs, `*` for each: "
            '`{"pipeline:story": {"cost_usd": 5}, "tenant:*": {"tokens": 1000000, "audit": true}}`.'
        ),
    )

    record_limit_bytes: int = Field(1_000_000, gt=0, description="Largest record value; larger results go to payloads.")
    max_attempts: int = Field(3, ge=1, description="Attempts of a step where its pipeline does not say.")
    poison_crashes: int = Field(
        3,
        ge=0,
        description="Workers that a step takes along, each within 5 s of its start, until it fails; 0: no limit.",
    )
    file_roots: tuple[Path, ...] = Field((), description="Folders from which prompts may read files.")
    file_limit_bytes: int = Field(32 * 1024 * 1024, gt=0, description="Largest file that tools and file steps take.")
    allow_bash: bool = Field(
        False, description="Let models run commands as the worker's user, wherever a step allows the tool Bash."
    )
    bash_timeout_s: float = Field(120.0, gt=0, description="Longest time of one command of the tool Bash, in seconds.")
    trust_run_folders: bool = Field(
        False, description="Let a StartRun name its own folder for prompt files and outputs (local use)."
    )
    http_allowed_hosts: tuple[Annotated[str, AfterValidator(checked_entry)], ...] = Field(
        (),
        description=(
            "Hosts that http steps may ask: names or addresses, with `:port` or without; `*.name` and `*` allow public "
            "addresses only. Empty: none."
        ),
    )
    http_response_bytes: int = Field(2_000_000, gt=0, description="Largest answer that an http step takes.")
    prices_file: Path | None = Field(None, description="YAML price table that overrides the built-in one.")
    offline_tokens_per_s: float = Field(200.0, gt=0, description="Token rate of the offline provider.")
    functions: str = Field("", description="Python functions that models may call: `package.module:name,…`.")
    model_aliases: dict[str, str] = Field(
        default_factory=dict, description="Model aliases, over the built-in ones; a lane's name: its default model."
    )

    http_port: int | None = Field(
        None, ge=0, le=65535, description="Port of /metrics, /healthz and /readyz; 0: any free one; unset: none."
    )
    http_host: str = Field("127.0.0.1", description="Address that the HTTP endpoint listens on.")
    otlp_endpoint: str | None = Field(
        None, description="OTLP/HTTP collector that traces go to (needs the extra `otel`); unset: no traces."
    )
    watchdog_s: float = Field(30.0, ge=0, description="Seconds of a stuck loop that end the process; 0: never.")
    health_timeout_s: float = Field(5.0, gt=0, description="Seconds that a health check may take.")
    health_api_cache_s: float = Field(30.0, ge=0, description="Seconds for which a provider is not asked again.")
    health_memory_degraded_percent: float = Field(85.0, description="Memory in use from which on it is degraded.")
    health_memory_unhealthy_percent: float = Field(95.0, description="Memory in use from which on it is unhealthy.")
    health_disk_degraded_mb: float = Field(1000.0, description="Free MiB below which the disk is degraded.")
    health_disk_unhealthy_mb: float = Field(200.0, description="Free MiB below which the disk is unhealthy.")
    health_tasks_degraded: int = Field(20_000, description="Tasks of a process from which on it is degraded.")
    health_tasks_unhealthy: int = Field(100_000, description="Tasks of a process from which on it is unhealthy.")
    health_log_lag_degraded: int = Field(1_000, description="Records behind the log from which on it is degraded.")
    health_log_lag_unhealthy: int = Field(50_000, description="Records behind the log from which on it is unhealthy.")
    health_loop_lag_degraded_s: float = Field(1.0, description="Delay of the event loop that counts as degraded.")
    health_loop_lag_unhealthy_s: float = Field(10.0, description="Delay of the event loop that counts as unhealthy.")

    anthropic_api_key: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("ANTHROPIC_API_KEY", "anthropic_api_key"),
        description="Key of the claude lane.",
    )
    gemini_api_key: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("GEMINI_API_KEY", "gemini_api_key"),
        description="Key of the gemini lane.",
    )
    openai_api_key: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("OPENAI_API_KEY", "openai_api_key"),
        description="Key of the openai lane, where its endpoint wants one.",
    )
    anthropic_base_url: str = Field("https://api.anthropic.com", description="Address of the Anthropic API.")
    gemini_base_url: str = Field("https://generativelanguage.googleapis.com", description="Address of the Gemini API.")
    openai_base_url: str = Field("https://api.openai.com/v1", description="Address of an OpenAI-compatible API.")

    def slots(self, lane: str) -> int:
        """How many executions of `lane` one worker holds in flight."""
        return int(getattr(self, f"{lane}_slots"))


def name_of_this_process() -> str:
    """The worker id of a process that was given none: host name and process id."""
    return f"{socket.gethostname()}-{os.getpid()}"


@lru_cache(maxsize=1)
def load_settings() -> Settings:
    """The settings of this process, read once. Raises pydantic's ValidationError naming each wrong setting."""
    overrides: dict[str, Any] = {}
    return Settings(**overrides)
