"""Python functions that models may call: those the operator registers, and only those.

The setting `functions` (`ELEXIRION_FUNCTIONS`) lists them as `package.module:name`, separated by commas. A function
answers calls to the function of the same name that a pipeline declares in `gemini_functions`. Its module has to be
importable: installed, or on PYTHONPATH. It gets the arguments by name, may be async, and gives back plain data.
"""

import asyncio
import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson
import structlog
from elexirion.agents.steps import schema_answer
from elexirion.agents.steps.port import StepError
from elexirion.agents.steps.schema_answer import Mismatch
from elexirion.pipelines.schema_dialect import json_schema
from pydantic_core import to_jsonable_python

Function: TypeAlias = Callable[..., Any]

_log = structlog.get_logger(__name__)


class FunctionsError(ValueError):
    """An entry of the setting `functions` that leads to no function; says which and why."""


class FunctionRefused(Exception):  # noqa: N818 - what happened, like every event
    """A function's own word on why it gives no result; its text goes into the step's result.

    The text of any other exception stays out of it, since it may hold a secret.
    """


@dataclass(frozen=True, slots=True)
class Answer:
    """What a function gave back: plain JSON, or a sentence on what went wrong."""

    value: Any
    is_error: bool = False


def load_functions(setting: str) -> dict[str, Function]:
    """The functions by name; raises FunctionsError. Their modules are imported, so their code runs."""
    functions: dict[str, Function] = {}
    for entry in (part.strip() for part in setting.split(",")):
        if not entry:
            continue
        name, function = _loaded(entry)
        if name in functions:
            raise FunctionsError(f"ELEXIRION_FUNCTIONS: two functions have the name {name!r}")
        functions[name] = function
    return functions


def _loaded(entry: str) -> tuple[str, Function]:
    module, _, name = entry.partition(":")
    if not module or not name.isidentifier():
        raise FunctionsError(f"ELEXIRION_FUNCTIONS: {entry!r} is not of the form package.module:name")
    try:
        function = getattr(importlib.import_module(module), name)
    except Exception as error:  # the module's own code may raise anything
        raise FunctionsError(f"ELEXIRION_FUNCTIONS: {entry!r} cannot be loaded: {error}") from error
    if not callable(function):
        raise FunctionsError(f"ELEXIRION_FUNCTIONS: {entry!r} is not a function")
    return name, function


async def answered(function: Function, arguments: dict[str, Any], parameters: Mapping[str, Any] | None) -> Answer:
    """What `function` gives for arguments that fit the declared `parameters`; it is not called for others.

    A function that is not async runs in a thread, which goes on where the step is given up.
    """
    if (wrong := _mismatch(arguments, parameters)) is not None:
        return Answer(wrong, is_error=True)
    try:
        return Answer(_plain(await _called(function, arguments)))
    except FunctionRefused as refused:
        return Answer(str(refused), is_error=True)
    except Exception as error:  # noqa: BLE001  # a function of the operator may raise anything
        _log.error("function_raised", function=getattr(function, "__name__", ""), error=type(error).__name__)
        return Answer(f"the function raised {type(error).__name__}", is_error=True)


def _mismatch(arguments: dict[str, Any], parameters: Mapping[str, Any] | None) -> str | None:
    if not parameters:
        return None
    try:
        schema = schema_answer.validator(json_schema(dict(parameters)))
        fitted = schema_answer.fitted(orjson.dumps(arguments).decode(), schema)
    except StepError:
        return "the parameters declared in `gemini_functions` are not a JSON Schema"
    return f"the arguments do not fit the declared parameters: {fitted}" if isinstance(fitted, Mismatch) else None


async def _called(function: Function, arguments: dict[str, Any]) -> Any:
    if inspect.iscoroutinefunction(function):
        return await function(**arguments)
    given = await asyncio.to_thread(function, **arguments)
    return await given if inspect.isawaitable(given) else given


def _plain(value: Any) -> Any:
    return orjson.loads(orjson.dumps(value, default=to_jsonable_python))
