"""The result cache holds the last answer to each request for as long as who asks believes it, within bounds."""

import sys
from collections import OrderedDict
from datetime import datetime, timedelta

import orjson
import pytest
from elexirion.events.provider import CacheEntry
from elexirion.projections.result_cache import ENTRY_BYTES, WIDEST_CHARACTER, CachedResults
from hypothesis import given
from hypothesis import strategies as st

from tests.events.examples import AT, USED

HOUR_S = 3600


def entry(request: str, text: str = "an answer", at: datetime = AT) -> CacheEntry:
    """An answer to this request."""
    return CacheEntry(
        request_hash=request, written_at=at, provider="claude", model="m", text=text, usage=USED, stop_reason="end_turn"
    )


def test_an_answer_is_fresh_until_just_before_its_time_and_stale_at_it() -> None:
    cached = CachedResults()
    cached.keep(entry("a"))
    assert cached.fresh("a", HOUR_S, AT) == entry("a")
    assert cached.fresh("a", HOUR_S, AT + timedelta(seconds=3599.999)) == entry("a")
    assert cached.fresh("a", HOUR_S, AT + timedelta(seconds=3600)) is None
    assert cached.fresh("b", HOUR_S, AT) is None


@given(age_us=st.integers(-(10**13), 10**13), ttl_s=st.integers(1, 10**18))
def test_whether_it_is_fresh_depends_on_its_age_alone(age_us: int, ttl_s: int) -> None:
    cached = CachedResults()
    cached.keep(entry("a"))
    found = cached.fresh("a", ttl_s, AT + timedelta(microseconds=age_us))
    assert (found is not None) == (abs(age_us) < ttl_s * 1_000_000)


def test_what_is_stale_for_one_step_is_fresh_for_another() -> None:
    cached, later = CachedResults(), AT + timedelta(seconds=60)
    cached.keep(entry("a"))
    assert cached.fresh("a", 60, later) is None
    assert cached.fresh("a", 61, later) is not None


def test_the_last_answer_to_a_request_counts() -> None:
    cached = CachedResults()
    cached.keep(entry("a", "first"))
    cached.keep(entry("a", "second"))
    found = cached.fresh("a", HOUR_S, AT)
    assert found is not None
    assert (found.text, len(cached)) == ("second", 1)
    assert cached.size_bytes == ENTRY_BYTES + len("second")


def test_a_withdrawn_answer_is_gone() -> None:
    cached = CachedResults()
    cached.keep(entry("a"))
    assert cached.forget("a")
    assert not cached.forget("a")
    assert cached.fresh("a", HOUR_S, AT) is None
    assert cached.size_bytes == 0


def test_an_answer_larger_than_all_room_is_not_held() -> None:
    cached = CachedResults(max_bytes=ENTRY_BYTES + 200)
    cached.keep(entry("a"))
    cached.keep(entry("b", "x" * 1000))
    assert (len(cached), cached.size_bytes) == (0, 0)


REQUESTS = st.sampled_from("abcdef")
DEEDS = st.one_of(
    st.tuples(st.just("keep"), REQUESTS, st.text(max_size=400)),
    st.tuples(st.just("ask"), REQUESTS, st.just("")),
    st.tuples(st.just("forget"), REQUESTS, st.just("")),
)


@given(deeds=st.lists(DEEDS, max_size=40), most=st.integers(1, 5), room=st.integers(1, 5 * ENTRY_BYTES))
def test_what_was_not_asked_for_the_longest_gives_way_first(
    deeds: list[tuple[str, str, str]], most: int, room: int
) -> None:
    cached, expected = CachedResults(most, room), OrderedDict[str, str]()
    for deed, request, text in deeds:
        match deed:
            case "keep":
                cached.keep(entry(request, text))
                expected.pop(request, None)
                expected[request] = text
                while len(expected) > most or _size(expected) > room:
                    expected.popitem(last=False)
            case "ask":
                found = cached.fresh(request, HOUR_S, AT)
                assert (found and found.text) == expected.get(request)
                if request in expected:
                    expected.move_to_end(request)
            case _:
                cached.forget(request)
                expected.pop(request, None)
        assert len(cached) == len(expected) <= most
        assert cached.size_bytes == _size(expected) <= room


def _size(texts: OrderedDict[str, str]) -> int:
    return sum(ENTRY_BYTES + len(text) * (1 if text.isascii() else WIDEST_CHARACTER) for text in texts.values())


@pytest.mark.parametrize("text", ["x" * 100_000, "世" * 100_000, "x" * 99_999 + "🙂"])
def test_an_answer_takes_no_more_memory_than_is_counted_also_once_it_was_written(text: str) -> None:
    cached = CachedResults()
    cached.keep(entry("a", text))
    counted = cached.size_bytes
    orjson.dumps(text)  # which leaves the UTF-8 of a text beside it
    assert counted >= sys.getsizeof(text)
    cached.forget("a")
    assert cached.size_bytes == 0
