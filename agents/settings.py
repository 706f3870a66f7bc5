"""All settings of a process, from the environment, an optional `.env` file, or code.

Keys of providers keep the names their own tools use; everything else is `ELEXIRION_…`.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


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
    worker_id: str | None = Field(None, description="Name of this worker; unset: host name and a random suffix.")

    events_partitions: int = Field(8, ge=1, description="Partitions of events, commands, chunks and payloads.")
    lane_partitions: int = Field(16, ge=1, description="Partitions of each steps.<lane> topic.")
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
    drain_s: float = Field(30.0, ge=0, description="Seconds a stopping worker lets running steps end.")

    record_limit_bytes: int = Field(1_000_000, gt=0, description="Largest record value; larger results go to payloads.")
    max_attempts: int = Field(3, ge=1, description="Attempts of a step where its pipeline does not say.")
    file_roots: tuple[Path, ...] = Field((), description="Folders from which prompts may read files.")
    trust_run_folders: bool = Field(
        False, description="Let a StartRun name its own folder for prompt files and outputs (local use)."
    )
    prices_file: Path | None = Field(None, description="YAML price table that overrides the built-in one.")
    offline_tokens_per_s: float = Field(200.0, gt=0, description="Token rate of the offline provider.")
    model_aliases: dict[str, str] = Field(default_factory=dict, description="Model aliases, over the built-in ones.")

    anthropic_api_key: SecretStr | None = Field(
        None, validation_alias=AliasChoices("ANTHROPIC_API_KEY", "anthropic_api_key")
    )
    gemini_api_key: SecretStr | None = Field(None, validation_alias=AliasChoices("GEMINI_API_KEY", "gemini_api_key"))
    openai_api_key: SecretStr | None = Field(None, validation_alias=AliasChoices("OPENAI_API_KEY", "openai_api_key"))
    anthropic_base_url: str = Field("https://api.anthropic.com", description="Address of the Anthropic API.")
    gemini_base_url: str = Field("https://generativelanguage.googleapis.com", description="Address of the Gemini API.")
    openai_base_url: str = Field("https://api.openai.com/v1", description="Address of an OpenAI-compatible API.")

    def slots(self, lane: str) -> int:
        """How many executions of `lane` one worker holds in flight."""
        return int(getattr(self, f"{lane}_slots"))


@lru_cache(maxsize=1)
def load_settings() -> Settings:
    """The settings of this process, read once. Raises pydantic's ValidationError naming each wrong setting."""
    overrides: dict[str, Any] = {}
    return Settings(**overrides)
