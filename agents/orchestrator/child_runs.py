"""The run that a `pipeline` step asks for, checked before it is asked for; what parent and child tell each other."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from elexirion.agents.decide_command import NotLoadable
from elexirion.agents.evaluated import Calling, NotPossible
from elexirion.agents.orchestrator.start_check import StartCheck
from elexirion.events.commands import CancelRun, ChildEnded, Parent, PauseRun, Replay, ResumeRun, RunSource, StartRun
from elexirion.events.envelope import Record, make_record, utc_now
from elexirion.events.failure import Failure
from elexirion.events.identifiers import child_run_id
from elexirion.events.priority import Priority
from elexirion.events.values import Inline
from elexirion.pipelines.problems import PipelineInvalid
from elexirion.pipelines.prompts import ReadFile
from elexirion.pipelines.steps.pipeline_step import PipelineStep
from elexirion.projections.run_state import Child, RunState

FindFile = Callable[[str], Path]


def called(
    state: RunState, step: PipelineStep, path: str, config: dict[str, Any], variables: Mapping[str, Any],
    timeout_s: float | None, read_file: ReadFile, find_file: FindFile, checker: StartCheck,
) -> Calling | NotPossible:  # fmt: skip
    """What the child run will be, or why there can be none.

    `config` is the step's, rendered; `variables` are all that hold where it stands.
    """
    depth = (state.parent.depth if state.parent else 0) + 1
    if depth > config["max_depth"]:
        return _refused(path, f"pipelines run {depth} deep, and `max_depth` is {config['max_depth']}")
    file = config["pipeline_file"]
    if file is not None and str(find_file(file)) in _files(state):
        return _refused(path, f"the pipeline file {file} is running already above this step: it would never end")
    try:
        document = _from_file(step, file, read_file, checker) if file is not None else step.inline_definition() or {}
    except PipelineInvalid as invalid:
        return _refused(path, "\n".join(str(problem) for problem in invalid.errors))
    except (OSError, ValueError) as error:
        return _refused(path, f"the pipeline file {file} cannot be read: {error}")
    inherited = {**variables, **state.inputs} if config["inherit_context"] else {}
    source = state.source if file is None else RunSource(
        file=file, folder=str(find_file(file).parent), cwd=state.source.cwd
    )  # fmt: skip
    calling = Calling(Inline(value=document), {**inherited, **config["inputs"]}, source, timeout_s)
    checked = checker.check(StartRun(pipeline=document, source=source, inputs=calling.inputs))
    return _refused(path, checked.reason) if isinstance(checked, NotLoadable) else calling


def _from_file(step: PipelineStep, file: str, read_file: ReadFile, checker: StartCheck) -> dict[str, Any]:
    loaded = checker.read(read_file(file).decode(), file)
    return step.child_definition(loaded.definition)


def _refused(path: str, message: str) -> NotPossible:
    return NotPossible(Failure(kind="evaluation", message=f"step {path}: {message}"))


def _files(state: RunState) -> tuple[str, ...]:
    """The pipeline files of this run and of those above it, each as one text wherever it is named from."""
    source, above = state.source, state.parent.files if state.parent else ()
    if source.file is None:
        return above
    named = Path(source.folder, Path(source.file).name) if source.folder else Path(source.cwd or ".", source.file)
    return (*above, str(named.resolve()))


def start_child(state: RunState, child: Child, pipeline: Any) -> Record:
    """The command that starts a child; sending it again is harmless, and asks the child how it ended."""
    depth = (state.parent.depth if state.parent else 0) + 1
    parent = Parent(run_id=state.run_id, step=child.step, depth=depth, files=_files(state))
    data = StartRun(
        pipeline=pipeline, source=child.source, inputs=child.inputs, offline=state.offline, parent=parent,
        tags=state.tags, replay_from=_recorded(state, child), priority=inherited(state),
    )  # fmt: skip
    return make_record(
        data, id=child.command_id, run_id=child.run_id, at=utc_now(), causation_id=state.last,
        correlation_id=state.correlation_id,
    )  # fmt: skip


def inherited(state: RunState) -> Priority | None:
    """The priority of a run of another pipeline that this one leads to; beside the usual one, its own counts."""
    return None if state.priority == "normal" else state.priority


def _recorded(state: RunState, child: Child) -> Replay | None:
    """The recorded run's own child of the same step and attempt, where this run is answered from a recording."""
    replay = state.replay_from
    if replay is None or replay.run_id is None:
        return replay
    recorded = child_run_id(replay.run_id, child.step, state.steps[child.step].failures)
    return replay.model_copy(update={"run_id": recorded})


def cancel_child(run_id: str, child_run_id: str, reason: str) -> Record:
    """The command that ends a child whose parent does not wait for it any more."""
    data = CancelRun(reason=reason)
    return make_record(data, id=f"{run_id}/cancel/{child_run_id}", run_id=child_run_id, at=utc_now())


def turn_child(state: RunState, child_run_id: str) -> Record:
    """The command by which a child pauses and goes on with its parent, which was paused at least once."""
    assert state.turned_seq is not None
    pause = PauseRun(reason=f"run {state.run_id} is paused", parent_seq=state.turned_seq)
    data = pause if state.status == "paused" else ResumeRun(parent_seq=state.turned_seq)
    id = f"{state.run_id}/turn/{state.turned_seq}/{child_run_id}"
    return make_record(data, id=id, run_id=child_run_id, at=utc_now())


def tell_parent(parent_run_id: str, ended: ChildEnded) -> Record:
    """The command that tells a parent how its child ended; sending it again is harmless."""
    return make_record(ended, id=f"{ended.child_run_id}/ended", run_id=parent_run_id, at=utc_now())
