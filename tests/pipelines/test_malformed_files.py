"""Files that are wrong somewhere: every one is refused with a line, and in time; none breaks the loader."""

import os
import time
from pathlib import Path

import pytest
import yaml
from elexirion.pipelines.loader import from_definition, load
from elexirion.pipelines.problems import PipelineInvalid
from elexirion.pipelines.steps.registry import STEP_TYPES

from tests.pipelines.files import SHARED
from tests.pipelines.mutations import mutated

EVERY_TYPE = Path(__file__).with_name("every_type.yaml")
HOW_MANY = int(os.environ.get("ELEXIRION_MALFORMED_FILES", "400"))
LONGEST_S = 1.0
IN_ONE_TEST = 100


def _valid_texts() -> list[str]:
    files = [EVERY_TYPE, EVERY_TYPE, *sorted(SHARED.glob("*.yaml"))] if SHARED.is_dir() else [EVERY_TYPE]
    return [file.read_text() for file in files]


def test_the_file_with_every_type_is_valid_and_has_every_type() -> None:
    found = load(EVERY_TYPE.read_text(), "every_type.yaml")
    assert {step.type for step in found.pipeline.by_name.values()} == set(STEP_TYPES)
    assert (found.warnings, [one.name for one in found.needed_inputs]) == ((), [])
    assert from_definition(found.definition) == found.pipeline


@pytest.mark.parametrize("start", range(0, HOW_MANY, IN_ONE_TEST))
def test_a_wrong_file_is_refused_with_a_line_and_in_time(start: int) -> None:
    texts = _valid_texts()
    for seed in range(start, min(start + IN_ONE_TEST, HOW_MANY)):
        text = mutated(texts[seed % len(texts)], seed)
        began = time.process_time()
        _load(text, seed)
        assert time.process_time() - began < LONGEST_S, f"seed {seed} took too long"


def _load(text: str, seed: int) -> None:
    lines = text.count("\n") + text.count("\r") + 1
    try:
        found = load(text, "p.yaml")
    except PipelineInvalid as invalid:
        assert invalid.errors, f"seed {seed}: refused without an error"
        for problem in invalid.problems:
            assert 1 <= problem.line <= lines + 1, f"seed {seed}: {problem}"
            assert problem.column >= 1, f"seed {seed}: {problem}"
            assert problem.message, f"seed {seed}"
    else:
        assert from_definition(found.definition) == found.pipeline, f"seed {seed}"


def test_the_mutations_make_most_files_wrong_and_leave_some_right() -> None:
    texts, refused = _valid_texts(), 0
    for seed in range(60):
        try:
            load(mutated(texts[seed % len(texts)], seed), "p.yaml")
        except PipelineInvalid:
            refused += 1
    assert 20 <= refused <= 58


_ECHO = "- {{name: s{index}, type: test_echo, {rest}}}\n"


@pytest.mark.parametrize(
    "rest",
    [
        "value: 1",
        "value: '{{{{ s0.x }}}}'",
        "value: '{{{{ steps.t{index}.x }}}}'",
        "needs: [s{next}]",
        "valeu: 1",
        "chunks: x",
    ],
    ids=["chain", "references", "unknown steps", "one circle", "unknown keys", "wrong values"],
)
def test_a_file_as_large_as_accepted_is_checked_in_seconds(rest: str) -> None:
    line = _ECHO.replace("{rest}", rest)
    count = 200_000 // len(line)
    text = "name: p\nsteps:\n" + "".join(line.format(index=i, next=(i + 1) % count) for i in range(count))
    began = time.process_time()
    _load(text, 0)
    assert time.process_time() - began < 8 * LONGEST_S


def test_the_same_seed_makes_the_same_file() -> None:
    text = EVERY_TYPE.read_text()
    assert mutated(text, 7) == mutated(text, 7) != text
    assert yaml.safe_load(text)
