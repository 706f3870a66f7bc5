"""What is declared, what lies on disk, and what a built wheel holds are the same."""

import shutil
import subprocess
import sys
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

from tests.packaging.project import ROOMS, ROOT, declared, packages_on_disk, room_files


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of a copy of this tree, built by the installed setuptools."""
    copy, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("wheel")
    for name in (*ROOMS, "tests"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(out), str(copy))
    (built,) = out.glob("*.whl")
    return built


def pip(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def about(wheel: Path, name: str) -> str:
    """The text of one file of the wheel's `.dist-info`."""
    with zipfile.ZipFile(wheel) as archive:
        (path,) = (each for each in archive.namelist() if each.endswith(f".dist-info/{name}"))
        return archive.read(path).decode()


def test_the_declared_packages_are_those_on_disk() -> None:
    listed: list[str] = declared()["tool"]["setuptools"]["packages"]
    assert len(listed) == len(set(listed))
    assert set(listed) == packages_on_disk(), "list each folder with an __init__.py in pyproject.toml"


def test_no_folder_of_python_files_lacks_its_init() -> None:
    folders = {path.parent for room in ROOMS for path in (ROOT / room).rglob("*.py")}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


def test_each_room_is_mapped_and_linked_for_type_checkers() -> None:
    assert declared()["tool"]["setuptools"]["package-dir"] == {f"elexirion.{room}": room for room in ROOMS}
    links = {link.name: link.readlink() for link in (ROOT / ".typing" / "elexirion").iterdir()}
    assert links == {room: Path("..", "..", room) for room in ROOMS}


def test_the_wheel_holds_the_rooms_whole_and_nothing_else(wheel: Path) -> None:
    content = {name for name in names(wheel) if ".dist-info/" not in name}
    assert content == room_files(), "a kind of file that is missing needs a pattern in package-data"


def test_the_wheel_says_what_it_is_and_what_it_needs(wheel: Path) -> None:
    project = declared()["project"]
    metadata: Message = Parser().parsestr(about(wheel, "METADATA"))
    assert metadata["Name"] == project["name"]
    assert metadata["Version"] == project["version"]
    assert metadata["Requires-Python"] == project["requires-python"]
    assert metadata["License-Expression"] == project["license"]
    assert metadata.get_all("License-File") == ["LICENSE"]
    needs = [need for need in metadata.get_all("Requires-Dist", []) if "extra ==" not in need]
    assert len(needs) == len(project["dependencies"])


def test_the_console_script_points_to_a_module_of_the_wheel(wheel: Path) -> None:
    assert "elexirion = elexirion.console.main:main" in about(wheel, "entry_points.txt").splitlines()
    assert "elexirion/console/main.py" in names(wheel)


def test_the_installed_wheel_imports_from_where_it_was_installed(wheel: Path, tmp_path: Path) -> None:
    pip("install", "--no-deps", "--no-index", "--target", str(tmp_path), str(wheel))
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import elexirion.events as e; print(e.__file__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.strip() == str(tmp_path / "elexirion" / "events" / "__init__.py"), done.stderr
