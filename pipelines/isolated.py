"""Sources that may take long, and the answer of the process that evaluates them.

This is all that the limited process imports, so it stays small: no models, no loader.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, assert_never

from elexirion.pipelines import conditions, templates
from elexirion.pipelines.names import Scope, scope_from_json
from elexirion.pipelines.templates import Template


@dataclass(frozen=True, slots=True)
class Isolated:
    """A source that must be evaluated in a process with limits."""

    kind: Literal["template", "expression", "condition"]
    source: str


Evaluated = Mapping[Isolated, Any]
"""What `answer` gave for each isolated source."""


def answer(isolated: Isolated, scope_json: Mapping[str, Any]) -> Any:
    """The value of one source as plain JSON; raises TemplateError."""
    scope = scope_from_json(scope_json)
    if isolated.kind == "condition":
        found = conditions.evaluate(conditions.parse(isolated.source), scope)
        return {"value": found.value, "warnings": list(found.warnings)}
    return templates.render(parsed(isolated), scope)


def parsed(isolated: Isolated) -> Template:
    """The source as a template; a condition is parsed by its own rules."""
    match isolated.kind:
        case "template":
            return templates.parse(isolated.source)
        case "expression" | "condition":
            return templates.parse_expression(isolated.source)
        case _:
            assert_never(isolated.kind)


def value_of(isolated: Isolated, scope: Scope, evaluated: Evaluated) -> Any:
    """The value that was evaluated elsewhere, or else the value now."""
    if isolated in evaluated:
        return evaluated[isolated]
    return templates.render(parsed(isolated), scope)
