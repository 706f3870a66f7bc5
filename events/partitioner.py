"""Which partition a key belongs to. Our own code computes it itself: clients differ (kcat uses CRC-32).

MurmurHash2 (32 bit, seed 0x9747b28c) as in Kafka's Java client: `Utils.murmur2`.
"""

from functools import lru_cache

_M = 0x5BD1E995
_MASK = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """The hash as an unsigned 32-bit number."""
    length = len(data)
    h = 0x9747B28C ^ length
    whole = length & ~3
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little")
        k = (k * _M) & _MASK
        k ^= k >> 24
        k = (k * _M) & _MASK
        h = ((h * _M) & _MASK) ^ k
    tail = data[whole:]
    if tail:
        h = ((h ^ int.from_bytes(tail, "little")) * _M) & _MASK
    h ^= h >> 13
    h = (h * _M) & _MASK
    return h ^ (h >> 15)


@lru_cache(maxsize=8192)
def partition_of(key: str, partitions: int) -> int:
    """The partition of `key` among `partitions`; remembered, as a run's key is asked for with each of its records."""
    return (murmur2(key.encode()) & 0x7FFFFFFF) % partitions
