"""However the network cuts a stream into pieces, the text is the same."""

import pytest

from tests.agents.providers.calling import a_call, a_provider, outcome
from tests.stub.client import StubServer
from tests.stub.script import Answer

# Two-, three- and four-byte characters, line ends inside JSON, and separators that only some decoders split at.
TEXT = ("ä€😀", " line\nend\r\n", "\u2028\u2029\x85\x0b\x0c", 'data: {"type":"message_stop"}\n\n', " end")


@pytest.mark.parametrize("name", ["claude", "gemini", "openai"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
async def test_the_text_does_not_depend_on_where_the_stream_is_split(
    stub: StubServer, name: str, line_end: str, size: int
) -> None:
    stub.answer(Answer.model_validate({"chunks": TEXT, "split_bytes": size, "line_end": line_end}))
    provider = a_provider(name, stub)
    texts, result = await outcome(provider, a_call(name))
    assert texts == list(TEXT)
    assert result.usage.output_tokens == 7
    await provider.aclose()
