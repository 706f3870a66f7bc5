"""Gauges of a process: lanes, lag, circuits, dead letters, loop."""

from datetime import UTC, datetime

from elexirion.events.envelope import make_record
from elexirion.events.provider import CircuitClosed, CircuitHalfOpened, CircuitOpened
from elexirion.events.record_model import RecordModel
from elexirion.projections.tally import MODELS

from tests.agents.telemetry.scraping import Process
from tests.projections.partition_log import RunLog

AT = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_lane_shows_slots_what_runs_and_what_waits() -> None:
    process = Process()
    names = ("elexirion_lane_slots", "elexirion_lane_busy", "elexirion_lane_queue")
    assert [process.value(name, lane="claude") for name in names] == [10, 10, 3]
    assert [process.value(name, lane="local") for name in names] == [64, 3, 0]


def test_the_lag_is_what_lies_between_the_fold_and_the_end() -> None:
    process, log = Process(), RunLog("a")
    process.orchestrator.gain(2)
    process.orchestrator.read(log.records, 2)
    assert process.value("elexirion_log_lag_records", partition="2") is None, "not asked yet"
    process.ends.ends = {2: len(log.records) + 7, 3: 50}
    assert process.value("elexirion_log_lag_records", partition="2") == 7
    assert process.value("elexirion_log_lag_records", partition="3") is None, "not ours"


def test_a_circuit_shows_its_present_state() -> None:
    process = Process()
    of = {"provider": "claude", "model": "sonnet"}

    def state_after(data: RecordModel) -> float | None:
        process.circuits.on_record(make_record(data, id="i", run_id="claude/sonnet", at=AT))
        return process.value("pipeline_circuit_state", **of)

    assert process.value("pipeline_circuit_state", **of) is None
    assert state_after(CircuitOpened(failures=5, until=AT, **of)) == 2
    assert state_after(CircuitHalfOpened(probe_call_id="c", **of)) == 1
    assert state_after(CircuitClosed(**of)) == 0


def test_circuits_are_bounded() -> None:
    process = Process()
    for n in range(MODELS + 5):
        data = CircuitClosed(provider="claude", model=f"m{n}")
        process.circuits.on_record(make_record(data, id="i", run_id="r", at=AT))
    assert len(list(process.circuits)) == MODELS


def test_dead_letters_and_the_broker_are_unknown_until_it_was_asked() -> None:
    process = Process()
    assert process.value("elexirion_kafka_up") == 0
    assert process.value("elexirion_dead_letters") is None
    process.ends.up, process.ends.dead_letters = True, 4
    assert process.value("elexirion_kafka_up") == 1
    assert process.value("elexirion_dead_letters") == 4


def test_the_loop_s_delay_is_shown() -> None:
    process = Process()
    process.loop.tick(1.5)
    assert process.value("elexirion_event_loop_lag_seconds") == 1.5


async def test_a_broker_that_does_not_answer_is_down_and_nothing_raises() -> None:
    process = Process()
    process.ends.up = True
    await process.ends.refresh()
    assert not process.ends.up
    await process.ends.stop()
