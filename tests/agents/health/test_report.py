"""A report joins checks: the worst counts, nothing of it raises, and a cached check is asked again in time."""

import asyncio
from datetime import UTC, datetime

import pytest
from elexirion.agents.health.report import Check, Finding, Status, cached, examine, judged


def always(status: Status, detail: str = "said") -> Check:
    """A check with this finding."""

    async def check() -> Finding:
        return Finding(status, detail)

    return check


@pytest.mark.parametrize(
    ("found", "status"),
    [
        ([], "healthy"),
        (["healthy", "not_configured"], "healthy"),
        (["healthy", "degraded", "not_configured"], "degraded"),
        (["degraded", "unhealthy", "healthy"], "unhealthy"),
    ],
)
async def test_the_worst_finding_is_the_status(found: list[Status], status: Status) -> None:
    checks = {f"c{number}": always(each) for number, each in enumerate(found)}
    assert (await examine(checks, 1)).status == status


async def test_a_check_that_raises_is_unhealthy_and_hides_what_it_said() -> None:
    async def check() -> Finding:
        raise RuntimeError("key sk-123")

    report = await examine({"kafka": check, "other": always("healthy")}, 1)
    assert report.checks["kafka"].finding == Finding("unhealthy", "the check failed: RuntimeError")
    assert report.checks["other"].finding.status == "healthy"


async def test_a_check_that_hangs_is_unhealthy() -> None:
    async def check() -> Finding:
        await asyncio.Event().wait()
        raise AssertionError

    report = await examine({"hangs": check}, 0.05)
    assert report.checks["hangs"].finding == Finding("unhealthy", "no answer within 0.05 s")


async def test_the_document_says_when_and_how_long_and_knows_kafka_as_database_too() -> None:
    before = datetime.now(UTC)
    document = (await examine({"kafka": always("healthy")}, 1)).document()
    assert document["status"] == "healthy"
    assert document["checks"]["database"] == document["checks"]["kafka"]
    check = document["checks"]["kafka"]
    assert check["detail"] == "said"
    assert check["duration_ms"] >= 0
    for text in (document["timestamp"], check["timestamp"]):
        assert text.endswith("Z")
        assert before <= datetime.fromisoformat(text) <= datetime.now(UTC)


async def test_a_cached_check_is_made_again_when_its_time_is_over() -> None:
    now, made = [0.0], []

    async def check() -> Finding:
        made.append(now[0])
        return Finding("healthy", str(len(made)))

    kept = cached(check, 30, lambda: now[0])
    for at in (0.0, 29.9, 30.0):
        now[0] = at
        found = await kept()
    assert made == [0.0, 30.0]
    assert found.detail == "2"


@pytest.mark.parametrize(
    ("value", "status"), [(0, "healthy"), (84.9, "healthy"), (85, "degraded"), (95, "unhealthy"), (99, "unhealthy")]
)
def test_a_value_is_judged_by_two_limits(value: float, status: Status) -> None:
    assert judged(value, 85, 95) == status
