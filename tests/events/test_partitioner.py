"""Our partitions are those of Kafka's Java client."""

import pytest
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.partitioner import murmur2 as aiokafka_murmur2
from elexirion.events.partitioner import murmur2, partition_of
from hypothesis import given
from hypothesis import strategies as st


# Kafka's own vectors: clients/src/test/java/org/apache/kafka/common/utils/UtilsTest.java, testMurmur2.
@pytest.mark.parametrize(
    ("key", "hash"),
    [
        ("21", -973932308),
        ("foobar", -790332482),
        ("a-little-bit-long-string", -985981536),
        ("a-little-bit-longer-string", -1486304829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        ("abc", 479470107),
    ],
)
def test_the_hash_is_that_of_the_java_client(key: str, hash: int) -> None:
    assert murmur2(key.encode()) == hash & 0xFFFFFFFF


@given(st.binary(max_size=64))
def test_the_hash_is_that_of_aiokafka(data: bytes) -> None:
    assert murmur2(data) == aiokafka_murmur2(data) & 0xFFFFFFFF


@given(key=st.text(max_size=40), partitions=st.integers(1, 200))
def test_the_partition_is_the_one_aiokafka_would_choose(key: str, partitions: int) -> None:
    every = list(range(partitions))
    assert partition_of(key, partitions) == DefaultPartitioner()(key.encode(), every, every)
