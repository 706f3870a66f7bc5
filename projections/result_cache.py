"""The result cache: the last answer to each request, bounded in number and size. Time comes from outside."""

from collections import OrderedDict
from datetime import datetime

from elexirion.events.provider import CacheEntry

MAX_ENTRIES = 10_000
MAX_BYTES = 64 * 1024 * 1024
ENTRY_BYTES = 2_048
"""What an entry takes beside its text."""
WIDEST_CHARACTER = 8
"""Bytes of a character at most, in a text with one beyond ASCII: four in memory and four as UTF-8 beside it."""


class CachedResults:
    """A fold over the `cache` topic; what was not asked for the longest gives way.

    `max_bytes` bounds the memory of all entries. As on the compacted topic, the last entry of a request counts.
    """

    def __init__(self, max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES) -> None:
        self.size_bytes = 0
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._entries: OrderedDict[str, CacheEntry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def keep(self, entry: CacheEntry) -> None:
        """Take an answer in, in place of an earlier one to the same request."""
        self.forget(entry.request_hash)
        self._entries[entry.request_hash] = entry
        self.size_bytes += _size(entry)
        while len(self._entries) > self._max_entries or self.size_bytes > self._max_bytes:
            self.forget(next(iter(self._entries)))

    def forget(self, request_hash: str) -> bool:
        """Drop the answer to a request; whether there was one."""
        entry = self._entries.pop(request_hash, None)
        if entry:
            self.size_bytes -= _size(entry)
        return entry is not None

    def fresh(self, request_hash: str, ttl_s: float, now: datetime) -> CacheEntry | None:
        """The answer to a request if it is younger than `ttl_s` seconds; exactly as old is stale.

        One from the future, by a clock that goes before, is believed for as long.
        """
        entry = self._entries.get(request_hash)
        if entry is None or abs((now - entry.written_at).total_seconds()) >= ttl_s:
            return None
        self._entries.move_to_end(request_hash)
        return entry


def _size(entry: CacheEntry) -> int:
    return ENTRY_BYTES + len(entry.text) * (1 if entry.text.isascii() else WIDEST_CHARACTER)
