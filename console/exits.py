"""How a command ends: its exit code, and what is printed when something is wrong."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

import typer

DONE = 0
RUN_FAILED = 1
USAGE = 2
UNREACHABLE = 3
INTERRUPTED = 130


@dataclass
class CommandProblem(Exception):  # noqa: N818  # a problem of any kind, not only an error
    """Why a command ends with `code`: what happened, what to do, and for machines `kind` and `more`."""

    kind: str
    message: str
    hint: str = ""
    code: int = USAGE
    more: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}".strip()


@contextmanager
def reported(as_json: bool) -> Iterator[None]:
    """Turn every known problem into its message and exit code."""
    try:
        yield
    except CommandProblem as problem:
        _end(problem, as_json)
    except (typer.Exit, typer.Abort, KeyboardInterrupt):
        raise
    except Exception as error:
        known = _known(error)
        if known is None:
            raise
        _end(known, as_json)


def _known(error: Exception) -> CommandProblem | None:
    # Here, since a command that never meets a broker should not wait for its libraries to load.
    from elexirion.agents.failpoints import FailpointsRefusedError
    from elexirion.agents.functions import FunctionsError
    from elexirion.agents.kafka.errors import (
        KafkaProblem,
        ProducerFatalError,
        RecordTooLargeError,
        TopicsMismatchError,
    )
    from elexirion.agents.providers.prices import PriceFileError
    from elexirion.agents.telemetry.errors import PortTakenError
    from elexirion.client.dead_letters import NoSuchLetterError, NotRedrivableError
    from elexirion.client.errors import CommandRejectedError, UnknownRunError
    from elexirion.console.broker.errors import BrokerError
    from pydantic import ValidationError

    match error:
        case BrokerError():
            return CommandProblem(error.kind, error.message, error.hint, UNREACHABLE)
        case TopicsMismatchError() | RecordTooLargeError():
            return CommandProblem(_kind(error), error.message, error.hint)
        case ProducerFatalError():
            return CommandProblem(_kind(error), error.message, "Start it again; --supervise does.", RUN_FAILED)
        case KafkaProblem():
            return CommandProblem(_kind(error), error.message, error.hint, UNREACHABLE)
        case PortTakenError():
            return CommandProblem(_kind(error), error.message, error.hint)
        case FunctionsError():
            return CommandProblem("wrong_setting", str(error), "Correct the setting functions.")
        case FailpointsRefusedError():
            return CommandProblem("wrong_setting", str(error), "Unset it: failpoints are for tests.")
        case PriceFileError():
            return CommandProblem("wrong_setting", str(error), "Correct the setting prices_file.")
        case UnknownRunError():
            return CommandProblem("unknown_run", str(error), "List them: elexirion runs", more={"near": error.near})
        case NoSuchLetterError() | NotRedrivableError():
            return CommandProblem(_kind(error), str(error))
        case CommandRejectedError():
            return CommandProblem(error.code, str(error), more={"run_id": error.run_id})
        case TimeoutError():
            said = "nothing answered in time; a command that was published stands in the log and counts all the same"
            return CommandProblem("no_answer", said, "Is there a worker that decides? elexirion worker", UNREACHABLE)
        case ValidationError():
            return CommandProblem("wrong_setting", _settings(error), "Correct the environment or the .env file.")
        case _:
            return None


def _kind(error: Exception) -> str:
    words = type(error).__name__.removesuffix("Error")
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in words).lstrip("_")


def _settings(error: Any) -> str:
    # Without the values: one of them may be a key.
    return "; ".join(f"setting {'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())


def _end(problem: CommandProblem, as_json: bool) -> NoReturn:
    typer.secho("Error: ", fg="red", bold=True, err=True, nl=False)
    typer.echo(str(problem), err=True)
    if as_json:
        said = {"kind": problem.kind, "message": problem.message, "hint": problem.hint, **problem.more}
        print_json({"error": said})
    raise typer.Exit(problem.code)


def print_json(document: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """Something a person should know that is no result: on stderr."""
    typer.secho(text, err=True, dim=True)
