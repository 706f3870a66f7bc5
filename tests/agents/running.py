"""A step type of the local lane on its own: rendered by the real language, run by its real runner."""

import json
from typing import Any, cast

from elexirion.agents.settings import Settings
from elexirion.agents.steps.port import StepError, StepIO, Work
from elexirion.agents.steps.registry import RUNNERS
from elexirion.pipelines.loader import load
from elexirion.pipelines.names import Scope
from elexirion.pipelines.rendering import render_step
from elexirion.pipelines.schema import Pipeline


def pipeline_of(*steps: dict[str, Any], **workflow: Any) -> Pipeline:
    """A pipeline as a file would give it."""
    return load(json.dumps({"workflow": {"name": "p", **workflow, "steps": list(steps)}}), "p.json").pipeline


def config_of(pipeline: Pipeline, step: str, scope: Scope | None = None) -> dict[str, Any]:
    """The rendered step, as its worker gets it."""

    def no_file(path: str) -> Any:
        raise AssertionError(f"{path} is not to be read")

    return render_step(pipeline, step, scope or Scope(), no_file).config


async def result_of(step_type: str, config: dict[str, Any], settings: Settings | None = None) -> Any:
    """What the runner gives; raises StepError."""
    work = Work(
        run_id="run-1", execution_id="run-1/s#1", step="s", step_type=step_type, lane="local", attempt=1,
        config=config, timeout_s=60.0, offline=False,
    )  # fmt: skip
    runner = RUNNERS[step_type](settings or Settings())
    return (await runner(work, cast(StepIO, None))).result


async def refusal_of(step_type: str, config: dict[str, Any], settings: Settings | None = None) -> str:
    """The message of the typed failure that the runner ends with."""
    try:
        result = await result_of(step_type, config, settings)
    except StepError as error:
        assert error.failure.kind == "step_error"
        return error.failure.message
    raise AssertionError(f"no failure but a result: {result!r}")
