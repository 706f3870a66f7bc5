"""Provider of `--offline`: answers made from the prompt alone, streamed at a token rate.

The same call gives the same answer; one changed word of the prompt gives another. Nothing here leaves the process,
and it costs nothing, which is known: its cost is 0.0 and not None.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncGenerator
from random import Random
from typing import Any

import orjson
from elexirion.agents.providers.conversation import said_in
from elexirion.agents.providers.failures import CallError
from elexirion.agents.providers.port import (
    ALL_FEATURES,
    Feature,
    FunctionCall,
    FunctionTurn,
    ProviderCall,
    ProviderOutput,
    ProviderResult,
    TextChunk,
)
from elexirion.agents.providers.schema_sample import SchemaSampler
from elexirion.agents.providers.transport import guarded
from elexirion.events.usage import Usage

_WORDS = (
    "answer", "approach", "balance", "because", "before", "between", "careful", "change", "clear",
    "compare", "concern", "connect", "consider", "detail", "directly", "early", "effect", "either",
    "evidence", "example", "expect", "explain", "first", "follow", "further", "general", "given",
    "however", "idea", "important", "include", "instead", "keep", "later", "learn", "level", "likely",
    "limit", "longer", "main", "matter", "measure", "method", "moreover", "next", "note", "often",
    "order", "other", "part", "pattern", "plain", "point", "possible", "problem", "process", "purpose",
    "question", "quickly", "rather", "reach", "reason", "related", "remain", "result", "review", "same",
    "second", "section", "several", "short", "should", "show", "simple", "since", "small", "solution",
    "sometimes", "start", "step", "still", "strong", "structure", "summary", "support", "take", "than",
    "then", "therefore", "together", "toward", "under", "understand", "until", "useful", "value", "view",
    "whether", "while", "whole", "within", "without", "work",
)  # fmt: skip
_PROMPT_SHARE = 0.4


class OfflineProvider:
    """Stands in for a lane's provider; `tokens_per_s` is how many words it says per second.

    Takes the option `function_use`: offered functions are called only where it is `expected` or `required`, and
    never once a conversation holds results of functions. So a loop over tools comes to its end.
    """

    name = "offline"

    def __init__(self, tokens_per_s: float) -> None:
        self._tokens_per_s = tokens_per_s

    def execute(self, call: ProviderCall) -> AsyncGenerator[ProviderOutput, None]:
        """Yield text chunks, then the result; raises ProviderFailed. See `port.Provider`."""
        return guarded(self._outputs(call), provider=self.name, call=call, key="", usage=Usage)

    def supports_feature(self, feature: Feature) -> bool:
        """Whether `feature` can be asked for."""
        return feature in ALL_FEATURES

    def get_capabilities(self) -> frozenset[Feature]:
        """All features that can be asked for."""
        return ALL_FEATURES

    async def aclose(self) -> None:
        """Nothing to release."""

    async def _outputs(self, call: ProviderCall) -> AsyncGenerator[ProviderOutput, None]:
        result = answer(call)
        tokens = re.findall(r"\S+\s*", result.text)
        started = asyncio.get_running_loop().time()
        for n, token in enumerate(tokens, start=1):
            await self._until(started, n / self._tokens_per_s, call.timeout_s)
            if call.stream:
                yield TextChunk(token)
        if not call.stream and result.text:
            yield TextChunk(result.text)
        yield result

    async def _until(self, started: float, due_s: float, timeout_s: float) -> None:
        waited = asyncio.get_running_loop().time() - started
        await asyncio.sleep(max(0.0, min(due_s, timeout_s) - waited))
        if due_s > timeout_s:
            raise CallError("timeout_total")


def answer(call: ProviderCall) -> ProviderResult:
    """The whole answer to `call`, a pure function of what it asks."""
    random = Random(_seed(call))
    words = _vocabulary(" ".join(said_in(call)))
    functions: tuple[FunctionCall, ...] = ()
    text, stop_reason = "", "end_turn"
    if _calls_a_function(call):
        functions, stop_reason = (_function_call(call.functions, random, words),), "tool_use"
    elif call.schema is not None:
        text = orjson.dumps(_sample(call.schema, random, words)).decode()
    else:
        text, stop_reason = _prose(random, words, call.max_tokens)
    asked = " ".join([call.system or "", *said_in(call)])
    said = text or " ".join(orjson.dumps(one.arguments).decode() for one in functions)
    usage = Usage(input_tokens=len(asked.split()), output_tokens=len(said.split()))
    return ProviderResult(text, call.model, stop_reason, usage, 0.0, functions)


def _calls_a_function(call: ProviderCall) -> bool:
    wanted = call.options.get("function_use") in ("expected", "required")
    return wanted and bool(call.functions) and not any(isinstance(turn, FunctionTurn) for turn in call.turns)


def _seed(call: ProviderCall) -> int:
    # The call id is left out: another attempt of the same step gets the same answer.
    asked = [call.model, call.system, call.schema, call.functions, *said_in(call)]
    digest = hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).digest()
    return int.from_bytes(digest, "big")


def _vocabulary(prompt: str) -> list[str]:
    """The longer words of the prompt, each once; the built-in ones if there are none."""
    found = dict.fromkeys(re.findall(r"[^\W\d_]{4,24}", prompt))
    return list(found) or list(_WORDS)


def _prose(random: Random, words: list[str], max_tokens: int | None) -> tuple[str, str]:
    chosen = [
        random.choice(words if random.random() < _PROMPT_SHARE else _WORDS) for _ in range(random.randint(28, 64))
    ]
    chosen[0] = random.choice(words)
    if max_tokens is not None and len(chosen) > max_tokens:
        return _sentences(random, chosen[:max_tokens]), "max_tokens"
    return _sentences(random, chosen), "end_turn"


def _sentences(random: Random, words: list[str]) -> str:
    rest, sentences = list(words), []
    while rest:
        length = random.randint(6, 12)
        sentence, rest = rest[:length], rest[length:]
        sentences.append(" ".join([sentence[0].capitalize(), *sentence[1:]]) + ".")
    return " ".join(sentences)


def _function_call(functions: tuple[dict[str, Any], ...], random: Random, words: list[str]) -> FunctionCall:
    function = random.choice(functions)
    parameters = function.get("parameters") or {"type": "object"}
    return FunctionCall(str(function["name"]), _sample(parameters, random, words), id="call_1")


def _sample(schema: dict[str, Any], random: Random, words: list[str]) -> Any:
    try:
        return SchemaSampler(schema, random, words).value()
    except ValueError as error:
        raise CallError("invalid_request", f"no value fits the schema: {error}") from error
