"""A file's mapping into a draft: every part that can be read, also where others are wrong."""

from collections.abc import Iterator
from typing import Any

from elexirion.pipelines.draft import Draft, DraftBlock, DraftStep, Wanted
from elexirion.pipelines.problems import KeyPath
from elexirion.pipelines.schema import InputDeclaration, Pipeline, ResourceLimits
from elexirion.pipelines.steps.composite import CompositeStep
from elexirion.pipelines.steps.registry import AnyStep
from elexirion.pipelines.steps.step import Step
from pydantic import TypeAdapter, ValidationError

_STEP: TypeAdapter[Step] = TypeAdapter(AnyStep)


def draft_of(
    raw: dict[str, Any], pipeline: Pipeline | None, prefix: KeyPath, *, supplied: bool, wanted: Wanted = ()
) -> Draft:
    """The draft of a workflow that stands at `prefix`; `pipeline` is None where the file is wrong somewhere."""
    defaults = raw.get("defaults")
    return Draft(
        steps=_steps(raw, "steps", prefix, pipeline.steps if pipeline else None),
        on_error=_steps(raw, "on_error", prefix, pipeline.on_error if pipeline else None),
        inputs={name: _must_be_given(value) for name, value in _mapping(raw, "inputs").items()},
        variables=frozenset(_mapping(raw, "variables")),
        global_vars=frozenset(_mapping(raw, "global_vars")),
        functions=frozenset(_mapping(raw, "gemini_functions")),
        default_options=defaults.get("claude_options") if isinstance(defaults, dict) else None,
        output=raw.get("output"),
        most_nested=_most_nested(raw),
        prefix=prefix,
        supplied=supplied,
        wanted=wanted,
    )


def _steps(
    raw: dict[str, Any], key: str, prefix: KeyPath, read_steps: tuple[Step, ...] | None
) -> tuple[DraftStep, ...]:
    if read_steps is not None:
        return tuple(_read(step, (*prefix, key, index)) for index, step in enumerate(read_steps))
    written = raw.get(key)
    return _written(written, (*prefix, key)) if isinstance(written, list) else ()


def _read(step: Step, path: KeyPath) -> DraftStep:
    if not isinstance(step, CompositeStep):
        return DraftStep(path, step.name, step.needs, step)
    blocks = tuple(
        DraftBlock(tuple(_read(inner, (*path, *block.path, index)) for index, inner in enumerate(block.steps)))
        for block in step.blocks()
    )
    return DraftStep(path, step.name, step.needs, step, blocks, step.local_names())


def _written(steps: list[Any], path: KeyPath) -> tuple[DraftStep, ...]:
    return tuple(_draft_step(item, (*path, index)) for index, item in enumerate(steps))


def _draft_step(raw: Any, path: KeyPath) -> DraftStep:
    try:
        return _read(_STEP.validate_python(raw), path)
    except ValidationError:
        # Noted already, with its place, by the whole workflow's validation.
        name = raw.get("name") if isinstance(raw, dict) else None
    blocks = tuple(DraftBlock(_written(steps, (*path, *inner))) for inner, steps in _blocks(raw))
    return DraftStep(path, name if isinstance(name, str) else None, None, None, blocks, _locals(raw))


def _blocks(raw: Any) -> Iterator[tuple[KeyPath, list[Any]]]:
    """Lists of steps inside a step that is wrong itself."""
    kind = raw.get("type") if isinstance(raw, dict) else None
    keys = {"for_loop": ("steps",), "while_loop": ("steps",), "switch": ("default",)}
    for key in keys.get(kind, ()) if isinstance(kind, str) else ():
        if isinstance(raw.get(key), list):
            yield (key,), raw[key]
    if kind == "switch":
        for key, steps in _mapping(raw, "cases").items():
            if isinstance(steps, list):
                yield ("cases", key), steps


def _locals(raw: Any) -> frozenset[str]:
    if not isinstance(raw, dict):
        return frozenset()
    match raw.get("type"):
        case "for_loop":
            named = {name for name in (raw.get("iterator"), raw.get("as")) if isinstance(name, str)}
            return frozenset({"item", "loop"} | named)
        case "while_loop":
            return frozenset(["loop"])
        case _:
            return frozenset()


def _most_nested(raw: dict[str, Any]) -> int:
    try:
        return ResourceLimits.model_validate(raw.get("resource_limits", {})).max_nesting_depth
    except ValidationError:
        return ResourceLimits().max_nesting_depth


def _mapping(raw: dict[str, Any], key: str) -> dict[str, Any]:
    value = raw.get(key)
    return value if isinstance(value, dict) else {}


def _must_be_given(raw: Any) -> bool:
    try:
        return InputDeclaration.model_validate(raw).must_be_given
    except ValidationError:
        return False
