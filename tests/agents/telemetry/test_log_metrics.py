"""/metrics shows the counts of the log: the same before and after a restart, and of owned partitions only."""

import re

from elexirion.agents.telemetry.log_metrics import LogMetrics
from elexirion.agents.telemetry.tallies import Tallies
from elexirion.events import provider, run
from elexirion.events.dead_letter import DeadLetter
from elexirion.events.usage import Usage
from elexirion.projections.tally import MODELS
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.agents.telemetry.following import Orchestrator
from tests.projections.partition_log import RunLog, failure

STEPS = "pipeline_steps_total"


class Scraped:
    """An orchestrator with its metrics."""

    def __init__(self) -> None:
        self.orchestrator = Orchestrator()
        tallies = Tallies(self.orchestrator.owned)
        self.registry = CollectorRegistry()
        self.registry.register(LogMetrics(self.orchestrator.owned, tallies))

    def samples(self, name: str) -> dict[tuple[str, ...], float]:
        """The samples of one name, by the values of their labels in the order of the labels' names."""
        families = text_string_to_metric_families(generate_latest(self.registry).decode())
        found = (sample for family in families for sample in family.samples if sample.name == name)
        return {tuple(value for _, value in sorted(sample.labels.items())): sample.value for sample in found}


def one_run() -> RunLog:
    """A run with a failed and a completed attempt, and a late report."""
    log = RunLog("a", "b")
    log.schedule("a")
    log.begin("a")
    log.fail("a", failure("invalid_request"))
    log.schedule("b")
    log.begin("b")
    log.complete("b")
    assert log.complete("b") == "execution_closed"
    return log


def unlike_any_other(n: int) -> RunLog:
    """The n-th run: its names of pipeline, steps, types, provider, model and worker stand in no other run."""
    known, odd, worker = f"step{n}", f"odd{n}", f"worker{n}.aaaa"
    steps = [{"name": known, "type": "test_echo"}, {"name": odd, "type": f"type{n}"}]
    definition = {"name": f"pipeline{n}", "steps": steps}
    log = RunLog(
        run_id=f"run{n}", command_id=f"start{n}", pipeline_name=f"pipeline{n}", definition=definition,
        author=f"author{n}.bbbb",
    )  # fmt: skip
    for name, step_type in ((known, "test_echo"), (odd, f"type{n}")):
        log.schedule(name, worker, step_type=step_type)
        log.begin(name, worker)
        execution = log.execution(name)
        called = provider.ProviderResponded(
            execution_id=execution, incarnation=worker, call_id=f"{execution}/1", provider=f"provider{n}",
            model=f"model{n}", usage=Usage(input_tokens=n + 1, output_tokens=1), duration_s=1.0, first_chunk_s=0.1,
            cost_usd=0.01 if name == known else None,
        )  # fmt: skip
        assert log.report(called) is None
        assert log.complete(name, worker) is None
    assert log.complete(odd, worker) == "execution_closed"
    assert log.end() is None
    return log


def test_the_numbers_are_those_of_the_log() -> None:
    log, scraped = one_run(), Scraped()
    scraped.orchestrator.gain()
    scraped.orchestrator.read(log.records)
    assert scraped.samples(STEPS) == {("0", "completed", "test_echo"): 1, ("0", "failed", "test_echo"): 1}
    assert scraped.samples("elexirion_log_records_refused_total") == {("0", "execution_closed"): 1}
    assert scraped.samples("pipeline_step_duration_seconds_count") == {("0", "test_echo"): 2}
    assert scraped.samples("pipeline_runs_open") == {("0", "running"): 1, ("0", "paused"): 0, ("0", "held"): 0}


def test_a_restart_that_replays_shows_the_same_numbers() -> None:
    log, first, second = one_run(), Scraped(), Scraped()
    for scraped in (first, second):
        scraped.orchestrator.gain()
    first.orchestrator.read([], live=True)
    first.orchestrator.read(log.records)
    second.orchestrator.read(log.records, live=False)
    second.orchestrator.read([], live=True)
    names = [
        STEPS,
        "pipeline_runs_total",
        "pipeline_step_duration_seconds_bucket",
        "elexirion_log_records_accepted_total",
    ]
    for name in names:
        assert first.samples(name) == second.samples(name) != {}


def test_a_partition_that_is_still_being_read_is_not_shown() -> None:
    scraped = Scraped()
    scraped.orchestrator.gain()
    scraped.orchestrator.read(one_run().records, live=False)
    assert scraped.samples(STEPS) == {}
    assert scraped.samples("elexirion_log_partitions") == {("live",): 0, ("catching_up",): 1}


