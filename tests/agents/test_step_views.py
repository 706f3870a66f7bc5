"""Values and results of steps as templates see them, read no more often than needed."""

from typing import Any

from elexirion.agents.orchestrator import step_views
from elexirion.agents.orchestrator.step_views import StepViews
from elexirion.events.values import Inline, Stored, Value

from tests.projections.partition_log import RunLog


class Store:
    """Stored values, by hash; `read` counts."""

    def __init__(self) -> None:
        self.read: list[str] = []

    async def load(self, value: Value) -> Any:
        assert isinstance(value, Stored)
        self.read.append(value.sha256)
        return [value.sha256]


def stored(name: str, size: int = 700_000) -> Stored:
    return Stored(sha256=name, size=size, parts=4, partition=0, offset=0)


async def test_a_stored_list_is_read_once_however_many_items_ask_for_it() -> None:
    store = Store()
    views = StepViews(store.load)
    assert [await views.value(stored("a")) for _ in range(3)] == [["a"]] * 3
    assert await views.value(stored("b")) == ["b"]
    assert store.read == ["a", "b"]


async def test_what_is_kept_of_stored_values_is_bounded(monkeypatch: Any) -> None:
    monkeypatch.setattr(step_views, "KEPT_BYTES", 1_000_000)
    store = Store()
    views = StepViews(store.load)
    for name in "aba":
        await views.value(stored(name))
    assert store.read == ["a", "b", "a"]


async def test_a_value_of_a_record_is_itself() -> None:
    views = StepViews(Store().load)
    assert await views.value(Inline(value=[1])) == [1]
    assert await views.value(None) is None


async def test_a_step_has_a_view_once_it_is_over() -> None:
    log, views = RunLog("a"), StepViews(Store().load)
    assert await views.view(log.state, "a") is None
    log.schedule()
    assert await views.view(log.state, "a") is None
    log.complete(value={"n": 1})
    found = await views.view(log.state, "a")
    assert found and (found.result, found.success) == ({"n": 1}, True)
    assert await views.view(log.state, "a") is found
    assert await views.view(log.state, "other") is None
