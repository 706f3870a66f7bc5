"""The run that a `pipeline` step asks for: which pipeline, which inputs, and when it is refused."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest_asyncio
from elexirion.agents.evaluated import Answer, Calling, NotPossible
from elexirion.agents.evaluation import BoundedEvaluator
from elexirion.agents.orchestrator.child_runs import start_child
from elexirion.agents.orchestrator.plans import Plans
from elexirion.agents.orchestrator.session_log import SessionLog
from elexirion.agents.questions import AboutStep
from elexirion.agents.settings import Settings
from elexirion.events.commands import Parent, RunSource, StartRun
from elexirion.events.values import Inline
from elexirion.projections.run_state import Child

from tests.agents.running import pipeline_of
from tests.agents.working import load, store
from tests.projections.partition_log import RUN, RunLog

INLINE = {"name": "child", "steps": [{"name": "a", "type": "test_echo", "value": "{{ topic }}"}]}


@pytest_asyncio.fixture
async def plans() -> AsyncIterator[Plans]:
    evaluator = BoundedEvaluator()
    await evaluator.start()
    yield Plans(Settings(trust_run_folders=True), evaluator, load, store, cast(SessionLog, None))
    await evaluator.stop()


async def answer(plans: Plans, keys: dict[str, Any], **fields: Any) -> Answer:
    """What a step `c` of these keys comes to in a run of these fields."""
    definition = pipeline_of({"name": "c", "type": "pipeline", **keys}).definition()
    log = RunLog("c", definition=definition, definition_sha256=json.dumps(definition), **fields)
    return await plans.answer(log.state, AboutStep("c"))


async def calling(plans: Plans, keys: dict[str, Any], **fields: Any) -> Calling:
    found = await answer(plans, keys, **fields)
    assert isinstance(found, Calling), found
    return found


async def refused(plans: Plans, keys: dict[str, Any], **fields: Any) -> str:
    found = await answer(plans, keys, **fields)
    assert isinstance(found, NotPossible), found
    assert found.failure.kind == "evaluation"
    return found.failure.message


def write(folder: Path, name: str, child: dict[str, Any]) -> Path:
    """A pipeline file."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(child))
    return path


async def test_a_child_that_stands_in_the_file_gets_its_inputs_and_the_place_of_its_parent(plans: Plans) -> None:
    source = RunSource(file="p.yaml", folder="/pipes", cwd="/work")
    found = await calling(plans, {"pipeline": INLINE, "inputs": {"topic": "{{ inputs.theme }}s"}},
                          inputs={"theme": "tide"}, source=source)  # fmt: skip
    assert found.inputs == {"topic": "tides"}
    assert found.source == source
    assert isinstance(found.pipeline, Inline)
    assert found.pipeline.value["name"] == "child"


async def test_the_outputs_that_are_asked_for_are_the_output_of_the_child(plans: Plans) -> None:
    keys = {"pipeline": INLINE, "inputs": {"topic": 1}, "outputs": ["a.x", {"path": "results.a", "as": "whole"}]}
    found = await calling(plans, keys)
    assert isinstance(found.pipeline, Inline)
    assert found.pipeline.value["output"] == {"x": "a.x", "whole": "steps.a"}


async def test_the_time_of_the_child_is_that_of_its_step_or_of_its_config(plans: Plans) -> None:
    keys = {"pipeline": INLINE, "inputs": {"topic": 1}}
    assert (await calling(plans, keys)).timeout_s is None
    assert (await calling(plans, {**keys, "config": {"timeout_seconds": 9}})).timeout_s == 9
    assert (await calling(plans, {**keys, "timeout": "5s", "config": {"timeout_seconds": 9}})).timeout_s == 5


async def test_what_a_child_inherits_stands_below_its_own_inputs(plans: Plans) -> None:
    keys = {"pipeline": INLINE, "inputs": {"topic": "own"}, "config": {"inherit_context": True}}
    found = await calling(plans, keys, inputs={"topic": "of the parent", "theme": "tide"})
    assert found.inputs == {"topic": "own", "theme": "tide"}


async def test_a_child_that_lacks_an_input_is_refused_before_it_is_asked_for(plans: Plans, tmp_path: Path) -> None:
    write(tmp_path, "child.yaml", {**INLINE, "inputs": {"topic": {"type": "string"}}})
    said = await refused(plans, {"pipeline_file": "child.yaml"}, source=RunSource(folder=str(tmp_path)))
    assert said.startswith("step c: ")
    assert "topic" in said


async def test_a_child_whose_file_is_not_there_is_refused(plans: Plans, tmp_path: Path) -> None:
    said = await refused(plans, {"pipeline_file": "none.yaml"}, source=RunSource(folder=str(tmp_path)))
    assert said.startswith("step c: the pipeline file none.yaml cannot be read: ")


