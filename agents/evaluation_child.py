"""The process that evaluates isolated templates: reads a request, answers, and is killed at its limits.

Frames on standard input and output: four bytes of length, then JSON.
"""

import json
import resource
import signal
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

from elexirion.pipelines.isolated import Isolated, answer
from elexirion.pipelines.names import Scope, scope_as_json
from elexirion.pipelines.template_errors import TemplateError, TemplateLimitError

_LENGTH_BYTES = 4
_PAGE_KB = 1024
_SCHEMAS = "elexirion.agents.steps.schema_answer"


def main() -> None:
    """Serve until the input ends; arguments: seconds of processor time, bytes of memory."""
    cpu_s, memory_bytes = float(sys.argv[1]), int(sys.argv[2])
    # Warm: the first evaluation loads what later ones share, before memory is counted.
    answer(Isolated("template", "{% for x in [1] %}{{ x | upper }}{% endfor %}"), scope_as_json(Scope()))
    _limit_memory(memory_bytes)
    _write(sys.stdout.buffer, {"value": "ready"})
    while (request := _read(sys.stdin.buffer)) is not None:
        if request["kind"] == "schema":
            import_module(_SCHEMAS)  # most processes never need it; its loading is no part of the evaluation
        # No handler: at the end of its time the process dies, wherever it is.
        signal.setitimer(signal.ITIMER_PROF, cpu_s)
        frame = _encoded(request)
        signal.setitimer(signal.ITIMER_PROF, 0)
        _send(sys.stdout.buffer, frame)


def _encoded(request: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps({"value": _answer(request)}).encode()
    except TemplateLimitError as error:
        return json.dumps({"bound": error.bound, "error": str(error)}).encode()
    except TemplateError as error:
        return json.dumps({"error": str(error)}).encode()
    except MemoryError:
        return b'{"bound": "memory", "error": "out of memory"}'
    except RecursionError:
        return b'{"error": "nested too deeply"}'


def _answer(request: Mapping[str, Any]) -> Any:
    if request["kind"] == "schema":
        return _fitted(request["value"], request["schema"])
    return answer(Isolated(request["kind"], request["source"]), request["scope"])


def _fitted(value: Any, schema: dict[str, Any]) -> dict[str, Any]:
    """What `Fitted` holds."""
    from elexirion.agents.steps import schema_answer
    from elexirion.agents.steps.port import StepError

    try:
        found = schema_answer.fitted_value(value, schema_answer.validator(schema))
    except StepError as error:
        return {"refused": error.failure.message}
    if isinstance(found, schema_answer.Mismatch):
        return {"mismatch": str(found)}
    return {"read": found, "was_read": True} if found is not value else {}


def _limit_memory(more: int) -> None:
    """Let the process grow by so many bytes and no more; where the kernel counts private memory (Linux)."""
    status = Path("/proc/self/status")
    if not status.exists():
        return
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmData:"))
    used = int(line.split()[1]) * _PAGE_KB
    resource.setrlimit(resource.RLIMIT_DATA, (used + more, used + more))


def _read(stream: BinaryIO) -> dict[str, Any] | None:
    head = stream.read(_LENGTH_BYTES)
    if len(head) < _LENGTH_BYTES:
        return None
    request: dict[str, Any] = json.loads(stream.read(int.from_bytes(head, "big")))
    return request


def _write(stream: BinaryIO, value: Mapping[str, Any]) -> None:
    _send(stream, json.dumps(value).encode())


def _send(stream: BinaryIO, frame: bytes) -> None:
    stream.write(len(frame).to_bytes(_LENGTH_BYTES, "big") + frame)
    stream.flush()


if __name__ == "__main__":
    main()
