"""A handle on a stub server process, for tests."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from tests.stub.ledger import ENDS, LedgerRow, read_rows
from tests.stub.raw import ANSWERS, RawAnswer
from tests.stub.script import Answer, Rule

_ROOT = Path(__file__).resolve().parents[2]
_POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class StubCall:
    """A request the stub received, with the rows of its states so far."""

    rows: tuple[LedgerRow, ...]

    @property
    def asked(self) -> LedgerRow:
        """The row that tells what was asked."""
        return self.rows[0]

    @property
    def states(self) -> tuple[str, ...]:
        """The states entered, in order."""
        return tuple(row.state for row in self.rows)

    @property
    def is_open(self) -> bool:
        """Whether the request has not ended."""
        return self.rows[-1].state not in ENDS


class StubServer:
    """A stub server as a process of its own: `with StubServer(ledger_path) as stub: …`."""

    def __init__(self, ledger: Path, port: int = 0) -> None:
        self._ledger = ledger
        self._port = port
        self._process: subprocess.Popen[str] | None = None
        self._seen = 0
        self.url = ""
        self.raw_address = ""
        # Plain HTTP to this machine: without certificates, which take longer to read than a test to run.
        self._http = httpx.Client(verify=False, trust_env=False)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the process and wait until it listens."""
        command = [sys.executable, "-m", "tests.stub", "--port", str(self._port), "--ledger", str(self._ledger)]
        self._process = subprocess.Popen(
            [*command, "--with-stdin"], cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the stub server did not start (exit code {self._process.wait()})")
        said = json.loads(line)
        self.url, self.raw_address = said["url"], said["raw"]

    def stop(self) -> None:
        """End the process; stopping twice is harmless."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def script(self, *rules: Rule) -> None:
        """Add rules behind those in force; the first that matches a call answers it."""
        content = json.dumps([rule.model_dump(mode="json") for rule in rules])
        self._http.post(f"{self.url}/_script", content=content).raise_for_status()

    def answer(self, answer: Answer) -> None:
        """Answer every call with `answer`."""
        self.script(Rule(answer=answer))

    def limit(self, requests: int, window_s: float) -> None:
        """Refuse with 429 what is more than so many requests within `window_s` seconds."""
        content = {"requests": requests, "window_s": window_s}
        self._http.post(f"{self.url}/_limit", json=content).raise_for_status()

    def raw(self, **answers: RawAnswer) -> None:
        """Give `http://{raw_address}/{name}/…` these answers, each under its name."""
        content = ANSWERS.dump_json(answers)
        self._http.post(f"{self.url}/_raw", content=content).raise_for_status()

    def release(self, hold: str = "hold") -> None:
        """Let answers go on that wait at `hold`."""
        self._http.post(f"{self.url}/_release", json={"hold": hold}).raise_for_status()

    def reset_script(self) -> None:
        """Forget the rules: from now on calls are answered as if there never were any."""
        self._http.delete(f"{self.url}/_script").raise_for_status()

    def reset(self) -> None:
        """Forget the rules, and leave out the ledger's rows so far."""
        self.reset_script()
        self._seen = len(read_rows(self._ledger.read_bytes()))

    def ledger(self) -> list[LedgerRow]:
        """The ledger's rows since the last reset, read from its file, so also after the process has ended."""
        return read_rows(self._ledger.read_bytes())[self._seen :]

    def calls(self) -> list[StubCall]:
        """The requests since the last reset, in the order of their arrival."""
        rows: dict[int, list[LedgerRow]] = {}
        for row in self.ledger():
            rows.setdefault(row.request, []).append(row)
        return [StubCall(tuple(one)) for one in rows.values()]

    def most_open(self) -> int:
        """How many requests were open at the same time, at most, since the last reset."""
        open_, most = set[int](), 0
        for row in self.ledger():
            if row.state in ENDS:
                open_.discard(row.request)
            else:
                open_.add(row.request)
            most = max(most, len(open_))
        return most

    def wait_for(self, condition: Callable[[list[StubCall]], bool], timeout_s: float = 10.0) -> list[StubCall]:
        """The requests as soon as they meet `condition`; raises TimeoutError with the ledger if they never do."""
        ends = time.monotonic() + timeout_s
        while not condition(calls := self.calls()):
            if time.monotonic() > ends:
                raise TimeoutError(f"the stub's ledger never met the condition: {self.ledger()}")
            time.sleep(_POLL_S)
        return calls
