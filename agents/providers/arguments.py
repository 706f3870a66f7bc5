"""The arguments of a function that a model asks for, where the format streams them as text."""

from typing import Any

from elexirion.agents.providers.api_words import identifier
from elexirion.agents.providers.failures import CallError
from pydantic import TypeAdapter, ValidationError

_OBJECT = TypeAdapter(dict[str, Any])


def read_arguments(streamed: str, function: str, *, cut: bool) -> dict[str, Any]:
    """The object that `streamed` spells; no text is no arguments.

    Raises CallError where it is no JSON object. `cut` says that the answer reached its token limit: then another
    attempt would end the same way, and the failure is permanent.
    """
    if not streamed.strip():
        return {}
    try:
        return _OBJECT.validate_json(streamed)
    except ValidationError:
        pass
    function = identifier(function) or "a function"
    if cut:
        raise CallError("invalid_request", f"the token limit ended the answer inside the arguments of {function!r}")
    raise CallError("bad_response", f"the arguments of {function!r} are no JSON object")
