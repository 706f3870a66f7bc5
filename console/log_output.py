"""Logs on stderr: for people on a terminal, as JSON lines elsewhere.

A line names the run, step, execution and correlation it is about where they are known (contextvars). Keys of
providers are never written; prompts and results only at debug level.
"""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal

import structlog
from elexirion.agents.settings import load_settings
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

HIDDEN = "(hidden)"
PRIVATE = frozenset(
    {"answer", "arguments", "body", "chunk", "config", "content", "input", "inputs", "output", "prompt",
     "raw", "result", "text", "turns", "value", "values", "variables"}
)  # fmt: skip
"""Names under which code may log what belongs to users; shown at debug level only."""
SHORTEST_SECRET = 8


class LogSettings(BaseSettings):
    """How much is logged: `ELEXIRION_LOG_LEVEL`."""

    model_config = SettingsConfigDict(
        env_prefix="ELEXIRION_", env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level of a log line: debug, info, warning or error."
    )


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


class Discretion:
    """Hides secrets wherever they stand, and above debug level what belongs to users."""

    def __init__(self, secrets: frozenset[str]) -> None:
        self._secrets = [secret for secret in sorted(secrets, key=len, reverse=True) if len(secret) >= SHORTEST_SECRET]

    def __call__(self, logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """As a processor of structlog; after exceptions became text."""
        private = PRIVATE if event.get("level") != "debug" else frozenset()
        return {name: HIDDEN if name in private else self._shown(value, private) for name, value in event.items()}

    def _shown(self, value: Any, private: frozenset[str]) -> Any:
        match value:
            case str():
                return self._without_secrets(value)
            case SecretStr():
                return HIDDEN
            case Mapping():
                return {key: HIDDEN if key in private else self._shown(one, private) for key, one in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self._shown(one, private) for one in value]
            case None | bool() | int() | float():
                return value
            case _:
                return self._without_secrets(repr(value))

    def _without_secrets(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text


def secrets_of_settings() -> frozenset[str]:
    """The values of every secret setting; none where the settings cannot be read, which others report."""
    try:
        settings = load_settings()
    except ValidationError:
        return frozenset()
    values = (getattr(settings, name) for name in type(settings).model_fields)
    return frozenset(value.get_secret_value().strip() for value in values if isinstance(value, SecretStr))


def _rendered() -> list[Any]:
    clean = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    before = [clean, structlog.processors.format_exc_info, Discretion(secrets_of_settings())]
    if sys.stderr.isatty():
        return [*before, structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    return [*before, structlog.processors.JSONRenderer()]
