"""`needs` and the order that follows from it."""

from elexirion.pipelines.graph import ancestors, cycle, dependencies, dependencies_of, order
from hypothesis import given
from hypothesis import strategies as st

from tests.pipelines.files import pipeline, steps


def test_steps_without_needs_follow_the_one_above() -> None:
    found = pipeline(steps("name: a, type: test_echo", "name: b, type: test_echo", "name: c, type: test_echo"))
    assert dependencies(found) == {"a": (), "b": ("a",), "c": ("b",)}


def test_an_empty_needs_starts_at_once_and_a_join_waits_for_all() -> None:
    found = pipeline(
        steps(
            "name: a, type: test_echo",
            "name: b, type: test_echo, needs: []",
            "name: c, type: test_echo, needs: [a, b]",
            "name: d, type: test_echo",
        )
    )
    assert dependencies(found) == {"a": (), "b": (), "c": ("a", "b"), "d": ("c",)}
    assert ancestors(dependencies(found))["d"] == {"a", "b", "c"}


def test_needs_may_name_a_step_further_down() -> None:
    found = pipeline(steps("name: a, type: test_echo, needs: [b]", "name: b, type: test_echo, needs: []"))
    assert order(found) == ("b", "a")


def test_a_circle_is_named_in_its_order() -> None:
    assert cycle({"a": ("c",), "b": ("a",), "c": ("b",), "d": ("a",)}) == ("a", "c", "b")


@given(st.lists(st.lists(st.integers(0, 8).map(str), max_size=3) | st.none(), max_size=9))
def test_a_graph_has_either_a_circle_or_an_order(needs: list[list[str] | None]) -> None:
    graph = dependencies_of([(str(index), one) for index, one in enumerate(needs)])
    known = {name: tuple(n for n in waits if n in graph) for name, waits in graph.items()}
    circle = cycle(known)
    if circle is None:
        assert all(name not in above for name, above in ancestors(known).items())
    else:
        following = [*circle[1:], circle[0]]
        assert all(after in known[name] for name, after in zip(circle, following, strict=True))
