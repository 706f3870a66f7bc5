"""Bash: only where it is enabled, in the workspace, without the worker's keys, and never for longer than it may."""

import asyncio
import os
from pathlib import Path

import pytest
from elexirion.agents.settings import Settings
from elexirion.agents.tools import bash
from elexirion.agents.worker.workspace import Workspace

from tests.agents.tools.using import failed, used
from tests.agents.working import until

ENABLED = Settings(allow_bash=True, bash_timeout_s=20)


async def test_it_runs_nothing_unless_the_operator_enabled_it(space: Workspace) -> None:
    assert "not enabled by the operator (ELEXIRION_ALLOW_BASH)" in await failed("Bash", space, command="touch x")
    assert list(space.start.iterdir()) == []


async def test_it_gives_the_output_of_a_command_in_the_workspace(space: Workspace) -> None:
    assert await used("Bash", space, ENABLED, command="pwd; echo err >&2; cat") == f"{space.start}\nerr\n"
    assert await used("Bash", space, ENABLED, command="true") == "[no output]"


async def test_a_command_that_fails_is_an_error_with_its_output(space: Workspace) -> None:
    assert await failed("Bash", space, ENABLED, command="echo no; exit 3") == "no\n\n[exit code 3]"


async def test_it_knows_nothing_of_the_worker_s_environment(space: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-canary")
    said = await used("Bash", space, ENABLED, command="env")
    assert "sk-canary" not in said
    assert f"HOME={space.start}" in said


@pytest.mark.timeout(20)
async def test_a_command_that_takes_too_long_is_ended_with_all_that_it_started(space: Workspace) -> None:
    command = "sleep 60 & echo $! > child; echo before; wait"
    said = await failed("Bash", space, ENABLED, command=command, timeout=500)
    assert said == "before\n\n[ended after 0.5 s]"
    await until(lambda: _ended(space.start / "child"))


@pytest.mark.timeout(20)
async def test_what_a_command_leaves_in_the_background_ends_with_it(space: Workspace) -> None:
    assert await used("Bash", space, ENABLED, command="sleep 60 & echo $! > child") == "[no output]"
    await until(lambda: _ended(space.start / "child"))


@pytest.mark.timeout(20)
async def test_a_cancelled_step_ends_its_command(space: Workspace) -> None:
    running = asyncio.create_task(used("Bash", space, ENABLED, command="echo $$ > child; exec sleep 60"))
    await until(lambda: (space.start / "child").exists() and (space.start / "child").read_text(encoding="utf-8"))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert _ended(space.start / "child")


@pytest.mark.timeout(20)
async def test_a_model_s_own_time_does_not_pass_the_operator_s(space: Workspace) -> None:
    short = Settings(allow_bash=True, bash_timeout_s=0.3)
    assert "[ended after 0.3 s]" in await failed("Bash", space, short, command="sleep 60", timeout=600_000)


async def test_endless_output_is_cut(space: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bash, "MAX_OUTPUT_BYTES", 10)
    said = await used("Bash", space, ENABLED, command="head -c 5000000 /dev/zero | tr '\\0' x")
    assert said == "xxxxxxxxxx\n[cut after 10 bytes]"


def _ended(pid_file: Path) -> bool:
    """Whether the process runs no more; one that nobody has waited for yet has ended as well."""
    pid = int(pid_file.read_text(encoding="utf-8"))
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] == "Z"
