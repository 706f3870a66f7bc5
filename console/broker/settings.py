"""Settings of the embedded broker, each an environment variable `ELEXIRION_BROKER_…`."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFERRED_PORT = 19092


class BrokerSettings(BaseSettings):
    """How the embedded broker is run."""

    model_config = SettingsConfigDict(
        env_prefix="ELEXIRION_BROKER_", frozen=True, extra="ignore", use_attribute_docstrings=True
    )

    port: int | None = Field(default=None, ge=1, le=65535)
    """TCP port on the loopback address. Unset: 19092, or a free one where that is taken."""

    heap: str = Field(default="256m", pattern=r"^[1-9][0-9]*[kmgKMG]$")
    """Largest heap of the Java process, in the form that Java's -Xmx takes."""

    min_free_mb: int = Field(default=200, ge=0)
    """Free disk space, in MiB, below which the broker is not started."""

    start_timeout_s: float = Field(default=60.0, gt=0)
    """Seconds that a started broker has to answer."""

    stop_timeout_s: float = Field(default=20.0, gt=0)
    """Seconds that a broker has to end by itself before it is killed."""
