"""The history of a conversation, oldest turn first: how much of it is told again, and how it reads."""

from collections.abc import Iterable, Mapping, Sequence

Turn = Mapping[str, str]
"""`{"user": text, "assistant": text}`."""


def last_turns(history: Sequence[Turn], most: int | None) -> list[dict[str, str]]:
    """The last turns of a history; all of them where `most` is None."""
    first = 0 if most is None else max(0, len(history) - most)
    return [dict(turn) for turn in history[first:]]


def as_text(history: Iterable[Turn]) -> str:
    """A history as people read it; "" without one."""
    return "\n\n".join(f"User: {turn['user']}\nAssistant: {turn['assistant']}" for turn in history)
