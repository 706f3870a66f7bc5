"""What `retry` and `fork` say of the new run: what it takes over, and whether its file says something else by now."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from elexirion.console.exits import note

if TYPE_CHECKING:
    from elexirion.client import RunHandle
    from elexirion.events.run import RunForked
    from elexirion.projections.run_state import RunState


async def forked_document(
    handle: RunHandle, forked: RunForked, before: RunState | None, file: Path | None = None
) -> dict[str, Any]:
    """The new run, once the log says that it started; raises CommandRejectedError where it was refused.

    `file` is the changed pipeline that it runs, if it runs one.
    """
    started = await handle.started(timeout=None)
    return {
        "run_id": forked.new_run_id,
        "relation": forked.relation,
        "of": before.run_id if before else None,
        "from_step": forked.from_step,
        "carried": list(forked.carried),
        "file_changed": _changed(before) if before and file is None else None,
        "file": str(file) if file else None,
        "carried_differ": [name for name in forked.carried if before and _differs(name, before, started)],
    }


def _differs(name: str, before: RunState, after: RunState) -> bool:
    """Whether a step says something else than the one whose result is taken."""
    return bool(_step(name, before) != _step(name, after))


def _step(name: str, state: RunState) -> Any:
    from elexirion.pipelines.definition import workflow_of

    steps = workflow_of(state.definition).get("steps") or []
    return next((step for step in steps if step.get("name") == name), None)


def _changed(before: RunState) -> str | None:
    """The pipeline file, where it says something else than the run did."""
    from elexirion.pipelines.loader import load_file
    from elexirion.pipelines.problems import PipelineInvalid

    if before.source.file is None:
        return None
    file = Path(before.source.cwd or ".", before.source.file)
    try:
        same = load_file(file).sha256 == before.definition_sha256
    except (OSError, PipelineInvalid):
        same = False
    return None if same else str(file)


def print_forked(document: dict[str, Any]) -> None:
    """For people; the id alone on stdout."""
    typer.echo(document["run_id"])
    taken = ", ".join(document["carried"]) or "nothing"
    where = f"from {document['from_step']}" if document["from_step"] else "from where it stood"
    note(f"{document['relation']} of {document['of']} {where}; taken over: {taken}")
    if document["file_changed"]:
        note(f"Warning: {document['file_changed']} has changed since; this run goes on with what the log has.")
    if document["carried_differ"]:
        steps = ", ".join(document["carried_differ"])
        note(f"Warning: {document['file']} says something else of {steps}; the results are those that the log has.")
    note(f"Follow it: elexirion watch {document['run_id']}")
