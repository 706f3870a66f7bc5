"""Log lines: JSON where a machine reads, named after what they are about, without secrets, prompts and results."""

import asyncio
import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from elexirion.agents.settings import load_settings
from elexirion.agents.steps.port import Outcome, StepIO, Work
from elexirion.agents.telemetry.log_context import logged_about
from elexirion.console.log_output import HIDDEN, set_up_logging
from pydantic import SecretStr

from tests.agents.working import Broker, execute, executor_of, until

KEY = "sk-ant-0123456789"


class Terminal(io.StringIO):
    """A stream that is one."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def logging_as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    for variable in ("ELEXIRION_LOG_LEVEL", "GEMINI_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    load_settings.cache_clear()
    yield
    load_settings.cache_clear()
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def written(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, level: str | None = None) -> io.StringIO:
    """Logging goes there."""
    monkeypatch.setattr(sys, "stderr", stream)
    set_up_logging(level)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    """Every line as JSON."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_json_object_with_level_logger_and_utc_time(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = written(monkeypatch, io.StringIO())
    structlog.get_logger("elexirion.test").info("said", number=1)
    logging.getLogger("other.library").warning("said too")
    own, foreign = lines(stream)
    assert (own["event"], own["level"], own["logger"], own["number"]) == ("said", "info", "elexirion.test", 1)
    assert own["timestamp"].endswith("Z")
    assert (foreign["event"], foreign["level"], foreign["logger"]) == ("said too", "warning", "other.library")


def test_on_a_terminal_a_line_is_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = written(monkeypatch, Terminal())
    structlog.get_logger("elexirion.test").info("worker ready", lanes=["claude"])
    assert "worker ready" in stream.getvalue()
    with pytest.raises(json.JSONDecodeError):
        json.loads(stream.getvalue())


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_a_key_is_written_nowhere(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO) -> None:
    written(monkeypatch, stream, "debug")
    log = structlog.get_logger("elexirion.test")
    log.debug(
        f"event {KEY}", plain=KEY, inside={"headers": [f"Bearer {KEY}"]}, thing=SecretStr(KEY), odd=ValueError(KEY)
    )
    logging.getLogger("other.library").error("%s", KEY)
    try:
        raise RuntimeError(KEY)
    except RuntimeError:
        log.exception("failed")
    assert "RuntimeError" in stream.getvalue()
    assert KEY not in stream.getvalue()


@pytest.mark.parametrize("level", ["info", "warning", "error"])
def test_prompts_and_results_are_hidden_above_debug_level(monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    stream = written(monkeypatch, io.StringIO(), "debug")
    getattr(structlog.get_logger("t"), level)("step", prompt="hush", data={"result": ["hush"], "kept": 1}, step="a")
    (line,) = lines(stream)
    assert (line["prompt"], line["data"], line["step"]) == (HIDDEN, {"result": HIDDEN, "kept": 1}, "a")


def test_at_debug_level_they_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = written(monkeypatch, io.StringIO(), "debug")
    structlog.get_logger("t").debug("step", prompt="shown")
    assert lines(stream)[0]["prompt"] == "shown"


def test_the_level_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELEXIRION_LOG_LEVEL", "warning")
    stream = written(monkeypatch, io.StringIO())
    structlog.get_logger("t").info("no")
    structlog.get_logger("t").warning("yes")
    assert [line["event"] for line in lines(stream)] == ["yes"]


async def test_lines_of_an_execution_name_run_step_execution_and_correlation(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, log = written(monkeypatch, io.StringIO()), structlog.get_logger("a.step")

    async def speaks(work: Work, io: StepIO) -> Outcome:
        log.info("at work")
        await asyncio.sleep(0)
        logging.getLogger("a.library").warning("at work too")
        return Outcome("done")

    broker = Broker()
    executor = executor_of(broker, speaks)
    for n in (1, 2):
        record = execute(n)
        with logged_about(record):
            executor.accept(record)
    log.info("somewhere else")
    await until(lambda: len(broker.of("StepCompleted")) == 2)
    elsewhere, *of_steps = lines(stream)
    assert not {"run_id", "step", "execution_id", "correlation_id"} & elsewhere.keys()
    assert len(of_steps) == 4
    for line in of_steps:
        assert (line["run_id"], line["step"], line["correlation_id"]) == ("run-1", "s", "c")
    assert {line["execution_id"] for line in of_steps} == {"run-1/s#1", "run-1/s#2"}
