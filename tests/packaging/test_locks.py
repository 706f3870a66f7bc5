"""The locks pin everything that is declared, by hash, and name no address."""

import re
from pathlib import Path

import pytest

from tests.packaging.project import ROOT, declared

LOCKS = {path.stem: path for path in sorted((ROOT / "requirements").glob("*.lock"))}
PIN = re.compile(r"^(?P<name>[a-z0-9][a-z0-9._-]*)==(?P<version>[^ ;]+)", re.MULTILINE)


def pins(lock: Path) -> dict[str, str]:
    return {found["name"]: found["version"] for found in PIN.finditer(lock.read_text(encoding="utf-8"))}


def names(requirements: list[str]) -> set[str]:
    """The normalised distribution names of requirement lines."""
    found = [match[0] for line in requirements if (match := re.match(r"[A-Za-z0-9._-]+", line))]
    return {re.sub(r"[-_.]+", "-", name).lower() for name in found}


def test_there_is_a_lock_for_each_use() -> None:
    assert set(LOCKS) == {"dev", "runtime", "build"}


@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS)
def test_no_lock_names_an_address(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    assert not re.findall(r"[a-z+]+://\S+|--(?:extra-)?index-url.*|--find-links.*|--trusted-host.*", text)


@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS)
def test_every_pin_has_hashes(lock: Path) -> None:
    entries = re.split(r"\n(?=[a-z0-9])", lock.read_text(encoding="utf-8"))
    unhashed = [entry.splitlines()[0] for entry in entries if PIN.match(entry) and "--hash=sha256:" not in entry]
    assert pins(lock)
    assert not unhashed


def test_every_declared_requirement_is_pinned_where_it_is_needed() -> None:
    project = declared()["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    hint = "pyproject.toml has changed: make lock"
    assert names(project["dependencies"]) <= pins(LOCKS["runtime"]).keys(), hint
    assert names([*project["dependencies"], *extras]) - {"elexirion"} <= pins(LOCKS["dev"]).keys(), hint
    assert names(declared()["build-system"]["requires"]) <= pins(LOCKS["build"]).keys(), hint


@pytest.mark.parametrize("name", ["runtime", "build"])
def test_what_ships_is_what_was_tested(name: str) -> None:
    assert pins(LOCKS[name]).items() <= pins(LOCKS["dev"]).items()


def test_the_image_builds_with_the_declared_backend() -> None:
    lines = (ROOT / "requirements" / "build.in").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == declared()["build-system"]["requires"]
