"""Each fault, met by twenty calls at once at every provider: a typed failure or the right text, in time, in bounds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import psutil
import pytest
from elexirion.agents.providers.port import Provider, ProviderFailed

from tests.agents.providers.calling import CANARY_KEY, a_call, a_provider, outcome
from tests.agents.providers.faults import NAMES, TEXT, Fault, faults
from tests.stub.call import ProviderName
from tests.stub.client import StubServer

pytestmark = pytest.mark.quiet  # it measures time and memory

TIMES = 20
GRACE_S = 1.0
GROWTH_MB = 50
WATCH_S = 0.02
FAULTS = faults()
ROWS = [(fault, name, stream) for fault in FAULTS for name in fault.names for stream in fault.modes]


@dataclass
class Memory:
    """Resident memory of this process in MB: at the start of the set, and the most seen since."""

    start: float = 0.0
    most: float = 0.0
    rows: int = 0
    process: psutil.Process = field(default_factory=psutil.Process)

    def look(self) -> float:
        """Look now."""
        now = self.process.memory_info().rss / 1e6
        self.most = max(self.most, now)
        return now

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Look again and again meanwhile."""
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watching.cancel()
            self.look()
            self.rows += 1

    async def _watch(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(WATCH_S)


@pytest.fixture(scope="module")
def memory() -> Memory:
    return Memory()


@pytest.mark.parametrize(("fault", "name", "stream"), ROWS, ids=lambda value: getattr(value, "title", str(value)))
async def test_a_fault_becomes_a_typed_failure_or_the_right_text(
    stub: StubServer, memory: Memory, fault: Fault, name: ProviderName, stream: bool
) -> None:
    provider = a_provider(name, stub, fault.deadlines, url=_address(stub, fault, name), connections=TIMES)
    if not memory.start:
        await _warmed_up(stub)
        memory.start = memory.look()
    async with memory.watched():
        took = [
            one
            for _ in range(TIMES // fault.at_once)
            for one in await asyncio.gather(*(_met(provider, fault, stream) for _ in range(fault.at_once)))
        ]
    await provider.aclose()
    assert max(took) < _deadline_s(fault, stream) + GRACE_S


def test_the_set_did_not_fill_the_memory(memory: Memory) -> None:
    assert memory.rows == len(ROWS), "the bound holds for the whole set: run all of this file"
    print(
        f"{memory.rows * TIMES} calls of {memory.rows} rows: {memory.start:.0f} MB at first, {memory.most:.0f} at most"
    )
    assert memory.most - memory.start < GROWTH_MB


async def _met(provider: Provider, fault: Fault, stream: bool) -> float:
    """How long a call took, having checked how it ended."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    kind, said = await _ended(provider, fault, stream)
    took = loop.time() - began
    assert kind == fault.outcome(provider.name), said
    assert CANARY_KEY not in said
    return took


async def _ended(provider: Provider, fault: Fault, stream: bool) -> tuple[str | None, str]:
    try:
        texts, result = await outcome(provider, a_call(provider.name, stream=stream, timeout_s=fault.timeout_s))
    except ProviderFailed as failed:
        assert failed.failure.provider == provider.name
        assert failed.failure.retry_after_s == fault.retry_after_s
        return failed.failure.kind, str(failed)
    assert "".join(texts) == result.text == "".join(TEXT)
    return None, "an answer"


def _deadline_s(fault: Fault, stream: bool) -> float:
    """The deadline that ends a call of this kind at the latest."""
    match fault.outcome(""):
        case "timeout_connect":
            return fault.deadlines.connect_s
        case "timeout_first_byte":
            return fault.deadlines.first_byte_s
        case "timeout_idle":
            return fault.deadlines.first_byte_s + fault.deadlines.idle_s
        case _:
            return fault.timeout_s


def _address(stub: StubServer, fault: Fault, name: ProviderName) -> str:
    if fault.answer is not None:
        stub.answer(fault.answer)
        return stub.url
    if fault.raw is not None:
        scripted = f"{fault.title}-{name}" if not fault.url else "tls"
        stub.raw(**{scripted: fault.raw(name)})
        return (fault.url or f"http://{{raw}}/{scripted}").format(raw=stub.raw_address)
    return fault.url


async def _warmed_up(stub: StubServer) -> None:
    """What is loaded at the first call is no growth."""
    for name in NAMES:
        provider = a_provider(name, stub)
        with pytest.raises(ProviderFailed):
            await outcome(provider, a_call(name, timeout_s=0.001))
        await provider.aclose()
