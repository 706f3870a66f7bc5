"""What an `http` step gives in an offline run: nothing was asked, and the result says so."""

from random import Random
from typing import Any

from elexirion.agents.providers.schema_sample import SchemaSampler

_WORDS = ["offline", "stand-in", "nothing", "asked"]


def offline_result(expected: list[int] | None, schema: dict[str, Any] | None) -> dict[str, Any]:
    """A result without a body, or with whatever `schema`, the step's `output_schema`, wants to find in it."""
    result = {"status": (expected or [200])[0], "headers": {}, "body": None, "offline": True}
    try:
        sample = SchemaSampler(schema, Random(0), _WORDS).value() if schema else {}
    except ValueError:
        sample = {}
    return {**result, **sample} if isinstance(sample, dict) else result
