"""What the libraries below a worker may say in its log: errors, and each kind of them now and then.

While a broker is away, each of a worker's ten clients tells several times a second that it cannot connect.
"""

import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable

from elexirion.agents.worker.same_loop_transport import SameLoopTransport

SPARED_FOR_S = 10.0
LIBRARIES = ("faust", "mode", "aiokafka", "kafka", SameLoopTransport.__module__)
TALKERS = (
    "aiokafka", "aiokafka.conn", "aiokafka.consumer.fetcher", "aiokafka.consumer.group_coordinator",
    "aiokafka.producer.sender",
)  # fmt: skip
"""A filter holds for records of its own logger alone, so each that tells of lost connections is named."""


class NowAndThen(logging.Filter):
    """Lets one record of each text (before its values are put in) through in SPARED_FOR_S, and counts the others."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._silent_until: dict[tuple[str, str], float] = {}
        self._held_back: Counter[tuple[str, str]] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is said."""
        kind, now = (record.name, str(record.msg)), self._clock()
        if now < self._silent_until.get(kind, now):
            self._held_back[kind] += 1
            return False
        self._silent_until[kind] = now + SPARED_FOR_S
        if held_back := self._held_back.pop(kind, 0):
            record.msg = f"{record.msg} ({held_back} more like it before)"
        return True


def quiet_libraries() -> None:
    """Faust, mode and aiokafka speak of errors only: what users need to know is in our own log."""
    for name in LIBRARIES:
        with contextlib.suppress(KeyError):
            logging.getLogger(name).setLevel(logging.ERROR)
    spared = NowAndThen()
    for name in TALKERS:
        logging.getLogger(name).addFilter(spared)
