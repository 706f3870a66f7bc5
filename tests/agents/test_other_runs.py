"""What an open run says to other runs: each word once, and none to a child before its StartRun."""

from typing import Any

from elexirion.agents.orchestrator.other_runs import OtherRuns
from elexirion.events import run
from elexirion.events.commands import PauseRun, ResumeRun, RunSource
from elexirion.events.envelope import Record
from elexirion.events.values import Inline, Value

from tests.projections.partition_log import RunLog

CHILD = "child-1"


class Commands:
    """The topic `commands`; of the next `deaf` commands nothing is acknowledged."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.deaf = 0

    async def publish(self, record: Record) -> bool:
        self.records.append(record)
        self.deaf -= 1
        return self.deaf < 0

    async def load(self, value: Value) -> Any:
        return {"name": "child", "steps": []}

    def process(self) -> OtherRuns:
        """A process that decides for the parent."""
        return OtherRuns(self.publish, self.load)

    def said(self) -> list[tuple[str, str, int | None]]:
        return [(record.type, record.run_id, record.raw.get("parent_seq")) for record in self.records]


def parent() -> RunLog:
    """A run whose step waits for a child run, by its decision 2."""
    log = RunLog("p")
    ask_for_child(log)
    return log


def ask_for_child(log: RunLog) -> None:
    log.decide(run.ChildRunStarted(
        child_run_id=CHILD, command_id="c", relation="step", inputs={}, step="p", pipeline=Inline(), source=RunSource()
    ))  # fmt: skip


def pause(log: RunLog) -> None:
    log.receive(PauseRun(), f"pause-{log.now}")
    log.decide(run.RunPaused(command_id=list(log.fold.pending)[-1]))


def resume(log: RunLog) -> None:
    log.receive(ResumeRun(), f"resume-{log.now}")
    log.decide(run.RunResumed(command_id=list(log.fold.pending)[-1]))


START, PAUSED, RESUMED = ("StartRun", CHILD, None), ("PauseRun", CHILD, 3), ("ResumeRun", CHILD, 4)


async def test_a_child_begins_pauses_and_goes_on_with_its_parent_and_hears_each_word_once() -> None:
    commands, log = Commands(), parent()
    process = commands.process()
    for change in (lambda _: None, pause, resume):
        change(log)
        assert await process.tell(log.state)
        assert await process.tell(log.state)
    assert commands.said() == [START, PAUSED, RESUMED]


async def test_whoever_takes_over_says_that_a_child_goes_on_only_behind_its_start() -> None:
    commands, log = Commands(), parent()
    pause(log)
    resume(log)
    await commands.process().tell(log.state)
    assert commands.said() == [START, RESUMED]


async def test_a_child_whose_start_is_not_acknowledged_is_not_told_to_go_on() -> None:
    commands, log = Commands(), parent()
    pause(log)
    resume(log)
    process, commands.deaf = commands.process(), 1
    assert not await process.tell(log.state)
    assert commands.said() == [START]
    assert await process.tell(log.state)
    assert commands.said() == [START, START, RESUMED]


async def test_whoever_takes_over_from_a_run_that_is_paused_starts_no_child_and_says_the_pause_again() -> None:
    commands, log = Commands(), parent()
    pause(log)
    for process in (commands.process(), commands.process()):
        assert await process.tell(log.state)
    assert commands.said() == [PAUSED, PAUSED]
    assert len({record.id for record in commands.records}) == 1


async def test_a_child_that_is_asked_for_after_a_pause_hears_nothing_of_it() -> None:
    commands, log = Commands(), RunLog("p")
    pause(log)
    resume(log)
    ask_for_child(log)
    assert await commands.process().tell(log.state)
    assert commands.said() == [START]
