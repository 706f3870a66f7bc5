"""The StartRun of a fork is sent when its RunForked counts, and said again, always the same, by whoever takes over."""

import asyncio
from typing import Any

from elexirion.agents.orchestrator.follow import Followed
from elexirion.agents.orchestrator.fork_starts import ForkStarts
from elexirion.events.commands import RetryRun, StartRun
from elexirion.events.envelope import Record, make_record
from elexirion.events.identifiers import fork_command_id
from elexirion.events.run import RunForked
from elexirion.events.values import Inline
from elexirion.projections.partition import Accepted, Refused

from tests.projections.partition_log import RUN, PartitionLog, hash_of

COMMAND = RetryRun(new_run_id="again")


def forked_log(copies: int) -> tuple[PartitionLog, list[Followed]]:
    """A RetryRun and what so many orchestrators say of it."""
    log = PartitionLog()
    log.receive(COMMAND, "c")
    data = RunForked(
        command_id="c", content_hash=hash_of(COMMAND, RUN), relation="retry", new_run_id="again",
        start_command_id=fork_command_id(RUN, "c"), start=Inline(value=StartRun(pipeline="…").model_dump(mode="json")),
    )  # fmt: skip
    said: list[Followed] = []
    for n in range(copies):
        record = make_record(data, id=f"forked-{n}", run_id=RUN, at=log.now)
        refused = log.write(record)
        said.append(Followed(record, Refused(refused) if refused else Accepted(0), None))
    return log, said


async def sent_by(told: list[Followed], log: PartitionLog | None = None) -> list[Record]:
    """What a process sends that reads these, or takes the partition over."""
    sent: list[Record] = []
    some = asyncio.Event()

    async def send(record: Record) -> bool:
        sent.append(record)
        some.set()
        return True

    async def load(value: Any) -> Any:
        return value.value

    starts = ForkStarts(load, send)
    for one in told:
        starts.after(one)
    if log is not None:
        starts.take_over(log.fold)
    running = asyncio.create_task(starts.run())
    async with asyncio.timeout(5):
        await some.wait()
    running.cancel()
    return sent


async def test_of_two_outcomes_one_counts_and_its_run_is_asked_for_once() -> None:
    log, told = forked_log(2)
    assert [one.accepted for one in told] == [True, False]
    assert log.fold.pending == {}
    (record,) = await sent_by(told)
    assert (record.type, record.run_id, record.id) == ("StartRun", "again", f"{RUN}/fork/c")


async def test_whoever_takes_over_asks_for_it_again_with_the_same_content() -> None:
    log, told = forked_log(1)
    (first,), (again,) = await sent_by(told), await sent_by([], log)
    assert (again.id, again.raw) == (first.id, first.raw)
