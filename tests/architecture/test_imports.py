"""The rooms import downwards only, and each rule is seen to fail on a planted import."""

import shutil
from pathlib import Path

import pytest

from tests.architecture.imports import BELOW, Violation, violations

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the rooms that a test may spoil."""
    for room in BELOW:
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def plant(tree: Path, path: str, code: str) -> list[Violation]:
    """Write a module into the copy and return what the check says about that module."""
    planted = tree / path
    planted.parent.mkdir(parents=True, exist_ok=True)
    planted.write_text(code + "\n")
    return [violation for violation in violations(tree) if violation.path == Path(path)]


def test_the_rooms_keep_every_import_rule() -> None:
    assert not (found := violations(ROOT)), "\n".join(map(str, found))


UPWARD = [(room, other) for room, below in BELOW.items() for other in BELOW if other not in {room, *below}]


@pytest.mark.parametrize(("room", "other"), UPWARD, ids=lambda name: str(name))
def test_an_upward_import_is_found(tree: Path, room: str, other: str) -> None:
    found = plant(tree, f"{room}/planted.py", f'"""Planted."""\n\nfrom elexirion.{other} import something')
    assert [(each.line, each.message) for each in found] == [(3, f"{room} imports {other}: imports go down only")]


@pytest.mark.parametrize(
    "code",
    [
        "import elexirion.console.main",
        "from elexirion import console",
        "from ..console import main",
        "from elexirion.console import *",
        "def late():\n    from elexirion.console import main",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import elexirion.console",
        "import importlib\nimportlib.import_module('elexirion.console')",
        "__import__('elexirion.console')",
    ],
)
def test_no_form_of_import_hides_the_direction(tree: Path, code: str) -> None:
    messages = [each.message for each in plant(tree, "events/planted.py", code)]
    assert messages == ["events imports console: imports go down only"]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("events/deep/planted.py", "from ...projections import fold"),
        ("events/deep/__init__.py", "from ..envelope import Envelope\nfrom ...projections import fold"),
    ],
)
def test_relative_imports_are_resolved_from_their_own_package(tree: Path, path: str, code: str) -> None:
    messages = [each.message for each in plant(tree, path, code)]
    assert messages == ["events imports projections: imports go down only"]


@pytest.mark.parametrize("code", ["import agents", "from events import run", "import console.main as main"])
def test_a_plain_room_name_is_found(tree: Path, code: str) -> None:
    (found,) = plant(tree, "console/planted.py", code)
    assert "belongs to others" in found.message


@pytest.mark.parametrize("library", ["faust", "mode"])
@pytest.mark.parametrize("room", [room for room in BELOW if room != "agents"])
def test_faust_and_mode_outside_of_agents_are_found(tree: Path, room: str, library: str) -> None:
    (found,) = plant(tree, f"{room}/planted.py", f"import {library}.types")
    assert found.message == f"{library} is imported outside of elexirion.agents"


@pytest.mark.parametrize("path", ["agents/planted.py", "agents/steps/planted.py", "console/planted.py"])
def test_httpx_outside_of_the_providers_is_found(tree: Path, path: str) -> None:
    (found,) = plant(tree, path, "from httpx import AsyncClient")
    assert found.message == "httpx is imported outside of elexirion.agents.providers and elexirion.agents.steps.http"


@pytest.mark.parametrize("path", ["agents/decide.py", "agents/dispatch.py", "agents/resilience/planted.py"])
@pytest.mark.parametrize("library", ["faust", "mode", "asyncio", "aiokafka"])
def test_a_pure_module_with_an_effect_is_found(tree: Path, path: str, library: str) -> None:
    module = "elexirion." + path.removesuffix(".py").replace("/", ".")
    messages = [each.message for each in plant(tree, path, f"import {library}")]
    assert f"{module} is pure and reaches {library} from here" in messages


def test_a_pure_module_that_reaches_an_effect_through_another_is_found(tree: Path) -> None:
    plant(tree, "agents/between.py", "from asyncio import Queue")
    plant(tree, "agents/decide.py", "from elexirion.agents import between")
    messages = [each.message for each in violations(tree) if each.path == Path("agents/between.py")]
    assert messages == ["elexirion.agents.decide is pure and reaches asyncio from here"]


def test_allowed_imports_are_left_alone(tree: Path) -> None:
    assert not plant(tree, "agents/planted.py", "import asyncio\nimport faust\nfrom elexirion.events import run")
    assert not plant(tree, "agents/providers/planted.py", "import httpx\nimport httpx_sse")
    assert not plant(tree, "agents/steps/http.py", "import httpx")
    assert not plant(tree, "console/planted.py", "from elexirion.client import connect\nfrom . import main")
