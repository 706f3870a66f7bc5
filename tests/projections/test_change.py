"""A changed copy: the fields named are new, all others are the same, and the original stays as it was."""

from dataclasses import FrozenInstanceError, dataclass, replace

import pytest
from elexirion.projections.change import changed
from elexirion.projections.step_state import StepState
from hypothesis import given
from hypothesis import strategies as st

CHANGES = st.fixed_dictionaries(
    {}, optional={"name": st.text(), "failures": st.integers(), "skip_reason": st.none() | st.text()}
)


@given(CHANGES)
def test_a_changed_copy_equals_the_one_that_dataclasses_make(changes: dict[str, object]) -> None:
    before = StepState("a", "claude", scheduled=2)
    after = changed(before, **changes)
    assert after == replace(before, **changes)  # type: ignore[arg-type]  # fields of several types
    assert type(after) is StepState
    assert before == StepState("a", "claude", scheduled=2)


def test_a_changed_copy_is_frozen_too() -> None:
    after = changed(StepState("a", "claude"), failures=1)
    with pytest.raises(FrozenInstanceError):
        after.failures = 2  # type: ignore[misc]  # the point of the test


def test_a_field_that_does_not_exist_is_named() -> None:
    with pytest.raises(AssertionError, match=r"no such field: .*'failurs'"):
        changed(StepState("a", "claude"), failurs=1)


def test_a_value_with_slots_is_not_taken_for_one_without() -> None:
    @dataclass(frozen=True, slots=True)
    class Slotted:
        a: int = 1

    with pytest.raises(AttributeError):
        changed(Slotted(), a=2)
