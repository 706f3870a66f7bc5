"""The stub's append-only ledger: one JSON line for each change of a request's state."""

import hashlib
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import orjson

from tests.stub.call import Call

State = Literal["opened", "first-byte", "closed", "client-disconnected"]
ENDS: frozenset[str] = frozenset({"closed", "client-disconnected"})


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A state that `request` entered at `at` (seconds since the epoch).

    What was asked stands in every row, its messages, system prompt and options only in the first. `detail` of
    `closed` is `complete`, `status N`, `cut` or `failed`.
    """

    request: int
    state: State
    at: float
    provider: str
    model: str
    prompt: str
    prompt_sha256: str
    call_id: str | None
    stream: bool
    auth: str
    version: str
    detail: str = ""
    messages: list[dict[str, Any]] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)
    system: str = ""
    options: dict[str, Any] = field(default_factory=dict)


class Ledger:
    """Appends rows to a file; each row is written through before the stub goes on."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)
        self._path = path
        self._requests = 0

    def open(self, call: Call) -> int:
        """Note a new request and give it its number."""
        self._requests += 1
        self.note(self._requests, call, "opened")
        return self._requests

    def note(self, request: int, call: Call, state: State, detail: str = "") -> None:
        """Note that `request` entered `state`."""
        row = LedgerRow(
            request=request,
            state=state,
            at=time.time(),
            provider=call.provider,
            model=call.model,
            prompt=call.prompt,
            prompt_sha256=hashlib.sha256(call.prompt.encode()).hexdigest(),
            call_id=call.call_id,
            stream=call.stream,
            auth=call.auth,
            version=call.version,
            detail=detail,
            messages=list(call.messages) if state == "opened" else [],
            functions=[str(function["name"]) for function in call.functions],
            system=call.system if state == "opened" else "",
            options=call.options if state == "opened" else {},
        )
        self._file.write(orjson.dumps(asdict(row)) + b"\n")

    def text(self) -> bytes:
        """The whole ledger as JSON lines."""
        return self._path.read_bytes()


def read_rows(text: bytes) -> list[LedgerRow]:
    """The rows of a ledger; a last line that is still being written is left out."""
    return [LedgerRow(**orjson.loads(line)) for line in text.split(b"\n")[:-1]]
