"""Sessions with `persist: true`: what one run says, the next one knows, whoever decides and whoever died between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from elexirion.events.commands import Signal
from elexirion.events.identifiers import session_run_id, turns_command_id
from elexirion.events.partitioner import partition_of
from elexirion.projections.run_state import RunState

from tests.e2e.cluster import Cluster, Publisher, run_id
from tests.e2e.tape import Tape
from tests.stub.client import StubServer
from tests.stub.script import Answer, Rule

PARTITIONS = 8
TELLS = """\
name: tells
steps:
  - {name: tell, type: claude_session, session_config: {session_name: NAME, persist: true}, prompt: My cat is Mia.}
"""
ASKS = """\
name: asks
steps:
  - {name: ask, type: claude_session, session_config: {session_name: NAME, persist: true}, prompt: What is its name?}
  - {name: more, type: claude_session, session_config: {session_name: NAME, persist: true}, prompt: And mine?}
"""
READS = """\
name: reads
steps:
  - name: read
    type: claude
    prompt:
      - {type: session_context, session_id: "{{ which }}", persist: true}
      - {type: static, content: Sum it up.}
"""
TOLD = [("user", "My cat is Mia."), ("assistant", "A fine name.")]

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def answers(stub: StubServer) -> StubServer:
    """What the stub says to each thing said last; the first rule that finds its text in the conversation wins."""
    said = [("And mine?", "You did not say."), ("its name?", "Mia."), ("Mia", "A fine name.")]
    stub.script(*(Rule(contains=text, answer=Answer(chunks=(answer,))) for text, answer in said))
    return stub


def conversations(stub: StubServer) -> list[list[tuple[str, str]]]:
    """The conversation of each call, as pairs of role and text."""
    return [[(str(one["role"]), _text(one["content"])) for one in call.asked.messages] for call in stub.calls()]


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(str(block["text"]) for block in content)


async def _decides(cluster: Cluster, tape: Tape) -> dict[int, str]:
    """Two processes that only decide and one that only executes; who decides for each partition."""
    deciding = [cluster.start(f"decides-{n}", roles="orchestrator") for n in (1, 2)]
    executing = cluster.start("executes", roles="lanes", lanes="claude")
    await cluster.ready(tape, *deciding, executing)
    while len(set((await _owners(cluster, tape)).values())) < 2:
        assert all(worker.alive for worker in deciding)
    return await _owners(cluster, tape)  # those of before may be from the middle of sharing out


async def _owners(cluster: Cluster, tape: Tape) -> dict[int, str]:
    """Who started the runs of each partition just now."""
    before = len(tape.counted("RunStarted"))
    await cluster.deciding(tape)
    return {seen.partition: seen.author for seen in tape.counted("RunStarted")[before:]}


def _named(wanted: Callable[[str], bool], make: Callable[[int], str]) -> str:
    """The first of the names that `make` numbers that is wanted."""
    return next(name for n in range(10_000) if wanted(name := make(n)))


def _apart(owners: dict[int, str]) -> tuple[str, str, str]:
    """Two run ids that one process decides, and the name of a session that the other one decides."""
    owner = owners[min(owners)]
    runs = [_named(lambda id: _owner(owners, id) == owner, lambda n: f"{run_id('apart')}-{n}") for _ in range(2)]
    name = _named(
        lambda name: _owner(owners, session_run_id(name, offline=False)) not in (None, owner), lambda n: f"tutor {n}"
    )
    return runs[0], runs[1], name


def _owner(owners: dict[int, str], id: str) -> str | None:
    return owners.get(partition_of(id, PARTITIONS))


async def _run(publisher: Publisher, tape: Tape, run: str, pipeline: str, name: str, **more: Any) -> RunState:
    await publisher.start(run, pipeline.replace("NAME", name), **more)
    await tape.completed(run, 40)
    return tape.state(run)


async def test_a_run_knows_what_an_ended_run_said_in_a_session_that_another_orchestrator_decides(
    cluster: Cluster, answers: StubServer
) -> None:
    async with cluster.tape() as tape, cluster.publisher() as publisher:
        run, following, name = _apart(await _decides(cluster, tape))
        await _run(publisher, tape, run, TELLS, name)
        await _run(publisher, tape, following, ASKS, name)

        asked = [*TOLD, ("user", "What is its name?")]
        more = [*asked, ("assistant", "Mia."), ("user", "And mine?")]
        assert conversations(answers) == [TOLD[:1], asked, more]
        session = tape.state(session_run_id(name, offline=False))
        assert [one.execution_id for one in session.shared_turns] == [
            f"{run}/tell#1", f"{following}/ask#1", f"{following}/more#1"
        ]  # fmt: skip
        assert session.status == "running"


async def test_a_session_outlives_the_death_of_all_workers(cluster: Cluster, answers: StubServer) -> None:
    async with cluster.tape() as tape, cluster.publisher() as publisher:
        await cluster.ready(tape, cluster.start("one"), cluster.start("two"))
        await cluster.deciding(tape)
        run, name = run_id("before"), run_id("tutor")
        await _run(publisher, tape, run, TELLS, name)
        for worker in list(cluster.workers.values()):
            worker.kill()
        cluster.start("three")
        state = await _run(publisher, tape, f"{run}-after", READS, name, inputs={"which": name})

        [_, (_, said)] = [conversation[0] for conversation in conversations(answers)]
        assert said == "User: My cat is Mia.\nAssistant: A fine name.\nSum it up."
        assert state.steps["read"].said is None
        session = tape.state(session_run_id(name, offline=False))
        assert [one.execution_id for one in session.shared_turns] == [f"{run}/tell#1"]


async def test_turns_count_once_when_their_orchestrator_dies_before_the_run_ends(
    cluster: Cluster, answers: StubServer
) -> None:
    async with cluster.tape() as tape, cluster.publisher() as publisher:
        owners = await _decides(cluster, tape)
        run, following, name = _apart(owners)
        await publisher.start(run, HELD.replace("NAME", name))
        session = session_run_id(name, offline=False)
        await tape.until(lambda: tape.named(session, "SignalReceived"), 20, "the session takes the turns")
        cluster.workers[owners[partition_of(run, PARTITIONS)].rpartition(".")[0]].kill()
        await tape.until(lambda: _said_again(tape, run, session), 30, "whoever takes over says them again")
        await publisher.command(Signal(name="approve"), run, f"approve-{run}")
        await tape.completed(run)

        await _run(publisher, tape, following, ASKS, name)
        assert len(tape.accepted(session, "SignalReceived")) == 3
        assert conversations(answers)[1] == [*TOLD, ("user", "What is its name?")]


HELD = TELLS + "  - {name: wait, type: approval, message: Go on?}\n"


def _said_again(tape: Tape, run: str, session: str) -> bool:
    id = turns_command_id(f"{run}/tell#1")
    return len([s for s in tape.named(session, "CommandReceived") if s.record.raw["command_id"] == id]) > 1


async def test_runs_at_the_same_time_lose_no_turn_of_a_session(
    standing: Cluster, tape: Tape, publisher: Publisher, answers: StubServer
) -> None:
    name, runs = run_id("crowd"), [run_id("crowd") for _ in range(12)]
    await asyncio.gather(*(_run(publisher, tape, run, TELLS, name) for run in runs))
    session = tape.state(session_run_id(name, offline=False))
    assert sorted(one.execution_id or "" for one in session.shared_turns) == sorted(f"{run}/tell#1" for run in runs)


async def test_a_cancelled_run_leaves_what_it_said_and_forget_empties_the_session(
    standing: Cluster, tape: Tape, publisher: Publisher, answers: StubServer
) -> None:
    name, run = run_id("tutor"), run_id("cancelled")
    session = session_run_id(name, offline=False)
    await publisher.start(run, HELD.replace("NAME", name))
    await tape.event(run, "ApprovalRequested")
    await publisher.cancel(run)
    assert (await tape.end_of(run)).type == "RunCancelled"
    await tape.until(lambda: tape.accepted(session, "SignalReceived"), 20, "the session has its turns")
    assert tape.state(session).shared_turns

    await publisher.cancel(session)
    rejected = await tape.event(session, "CommandRejected")
    assert rejected.record.raw["reason_code"] == "not_applicable"
    await publisher.command(Signal(name="forget"), session, f"forget-{run}")
    await tape.until(lambda: len(tape.named(session, "SignalReceived")) > 1, 20, "the session forgets")
    await _run(publisher, tape, f"{run}-next", TELLS, name)
    assert conversations(answers) == [TOLD[:1], TOLD[:1]]


async def test_runs_without_a_network_have_a_session_of_their_own(
    standing: Cluster, tape: Tape, publisher: Publisher, answers: StubServer
) -> None:
    name = run_id("tutor")
    await _run(publisher, tape, run_id("dry"), TELLS, name, offline=True)
    assert tape.state(session_run_id(name, offline=True)).shared_turns
    await _run(publisher, tape, run_id("real"), TELLS, name)
    assert conversations(answers) == [TOLD[:1]]
