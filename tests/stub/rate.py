"""The stub's own rate limit: calls beyond it within a sliding time are refused with 429, as providers do."""

import time
from collections import deque

from pydantic import BaseModel, ConfigDict, Field

from tests.stub.script import Answer


class Limit(BaseModel):
    """So many requests within `window_s` seconds, by the stub's clock."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests: int = Field(ge=1)
    window_s: float = Field(gt=0)


class RateLimiter:
    """Counts the calls it let through."""

    def __init__(self) -> None:
        self.limit: Limit | None = None
        self._let_through: deque[float] = deque()

    def set(self, limit: Limit | None) -> None:
        """Limit calls from now on; None: no more."""
        self.limit = limit
        self._let_through.clear()

    def refusal(self) -> Answer | None:
        """The answer to a call that comes now and is one too many."""
        if self.limit is None:
            return None
        now = time.monotonic()
        while self._let_through and self._let_through[0] <= now - self.limit.window_s:
            self._let_through.popleft()
        if len(self._let_through) >= self.limit.requests:
            return Answer(status=429, error_message="Too many requests")
        self._let_through.append(now)
        return None
