"""A log that delays, loses, repeats and falls silent, by chance; until it heals."""

from collections.abc import Callable
from random import Random

from tests.simulation.conditions import Landing


class Weather:
    """Conditions of one world. `now` is virtual seconds; until `heal` anything that Kafka may do happens.

    Where it `loses`, an append in the middle of others may fail and come to nothing: an idempotent writer sees that
    only where a partition is without a leader for long.
    """

    def __init__(self, random: Random, now: Callable[[], float], *, loses: bool) -> None:
        self.healed = False
        self.loses = loses
        self.lost_beats = 0
        self.silences = 0
        self._random = random
        self._now = now
        self._silent_until = 0.0

    def heal(self) -> None:
        """From now on the broker is well."""
        self.healed = True
        self._silent_until = 0.0

    def fall_silent(self, for_s: float) -> None:
        """The broker takes nothing and says nothing for a while."""
        self.silences += 1
        self._silent_until = self._now() + for_s

    def silent_for_s(self) -> float:
        """For how long it still says nothing."""
        return max(0.0, self._silent_until - self._now())

    def landing(self, topic: str) -> Landing:
        """Mostly quick; now and then late, lost, unanswered, or there twice."""
        random = self._random
        after_s, answer_s = random.uniform(0.001, 0.01), random.uniform(0.001, 0.005)
        chance = 1.0 if self.healed else random.random()
        if topic.endswith("workers") and chance < 0.10:
            self.lost_beats += 1
            return Landing(after_s, 1.0, written=False, answered=False)
        if chance < 0.05:
            return Landing(random.uniform(0.1, 2.0), answer_s)
        if chance < 0.08 and not topic.endswith("chunks"):  # a reader of chunks knows a second one by its number
            return Landing(after_s, answer_s, again_s=random.uniform(0.01, 4.0))
        if chance < 0.10:
            return Landing(after_s, random.uniform(0.5, 3.0), answered=False)
        if chance < 0.12 and self.loses:
            return Landing(after_s, random.uniform(0.5, 3.0), written=False, answered=False)
        return Landing(after_s, answer_s)

    def heard_after_s(self, topic: str) -> float:
        """A reader lags, now and then a lot."""
        random = self._random
        if not self.healed and random.random() < 0.04:
            return random.uniform(0.05, 0.8)
        return random.uniform(0.0005, 0.004)

    def told_after_s(self, *, gained: bool) -> float:
        """Who loses a partition may go on for long as if it were its own."""
        random = self._random
        if not self.healed and not gained and random.random() < 0.4:
            return random.uniform(0.5, 6.0)
        return random.uniform(0.01, 0.2)
