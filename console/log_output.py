"""Logs on stderr: for people on a terminal, as JSON lines elsewhere."""

import logging
import sys
from typing import Any, Literal

import structlog
from pydantic_settings import BaseSettings, SettingsConfigDict


class LogSettings(BaseSettings):
    """How much is logged: `ELEXIRION_LOG_LEVEL`."""

    model_config = SettingsConfigDict(env_prefix="ELEXIRION_", env_file=".env", extra="ignore", frozen=True)

    log_level: Literal["debug", "info", "warning", "error"] = "info"


def set_up_logging(level: str | None = None) -> None:
    """Send structlog's and the standard library's records to stderr in one form."""
    chosen = logging.getLevelNamesMapping()[(level or LogSettings().log_level).upper()]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(chosen),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=_rendered()))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(chosen)


def quiet_clients() -> None:
    """For commands that only ask: our own messages say what went wrong, the libraries' would repeat it."""
    set_up_logging("warning")
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)


def _rendered() -> list[Any]:
    clean = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    if sys.stderr.isatty():
        return [clean, structlog.dev.ConsoleRenderer()]
    return [clean, structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
