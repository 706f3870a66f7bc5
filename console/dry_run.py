"""What a run would call and might cost, told without a broker, a worker or a key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from elexirion.agents.providers.models import resolve_model
from elexirion.agents.providers.prices import PriceTable, load_prices
from elexirion.agents.settings import Settings
from elexirion.console.child_files import find_child
from elexirion.console.exits import CommandProblem
from elexirion.console.run_tables import cost, on_stdout, print_rows
from elexirion.events.usage import Usage
from elexirion.pipelines.estimate import (
    ASSUMPTIONS,
    ChildPipeline,
    FileLength,
    OpenChild,
    PlannedStep,
    planned_steps,
)
from elexirion.pipelines.loader import Loaded, load_file
from elexirion.pipelines.presets import EVERY_TOOL
from elexirion.pipelines.problems import PipelineInvalid
from elexirion.pipelines.schema import Pipeline
from rich.text import Text

COLUMNS = ("step", "type", "lane", "model", "tools", "timeout", "attempts", "times", "tokens in", "tokens out", "cost")


@dataclass(frozen=True, slots=True)
class _Priced:
    """A planned step with its model's full name and what it may cost in USD; None where no price is known."""

    plan: PlannedStep
    model: str | None
    cost_usd: float | None

    @property
    def count(self) -> int:
        """How often it is counted: a number that is not known counts once."""
        return self.plan.times if self.plan.times is not None else 1


def dry_run(
    paths: Sequence[Path], files: Sequence[Loaded], inputs: dict[str, Any], settings: Settings, *, offline: bool
) -> dict[str, Any]:
    """The whole plan as one document; raises CommandProblem for a price table that cannot be read."""
    try:
        prices = load_prices(settings.prices_file)
    except ValueError as error:
        raise CommandProblem("wrong_setting", str(error), "Correct the setting prices_file.") from None
    pricing = _Pricing(settings, prices, offline)
    runs: list[dict[str, Any]] = []
    for path, loaded in zip(paths, files, strict=True):
        for pipeline in (loaded.pipeline, *loaded.pipeline.then):
            given = inputs if not runs else {}
            planned = planned_steps(pipeline, given, _file_length(path.parent), _opener(path.parent))
            steps = [pricing.priced(plan) for plan in planned]
            runs.append({"file": str(path), **_document(pipeline, steps)})
    total = _total([(one["total"], 1) for one in runs])
    return {"dry_run": True, "offline": offline, "runs": runs, "total": total, "assumptions": list(ASSUMPTIONS)}


@dataclass(frozen=True, slots=True)
class _Pricing:
    settings: Settings
    prices: PriceTable
    offline: bool

    def priced(self, plan: PlannedStep) -> _Priced:
        if not plan.calls or plan.lane is None:
            return _Priced(plan, None, 0.0)
        if self.offline:
            return _Priced(plan, self._model(plan), 0.0)
        model = self._model(plan)
        usage = Usage(input_tokens=plan.input_tokens, output_tokens=plan.output_tokens)
        known = None if model is None else self.prices.cost_usd(model, usage, datetime.now(UTC).date())
        return _Priced(plan, model, known)

    def _model(self, plan: PlannedStep) -> str | None:
        assert plan.lane is not None
        try:
            return resolve_model(plan.lane, plan.model, self.settings.model_aliases)
        except ValueError:
            return None


def _document(pipeline: Pipeline, steps: Sequence[_Priced]) -> dict[str, Any]:
    return {
        "pipeline": pipeline.name,
        "steps": [_step(step) for step in steps],
        "total": _total([(_spent(step), step.count) for step in steps]),
    }


def _step(step: _Priced) -> dict[str, Any]:
    plan = step.plan
    return {
        "name": plan.path,
        "type": plan.type,
        "lane": plan.lane,
        "needs": list(plan.needs),
        "condition": plan.condition,
        "timeout_s": plan.timeout_s,
        "retry": plan.retry.model_dump(mode="json"),
        "continue_on_error": plan.continue_on_error,
        "cache_ttl_s": plan.cache_ttl_s,
        "model": step.model,
        "tools": None if plan.tools is None else list(plan.tools),
        "times": plan.times,
        "note": plan.note,
        "estimate": _spent(step),
    }


def _spent(step: _Priced) -> dict[str, Any]:
    """What one time of the step is taken to spend."""
    return {
        "calls": step.plan.calls,
        "input_tokens": step.plan.input_tokens,
        "output_tokens": step.plan.output_tokens,
        "cost_usd": step.cost_usd,
    }


def _total(spent: Sequence[tuple[dict[str, Any], int]]) -> dict[str, Any]:
    """The sum of all times; an unknown cost makes the sum unknown."""
    total: dict[str, Any] = {
        key: sum(one[key] * count for one, count in spent) for key in ("calls", "input_tokens", "output_tokens")
    }
    costs = [one["cost_usd"] if one["cost_usd"] is None else one["cost_usd"] * count for one, count in spent]
    known = [one for one in costs if one is not None]
    return {**total, "cost_usd": sum(known) if len(known) == len(costs) else None}


def _opener(folder: Path) -> OpenChild:
    """Opens the pipelines that steps of a pipeline in `folder` run; None for those that are not there or wrong."""

    def opened(file: str) -> ChildPipeline | None:
        path = find_child(file, folder)
        try:
            loaded = load_file(path) if path else None
        except PipelineInvalid:
            return None
        if path is None or loaded is None:
            return None
        return ChildPipeline(loaded.pipeline, _file_length(path.parent), _opener(path.parent))

    return cache(opened)


def _file_length(start: Path) -> FileLength:
    def length(path: str) -> int | None:
        for folder in (Path(), start):
            try:
                return (folder / path).stat().st_size
            except (OSError, ValueError):
                continue
        return None

    return length


def print_plan(document: dict[str, Any]) -> None:
    """The plan for people: a table for each pipeline, conditions below it, then the sum."""
    console = on_stdout()
    for run in document["runs"]:
        console.print(Text(f"\n{run['pipeline']}", style="bold"))
        print_rows(COLUMNS, [_row(step) for step in run["steps"]], console)
        for step in run["steps"]:
            for said in (f"if {step['condition']}" if step["condition"] else None, step["note"]):
                if said:
                    console.print(Text(f"  {step['name']}: {said}", style="dim"), soft_wrap=True)
    total = document["total"]
    tokens = f"{total['input_tokens']} tokens in, {total['output_tokens']} out"
    calls = f"{total['calls']} call{'s' * (total['calls'] != 1)}"
    console.print(Text(f"\n{calls} · about {tokens} · {cost(total['cost_usd'])}", style="bold"))
    console.print(Text("Assumed: " + "; ".join(document["assumptions"]) + ".", style="dim"), soft_wrap=True)


def _row(step: dict[str, Any]) -> list[str]:
    spent, times = step["estimate"], step["times"]
    called = spent["calls"] > 0
    return [
        step["name"],
        step["type"],
        step["lane"] or "-",
        (step["model"] or "?") if called else "-",
        _tools(step["tools"]),
        "-" if step["timeout_s"] is None else f"{step['timeout_s']:g} s",
        str(step["retry"]["max_attempts"]) if step["lane"] else "-",
        "?" if times is None else str(times),
        str(spent["input_tokens"]) if called else "-",
        str(spent["output_tokens"]) if called else "-",
        cost(spent["cost_usd"]) if called else "-",
    ]


def _tools(tools: list[str] | None) -> str:
    if tools is None:
        return "-"
    return "all" if EVERY_TOOL in tools else ", ".join(tools) or "none"
