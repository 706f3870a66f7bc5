"""The definition as it stands in RunStarted: the normalised document of a pipeline, plain JSON."""

from typing import Any


def workflow_of(definition: dict[str, Any]) -> dict[str, Any]:
    """The workflow itself, whether or not it stands under a `workflow` key."""
    workflow = definition.get("workflow", definition)
    return workflow if isinstance(workflow, dict) else {}


def step_types(definition: dict[str, Any]) -> dict[str, str]:
    """Name to type of each step, in the order of the file."""
    steps = workflow_of(definition).get("steps") or []
    return {str(step["name"]): str(step["type"]) for step in steps}


def named_followers(definition: dict[str, Any]) -> int:
    """How many pipelines the definition itself names to follow it; those of a run begin with them."""
    return len(workflow_of(definition).get("then") or ())


def unwrapped(value: Any) -> Any:
    """A pipeline within another one without the `workflow` key that may stand around it."""
    return value["workflow"] if isinstance(value, dict) and set(value) == {"workflow"} else value
