"""What the stub answers where no rule says otherwise: an echo of the prompt, or a value of the wanted shape.

A function that is offered is called, but not again once its result is there.
"""

from random import Random
from typing import Any

import orjson
from elexirion.agents.providers.schema_sample import SchemaSampler

from tests.stub.call import Call
from tests.stub.script import Answer, ScriptedFunction, ScriptedUsage

_WORDS_PER_CHUNK = 3


def default_answer(call: Call) -> Answer:
    """An answer that depends on nothing but the call."""
    usage = ScriptedUsage(input=len(f"{call.system} {call.prompt}".split()), output=len(call.prompt.split()) + 2)
    if call.functions and not call.answered:
        function = call.functions[0]
        arguments = _sample(call, function.get("parameters") or {"type": "object"})
        wanted = ScriptedFunction(name=function["name"], arguments=arguments)
        return Answer(chunks=(), functions=(wanted,), usage=usage)
    if call.schema is not None:
        text = orjson.dumps(_sample(call, call.schema)).decode()
        return Answer(chunks=tuple(text[i : i + 12] for i in range(0, len(text), 12)), usage=usage)
    words = [f"{word} " for word in f"You said: {call.prompt}".split()]
    chunks = ["".join(words[i : i + _WORDS_PER_CHUNK]) for i in range(0, len(words), _WORDS_PER_CHUNK)]
    return Answer(chunks=tuple(chunks), usage=usage)


def _sample(call: Call, schema: dict[str, Any]) -> Any:
    return SchemaSampler(schema, Random(call.prompt), call.prompt.split() or ["empty"]).value()
