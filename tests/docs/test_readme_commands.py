"""Each command and program of README.md, in order, in a working copy, on a real broker, shows what the page shows."""

from __future__ import annotations

import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from elexirion.pipelines.steps.registry import STEP_TYPES

from tests.docs.page import FILES, Block, blocks
from tests.docs.reader import Reader, needs_kcat
from tests.docs.shell import Shell, is_shown
from tests.requirements import require
from tests.serving import ROOT, CommandLine, workers_stopped_after
from tests.stub.client import StubServer
from tests.stub.fixtures import stub_process

__all__ = ["stub_process"]

BLOCKS = blocks(ROOT / "README.md")
TYPED = [block for block in BLOCKS if block.typed]
MOST_UNTESTED = 3
# What people and tests leave in a working copy.
LEFT_OUT = frozenset({".env", ".git", ".venv", "outputs", "workspace"})


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working copy by links, with the virtual environment of this test."""
    folder = tmp_path_factory.mktemp("copy")
    for path in ROOT.iterdir():
        if path.name not in LEFT_OUT:
            (folder / path.name).symlink_to(path)
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


@pytest.fixture(scope="module")
def reader(copy: Path, kafka: str, stub_process: StubServer) -> Iterator[Reader]:
    """Somebody with a fresh machine, for whom a stub plays the providers, who has called `make demo`."""
    home, prefix = copy.parent / "home", f"readme-{uuid.uuid4().hex[:8]}."
    settings = {
        "ELEXIRION_KAFKA": kafka, "ELEXIRION_TOPIC_PREFIX": prefix, "ELEXIRION_HOME": str(home),
        "ELEXIRION_ANTHROPIC_BASE_URL": stub_process.url, "ELEXIRION_GEMINI_BASE_URL": stub_process.url,
        "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb",
    }  # fmt: skip
    shell = Shell(copy, CommandLine(copy, settings).environment)
    with workers_stopped_after(home):
        told = shell.run("make -n demo").splitlines()[-1]
        assert told == ".venv/bin/elexirion run examples/demo.yaml --offline"
        assert "demo" in shell.run(told)
        yield Reader(BLOCKS, copy, shell, kafka, prefix)


@pytest.mark.parametrize("block", TYPED, ids=str)
def test_a_command_does_what_the_page_shows(reader: Reader, block: Block) -> None:
    if block.needs:
        pytest.skip(f"needs {block.needs}, as the page says")
    if needs_kcat(block):
        require("kcat")
    reader.up_to(block)


def test_the_page_begins_with_the_two_commands() -> None:
    assert [line.split("#")[0].split() for line in BLOCKS[0].text.splitlines()] == [["make", "demo"], ["make", "test"]]


def test_what_is_not_run_is_little_and_says_so_where_people_see_it() -> None:
    marked = [block for block in BLOCKS if block.needs]
    assert len(marked) <= MOST_UNTESTED
    for block in marked:
        assert f"needs {block.needs}".lower() in block.above.lower()


def test_there_is_no_block_that_nobody_runs() -> None:
    for block in BLOCKS:
        assert block.language in {"", "sh", "console", *FILES}, block
        if block.language in FILES:
            assert block.file_name, f"{block}: its first line has to name the file, as a comment"
            later = "\n".join(typed.line for other in BLOCKS[block.number :] for typed in other.typed)
            assert re.search(rf"\b{re.escape(block.file_name)}\b", later), f"{block}: no command uses the file"


def test_the_page_counts_the_step_types() -> None:
    assert f"The language has {len(STEP_TYPES)} step types" in (ROOT / "README.md").read_text("utf-8")


def test_a_command_that_fails_is_seen(tmp_path: Path) -> None:
    shell = Shell(tmp_path, {"PATH": "/usr/bin:/bin"})
    assert shell.run("export KEPT=1; echo one\necho two") == "one\ntwo\n"
    assert shell.run("echo $KEPT") == "1\n"
    with pytest.raises(AssertionError, match="exit code 1"):
        shell.run("false\necho after")
    with pytest.raises(AssertionError, match="exit code 1"):
        shell.run("false | cat")
    with pytest.raises(subprocess.TimeoutExpired):
        shell.run("sleep 5", timeout_s=0.1)


def test_only_times_ids_and_what_is_left_out_may_differ() -> None:
    assert is_shown("story-1 completed · 452 ms\n…\nlast", "story-1 completed · 1.2 s\nmore\nand more\nlast\n")
    assert is_shown("text begins …", "text begins and goes on")
    assert not is_shown("two steps", "three steps")
    assert not is_shown("first\nlast", "first\nmore\nlast")
    assert not is_shown("…\nlast", "last\nmore")
