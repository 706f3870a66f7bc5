"""`fallback` of a step: the providers and models that are asked, in their order, when its own one cannot answer."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from elexirion.pipelines.model import Model, Text
from elexirion.pipelines.near import did_you_mean

Provider = Literal["claude", "gemini", "openai"]
PROVIDERS: tuple[Provider, ...] = get_args(Provider)
BY_NAME: Mapping[str, Provider] = {name: name for name in PROVIDERS}

# How models of a provider are called, where it can be told at all: an OpenAI-compatible server may have any.
_FAMILIES: Mapping[Provider, tuple[str, ...]] = {
    "claude": ("claude-", "haiku", "sonnet", "opus"),
    "gemini": ("gemini-",),
    "openai": ("gpt-",),
}


class FallbackTarget(Model, frozen=True):
    """A provider or model that is tried when the step's own one cannot answer."""

    provider: Text | None = None
    """claude, gemini or openai; without it the provider of the step."""
    model: Text | None = None
    """A model's name, or one of the aliases; without it the provider's default."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One to ask in place of the step's own model; `model` None is the provider's default."""

    provider: Provider
    model: str | None = None

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}" if self.model else self.provider

    @classmethod
    def parse(cls, text: str) -> "Candidate | None":
        """Read `provider/model` or `provider`; None for anything else."""
        head, _, model = text.partition("/")
        provider = BY_NAME.get(head)
        return cls(provider, model or None) if provider and not text.endswith("/") else None


@dataclass(frozen=True, slots=True)
class Misnamed:
    """An entry of `fallback` that names nobody who could be asked."""

    index: int
    message: str
    hint: str | None


def read_fallback(written: Sequence[FallbackTarget | str] | None, lane: str | None) -> Iterator[Candidate | Misnamed]:
    """Whom a step of this lane asks in turn; nobody where no model answers the step."""
    own = BY_NAME.get(lane or "")
    for index, one in enumerate(written or () if own else ()):
        assert own is not None
        yield _of_text(index, one, own) if isinstance(one, str) else _of_target(index, one, own)


def _of_target(index: int, target: FallbackTarget, own: Provider) -> Candidate | Misnamed:
    if target.provider is None and target.model is None:
        return Misnamed(index, "a fallback names a `provider`, a `model`, or both", 'such as "gemini/gemini-3.8-flash"')
    provider = BY_NAME.get(target.provider or own)
    if provider is None:
        hint = did_you_mean(str(target.provider), PROVIDERS) or f"providers are {', '.join(PROVIDERS)}"
        return Misnamed(index, f"there is no provider `{target.provider}`", hint)
    return Candidate(provider, target.model)


def _of_text(index: int, text: str, own: Provider) -> Candidate | Misnamed:
    named = Candidate.parse(text)
    if named:
        return named
    if "{{" in text:
        return Misnamed(index, f"the fallback `{text}` is a template, which is not rendered here", "write the name")
    if "/" in text:
        head = text.partition("/")[0]
        hint = did_you_mean(head, PROVIDERS) or f"write `provider/model`; providers are {', '.join(PROVIDERS)}"
        return Misnamed(index, f"the fallback `{text}` names no model of a known provider", hint)
    other = next((one for one in PROVIDERS if one != own != "openai" and text.startswith(_FAMILIES[one])), None)
    if other:
        return Misnamed(index, f"the fallback `{text}` is no model of {own}", f"did you mean `{other}/{text}`?")
    return Candidate(own, text)
