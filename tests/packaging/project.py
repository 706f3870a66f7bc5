"""The project as it is declared and as it lies on disk."""

import subprocess
import tomllib
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
ROOMS: Final = ("events", "pipelines", "projections", "agents", "client", "console")


def declared() -> dict[str, Any]:
    """`pyproject.toml` as data."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def packages_on_disk() -> set[str]:
    """Every folder of a room that has an `__init__.py`, by the name it installs as."""
    found = [path.parent.relative_to(ROOT) for room in ROOMS for path in (ROOT / room).rglob("__init__.py")]
    return {".".join(["elexirion", *folder.parts]) for folder in found}


def room_files() -> set[str]:
    """Every file of the rooms, as it should be named inside of a wheel."""
    found = [path.relative_to(ROOT) for room in ROOMS for path in (ROOT / room).rglob("*") if path.is_file()]
    return {f"elexirion/{path.as_posix()}" for path in found if "__pycache__" not in path.parts}


def repository_files() -> list[Path]:
    """What the repository holds or would hold after an add; outside of a checkout, the tree without leftovers."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listing.returncode == 0:
        files = [ROOT / name for name in listing.stdout.split("\0") if name]
    else:
        leftovers = {".venv", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".git"}
        files = [path for path in ROOT.rglob("*") if not leftovers & {*path.relative_to(ROOT).parts}]
    return [path for path in files if path.is_file() and not path.is_symlink()]
