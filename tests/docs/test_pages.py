"""Pages lead to each other, to all verbs and step types, and show the settings of today."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
import typer.main
from elexirion.console.main import ALL_GROUPS, command_line
from elexirion.console.setting_list import all_settings
from elexirion.console.settings_page import FIRST, PAGE, README, page, readme
from elexirion.events import catalog
from elexirion.pipelines.steps.registry import STEP_TYPES

from tests.packaging.project import ROOT

LINK = re.compile(r"\[[^\]]*\]\((?!https?://)([^)#\s]*)(?:#([^)\s]+))?\)")
FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
AGAIN = "run `python -m elexirion.console.settings_page`"


def linked(source: Path) -> list[tuple[Path, str]]:
    """Where the links of a page lead, each with its anchor."""
    text = FENCED.sub("", source.read_text("utf-8"))
    return [((source.parent / path).resolve() if path else source, anchor) for path, anchor in LINK.findall(text)]


def reachable() -> list[Path]:
    """The pages that a reader of README.md comes to."""
    found, waiting = list[Path](), [ROOT / README]
    while waiting:
        source = waiting.pop()
        if source not in found:
            found.append(source)
            waiting += [path for path, _ in linked(source) if path.suffix == ".md" and path.exists()]
    return found


PAGES = reachable()
TEXT = "\n".join(path.read_text("utf-8") for path in PAGES)


def anchors(source: Path) -> set[str]:
    """The headings of a page as links name them."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", source.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def verbs() -> list[str]:
    """Every command of the command line as it is typed."""
    root = typer.main.get_command(command_line(ALL_GROUPS))
    return sorted(_below(root, []))


def _below(command: click.Command, words: list[str]) -> list[str]:
    nested: dict[str, click.Command] = getattr(command, "commands", {})
    own = [" ".join(words)] if words and not nested else []
    return own + [name for word, one in nested.items() for name in _below(one, [*words, word])]


@pytest.mark.parametrize("source", PAGES, ids=lambda path: path.name)
def test_every_link_leads_somewhere(source: Path) -> None:
    for path, anchor in linked(source):
        assert path.exists(), f"{source.name} leads to {path}"
        if anchor and path.suffix == ".md":
            assert anchor in anchors(path), f"{source.name} leads to #{anchor} of {path.name}"


def test_every_page_for_users_is_reached_from_the_readme() -> None:
    missing = [path.name for path in (ROOT / "docs").rglob("*.md") if path not in PAGES and path.parent.name != "adr"]
    assert missing == []


def test_every_verb_is_told_of() -> None:
    told = re.sub(r"`elexirion broker start\|stop\|status\|wipe`", " ".join(f"`elexirion broker {word}`" for word in (
        "start", "stop", "status", "wipe")), TEXT)  # fmt: skip
    missing = [verb for verb in verbs() if not re.search(rf"elexirion {verb}\b", told)]
    assert len(verbs()) > 15
    assert missing == []


@pytest.mark.parametrize("name", STEP_TYPES)
def test_every_step_type_is_told_of_by_the_guide(name: str) -> None:
    assert f"[`{name}`](steps/{name}.md)" in (ROOT / "docs" / "pipelines.md").read_text("utf-8")


def test_every_command_that_people_send_is_told_of_by_the_page_about_kafka() -> None:
    kafka = (ROOT / "docs" / "kafka.md").read_text("utf-8")
    of_runs_alone = {"ChildEnded"}
    assert [name for name in catalog.COMMAND_NAMES if name not in of_runs_alone and f"`{name}`" not in kafka] == []


def test_the_page_of_settings_is_the_one_that_the_settings_make() -> None:
    assert (ROOT / PAGE).read_text("utf-8") == page(), AGAIN


def test_the_readme_shows_ten_settings_as_they_are() -> None:
    text = (ROOT / README).read_text("utf-8")
    assert text == readme(text), AGAIN
    assert len(FIRST) == 10
    assert set(FIRST) <= {setting.variable for setting in all_settings()}
