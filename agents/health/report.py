"""A health report: what each check found, when, and how long it took to find out."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from elexirion.events.envelope import utc_now, utc_text

Status = Literal["healthy", "degraded", "unhealthy", "not_configured"]

ALIASES: Mapping[str, str] = {"database": "kafka"}
"""Names under which earlier consumers of the report look for a check."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found; `detail` is for people and holds no secret."""

    status: Status
    detail: str


Check = Callable[[], Awaitable[Finding]]


@dataclass(frozen=True, slots=True)
class Examined:
    """A finding with when it was made (UTC) and how long that took, in seconds."""

    finding: Finding
    at: datetime
    duration_s: float

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "status": self.finding.status,
            "detail": self.finding.detail,
            "duration_ms": round(self.duration_s * 1000, 3),
            "timestamp": utc_text(self.at),
        }


@dataclass(frozen=True, slots=True)
class HealthReport:
    """All checks by name."""

    checks: Mapping[str, Examined]
    at: datetime

    @property
    def status(self) -> Status:
        """The worst of them; what is not configured degrades nothing."""
        found = {examined.finding.status for examined in self.checks.values()}
        if "unhealthy" in found:
            return "unhealthy"
        return "degraded" if "degraded" in found else "healthy"

    def document(self) -> dict[str, Any]:
        """As JSON; an alias repeats its check."""
        checks = {name: examined.document() for name, examined in self.checks.items()}
        aliases = {alias: checks[name] for alias, name in ALIASES.items() if name in checks}
        return {"status": self.status, "timestamp": utc_text(self.at), "checks": checks | aliases}


async def examine(checks: Mapping[str, Check], within_s: float) -> HealthReport:
    """Make all checks at once; one that raises or takes longer than `within_s` seconds is unhealthy."""
    found = await asyncio.gather(*(examined(check, within_s) for check in checks.values()))
    return HealthReport(dict(zip(checks, found, strict=True)), utc_now())


async def examined(check: Check, within_s: float) -> Examined:
    """Make one check."""
    at, began = utc_now(), time.monotonic()
    try:
        async with asyncio.timeout(within_s):
            finding = await check()
    except TimeoutError:
        finding = Finding("unhealthy", f"no answer within {within_s:g} s")
    except Exception as error:  # noqa: BLE001  # a check that cannot be made is a finding too
        finding = Finding("unhealthy", f"the check failed: {type(error).__name__}")
    return Examined(finding, at, time.monotonic() - began)


def cached(check: Check, for_s: float, clock: Callable[[], float] = time.monotonic) -> Check:
    """The check, made anew at most every `for_s` seconds."""
    kept: list[tuple[float, Finding]] = []

    async def from_cache() -> Finding:
        if not kept or clock() - kept[0][0] >= for_s:
            kept[:] = [(clock(), await check())]
        return kept[0][1]

    return from_cache


def judged(value: float, degraded_from: float, unhealthy_from: float) -> Status:
    """The status of a value that is better the smaller it is."""
    if value >= unhealthy_from:
        return "unhealthy"
    return "degraded" if value >= degraded_from else "healthy"
