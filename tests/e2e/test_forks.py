"""Runs that take the results of another one, by the command line, with two workers on a real broker."""

from pathlib import Path

from elexirion.projections.context import context_hash

from tests.e2e.cluster import Cluster, Publisher, run_id
from tests.e2e.tape import Tape

PIPELINE = """\
name: forking
inputs: {who: {type: string, default: owls}}
steps:
  - {name: long, type: test_echo, value: "%s"}
  - {name: tone, type: set_variable, variables: {tone: dry}}
  - {name: answer, type: test_echo, value: "{{ tone }} {{ inputs.who }} {{ length(long.text) }}"}
  - {name: bad, type: test_echo, value: x, fail: true, retry: {max_attempts: 1}}
"""


async def test_a_run_is_tried_again_and_forked_from_the_log_after_its_end(
    standing: Cluster, tape: Tape, publisher: Publisher
) -> None:
    """A result of 5,000 characters is taken by reference."""
    run = run_id("forking")
    await publisher.start(run, PIPELINE % ("w" * 5000))
    assert (await tape.end_of(run)).type == "RunFailed"

    said = await standing.call("retry", run)
    assert (said["from_step"], said["carried"], said["of"]) == ("bad", ["long", "tone", "answer"], run)
    again = said["run_id"]
    assert (await tape.end_of(again)).type == "RunFailed"
    state = tape.state(again)
    assert (state.retry_of, len(state.executions)) == (run, 1)
    assert state.steps["answer"].carried_from == f"{run}/answer#1"
    assert state.context_hash == context_hash(state)

    code, _, err = await standing.command_line("fork", again, "--from", "answer", "--set", "whom=x")
    assert (code, "whom" in err) == (2, True)
    forked = await standing.call("fork", again, "--from", "answer", "--set", "who=bats", "--set", "tone=warm")
    assert forked["carried"] == ["long", "tone"]
    await tape.end_of(forked["run_id"])
    state = tape.state(forked["run_id"])
    assert state.steps["answer"].result == tape.accepted(forked["run_id"], "StepCompleted")[0].data.result  # type: ignore[union-attr]  # it is one
    assert state.steps["answer"].result.value == "warm bats 5000"  # type: ignore[union-attr]  # it is small
    shown = await standing.show(forked["run_id"])
    assert shown["steps"][0]["carried_from"] == f"{run}/long#1"


async def test_a_run_is_forked_with_a_file_that_was_changed(
    standing: Cluster, tape: Tape, publisher: Publisher, tmp_path: Path
) -> None:
    run, file = run_id("forking"), tmp_path / "changed.yaml"
    await publisher.start(run, PIPELINE % "word")
    assert (await tape.end_of(run)).type == "RunFailed"
    file.write_text(
        (PIPELINE % "another").replace("fail: true, ", "") + "  - {name: last, type: test_echo, value: z}\n"
    )

    code, forked, told = await standing.command_line("fork", run, "--from", "bad", "--file", str(file))
    assert code == 0, told
    assert f"{file} says something else of long;" in told
    end = await tape.completed(forked.strip())
    assert end.raw["result"]["value"] == "z"
    state = tape.state(forked.strip())
    assert state.steps["long"].result == tape.state(run).steps["long"].result
    assert {e.step for e in state.executions.values()} == {"bad", "last"}

    code, _, told = await standing.command_line("fork", run, "--from", "bad", "--file", str(tmp_path / "none.yaml"))
    assert (code, "none.yaml" in told) == (2, True)
