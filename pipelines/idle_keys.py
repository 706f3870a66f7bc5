"""Keys that every step may have and that do nothing on some step types: they warn, and say what to do."""

from collections.abc import Mapping

from elexirion.pipelines.draft import Draft, Findings
from elexirion.pipelines.steps.composite import BranchStep, ItemsStep, LoopStep, RepeatStep
from elexirion.pipelines.steps.step import Step

_TIMEOUTS = ("timeout", "timeout_ms", "timeout_seconds")
_OF_CALLS = ("cache", "fallback", "streaming")
_OF_RESULTS = ("output_to_file", "output_schema")
_BY_TYPE: Mapping[str, tuple[str, ...]] = {
    "approval": ("retry", *_OF_CALLS, *_OF_RESULTS),
    "delay": ("retry", *_TIMEOUTS, *_OF_CALLS, *_OF_RESULTS),
    "pipeline": _OF_CALLS,
    "set_variable": ("retry", *_TIMEOUTS, *_OF_CALLS),
    "test_echo": ("cache", "fallback"),
}


def note_idle_keys(draft: Draft, findings: Findings) -> None:
    """Warn of each such key of each step."""
    for one in draft.all_steps():
        if one.step is None:
            continue
        for key in idle_keys(one.step):
            if key in one.step.model_fields_set and getattr(one.step, key) != type(one.step).model_fields[key].default:
                message = f"`{key}` has no effect on a step of the type `{one.step.type}`"
                findings.warning((*one.path, key), message, _hint(one.step))


def idle_keys(step: Step) -> tuple[str, ...]:
    """The keys of every step that do nothing on this one."""
    match step:
        case ItemsStep():  # they hold for each of its items
            return ()
        case LoopStep() | BranchStep():
            return ("retry", *_TIMEOUTS, *_OF_CALLS)
        case RepeatStep():
            return ("retry", *_OF_CALLS)
        case _:
            return _BY_TYPE.get(step.type, _OF_CALLS if step.lane == "local" else ())


def _hint(step: Step) -> str | None:
    return "give it to the steps inside" if isinstance(step, LoopStep | RepeatStep | BranchStep) else None
