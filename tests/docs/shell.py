"""A terminal that keeps its environment from command to command, and a comparison that passes over times and ids."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ANY_LINES: Final = "…"

# What differs from run to run, and what stands for it; nothing else may differ.
VARYING: Final = (
    (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?Z?", "<at>"),
    (r"\b\d+(\.\d+)? (ms|s|min)\b", "<time>"),
    (r"\b\d+%", "<share>"),
    (r"\brun-[0-9a-f]{8,}\b", "<run>"),
    (r"\b[\w-]+-\d+\.[0-9a-f]{8}\b", "<worker>"),
    (r"\b[0-9a-f]{64}\b", "<hash>"),
    (r"\bprocess \d+\b", "process <pid>"),
    (r"[ \t]+", " "),
)


class Shell:
    """Runs bash in a folder; what a command exports holds for the next one."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = dict(environment)
        self._kept = folder / ".environment"

    def run(self, script: str, timeout_s: float = 90) -> str:
        """What it prints, on both streams in their order; fails where a command of it fails."""
        keep = f"trap 'env -0 > {self._kept}' EXIT\n"
        called = subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", keep + script], cwd=self._folder, env=self._environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout_s,
        )  # fmt: skip
        assert called.returncode == 0, f"exit code {called.returncode}: {script}\n{called.stdout}"
        pairs = (pair.partition("=") for pair in self._kept.read_text("utf-8").split("\0") if pair)
        self._environment = {name: value for name, _, value in pairs}
        return called.stdout


def normalised(text: str) -> list[str]:
    """The lines without what differs from run to run, and without empty ones."""
    for pattern, stand_in in VARYING:
        text = re.sub(pattern, stand_in, text)
    return [line.strip() for line in text.splitlines() if line.strip()]


def is_shown(shown: str, printed: str) -> bool:
    """Whether a page shows what was printed; a line `…` stands for any lines, `…` at the end of a line for its rest."""
    pattern = "".join(map(_pattern, normalised(shown)))
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in normalised(printed))) is not None


def _pattern(line: str) -> str:
    if line == ANY_LINES:
        return r"(?:.*\n)*?"
    if line.endswith(ANY_LINES):
        return re.escape(line.removesuffix(ANY_LINES).rstrip()) + r".*\n"
    return re.escape(line) + r"\n"
