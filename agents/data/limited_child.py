"""The process that runs a transformation with limits: one request from the standard input, one answer, the end."""

import contextlib
import resource
import sys
from typing import Any

import orjson
from elexirion.agents.data.request import answer
from elexirion.agents.data.values import DataRefused


def main() -> None:
    """Arguments: seconds of processor time, bytes of memory for data."""
    cpu_s, memory_bytes = int(sys.argv[1]), int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    # Not every system lets it be lowered; the time limit holds on all of them.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    sys.stdout.buffer.write(_answered(sys.stdin.buffer.read()))


def _answered(request: bytes) -> bytes:
    try:
        found: dict[str, Any] = {"value": answer(orjson.loads(request), lambda: None)}
        return orjson.dumps(found)
    except DataRefused as error:
        return orjson.dumps({"error": str(error)})
    except MemoryError:
        return b'{"bound": "memory"}'
    except (TypeError, RecursionError) as error:
        return orjson.dumps({"error": f"the result is no JSON: {type(error).__name__}"})


if __name__ == "__main__":
    main()