async def test_a_child_whose_file_is_not_valid_is_refused_with_all_places(plans: Plans, tmp_path: Path) -> None:
    write(tmp_path, "child.yaml", {"name": "child", "steps": [{"name": "a", "type": "test_eco"}]})
    said = await refused(plans, {"pipeline_file": "child.yaml"}, source=RunSource(folder=str(tmp_path)))
    assert said.startswith("step c: child.yaml:1:")
    assert "Unknown step type" in said


async def test_a_file_outside_the_folders_of_the_run_is_refused(plans: Plans, tmp_path: Path) -> None:
    write(tmp_path, "child.yaml", INLINE)
    source = RunSource(folder=str(tmp_path / "own"), cwd=str(tmp_path / "own"))
    said = await refused(plans, {"pipeline_file": "../child.yaml"}, source=source)
    assert "outside the allowed folders" in said


async def test_a_child_of_a_file_has_the_folder_of_that_file(plans: Plans, tmp_path: Path) -> None:
    write(tmp_path, "pipes/parts/child.yaml", INLINE)
    source = RunSource(file="p.yaml", folder=str(tmp_path / "pipes"), cwd=str(tmp_path))
    found = await calling(plans, {"pipeline_file": "parts/child.yaml", "inputs": {"topic": 1}}, source=source)
    folder = str(tmp_path / "pipes/parts")
    assert found.source == RunSource(file="parts/child.yaml", folder=folder, cwd=str(tmp_path))


async def test_the_name_of_the_file_may_be_a_template(plans: Plans, tmp_path: Path) -> None:
    write(tmp_path, "tides.yaml", INLINE)
    keys = {"pipeline_file": "{{ inputs.kind }}.yaml", "inputs": {"topic": 1}}
    found = await calling(plans, keys, inputs={"kind": "tides"}, source=RunSource(folder=str(tmp_path)))
    assert found.source.file == "tides.yaml"


# Depth and circles ------------------------------------------------------------------------------------------


async def test_pipelines_run_no_deeper_than_they_may(plans: Plans) -> None:
    keys = {"pipeline": INLINE, "inputs": {"topic": 1}, "config": {"max_depth": 2}}
    await calling(plans, keys, parent=Parent(run_id="above", step="c", depth=1))
    said = await refused(plans, keys, parent=Parent(run_id="above", step="c", depth=2))
    assert said == "step c: pipelines run 3 deep, and `max_depth` is 2"


def started(log_source: RunSource, parent: Parent | None = None) -> Parent:
    """What a child of such a run knows of those above it."""
    log = RunLog("c", source=log_source, **({"parent": parent} if parent else {}))
    child = Child("child", "command", "c", Inline(), RunSource(), {}, None, 2)
    command = start_child(log.state, child, {}).data
    assert isinstance(command, StartRun)
    assert command.parent is not None
    return command.parent


def test_a_child_knows_its_parent_its_depth_and_the_files_above_it(tmp_path: Path) -> None:
    top = started(RunSource(file="pipes/p.yaml", folder=str(tmp_path / "pipes"), cwd=str(tmp_path)))
    assert (top.run_id, top.step, top.depth) == (RUN, "c", 1)
    assert top.files == (str(tmp_path / "pipes/p.yaml"),)
    below = started(RunSource(file="parts/x.yaml", folder=str(tmp_path / "pipes/parts"), cwd=str(tmp_path)), top)
    assert below.depth == 2
    assert below.files == (str(tmp_path / "pipes/p.yaml"), str(tmp_path / "pipes/parts/x.yaml"))


async def test_a_file_that_calls_itself_is_refused_wherever_it_was_started(plans: Plans, tmp_path: Path) -> None:
    folder = tmp_path / "pipes"
    write(folder, "own.yaml", INLINE)
    source = RunSource(file="pipes/own.yaml", folder=str(folder), cwd=str(tmp_path))
    said = await refused(plans, {"pipeline_file": "own.yaml"}, source=source)
    assert said.startswith("step c: the pipeline file own.yaml is running already above this step")


async def test_a_child_that_calls_itself_is_refused_at_its_first_time(plans: Plans, tmp_path: Path) -> None:
    write(tmp_path, "pipes/child.yaml", INLINE)
    above = started(RunSource(file="pipes/p.yaml", folder=str(tmp_path / "pipes"), cwd=str(tmp_path)))
    child = RunSource(file="child.yaml", folder=str(tmp_path / "pipes"), cwd=str(tmp_path))
    said = await refused(plans, {"pipeline_file": "child.yaml"}, source=child, parent=above)
    assert "is running already above this step" in said


async def test_a_child_that_calls_a_file_above_it_is_refused(plans: Plans, tmp_path: Path) -> None:
    write(tmp_path, "pipes/p.yaml", INLINE)
    above = started(RunSource(file="pipes/p.yaml", folder=str(tmp_path / "pipes"), cwd=str(tmp_path)))
    child = RunSource(file="parts/x.yaml", folder=str(tmp_path / "pipes"), cwd=str(tmp_path))
    assert "already above" in await refused(plans, {"pipeline_file": "p.yaml"}, source=child, parent=above)
