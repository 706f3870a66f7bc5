"""A library that repeats itself is heard now and then, with how often it was not."""

import logging

from elexirion.agents.worker.library_logs import SPARED_FOR_S, NowAndThen

LOST, FAILED = "Unable connect to node with id %s: %s", "Failed fetch messages from %s: %s"


class Listener:
    """What comes through the filter at which second."""

    def __init__(self) -> None:
        self.now = 0.0
        self._filter = NowAndThen(lambda: self.now)

    def hear(self, text: str, *values: object, name: str = "aiokafka") -> str | None:
        record = logging.LogRecord(name, logging.ERROR, "client.py", 1, text, values, None)
        return record.getMessage() if self._filter.filter(record) else None


def test_each_text_is_said_once_within_its_time_whatever_its_values() -> None:
    heard = Listener()
    assert heard.hear(LOST, 1, "refused") == "Unable connect to node with id 1: refused"
    assert heard.hear(LOST, 2, "refused") is None
    assert heard.hear(FAILED, 1, "closed") is not None, "another text"
    assert heard.hear(LOST, 1, "refused", name="aiokafka.conn") is not None, "another logger"


def test_what_was_held_back_is_counted() -> None:
    heard = Listener()
    heard.hear(LOST, 1, "refused")
    for _ in range(300):
        heard.hear(LOST, 1, "refused")
    heard.now += SPARED_FOR_S
    assert heard.hear(LOST, 1, "timed out") == "Unable connect to node with id 1: timed out (300 more like it before)"
    heard.now += SPARED_FOR_S
    assert heard.hear(LOST, 1, "timed out") == "Unable connect to node with id 1: timed out"
