"""What the stub answers: rules that match calls, and the answer each rule gives."""

from collections import Counter
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tests.stub.call import Call, ProviderName


class _Scripted(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ScriptedUsage(_Scripted):
    """Tokens the answer reports; `input` does not count cached ones."""

    input: int = 11
    output: int = 7
    cache_read: int = 0
    cache_write: int = 0
    thoughts: int = 0


class ScriptedFunction(_Scripted):
    """A function (a tool) the answer asks for."""

    name: str
    arguments: dict[str, Any]


class Answer(_Scripted):
    """One answer. Chunk numbers count from 1; 0 stands for the place before the first chunk. Delays are seconds.

    With `status` the answer is an error of that status, with `body` as its body (default: one the provider would
    send). `text_blocks` is over how many blocks Anthropic's format spreads the chunks. `hold_before_chunk` waits until
    `hold` is released by POST /_release. `split_bytes` sends the stream in pieces of so many bytes, each an HTTP chunk
    of its own. `cut` closes the connection with a FIN or an RST.
    """

    chunks: tuple[str, ...] | None = None
    text_blocks: int = Field(1, ge=1)
    functions: tuple[ScriptedFunction, ...] = ()
    thinking: str = ""
    usage: ScriptedUsage = ScriptedUsage()
    stop_reason: str | None = None
    model: str | None = None

    delay_headers_s: float = 0
    delay_first_byte_s: float = 0
    delay_chunk_s: float = 0
    hold_before_chunk: int | None = None
    hold: str = "hold"

    status: int = 200
    headers: dict[str, str] = {}
    body: str | None = None

    error_after_chunk: int | None = None
    error_name: str = "overloaded_error"
    error_message: str = "Overloaded"
    cut_after_chunk: int | None = None
    cut: Literal["fin", "rst"] = "fin"
    malformed_after_chunk: int | None = None
    malformed: Literal["json", "utf8", "shape"] = "json"
    omit_end: bool = False
    split_bytes: int | None = None
    line_end: Literal["\n", "\r\n", "\r"] = "\n"


class Rule(_Scripted):
    """Gives `answer` to calls that match all that is set; `nth` is the how-manieth matching call, from 1."""

    provider: ProviderName | None = None
    model: str | None = None
    contains: str | None = None
    nth: int | None = Field(None, ge=1)
    answer: Answer

    def matches(self, call: Call) -> bool:
        """Whether the call has what this rule asks for, `nth` aside."""
        return (
            self.provider in (None, call.provider)
            and self.model in (None, call.model)
            and (self.contains is None or self.contains in call.prompt)
        )


class Script:
    """The rules in force; the first that matches answers."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._matched: Counter[int] = Counter()

    def add(self, rules: list[Rule]) -> None:
        """Add rules behind those in force."""
        self._rules += rules

    def clear(self) -> None:
        """Forget all rules."""
        self._rules.clear()
        self._matched.clear()

    def answer(self, call: Call) -> Answer | None:
        """The scripted answer to `call`, None if no rule wants it."""
        for index, rule in enumerate(self._rules):
            if rule.matches(call):
                self._matched[index] += 1
                if rule.nth in (None, self._matched[index]):
                    return rule.answer
        return None
