"""Worlds in which everything goes wrong keep every promise; a world without one of its guards does not."""

import logging
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from tests.simulation import guards, world
from tests.simulation.__main__ import NEVER_ZERO
from tests.simulation.world import simulate

WITHIN_SEEDS = 20
SOON_S = 40.0
"""Long enough for a world in which all guards stand; one that has lost its way is not waited for any longer."""


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)


def test_worlds_in_which_everything_goes_wrong_keep_every_promise() -> None:
    counts: Counter[str] = Counter()
    for seed in range(1, 7):
        outcome = simulate(seed)
        assert outcome.violations == [], f"make simulate SEED={seed}"
        assert outcome.counts["runs"] >= 20
        assert outcome.counts["kills"] and outcome.counts["zombies"]
        counts += outcome.counts
    assert not [name for name in NEVER_ZERO if not counts[name]]


def test_a_seed_is_the_same_world_each_time() -> None:
    command = [sys.executable, "-m", "tests.simulation", "--seed", "9"]
    said = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2)]
    worlds = [text.partition("log ")[2] for text in said]
    assert worlds[0] == worlds[1] != ""


@pytest.mark.parametrize("guard", guards.SAFETY, ids=lambda guard: guard.__name__)
def test_a_world_without_a_guard_of_safety_breaks_a_promise(
    guard: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world, "HEALED_WITHIN_S", SOON_S)
    with guard():
        assert any(simulate(seed).violations for seed in range(1, WITHIN_SEEDS + 1))
