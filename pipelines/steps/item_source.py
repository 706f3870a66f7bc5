"""What a batch or a loop goes over: a value taken as a list."""

from typing import Any

from elexirion.pipelines.json_text import parsed
from elexirion.pipelines.template_errors import TemplateError

MAX_ITEMS = 100_000


def values_of(value: Any, key: str) -> list[Any]:
    """The items of a list, of text that is a list in JSON, or of a mapping as `{"key": …, "value": …}` each.

    `key` names the value in messages. Raises TemplateError for a value of another form.
    """
    found = parsed(value) if isinstance(value, str) else value
    match found:
        case list() | tuple():
            values = list(found)
        case dict():
            values = [{"key": name, "value": item} for name, item in found.items()]
        case _:
            raise TemplateError(f"`{key}` must give a list, not {_form(value)}")
    if len(values) > MAX_ITEMS:
        raise TemplateError(f"`{key}` gives {len(values)} items, more than {MAX_ITEMS}")
    return values


def _form(value: Any) -> str:
    """What a value is, without showing it: it may be what a model wrote."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case _:
            return "text that is no list in JSON"
