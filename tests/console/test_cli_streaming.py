"""Text is shown while the run goes on: in a pipe, and on a terminal for steps that run at once."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time

from tests.serving import CommandLine

TELLING = """\
name: telling
steps:
  - {name: tale, type: test_echo, value: x, chunks: [begin-, middle-, end-], delay_ms: 1500}
  - {name: enough, type: approval, message: Enough?}
"""
BESIDE = """\
name: beside
steps:
  - {name: left, type: test_echo, value: x, chunks: [left-a-, left-b-], delay_ms: 2000, needs: []}
  - {name: right, type: test_echo, value: x, chunks: [right-a-, right-b-], delay_ms: 2000, needs: []}
"""
WITHIN_S = 40.0
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def test_a_pipe_has_the_first_text_while_the_run_goes_on_and_the_table_last(served: CommandLine) -> None:
    file = served.file("telling.yaml", TELLING)
    process = served.begin("run", file, "--run-id", "telling")
    try:
        assert process.stdout is not None
        seen = _read_until(process.stdout.fileno(), "begin-")
        assert "middle-" not in seen
        assert process.poll() is None
        assert served.json("show", "telling")["status"] == "running"
        seen += _read_until(process.stdout.fileno(), "enough waits for an approval")
        assert served("signal", "telling", "approve", "--step", "enough").returncode == 0
        rest, _ = process.communicate(timeout=WITHIN_S)
    finally:
        process.kill()
    assert process.returncode == 0
    assert "begin-middle-end-" in seen
    heading, row = _table(rest)
    assert heading.split() == ["step", "type", "status", "time", "tokens", "cost"]
    assert row.split()[:3] == ["tale", "test_echo", "completed"]


def test_a_terminal_shows_steps_that_run_at_once_together_and_keeps_the_text_of_each(served: CommandLine) -> None:
    screen, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "elexirion.console.main", "run", str(served.file("beside.yaml", BESIDE))],
        cwd=served.folder, env={**served.environment, "TERM": "xterm"},
        stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal,
    )  # fmt: skip
    os.close(terminal)
    try:
        early = _read_until(screen, "left-a-", "right-a-")
        assert "left-b-" not in early
        assert "right-b-" not in early
        assert process.poll() is None
        shown = early + _read_to_end(screen)
        assert process.wait(WITHIN_S) == 0
    finally:
        process.kill()
        os.close(screen)
    for name in ("left", "right"):  # frames of the live region, erased on a screen, stand between rule and text
        assert re.search(rf"{name} ─+.*{name}-a-{name}-b-", shown, re.DOTALL), shown
        assert re.search(rf"{name} +test_echo +completed", shown), shown


def _table(text: str) -> tuple[str, str]:
    lines = text.splitlines()
    at = next(index for index, line in enumerate(lines) if line.startswith("step "))
    return lines[at], lines[at + 1]


def _read_until(source: int, *wanted: str) -> str:
    deadline, text = time.monotonic() + WITHIN_S, ""
    while not all(words in text for words in wanted):
        assert time.monotonic() < deadline, text
        more = _read(source)
        assert more is not None, f"it ended before {wanted} was shown: {text}"
        text += more
    return text


def _read_to_end(source: int) -> str:
    text = ""
    while (more := _read(source)) is not None:
        text += more
    return text


def _read(source: int) -> str | None:
    """What is there next, without control sequences (perhaps nothing but those); None at the end."""
    try:
        raw = os.read(source, 65536)
    except OSError:  # Linux tells the end of a terminal by EIO
        return None
    return _CONTROL.sub("", raw.decode(errors="replace")) if raw else None
