"""Model names: short aliases, and the model of a lane whose step names none."""

from collections.abc import Mapping

ALIASES: dict[str, str] = {
    "haiku": "claude-haiku-5-5",
    "sonnet": "claude-sonnet-5-5",
    "opus": "claude-opus-5-5",
}
DEFAULT_MODELS: dict[str, str] = {"claude": "sonnet", "gemini": "gemini-3.8-flash"}


def resolve_model(lane: str, model: str | None, overrides: Mapping[str, str]) -> str:
    """The full name of `model`, or of the lane's default where it is None.

    `overrides` (the setting `model_aliases`) goes before the built-in aliases, and may rename full names too, such
    as those of retired models; under the name of a lane it holds the lane's default. Raises ValueError if the lane
    has none: an OpenAI-compatible server may have any models.
    """
    wanted = model or overrides.get(lane) or DEFAULT_MODELS.get(lane)
    if wanted is None:
        raise ValueError(
            f"lane {lane!r} has no default model: name one in the step (`model`), or set "
            f'ELEXIRION_MODEL_ALIASES to {{"{lane}": "NAME"}}'
        )
    aliased = overrides.get(wanted) or ALIASES.get(wanted, wanted)
    return overrides.get(aliased, aliased)
