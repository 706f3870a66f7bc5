"""Failpoints: nothing without the environment, refused without a folder, and each fires once among all processes."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from elexirion.agents import failpoints
from elexirion.agents.failpoints import MARKED_IN, SPECIFIED_BY, FailpointError, FailpointsRefusedError
from elexirion.agents.settings import Settings
from elexirion.agents.worker.process import run_worker
from pydantic import ValidationError


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    failpoints.arm({})


def armed(folder: Path, **one: object) -> dict[str, str]:
    return {SPECIFIED_BY: json.dumps([one]), MARKED_IN: str(folder)}


def test_a_place_without_failpoints_does_nothing() -> None:
    failpoints.arm({})
    for place in failpoints.POINTS:
        failpoints.hit(place, "a")


def test_a_process_refuses_failpoints_without_a_folder_for_their_marks(tmp_path: Path) -> None:
    for folder in ({}, {MARKED_IN: ""}, {MARKED_IN: str(tmp_path / "missing")}):
        with pytest.raises(FailpointsRefusedError, match="ELEXIRION_FAILPOINTS_FOLDER"):
            failpoints.arm({SPECIFIED_BY: "[]", **folder})


def test_an_unknown_place_or_action_is_an_error(tmp_path: Path) -> None:
    for wrong in ({"at": "nowhere", "do": "kill"}, {"at": "command.read", "do": "explode"}):
        with pytest.raises(ValidationError):
            failpoints.arm(armed(tmp_path, **wrong))


def test_it_fires_at_the_nth_hit_of_its_run_and_never_again(tmp_path: Path) -> None:
    failpoints.arm(armed(tmp_path, at="execution.streaming", do="raise", nth=2, run="mine"))
    for run_id in ("mine", "other", "other"):
        failpoints.hit("execution.streaming", run_id)
    failpoints.hit("execution.result_sent", "mine")
    with pytest.raises(FailpointError, match=r"execution\.streaming"):
        failpoints.hit("execution.streaming", "mine")
    failpoints.hit("execution.streaming", "mine")
    assert (tmp_path / "execution.streaming-raise-2-mine").exists()


def test_hits_count_over_all_processes(tmp_path: Path) -> None:
    for _ in range(2):  # each as if it were a process of its own
        failpoints.arm(armed(tmp_path, at="dispatch.unsent", do="raise", nth=3))
        failpoints.hit("dispatch.unsent", "a")
    failpoints.arm(armed(tmp_path, at="dispatch.unsent", do="raise", nth=3))
    with pytest.raises(FailpointError):
        failpoints.hit("dispatch.unsent", "a")


def test_it_does_not_fire_where_another_process_came_to_it_first(tmp_path: Path) -> None:
    (tmp_path / "decision.sent-raise-1-").touch()
    failpoints.arm(armed(tmp_path, at="decision.sent", do="raise"))
    failpoints.hit("decision.sent", "a")


async def test_a_place_after_an_acknowledgement_waits_for_it_only_when_armed(tmp_path: Path) -> None:
    never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    failpoints.arm({})
    await failpoints.acknowledged("execution.started_acked", "a", never)

    failpoints.arm(armed(tmp_path, at="execution.started_acked", do="raise"))
    waiting = asyncio.create_task(failpoints.acknowledged("execution.started_acked", "a", never))
    await asyncio.sleep(0)
    assert not waiting.done()
    never.set_result(None)
    with pytest.raises(FailpointError):
        await waiting


async def test_a_worker_that_is_given_failpoints_by_mistake_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SPECIFIED_BY, "[]")
    with pytest.raises(FailpointsRefusedError):
        await run_worker(Settings(_env_file=None), "127.0.0.1:1")
