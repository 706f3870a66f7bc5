"""A lane that cannot start says why, in the words of this project."""

import pytest
from elexirion.agents.kafka.errors import BrokerUnreachableError
from elexirion.agents.settings import Settings
from elexirion.agents.worker.lane_app import create_lane
from elexirion.events.dead_letter import DeadLetter
from elexirion.events.envelope import Record

from tests.kafka_broker import free_port


def _take(record: Record) -> None:
    raise AssertionError(record)


async def _bury(letter: DeadLetter) -> None:
    raise AssertionError(letter)


async def test_a_lane_whose_broker_is_away_when_it_starts_says_so() -> None:
    address = f"127.0.0.1:{free_port()}"
    lane = create_lane("local", address, Settings(_env_file=None), _take, _bury, lambda: None)
    with pytest.raises(BrokerUnreachableError, match=f"no Kafka broker answers at {address}"):
        await lane.start()
    await lane.stop()
