"""Gauges of a process: lanes, lag, circuits, dead letters, loop."""

from dataclasses import replace

from elexirion.projections.circuit import Circuit
from elexirion.projections.tally import MODELS

from tests.agents.telemetry.scraping import Process
from tests.projections.partition_log import RunLog


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
    topic = process.providers

    def shown() -> float | None:
        return process.value("pipeline_circuit_state", provider="claude", model="sonnet")

    assert shown() is None
    topic.failed("a", "b", "c", "d", "e")
    assert shown() == 0
    topic.decided()
    assert shown() == 2
    topic.now = 30
    topic.asks("p")
    topic.decided()
    assert shown() == 1
    topic.ended("p", "answered")
    topic.decided()
    assert shown() == 0


def test_circuits_are_bounded() -> None:
    process = Process()
    for n in range(MODELS + 5):
        process.providers.state = replace(
            process.providers.state, circuits={**process.providers.state.circuits, ("claude", f"m{n}"): Circuit("open")}
        )
        assert len(list(process.circuits)) == min(n + 1, MODELS)


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