def test_a_lost_partition_leaves_and_comes_back_whole() -> None:
    log, scraped = one_run(), Scraped()
    scraped.orchestrator.gain()
    scraped.orchestrator.read(log.records)
    held = scraped.samples(STEPS)
    scraped.orchestrator.lose()
    assert scraped.samples(STEPS) == {}
    scraped.orchestrator.gain()
    scraped.orchestrator.read(log.records)
    assert scraped.samples(STEPS) == held


def test_partitions_are_told_apart_so_that_a_move_is_no_burst() -> None:
    scraped = Scraped()
    for partition in (0, 3):
        scraped.orchestrator.gain(partition)
        scraped.orchestrator.read(one_run().records, partition)
    assert {key[0] for key in scraped.samples(STEPS)} == {"0", "3"}


def test_buckets_are_cumulative_and_end_with_all() -> None:
    log, scraped = RunLog("a"), Scraped()
    log.schedule()
    log.begin()
    log.report(log.completed().model_copy(update={"duration_s": 0.02}))
    scraped.orchestrator.gain()
    scraped.orchestrator.read(log.records)
    buckets = scraped.samples("pipeline_step_duration_seconds_bucket")
    by_bound = {key[0]: value for key, value in buckets.items()}
    assert (by_bound["0.01"], by_bound["0.025"], by_bound["600.0"], by_bound["+Inf"]) == (0, 1, 1, 1)


def test_an_unreadable_record_is_counted() -> None:
    scraped = Scraped()
    owned = scraped.orchestrator.gain()
    scraped.orchestrator.followed.tell(owned, DeadLetter("t.events", 0, 0, "not JSON", None, b"{"))
    scraped.orchestrator.read([])
    assert scraped.samples("elexirion_log_records_unreadable_total") == {("0",): 1}


def test_names_of_pipelines_and_ids_of_runs_are_no_labels() -> None:
    log, scraped = RunLog("a", run_id="run-very-secret", pipeline_name="hush"), Scraped()
    log.schedule()
    log.begin()
    log.complete()
    log.end(run.RunCompleted)
    scraped.orchestrator.gain()
    scraped.orchestrator.read(log.records)
    text = generate_latest(scraped.registry).decode()
    assert "hush" not in text
    assert "run-very-secret" not in text


def test_a_thousand_pipelines_are_as_many_series_as_the_first_of_them() -> None:
    scraped, records, series = Scraped(), [], []
    scraped.orchestrator.gain()
    for n in range(1000):
        records += unlike_any_other(n).records
        if n + 1 in (MODELS + 1, 1000):
            scraped.orchestrator.read(records)
            text = generate_latest(scraped.registry).decode()
            series.append({line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")})
    assert scraped.samples("pipeline_runs_total") == {("0", "started"): 1000, ("0", "completed"): 1000}
    assert scraped.samples(STEPS) == {("0", "completed", "test_echo"): 1000, ("0", "completed", "other"): 1000}
    first, all_of_them = series
    assert all_of_them == first
    assert len({line for line in first if "model=" in line and "pipeline_cost_usd_total" in line}) == MODELS + 1
    named = re.compile(r"(pipeline|step|odd|type|run|author|worker|start)\d")
    assert [line for line in all_of_them if named.search(line)] == []


def test_a_listener_hears_what_counts_and_is_new_and_cannot_disturb_the_log() -> None:
    class Deaf:
        def on_record(self, record: object) -> None:
            raise RuntimeError("no")

    heard: list[str] = []

    class Hears:
        def on_record(self, record: object) -> None:
            heard.append(record.type)  # type: ignore[attr-defined]

    orchestrator, log = Orchestrator(), one_run()
    orchestrator.followed.listen(Deaf())
    orchestrator.followed.listen(Hears())
    orchestrator.gain()
    orchestrator.read(log.records[:2])
    assert heard == [], "replayed"
    orchestrator.read(log.records)
    assert heard == [record.type for record, _ in log.records[2:-1]], "all but the late report"


def test_records_that_no_snapshot_holds_are_shown_once_the_partition_is_read() -> None:
    scraped, log = Scraped(), one_run()
    owned = scraped.orchestrator.gain()
    scraped.orchestrator.read(log.records, live=False)
    assert scraped.samples("elexirion_log_unsaved_records") == {}
    scraped.orchestrator.read(log.records)
    assert scraped.samples("elexirion_log_unsaved_records") == {("0",): len(log.records)}
    owned.snapshot = len(log.records) - 3
    assert scraped.samples("elexirion_log_unsaved_records") == {("0",): 3}
