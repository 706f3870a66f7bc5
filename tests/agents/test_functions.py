"""Functions of the operator: how they are found, called and answered for."""

from typing import Any

import pytest
from elexirion.agents.functions import FunctionsError, answered, load_functions

from tests.agents import callables

PARAMETERS = {
    "type": "OBJECT",
    "properties": {"query": {"type": "STRING"}, "n": {"type": "INTEGER", "maximum": 3}},
    "required": ["query"],
}


def test_functions_are_named_as_in_their_modules() -> None:
    found = load_functions("tests.agents.callables:look_up, tests.agents.callables:weather,")
    assert found == {"look_up": callables.look_up, "weather": callables.weather}
    assert load_functions("") == {}


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("tests.agents.callables", "package.module:name"),
        (":look_up", "package.module:name"),
        ("tests.agents.callables:", "package.module:name"),
        ("tests.agents.callables:look.up", "package.module:name"),
        ("tests.agents.no_such_module:f", "cannot be loaded"),
        ("tests.agents.callables:no_such_name", "cannot be loaded"),
        ("tests.agents.callables:not_a_function", "is not a function"),
        ("tests.agents.callables:look_up,tests.agents.callables:look_up", "two functions"),
    ],
)
def test_an_entry_that_leads_to_no_function_says_so(setting: str, said: str) -> None:
    with pytest.raises(FunctionsError, match=said):
        load_functions(setting)


async def test_a_plain_function_runs_in_a_thread_and_an_async_one_in_the_loop() -> None:
    plain = await answered(callables.look_up, {"query": "ü", "n": 2}, PARAMETERS)
    assert plain.value == {"found": "ü", "n": 2, "in_main_thread": False}
    assert (await answered(callables.weather, {"place": "Öland"}, None)).value == {"place": "Öland", "degrees": -2.5}


@pytest.mark.parametrize("arguments", [{}, {"query": 7}, {"query": "x", "n": 4}])
async def test_a_function_is_not_called_with_arguments_that_were_not_declared(arguments: dict[str, Any]) -> None:
    answer = await answered(callables.explode, arguments, PARAMETERS)
    assert answer.is_error
    assert "do not fit the declared parameters: at $" in answer.value


async def test_a_declaration_that_is_no_schema_is_told() -> None:
    answer = await answered(callables.look_up, {}, {"type": "nonsense"})
    assert (answer.is_error, answer.value) == (
        True,
        "the parameters declared in `gemini_functions` are not a JSON Schema",
    )


async def test_a_functions_own_word_is_passed_on_and_no_other_exceptions_is() -> None:
    assert (await answered(callables.refuse, {}, None)).value == "there is no such place"
    exploded = await answered(callables.explode, {}, None)
    assert (exploded.is_error, exploded.value) == (True, "the function raised RuntimeError")
    assert (await answered(callables.look_up, {"unknown": 1}, None)).value == "the function raised TypeError"


async def test_what_is_no_plain_data_is_an_error() -> None:
    assert (await answered(callables.unspeakable, {}, None)).is_error
