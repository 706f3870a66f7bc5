"""What pydantic says about a file, in sentences with a place in it."""

from typing import Any

from elexirion.pipelines.draft import Findings
from elexirion.pipelines.near import did_you_mean
from elexirion.pipelines.problems import KeyPath
from elexirion.pipelines.steps.registry import STEP_TYPES
from pydantic import ValidationError
from pydantic_core import ErrorDetails

_SEGMENTS = ("static", "file", "previous_response", "session_context", "claude_continue")


def note_form_errors(error: ValidationError, raw: dict[str, Any], prefix: KeyPath, findings: Findings) -> None:
    """Each error at the key that it is about."""
    for details in error.errors(include_url=False):
        if details["type"] == "too_short" and details["input"]:
            # The items are wrong, each with an error of its own.
            continue
        path = _path(details, raw)
        message, hint, key = _sentence(details, path)
        findings.error((*prefix, *path, *key), message, hint)


def _path(details: ErrorDetails, raw: dict[str, Any]) -> KeyPath:
    """The location without the tags of unions, which are no keys of the file."""
    path: list[str | int] = []
    value: Any = raw
    tagged: Any = None
    location = details["loc"]
    for index, part in enumerate(location):
        last = index == len(location) - 1
        if isinstance(value, dict) and tagged is not value and _is_tag(part, value, last):
            # Once only: the step type `pipeline` has a key `pipeline` as well.
            tagged = value
        elif isinstance(value, dict):
            if part not in value and "workflow" in value and isinstance(value["workflow"], dict):
                path.append("workflow")
                value = value["workflow"]
            if part in value or (last and details["type"] == "missing"):
                path.append(part)
            value = value.get(str(part), value) if part in value else value
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            path.append(part)
            value = value[part]
    return tuple(path)


def _is_tag(part: str | int, value: dict[str, Any], last: bool) -> bool:
    return not last and value.get("type") == part


def _sentence(details: ErrorDetails, path: KeyPath) -> tuple[str, str | None, KeyPath]:
    in_prompt = len(path) >= 2 and path[-2] == "prompt"
    match details["type"]:
        case "missing":
            return f"`{details['loc'][-1]}` is missing", _needed_hint(path), ()
        case "union_tag_invalid":
            return _unknown_type(details, in_prompt)
        case "union_tag_not_found":
            what = "a segment" if in_prompt else "a step"
            return f"{what} needs a `type`", None, ()
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"a mapping is expected here, not {_shown(details['input'])}", None, ()
        case "tuple_type" | "list_type":
            return f"a list is expected here, not {_shown(details['input'])}", None, ()
        case "too_short":
            return f"`{details['loc'][-1]}` is empty", "at least one is needed", ()
        case "value_error":
            return details["msg"].removeprefix("Value error, "), None, ()
        case "string_pattern_mismatch":
            return "a name has no `/`, no `#` and no control characters", None, ()
        case _:
            return f"{details['msg']}, not {_shown(details['input'])}", None, ()


def _unknown_type(details: ErrorDetails, in_prompt: bool) -> tuple[str, str | None, KeyPath]:
    name = str(details.get("ctx", {}).get("tag", ""))
    if in_prompt:
        return f"unknown segment type '{name}'", did_you_mean(name, _SEGMENTS), ("type",)
    return f"Unknown step type '{name}'", did_you_mean(name, STEP_TYPES), ("type",)


def _needed_hint(path: KeyPath) -> str | None:
    return "a step needs `name` and `type`" if path[-1] in ("name", "type") and len(path) > 2 else None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
