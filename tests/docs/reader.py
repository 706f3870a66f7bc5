"""A reader who does what a page says, from the top to some block."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path

from elexirion.events.topics import Topics, topic_specs

from tests.docs.page import Block, Typed
from tests.docs.shell import Shell, is_shown
from tests.requirements import PROBES

DEFAULT_BROKER, DEFAULT_PREFIX = "localhost:19092", "elexirion."
TOPICS = "|".join(re.escape(spec.name) for spec in topic_specs(Topics("")))
UNTIL_READ_S = 20.0


class Reader:
    """Does each block once, after all before it, on a broker and under a prefix of its own."""

    def __init__(self, blocks: Sequence[Block], folder: Path, shell: Shell, bootstrap: str, prefix: str) -> None:
        self._blocks = blocks
        self._folder = folder
        self._shell = shell
        self._bootstrap = bootstrap
        self._prefix = prefix
        self._done = 0

    def up_to(self, last: Block) -> None:
        """Do what stands before the block, and the block itself."""
        while self._done < last.number:
            self._done += 1
            self._do(self._blocks[self._done - 1])

    def _do(self, block: Block) -> None:
        if name := block.file_name:
            (self._folder / name).write_text(self._here(block.text), "utf-8")
        if block.needs or (needs_kcat(block) and PROBES["kcat"]()):
            return
        for typed in block.typed:
            self._type(typed)

    def _type(self, typed: Typed) -> None:
        # The targets of make are what runs this; what they would do is enough.
        line = re.sub(r"^make ", "make -n ", self._here(typed.line), flags=re.MULTILINE)
        deadline = time.monotonic() + UNTIL_READ_S
        while True:
            printed = self._shell.run(line).replace(self._prefix, DEFAULT_PREFIX)
            if typed.shown is None or is_shown(typed.shown, printed):
                return
            # Whoever reads a topic up to its present end may have come before the record.
            again = "kcat" in line and time.monotonic() < deadline
            assert again, f"$ {typed.line}\nthe page shows:\n{typed.shown}\nit printed:\n{printed}"

    def _here(self, text: str) -> str:
        """The text as a reader with another broker and another prefix would adapt it."""
        text = text.replace(DEFAULT_BROKER, self._bootstrap)
        return re.sub(rf"(?<![\w/]){re.escape(DEFAULT_PREFIX)}(?=(?:{TOPICS})\b)", self._prefix, text)


def needs_kcat(block: Block) -> bool:
    """Whether a command of the block is kcat."""
    return any(re.search(r"\bkcat -", typed.line) for typed in block.typed)
