"""A provider that counts: it notes every call with the process that made it, and answers, late or not at all."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from random import Random

from elexirion.agents.providers.port import (
    ALL_FEATURES,
    Feature,
    Provider,
    ProviderCall,
    ProviderFailed,
    ProviderOutput,
    ProviderResult,
    TextChunk,
)
from elexirion.agents.settings import Settings
from elexirion.events.failure import Failure
from elexirion.events.usage import Usage

from tests.simulation.virtual_time import PROCESS


@dataclass(frozen=True, slots=True)
class Made:
    """A call that was made, at virtual seconds, by this incarnation."""

    call_id: str
    incarnation: str
    at_s: float


@dataclass
class Ledger:
    """All calls of a world. `troubles` is the share of calls that fail."""

    random: Random
    troubles: float = 0.12
    quickest_s: float = 0.0
    slowest_s: float = 1.5
    calls: list[Made] = field(default_factory=list)

    def providers(self, settings: Settings, offline: bool) -> Mapping[str, Provider]:
        """The one provider for every lane."""
        return {"claude": CountingProvider(self)}


class CountingProvider:
    """One for each process."""

    name = "counting"

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def execute(self, call: ProviderCall) -> AsyncGenerator[ProviderOutput, None]:
        """A few words over a while, or a failure."""
        ledger, process = self._ledger, PROCESS.get()
        incarnation = process.incarnation if process else ""
        ledger.calls.append(Made(call.call_id, incarnation, asyncio.get_running_loop().time()))
        words, fails = ledger.random.randint(1, 3), ledger.random.random()
        for n in range(words):
            await asyncio.sleep(ledger.random.uniform(max(0.02, ledger.quickest_s / words), ledger.slowest_s / words))
            yield TextChunk(f"word {n} ")
        if fails < ledger.troubles * 0.2:
            raise ProviderFailed(Failure(kind="invalid_request", message="no"))
        if fails < ledger.troubles:
            raise ProviderFailed(Failure(kind="overloaded", message="later"))
        text = "".join(f"word {n} " for n in range(words))
        yield ProviderResult(text, call.model, "end_turn", Usage(input_tokens=1, output_tokens=words), 0.001)

    def supports_feature(self, feature: Feature) -> bool:
        """Whether it can be asked for."""
        return feature in ALL_FEATURES

    def get_capabilities(self) -> frozenset[Feature]:
        """All that can be asked for."""
        return ALL_FEATURES

    async def aclose(self) -> None:
        """Nothing to release."""
