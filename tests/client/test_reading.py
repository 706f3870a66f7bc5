"""Small things that every reader of runs relies on."""

from datetime import UTC, datetime, timedelta

import pytest
from elexirion.agents.settings import Settings
from elexirion.client import Client
from elexirion.client.exported import fold_exported
from elexirion.client.results import elapsed_s, result_of
from elexirion.client.run_list import summary_of
from elexirion.events import step
from elexirion.events.codec import encode
from elexirion.events.envelope import make_record
from elexirion.events.values import Value

from tests.projections.partition_log import RunLog
from tests.projections.test_context_hash import FULL

AT = datetime(2026, 1, 1, tzinfo=UTC)


async def unread(value: Value) -> object:
    """A stand-in for reading large values."""
    return value


@pytest.mark.parametrize("run_id", ["x\n", "run-1\n", "", "a b", "a/b", "x" * 129])
async def test_an_id_that_only_looks_well_formed_is_refused(run_id: str) -> None:
    client = Client("nowhere:1", settings=Settings(_env_file=None))  # type: ignore[call-arg]  # pydantic-settings' own
    with pytest.raises(ValueError, match="a run id is made of"):
        await client.start({"name": "x", "steps": []}, run_id=run_id or "\n")


def test_time_is_counted_between_two_recorded_times_alone() -> None:
    assert elapsed_s(AT, AT + timedelta(seconds=2.5)) == 2.5
    assert elapsed_s(AT, None) is None
    assert elapsed_s(None, AT) is None


async def test_a_run_takes_the_same_time_in_its_result_and_in_the_list() -> None:
    result = await result_of(FULL.state, unread)
    assert result.duration_s == summary_of(FULL.state).duration_s
    assert result.duration_s is not None
    assert result.duration_s > 0
    open_run = RunLog("a").state
    assert (await result_of(open_run, unread)).duration_s is summary_of(open_run).duration_s is None


def test_an_export_folds_to_the_state_of_the_log_and_chunks_change_nothing() -> None:
    counted = [encode(record) for record, _ in FULL.records if record.type != "CommandReceived"]
    chunk = step.StepChunk(execution_id=FULL.execution("a", 1), n=1, text="x")
    with_text = [*counted[:3], encode(make_record(chunk, id="c", run_id=FULL.run_id, at=AT)), *counted[3:]]
    assert fold_exported(counted) == fold_exported(with_text) == FULL.state
    with pytest.raises(ValueError, match="no record of the export starts a run"):
        fold_exported(counted[1:])
