"""`.env.example` documents each setting, and is made of the settings themselves."""

import re
from pathlib import Path

import pytest
from elexirion.agents.settings import Settings
from elexirion.console.env_example import CHECKED_IN, example
from elexirion.console.log_output import LogSettings

from tests.packaging.project import ROOT

SETTING = re.compile(r"^# ([A-Z_]+)=", re.MULTILINE)


@pytest.fixture
def filled_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example with every line of a setting put to use."""
    for name in ("ANTHROPIC_API_KEY", "GEMINI_API_KEY", "OPENAI_API_KEY", "ELEXIRION_KAFKA", "ELEXIRION_HOME"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / ".env"
    path.write_text(SETTING.sub(r"\1=", example()), "utf-8")
    return path


def test_the_file_is_the_one_that_the_settings_make() -> None:
    text = (ROOT / CHECKED_IN).read_text("utf-8")
    assert text == example(), "write it anew: python -m elexirion.console.env_example"


def test_each_setting_stands_there_once_with_a_description() -> None:
    named = SETTING.findall(example())
    for model in (Settings, LogSettings):
        for name, field in model.model_fields.items():
            variable = name.upper() if name.endswith("_api_key") else f"ELEXIRION_{name.upper()}"
            assert named.count(variable) == 1, variable
            assert field.description and field.description.endswith(".")


def test_nothing_is_set_by_a_copy_of_it() -> None:
    assert all(line.startswith("#") for line in example().splitlines() if line)


def test_what_it_says_of_defaults_is_true(filled_in: Path) -> None:
    text = filled_in.read_text("utf-8")
    assert "\nELEXIRION_CLAUDE_SLOTS=10\n" in text
    assert Settings(_env_file=filled_in) == Settings(_env_file=None)
    assert LogSettings(_env_file=filled_in) == LogSettings(_env_file=None)
