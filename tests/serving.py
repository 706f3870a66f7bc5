"""The command line as its users call it: a process of its own, with a home, a topic prefix and no keys.

A worker that `run` started in the background outlives it. A guard process therefore holds one end of a pipe:
when the session closes the other end, or dies, it stops the workers of the home.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from elexirion.console.background_worker import stop_workers
from elexirion.console.broker.home import Home

ROOT = Path(__file__).resolve().parent.parent
ONE_STEP = "name: one step\nsteps: [{name: only, type: test_echo, value: done}]\n"
SHARED = Path(os.environ.get("ELEXIRION_SHARED", ROOT.parent / "shared")) / "pipelines"


@dataclass(frozen=True, slots=True)
class CommandLine:
    """`elexirion` in a folder, with these settings and none of the caller's."""

    folder: Path
    settings: Mapping[str, str]

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment of a call."""
        keys = ("ANTHROPIC_API_KEY", "GEMINI_API_KEY", "OPENAI_API_KEY")
        kept = {k: v for k, v in os.environ.items() if not k.startswith("ELEXIRION_") and k not in keys}
        cache = {"ELEXIRION_CACHE": str(Home.from_environment().cache)}
        return {**kept, "PYTHONPATH": str(ROOT), **cache, **self.settings}

    def __call__(self, *words: str | Path, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Call and wait."""
        return subprocess.run(
            self._command(words), cwd=self.folder, env=self.environment, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=timeout_s,
        )  # fmt: skip

    def begin(self, *words: str | Path) -> subprocess.Popen[str]:
        """Call and do not wait."""
        return subprocess.Popen(
            self._command(words), cwd=self.folder, env=self.environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def json(self, *words: str | Path, code: int = 0) -> Any:
        """Call with `--json`; exactly one document stands on stdout and the exit code is `code`."""
        called = self(*words, "--json")
        assert called.returncode == code, called.stdout + called.stderr
        return json.loads(called.stdout)

    def file(self, name: str, text: str) -> Path:
        """A file in the folder."""
        path = self.folder / name
        path.write_text(text, "utf-8")
        return path

    @staticmethod
    def _command(words: tuple[str | Path, ...]) -> list[str]:
        return [sys.executable, "-m", "elexirion.console.main", *map(str, words)]


@contextmanager
def workers_stopped_after(home: Path) -> Iterator[None]:
    """Background workers of the home end with the block, however this process ends."""
    guard = subprocess.Popen(
        [sys.executable, "-m", "tests.serving", str(home)], stdin=subprocess.PIPE, start_new_session=True, cwd=ROOT
    )
    try:
        yield
    finally:
        assert guard.stdin is not None
        guard.stdin.close()
        guard.wait(90)


@pytest.fixture(scope="session")
def served(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """A command line whose first `run` has brought up a worker of its own, as it does for everybody."""
    folder = tmp_path_factory.mktemp("served")
    home = folder / "home"
    line = CommandLine(
        folder,
        {"ELEXIRION_KAFKA": kafka, "ELEXIRION_TOPIC_PREFIX": f"cli-{uuid.uuid4().hex[:8]}.",
         "ELEXIRION_HOME": str(home), "ELEXIRION_OFFLINE_TOKENS_PER_S": "2000"},
    )  # fmt: skip
    with workers_stopped_after(home):
        first = line("run", line.file("first.yaml", ONE_STEP), timeout_s=90)
        assert first.returncode == 0, first.stdout + first.stderr
        assert "Worker started in the background" in first.stderr
        yield line


if __name__ == "__main__":
    sys.stdin.buffer.read()
    stop_workers(Home(Path(sys.argv[1]), Path(sys.argv[1]) / "cache"))
