"""`elexirion health`: exit code 0 where all is healthy, 1 otherwise; from here, or as a worker says."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.agents.telemetry.test_http_endpoint import Pages

CHECKS = {
    "kafka", "database", "claude_api", "gemini_api", "openai_api", "memory", "process_count", "disk", "log_lag",
    "circuits",
}  # fmt: skip


@pytest.fixture
async def pages() -> AsyncIterator[Pages]:
    shown = Pages()
    await shown.endpoint.start()
    yield shown
    await shown.endpoint.stop()


async def called(*words: str, home: Path) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command, without settings of this machine."""
    keys = ("ANTHROPIC_API_KEY", "GEMINI_API_KEY", "OPENAI_API_KEY")
    kept = {k: v for k, v in os.environ.items() if not k.startswith("ELEXIRION_") and k not in keys}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "elexirion.console.main", "health", *words, env=kept | {"ELEXIRION_HOME": str(home)},
        cwd=home, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_without_a_broker_it_is_unhealthy_and_says_so(tmp_path: Path) -> None:
    code, out, _ = await called("--json", home=tmp_path)
    document: dict[str, Any] = json.loads(out)
    assert (code, document["status"]) == (1, "unhealthy")
    assert document["checks"].keys() == CHECKS
    assert document["checks"]["database"] == document["checks"]["kafka"]
    assert "no broker runs" in document["checks"]["kafka"]["detail"]
    assert document["checks"]["claude_api"]["status"] == "not_configured"
    assert document["checks"]["memory"].keys() == {"status", "detail", "duration_ms", "timestamp"}


async def test_people_see_a_table(tmp_path: Path) -> None:
    code, out, _ = await called(home=tmp_path)
    assert code == 1
    assert "process_count" in out
    assert "database" not in out, "an alias is for machines"


async def test_a_worker_is_asked_for_its_own_report(pages: Pages, tmp_path: Path) -> None:
    found = []
    for pages.status in ("healthy", "degraded", "unhealthy"):
        code, out, _ = await called("--worker", pages.endpoint.url, "--json", home=tmp_path)
        found.append((code, json.loads(out)["status"]))
    assert found == [(0, "healthy"), (1, "degraded"), (1, "unhealthy")]


async def test_a_draining_worker_is_not_ready(pages: Pages, tmp_path: Path) -> None:
    pages.reason = "draining"
    code, out, _ = await called("--worker", pages.endpoint.url, home=tmp_path)
    assert code == 1
    assert "not ready: draining" in out


async def test_a_worker_that_does_not_answer_is_a_clear_error(tmp_path: Path) -> None:
    code, out, err = await called("--worker", "http://127.0.0.1:1", "--json", home=tmp_path)
    assert code == 1
    assert json.loads(out)["error"]["kind"] == "worker_unreachable"
    assert "ELEXIRION_HTTP_PORT" in err


async def test_what_is_no_address_is_a_wrong_use(tmp_path: Path) -> None:
    code, _, err = await called("--worker", "localhost:9464", home=tmp_path)
    assert code == 2
    assert "http://127.0.0.1:9464" in err
