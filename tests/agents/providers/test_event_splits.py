"""However the network cuts a stream into pieces, the answer is the same."""

from collections.abc import AsyncIterator
from functools import cache

import httpx
import pytest
from elexirion.agents.providers.http_provider import HttpProvider
from elexirion.agents.providers.port import ProviderResult
from hypothesis import given
from hypothesis import strategies as st

from tests.agents.providers.calling import PRICES, a_call, a_provider, a_wire, outcome
from tests.agents.providers.faults import NAMES, streamed
from tests.stub.call import ProviderName
from tests.stub.client import StubServer
from tests.stub.script import Answer, ScriptedFunction, ScriptedUsage

# Two-, three- and four-byte characters, line ends inside JSON, and separators that only some decoders split at.
TEXT = ("ä€😀", " line\nend\r\n", "\u2028\u2029\x85\x0b\x0c", 'data: {"type":"message_stop"}\n\n', " end")
LINE_ENDS = ("\n", "\r\n", "\r")


class Network(httpx.AsyncBaseTransport):
    """Answers every request with the same stream, cut into `pieces`."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=_Pieces(self.pieces))


class _Pieces(httpx.AsyncByteStream):
    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


@cache
def recorded(name: ProviderName, line_end: str) -> bytes:
    """A stream with all that a provider sends: thoughts, text, a tool's input in pieces, usage, the end."""
    tool = ScriptedFunction(name="look_up", arguments={"query": "Flüsse 😀", "n": [1, 2]})
    usage = ScriptedUsage(input=100, output=20, cache_read=30, thoughts=5)
    answer = {"chunks": TEXT, "thinking": "hm, wäre", "functions": (tool,), "usage": usage, "line_end": line_end}
    return streamed(name, Answer.model_validate(answer))


async def read(name: ProviderName, *cuts: list[bytes]) -> list[tuple[list[str], ProviderResult]]:
    """What our client reads of a stream in each of these ways of cutting it."""
    network = Network()
    provider = HttpProvider(a_wire(name, "http://provider.test"), PRICES, network=network)
    found = []
    for network.pieces in cuts:
        found.append(await outcome(provider, a_call(name)))
    await provider.aclose()
    return found


@pytest.mark.parametrize("name", NAMES)
async def test_a_stream_cut_at_any_byte_is_read_as_the_uncut_one(name: ProviderName) -> None:
    whole = recorded(name, "\n")
    cuts = [[whole[:at], whole[at:]] for at in range(1, len(whole))]
    (uncut, *others) = await read(name, [whole], *cuts, [bytes([one]) for one in whole])
    assert uncut[0] == list(TEXT)
    assert [call.arguments for call in uncut[1].function_calls] == [{"query": "Flüsse 😀", "n": [1, 2]}]
    assert len(others) == len(whole)
    assert [at for at, other in enumerate(others, start=1) if other != uncut] == []


@given(st.sampled_from(NAMES), st.sampled_from(LINE_ENDS), st.data())
async def test_a_stream_cut_at_any_places_is_read_as_the_uncut_one(
    name: ProviderName, line_end: str, data: st.DataObject
) -> None:
    whole = recorded(name, line_end)
    places = data.draw(st.lists(st.integers(0, len(whole)), min_size=2, max_size=6).map(sorted))
    pieces = [whole[one:other] for one, other in zip([0, *places], [*places, len(whole)], strict=True)]
    uncut, cut = await read(name, [whole], [piece for piece in pieces if piece])
    assert cut == uncut


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("line_end", LINE_ENDS)
@pytest.mark.parametrize("size", [1, 7])
async def test_the_same_holds_over_a_real_connection(stub: StubServer, name: str, line_end: str, size: int) -> None:
    stub.answer(Answer.model_validate({"chunks": TEXT, "split_bytes": size, "line_end": line_end}))
    provider = a_provider(name, stub)
    texts, result = await outcome(provider, a_call(name))
    assert texts == list(TEXT)
    assert result.usage.output_tokens == 7
    await provider.aclose()
